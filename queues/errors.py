"""The errors of the platform: one base, and three families below it.

`QueueRejected` is the caller's fault and names the field, `QueueUnavailable` is the
provider's and may pass, `JobError` is what a processor raises to steer its own job.
The first line of a class's docstring is its message when none is given.
"""

from datetime import timedelta
from typing import ClassVar


class QueueError(Exception):
    """Something went wrong in the queue platform."""

    code: ClassVar[str] = "queue_error"

    def __init__(self, message: str | None = None, *, field: str | None = None) -> None:
        """Take a message, or the class's own, and the name of the field that is wrong."""
        self.message = message or (self.__doc__ or "").partition("\n")[0]
        self.field = field
        super().__init__(self.message)


class QueueMisconfigured(QueueError):
    """The queues are not configured as they must be."""

    code = "misconfigured"


class QueueUnavailable(QueueError):
    """The provider could not take the call; nothing of it was half-written. Try again."""

    code = "unavailable"


class QueueFull(QueueUnavailable):
    """The provider has no memory left for another job. Free some, then try again."""

    code = "full"


class QueueRejected(QueueError):
    """The call cannot be carried out as it was written."""

    code = "rejected"


class InvalidQueueName(QueueRejected):
    """The queue name is not kebab-case."""

    code = "invalid_queue_name"


class UnknownQueue(QueueRejected):
    """There is no queue of that name."""

    code = "unknown_queue"


class InvalidJobName(QueueRejected):
    """The job name is not of the form domain.action.vN."""

    code = "invalid_job_name"


class InvalidOptions(QueueRejected):
    """A job option has a value that cannot be kept."""

    code = "invalid_options"


class InvalidMetadata(QueueRejected):
    """The job metadata is not as it must be."""

    code = "invalid_metadata"


class InvalidPayload(QueueRejected):
    """The payload cannot be carried as JSON without changing it."""

    code = "invalid_payload"


class PayloadTooLarge(InvalidPayload):
    """The payload is larger than the queue takes."""

    code = "payload_too_large"


class UnknownJob(QueueRejected):
    """There is no job of that id in the queue."""

    code = "unknown_job"


class JobIdConflict(QueueRejected):
    """A job of that id is known with another name or other data."""

    code = "job_id_conflict"


class JobIsActive(QueueRejected):
    """The job is running and cannot be changed or removed now."""

    code = "job_is_active"


class InvalidTransition(QueueRejected):
    """The job is in a state that does not allow this."""

    code = "invalid_transition"


class LeaseLost(QueueError):
    """The lease on the job has lapsed; another run may have it now."""

    code = "lease_lost"


class UnknownProcessor(QueueError):
    """No processor is registered for the job's name."""

    code = "unknown_processor"


class JobError(QueueError):
    """A processor gives its own job an outcome other than a plain retry."""

    code = "job_error"


class PermanentError(JobError):
    """The job failed for good; no retry can help."""

    code = "permanent_error"


class RetryLater(JobError):
    """The job asks to run again later, at no cost to its attempts."""

    code = "retry_later"

    def __init__(self, after: timedelta, message: str | None = None) -> None:
        """Ask for another run no sooner than `after` from now."""
        if after < timedelta(0):
            raise ValueError(f"after must not be negative, it is {after}")
        super().__init__(message)
        self.after = after


class JobTimeout(JobError):
    """The job ran longer than its timeout."""

    code = "timeout"
