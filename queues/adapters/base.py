"""What every adapter shares: validate the whole call first, then write it.

An adapter gets prepared jobs, each complete and encoded, and only has to store them.
"""

import os
from abc import abstractmethod
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from queues.codec import decode_object, encode
from queues.conf import QueueConf
from queues.errors import InvalidMetadata, InvalidOptions, InvalidPayload, PayloadTooLarge, QueueRejected
from queues.jobs import JobOptions, JobState, NewJob, QueueJob, check_job_id
from queues.metadata import JobMetadata, new_metadata
from queues.names import check_job_name
from queues.ports import GenericQueue

BULK_JOBS: Final = 10_000
# 128 random bits: no two jobs get the same id.
ID_BYTES: Final = 16
STALLED: Final = "stalled more often than the crash limit allows"


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """A job that is valid in every part. Its first `data_length` bytes say what it does."""

    id: str
    name: str
    data: Any
    body: bytes
    data_length: int
    options: JobOptions
    metadata: JobMetadata

    @property
    def content(self) -> bytes:
        """Return the part of the body that a second add of the same id must repeat."""
        return self.body[: self.data_length]


class AdapterQueue(GenericQueue[Any]):
    """The producer's half of the port, down to the storing."""

    def __init__(self, conf: QueueConf) -> None:
        """Take the queue's settings; connect to nothing yet."""
        super().__init__(conf.name)
        self.conf = conf

    @abstractmethod
    def _store(self, jobs: Sequence[Prepared]) -> list[QueueJob[Any]]:
        """Write all of `jobs`, in order, or none; raise JobIdConflict for an id that means another job."""

    def add(
        self, name: str, data: Any, options: JobOptions | None = None, *, metadata: JobMetadata | None = None
    ) -> QueueJob[Any]:
        """Add one job; see the port."""
        new_id = os.urandom(ID_BYTES).hex()
        return self._store([self._prepare(name, data, options, metadata or new_metadata(), new_id)])[0]

    def add_bulk(self, jobs: Sequence[NewJob[Any]]) -> list[QueueJob[Any]]:
        """Add all jobs or none; see the port. An error's field begins with the item's index.

        Raises PayloadTooLarge beyond BULK_JOBS jobs.
        """
        if len(jobs) > BULK_JOBS:
            raise PayloadTooLarge(f"{len(jobs)} jobs in one call; the limit is {BULK_JOBS}.", field="jobs")
        prepared: list[Prepared] = []
        # Jobs that are added together and name no flow belong to one.
        shared = new_metadata()
        random = os.urandom(ID_BYTES * len(jobs)).hex()
        for index, job in enumerate(jobs):
            new_id = random[2 * ID_BYTES * index : 2 * ID_BYTES * (index + 1)]
            try:
                prepared.append(self._prepare(job.name, job.data, job.options, job.metadata or shared, new_id))
            except QueueRejected as exc:
                raise type(exc)(f"Item {index}: {exc.message}", field=f"{index}.{exc.field}") from exc
        return self._store(prepared) if prepared else []

    def _prepare(
        self, name: str, data: Any, options: JobOptions | None, metadata: JobMetadata, new_id: str
    ) -> Prepared:
        check_job_name(name)
        _check_kind(metadata, "metadata", JobMetadata)
        defaults = self.conf.options
        if options is not None and options is not defaults:
            _check_kind(options, "options", JobOptions)
            defaults = options.over(defaults)
        encoded = encode(data, metadata, limit=self.conf.payload_bytes)
        return Prepared(
            id=defaults.job_id or new_id,
            name=name,
            data=data,
            body=encoded.body,
            data_length=encoded.data_length,
            options=defaults,
            metadata=metadata,
        )

    def _added(self, job: Prepared, state: JobState, available_at: datetime, now: datetime) -> QueueJob[Any]:
        return QueueJob(
            id=job.id,
            name=job.name,
            queue=self.name,
            data=job.data,
            options=job.options,
            metadata=job.metadata,
            state=state,
            created_at=now,
            available_at=available_at,
        )


def _check_kind(value: object, field: str, kind: type) -> None:
    if value is not None and not isinstance(value, kind):
        raise InvalidOptions(f"{field} is a {type(value).__name__}; it must be a {kind.__name__}.", field=field)


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
