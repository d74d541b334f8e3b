"""Reconcile: compares what is owed with what the provider knows, and puts right what differs.

The provider may have lost everything, or have come back from an old copy: what it does not know
is published again. What it ended by itself, at the crash limit, ends in its row too.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import QuerySet
from django.utils import timezone

from queues.codec import encode_result
from queues.durability import records
from queues.durability.relay import BATCH, ENDED, publish_rows
from queues.jobs import JobState, QueueJob
from queues.models import JobRecord
from queues.prepared import PreparingQueue

# A row this young may be on its way to the provider right now.
SETTLED: Final = timedelta(seconds=5)
# How many of the oldest and of the newest jobs are asked for to see whether the provider has lost any.
SAMPLE: Final = 10


def republish_lost(queue: PreparingQueue, alias: str) -> int:
    """Publish again what is owed and what the provider no longer knows; return how many.

    A job that the provider ended by itself is owed no more: its row ends too.
    """
    republished = 0
    for rows, states in _published(queue, alias, timezone.now() - SETTLED):
        for row in rows:
            if states.get(row.job_id) in ENDED:
                end(queue, row)
        # A job may have ended since its row was read, and the provider may have forgotten it for that.
        lost = [row.pk for row in rows if row.job_id not in states]
        owed = list(
            JobRecord.objects.using(alias).filter(pk__in=lost, state=JobRecord.State.OPEN).order_by("id")
            if lost
            else ()
        )
        if owed:
            publish_rows(queue, owed, alias)
            republished += len(owed)
    return republished


def anything_lost(queue: PreparingQueue, alias: str) -> bool:
    """Say whether the provider does not know one of the oldest or of the newest jobs owed; costs little."""
    rows = _owed(queue, alias, timezone.now() - SETTLED)
    ids = {row.job_id for ends in ("id", "-id") for row in rows.order_by(ends).only("job_id")[:SAMPLE]}
    return bool(ids) and len(queue.states(sorted(ids))) < len(ids)


def _owed(queue: PreparingQueue, alias: str, before: datetime) -> QuerySet[JobRecord]:
    rows = JobRecord.objects.using(alias)
    return rows.filter(queue=queue.name, state=JobRecord.State.OPEN, published_at__lt=before)


def _published(
    queue: PreparingQueue, alias: str, before: datetime
) -> Iterator[tuple[list[JobRecord], dict[str, JobState]]]:
    """Yield published open rows, a batch at a time, with the states in which the provider has them."""
    last = 0
    while rows := list(_owed(queue, alias, before).filter(pk__gt=last).order_by("id")[:BATCH]):
        last = rows[-1].pk
        yield rows, queue.states([row.job_id for row in rows])


def end_failed(queue: PreparingQueue, alias: str) -> int:
    """End the rows of jobs that the provider has as failed and that are still open; return how many."""
    failed = {job.id: job for job in queue.list_jobs(JobState.FAILED, 0, records.KEPT_FAILED)}
    rows = JobRecord.objects.using(alias).filter(
        queue=queue.name, state=JobRecord.State.OPEN, job_id__in=list(failed), published_at__isnull=False
    )
    return sum(_end(queue, row, failed[row.job_id]) for row in list(rows))


def end(queue: PreparingQueue, row: JobRecord) -> int:
    """End an open row as the provider says that its job has ended; return 1, or 0 when it has not."""
    job = queue.get_job(row.job_id)
    return _end(queue, row, job) if job is not None and job.state in ENDED and row.published_at is not None else 0


def _end(queue: PreparingQueue, row: JobRecord, job: QueueJob[Any]) -> int:
    """End a row, unless it was opened again since it was read: the provider spoke of the time before."""
    rows = JobRecord.objects.using(records.alias_of(row))
    return rows.filter(pk=row.pk, state=JobRecord.State.OPEN, published_at=row.published_at).update(
        state=JobRecord.State.COMPLETED if job.state is JobState.COMPLETED else JobRecord.State.FAILED,
        ended_at=job.finished_at or timezone.now(),
        error=records.without_nul(job.failed_reason or ""),
        result="" if job.result is None else encode_result(job.result, limit=queue.conf.result_bytes).decode(),
        attempts_made=job.attempts_made,
    )


def discard_waiting(queue: PreparingQueue, alias: str, before: datetime, *, delayed: bool) -> int:
    """Owe no more what was accepted before and what the provider has let go or never got; delayed jobs only if asked.

    Returns how many it never got.
    """
    for rows, states in _published(queue, alias, before):
        lost = [row for row in rows if row.job_id not in states]
        discard(queue.name, [row.job_id for row in lost if delayed or row.available_at <= before], alias)
    never = JobRecord.objects.using(alias).filter(
        queue=queue.name, state=JobRecord.State.OPEN, published_at=None, accepted_at__lte=before
    )
    if not delayed:
        never = never.filter(available_at__lte=before)
    return discard(queue.name, list(never.values_list("job_id", flat=True)), alias)


def discard(queue: str, job_ids: Sequence[str], alias: str) -> int:
    """Owe open jobs no more; return how many."""
    discarded, now = JobRecord.State.DISCARDED, timezone.now()
    chunks = [job_ids[at : at + BATCH] for at in range(0, len(job_ids), BATCH)]
    return sum(records.mark(queue, chunk, alias, state=discarded, ended_at=now) for chunk in chunks)
