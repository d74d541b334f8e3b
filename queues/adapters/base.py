"""What every adapter shares: prepared jobs, stored jobs that may be unreadable, checked arguments."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from queues.codec import decode_object
from queues.errors import InvalidMetadata, InvalidOptions, InvalidPayload
from queues.jobs import JobState, check_job_id
from queues.metadata import JobMetadata
from queues.prepared import Prepared, PreparingQueue

__all__ = [
    "STALLED",
    "AdapterQueue",
    "Prepared",
    "check_clean",
    "check_page",
    "check_progress",
    "known_id",
    "read_body",
    "utc",
]
STALLED: Final = "stalled more often than the crash limit allows"


class AdapterQueue(PreparingQueue):
    """A queue that stores what was prepared with its provider."""


def read_body(body: bytes, job_id: str, created_at: datetime) -> tuple[Any, JobMetadata]:
    """Return a stored job's data and metadata; what cannot be decoded is said, not raised.

    A page that lists jobs must show the broken ones too (Case B24).
    """
    try:
        data, metadata = decode_object(body)
    except (InvalidPayload, InvalidMetadata) as exc:
        data, metadata = {"cannot_be_decoded": exc.message}, None
    return data, metadata or JobMetadata(correlation_id=job_id[:255], source="unknown", timestamp=created_at)


def check_page(offset: int, limit: int) -> None:
    """Refuse a page that no list has."""
    if offset < 0 or not 0 <= limit <= 10_000:  # noqa: PLR2004 - a page, not a dump
        raise InvalidOptions("offset must be at least 0 and limit from 0 to 10000.", field="limit")


def check_clean(grace: object, state: object, limit: int) -> JobState:
    """Return the state that is to be cleaned; refuse what would remove the wrong jobs."""
    if not isinstance(grace, timedelta) or grace < timedelta(0):
        raise InvalidOptions(f"grace is {grace!r:.60}; it must be a timedelta of at least 0.", field="grace")
    if limit < 0:
        raise InvalidOptions(f"limit is {limit}; it must be at least 0, which sets none.", field="limit")
    if state not in list(JobState):
        raise InvalidOptions(f"state is {state!r:.60}; it must be one of {', '.join(JobState)}.", field="state")
    return JobState(str(state))


def check_progress(value: object) -> float:
    """Return how far a run is; refuse what is no number from 0 to 100."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 100:  # noqa: PLR2004 - per cent
        return value
    raise InvalidOptions(f"progress is {value!r:.40}; it must be a number from 0 to 100.", field="progress")


def known_id(job_id: str) -> bool:
    """Say whether `job_id` is one that a job could have."""
    try:
        check_job_id(job_id)
    except InvalidOptions:
        return False
    return True


def utc(seconds: float) -> datetime:
    """Return seconds since the epoch as an aware time."""
    return datetime.fromtimestamp(seconds, UTC)
