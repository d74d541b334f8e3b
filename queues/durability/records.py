"""Rows of accepted jobs: written in the caller's transaction, read back as jobs."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import DatabaseError, connections, transaction
from django.utils import timezone

from queues.codec import decode_object
from queues.errors import JobIdConflict, QueueUnavailable
from queues.jobs import JobOptions, JobState, QueueJob, Retention
from queues.metadata import JobMetadata
from queues.models import JobRecord
from queues.packed import pack, unpack
from queues.prepared import Prepared

# How many failed jobs the provider keeps at least, so that none is gone before its row has ended.
KEPT_FAILED: Final = 1000
STATES: Final = {
    JobRecord.State.OPEN: JobState.WAITING,
    JobRecord.State.COMPLETED: JobState.COMPLETED,
    JobRecord.State.FAILED: JobState.FAILED,
    JobRecord.State.DISCARDED: JobState.FAILED,
}


def writing_alias() -> str:
    """Return the database whose transaction the caller is in; the default one outside of any."""
    inside = [connection.alias for connection in connections.all(initialized_only=True) if connection.in_atomic_block]
    return inside[0] if inside and "default" not in inside else "default"


def write(queue: str, jobs: Sequence[Prepared], alias: str) -> dict[str, JobRecord]:
    """Write rows for `jobs`, all or none; return the rows that were there before, by job id.

    Raises JobIdConflict when a row is there with other content.
    """
    now = timezone.now()
    with transaction.atomic(using=alias):
        there = {
            record.job_id: record
            for record in JobRecord.objects.using(alias).filter(queue=queue, job_id__in=[job.id for job in jobs])
        }
        fresh: dict[str, Prepared] = {}
        for job in jobs:
            _check_same(there.get(job.id), fresh.get(job.id), job)
            if job.id not in there:
                fresh.setdefault(job.id, job)
        JobRecord.objects.using(alias).bulk_create(
            [_row(queue, job, now) for job in fresh.values()], ignore_conflicts=True, batch_size=1000
        )
        return _lost_race(queue, fresh, there, alias)


def _lost_race(queue: str, fresh: dict[str, Prepared], there: dict[str, JobRecord], alias: str) -> dict[str, JobRecord]:
    """Find rows that another transaction wrote in the same moment, which the insert left alone."""
    rows = JobRecord.objects.using(alias).filter(queue=queue, job_id__in=list(fresh))
    for record in rows.only("job_id", "name", "body", "data_length", "accepted_at", "state"):
        job = fresh[record.job_id]
        if record.body != job.body.decode():
            _check_same(record, None, job)
            there[record.job_id] = record
    return there


def _check_same(record: JobRecord | None, earlier: Prepared | None, job: Prepared) -> None:
    known = None
    if record is not None:
        known = (record.name, record.body.encode()[: record.data_length])
    elif earlier is not None:
        known = (earlier.name, earlier.content)
    if known is not None and known != (job.name, job.content):
        raise JobIdConflict(f"The job {job.id!r:.80} is known with other content.", field="job_id")


def _row(queue: str, job: Prepared, now: datetime) -> JobRecord:
    return JobRecord(
        queue=queue,
        job_id=job.id,
        name=job.name,
        body=job.body.decode(),
        data_length=job.data_length,
        options=pack(job.options),
        correlation_id=job.metadata.correlation_id,
        accepted_at=now,
        available_at=now + job.options.delay,
    )


def prepared(record: JobRecord) -> Prepared:
    """Return the job of a row as it is to be published now: what is left of its delay, and its id."""
    left = max(timedelta(0), record.available_at - timezone.now())
    options = unpack(record.options)
    data, metadata = decode_object(record.body.encode())
    return Prepared(
        id=record.job_id,
        name=record.name,
        data=data,
        body=record.body.encode(),
        data_length=record.data_length,
        options=_with(options, left, record.job_id),
        metadata=metadata or JobMetadata(correlation_id=record.correlation_id),
    )


def published(options: JobOptions) -> JobOptions:
    """Return options as they are published: a failed job stays with the provider until its row has ended."""
    count = Retention.parse(options.remove_on_fail, "remove_on_fail").count
    if count is None or count >= KEPT_FAILED:
        return options
    return replace(options, remove_on_fail=KEPT_FAILED)


def _with(options: JobOptions, delay: timedelta, job_id: str) -> JobOptions:
    return JobOptions(
        attempts=options.attempts,
        priority=options.priority,
        backoff=options.backoff,
        timeout=options.timeout,
        remove_on_complete=options.remove_on_complete,
        remove_on_fail=published(options).remove_on_fail,
        delay=delay,
        job_id=job_id,
    )


def view(record: JobRecord) -> QueueJob[Any]:
    """Return a row as the port shows a job."""
    job = prepared(record)
    state = STATES[JobRecord.State(record.state)]
    if state is JobState.WAITING and record.available_at > timezone.now():
        state = JobState.DELAYED
    return QueueJob(
        id=record.job_id,
        name=record.name,
        queue=record.queue,
        data=job.data,
        options=job.options,
        metadata=job.metadata,
        state=state,
        created_at=record.accepted_at,
        result=decode_result(record.result),
        failed_reason=record.error or None,
        attempts_made=record.attempts_made,
        available_at=record.available_at,
        finished_at=record.ended_at,
    )


def decode_result(text: str) -> Any:
    """Return a result that was written as JSON; None for none."""
    return decode_object(b'{"result":' + text.encode() + b"}")[0]["result"] if text else None


def find(queue: str, job_id: str) -> JobRecord | None:
    """Return a job's row, on whichever database it is."""
    for alias in aliases():
        record = JobRecord.objects.using(alias).filter(queue=queue, job_id=job_id).first()
        if record is not None:
            return record
    return None


def aliases() -> list[str]:
    """Return the databases that may hold rows, the default one first."""
    return sorted(connections, key=lambda alias: (alias != "default", alias))


def mark(queue: str, job_ids: Iterable[str], alias: str, **values: Any) -> int:
    """Change open rows of these jobs; return how many there were."""
    rows = JobRecord.objects.using(alias).filter(queue=queue, job_id__in=list(job_ids), state=JobRecord.State.OPEN)
    return rows.update(**values)


def unavailable(exc: DatabaseError) -> QueueUnavailable:
    """Return a database's fault as the platform's; nothing of the call was written."""
    return QueueUnavailable(f"The database did not answer ({type(exc).__name__}).")
