"""Which job is running here, for logs and for services that ask."""

from contextvars import ContextVar

from queues.processors import RunningJob

running_job: ContextVar[RunningJob | None] = ContextVar("queues_running_job", default=None)
