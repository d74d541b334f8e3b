"""Jobs that are valid in every part, and queues that only have to store them.

The whole call is validated before anything of it is written.
"""

import os
from abc import abstractmethod
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from queues.codec import encode
from queues.conf import QueueConf
from queues.errors import InvalidOptions, PayloadTooLarge, QueueRejected
from queues.jobs import JobOptions, JobState, NewJob, QueueJob
from queues.metadata import JobMetadata, new_metadata
from queues.names import check_job_name
from queues.ports import GenericQueue

BULK_JOBS: Final = 10_000
# 128 random bits: no two jobs get the same id.
ID_BYTES: Final = 16


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


class PreparingQueue(GenericQueue[Any]):
    """The producer's half of the port, down to the storing."""

    def __init__(self, conf: QueueConf) -> None:
        """Take the queue's settings; connect to nothing yet."""
        super().__init__(conf.name)
        self.conf = conf

    @abstractmethod
    def store(self, jobs: Sequence[Prepared]) -> list[QueueJob[Any]]:
        """Write all of `jobs`, in order, or none; raise JobIdConflict for an id that means another job."""

    def add(
        self, name: str, data: Any, options: JobOptions | None = None, *, metadata: JobMetadata | None = None
    ) -> QueueJob[Any]:
        """Add one job; see the port."""
        new_id = os.urandom(ID_BYTES).hex()
        return self.store([self._prepare(name, data, options, metadata or new_metadata(), new_id)])[0]

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
        return self.store(prepared) if prepared else []

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

    def added(self, job: Prepared, state: JobState, available_at: datetime, now: datetime) -> QueueJob[Any]:
        """Return a job as it is right after it was stored."""
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
