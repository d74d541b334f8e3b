"""Rows of accepted jobs: written in the caller's transaction, read back as jobs."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import Error, IntegrityError, connections, router, transaction
from django.db.models import QuerySet
from django.db.transaction import TransactionManagementError
from django.utils import timezone

from queues.codec import decode_object
from queues.errors import InvalidOptions, JobIdConflict, QueueUnavailable
from queues.jobs import JobOptions, JobState, QueueJob, Retention, check_job_id
from queues.metadata import JobMetadata
from queues.models import JobRecord
from queues.packed import pack, unpack
from queues.prepared import Prepared

# How many failed jobs the provider keeps at least, and for how long, so that none is gone before its row has ended.
KEPT_FAILED: Final = 1000
KEPT_FAILED_FOR: Final = timedelta(hours=1)
STATES: Final = {
    JobRecord.State.OPEN: JobState.WAITING,
    JobRecord.State.COMPLETED: JobState.COMPLETED,
    JobRecord.State.FAILED: JobState.FAILED,
    JobRecord.State.DISCARDED: JobState.FAILED,
}


# Where rows are


def aliases() -> list[str]:
    """Return the databases that may hold rows, the default one first: those that a router lets have the table."""
    return sorted(
        (alias for alias in connections if router.allow_migrate_model(alias, JobRecord)),
        key=lambda alias: (alias != "default", alias),
    )


def writing_alias() -> str:
    """Return the database whose transaction the caller is in; the default one outside of any, or inside of several.

    A transaction on a database that has no records keeps none: the row is written outside of it.
    """
    inside = {connection.alias for connection in connections.all(initialized_only=True) if connection.in_atomic_block}
    if not inside or "default" in inside:
        return "default"
    return next((alias for alias in aliases() if alias in inside), "default")


def alias_of(record: JobRecord) -> str:
    """Return the database that a row was read from."""
    return str(record._state.db)  # noqa: SLF001 - Django's documented place for it


@contextmanager
def answering() -> Iterator[None]:
    """Turn a database's fault into the platform's QueueUnavailable; a caller's broken transaction stays its own."""
    try:
        yield
    except TransactionManagementError:
        raise
    except Error as exc:
        # The driver's text may name hosts and hold data.
        raise QueueUnavailable(f"The database could not keep the queue's records ({type(exc).__name__}).") from exc


def locked(rows: QuerySet[JobRecord], *, nowait: bool = False, skip_locked: bool = False) -> QuerySet[JobRecord]:
    """Lock rows in the order of their keys, so that no two who lock several wait for each other.

    `nowait` and `skip_locked` count where the database knows them. SQLite locks itself as a whole.
    """
    features = connections[rows.db].features
    return rows.select_for_update(
        nowait=nowait and features.has_select_for_update_nowait,
        skip_locked=skip_locked and features.has_select_for_update_skip_locked,
    ).order_by("pk")


# Writing


def write(queue: str, jobs: Sequence[Prepared], alias: str) -> dict[str, JobRecord]:
    """Write rows for `jobs`, all or none; return the rows that were there before, by job id.

    A discarded row gives way to a new one. Raises JobIdConflict when a row is there with other content.
    """
    now = timezone.now()
    if len(jobs) == 1 and _written_alone(_row(queue, jobs[0], now), alias):
        return {}
    with transaction.atomic(using=alias):
        there = _known(queue, [job.id for job in jobs if job.options.job_id is not None], alias)
        fresh: dict[str, Prepared] = {}
        for job in jobs:
            _check_same(there.get(job.id), fresh.get(job.id), job)
            if job.id not in there:
                fresh.setdefault(job.id, job)
        rows = [_row(queue, job, now) for job in fresh.values()]
        JobRecord.objects.using(alias).bulk_create(rows, ignore_conflicts=True, batch_size=1000)
        return there | _lost_race(queue, fresh, alias, now)


