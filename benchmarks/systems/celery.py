"""Celery: the thread pool, with the settings that its documentation names for many short tasks.

Threads, because the default pool would be ten processes; results ignored, since there is no
result backend by default; a prefetch multiplier of 100 for no-op jobs (the optimising guide
says to make it large for short tasks); no rate limits, gossip or mingling, which one worker
does not need. It has no call that adds many tasks: a group sends them one by one.
"""

import os
from typing import Any

from celery import Celery

from benchmarks.systems import jobs
from benchmarks.systems.driver import Driver, become

APP = Celery("bench", broker=os.environ["BENCH_REDIS_URL"])
APP.conf.update(
    task_serializer="json",
    accept_content=["json"],
    task_ignore_result=True,
    task_default_queue="bench",
    worker_prefetch_multiplier=100,
    worker_disable_rate_limits=True,
    broker_connection_retry_on_startup=True,
)
TASKS = {kind: APP.task(function, name=kind) for kind, function in {"noop": jobs.noop, "sleep": jobs.sleep}.items()}


class CeleryDriver(Driver):
    """One Celery queue."""

    def add(self, kind: str, content: Any) -> None:
        """Send one task."""
        TASKS[kind].delay(content)

    def work(self, concurrency: int) -> None:
        """Become `celery worker`."""
        command = ["-m", "celery", "-A", f"{__name__}:APP", "worker", "--pool", "threads"]
        command += ["--concurrency", str(concurrency), "--loglevel", "warning"]
        become(*command, "--without-gossip", "--without-mingle", "--without-heartbeat")


DRIVER = CeleryDriver