def _written_alone(row: JobRecord, alias: str) -> bool:
    """Write one row, in one statement; return False when its id is known."""
    # A statement that fails inside of a transaction would end it.
    inside = connections[alias].in_atomic_block
    try:
        with transaction.atomic(using=alias) if inside else nullcontext():
            row.save(using=alias, force_insert=True)
    except IntegrityError:
        return False
    return True


def _known(queue: str, job_ids: list[str], alias: str) -> dict[str, JobRecord]:
    # An id of our own making meets no other.
    rows = JobRecord.objects.using(alias).filter(queue=queue, job_id__in=job_ids) if job_ids else ()
    known = {record.job_id: record for record in rows}
    gone = [record.pk for record in known.values() if record.state == JobRecord.State.DISCARDED]
    if gone:
        JobRecord.objects.using(alias).filter(pk__in=gone, state=JobRecord.State.DISCARDED).delete()
    return {job_id: record for job_id, record in known.items() if record.pk not in gone}


def _lost_race(queue: str, fresh: dict[str, Prepared], alias: str, now: datetime) -> dict[str, JobRecord]:
    """Find rows that another transaction wrote in the same moment, which the insert left alone."""
    named = [job.id for job in fresh.values() if job.options.job_id is not None]
    rows = JobRecord.objects.using(alias).filter(queue=queue, job_id__in=named) if named else ()
    theirs = {}
    for record in rows:
        job = fresh[record.job_id]
        if record.accepted_at != now or record.body != job.body.decode():
            _check_same(record, None, job)
            theirs[record.job_id] = record
    return theirs


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


def mark(queue: str, job_ids: Iterable[str], alias: str, **values: Any) -> int:
    """Change open rows of these jobs; return how many there were."""
    ids = list(job_ids)
    rows = JobRecord.objects.using(alias).filter(queue=queue, job_id__in=ids, state=JobRecord.State.OPEN)
    if len(ids) == 1:
        return rows.update(**values)
    with transaction.atomic(using=alias):
        return JobRecord.objects.using(alias).filter(pk__in=locked(rows).values("pk")).update(**values)


def without_nul(text: str) -> str:
    """Return a text as PostgreSQL can keep it: NUL becomes its escape."""
    return text.replace("\0", "\\x00")


# Reading


def find(queue: str, job_id: str) -> JobRecord | None:
    """Return a job's row, on whichever database it is; None also for an id that no job can have."""
    if not _possible(job_id):
        return None
    for alias in aliases():
        record = JobRecord.objects.using(alias).filter(queue=queue, job_id=job_id).first()
        if record is not None:
            return record
    return None


def _possible(job_id: str) -> bool:
    try:
        check_job_id(job_id)
    except InvalidOptions:
        return False
    return True


def prepared(record: JobRecord) -> Prepared:
    """Return the job of a row as it is to be published now: what is left of its delay, and its id."""
    left = max(timedelta(0), record.available_at - timezone.now())
    data, metadata = decode_object(record.body.encode())
    return Prepared(
        id=record.job_id,
        name=record.name,
        data=data,
        body=record.body.encode(),
        data_length=record.data_length,
        options=replace(unpack(record.options), delay=left, job_id=record.job_id),
        metadata=metadata or JobMetadata(correlation_id=record.correlation_id),
    )


def published(options: JobOptions) -> JobOptions:
    """Return options as they are published: a failed job stays with the provider until its row has ended."""
    kept = Retention.parse(options.remove_on_fail, "remove_on_fail")
    if kept.count is not None and kept.count < KEPT_FAILED:
        return replace(options, remove_on_fail=KEPT_FAILED)
    if kept.age is not None and kept.age < KEPT_FAILED_FOR:
        return replace(options, remove_on_fail=KEPT_FAILED_FOR)
    return options


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
        result=_result(record.result),
        failed_reason=record.error or None,
        attempts_made=record.attempts_made,
        available_at=record.available_at,
        finished_at=record.ended_at,
    )


def _result(text: str) -> Any:
    """Return a result that was written as JSON; None for none."""
    return decode_object(b'{"result":' + text.encode() + b"}")[0]["result"] if text else None
