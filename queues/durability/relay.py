"""The relay: publishes rows that were not, and again those that the provider has lost.

Safe with several at once: a row is claimed for a while before it is published, outside of any
transaction, and publishing an id that the provider knows changes nothing.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from django.db import connections, transaction
from django.db.models import Q
from django.utils import timezone

from queues.durability import records
from queues.jobs import JobState
from queues.models import JobRecord
from queues.prepared import PreparingQueue

BATCH: Final = 500
# Whoever accepted a job publishes it; the relay steps in when that has not happened by then.
OVERDUE: Final = timedelta(seconds=1)
CLAIM: Final = timedelta(seconds=30)
# A row this young may be on its way to the provider right now.
SETTLED: Final = timedelta(seconds=5)


def publish_pending(queue: PreparingQueue, alias: str) -> int:
    """Publish open rows that are not published yet; return how many. Raises QueueUnavailable."""
    published = 0
    while rows := _claim(queue.name, alias):
        queue.store([records.prepared(row) for row in rows])
        ids = [row.job_id for row in rows]
        records.mark(queue.name, ids, alias, published_at=timezone.now(), claimed_until=None)
        published += len(rows)
        if len(rows) < BATCH:
            break
    return published


def _claim(queue: str, alias: str) -> list[JobRecord]:
    """Take rows for this relay alone until CLAIM has passed."""
    now = timezone.now()
    due = Q(claimed_until=None) | Q(claimed_until__lt=now)
    rows = JobRecord.objects.using(alias).filter(
        due, queue=queue, state=JobRecord.State.OPEN, published_at=None, accepted_at__lt=now - OVERDUE
    )
    with transaction.atomic(using=alias):
        if connections[alias].features.has_select_for_update_skip_locked:
            rows = rows.select_for_update(skip_locked=True)
        claimed = list(rows.order_by("id")[:BATCH])
        JobRecord.objects.using(alias).filter(pk__in=[row.pk for row in claimed]).update(claimed_until=now + CLAIM)
    return claimed


def _published(
    queue: PreparingQueue, alias: str, before: datetime
) -> Iterator[tuple[list[JobRecord], dict[str, JobState]]]:
    """Yield published open rows, a batch at a time, with the states in which the provider has them."""
    last = 0
    while True:
        rows = list(
            JobRecord.objects.using(alias)
            .filter(queue=queue.name, state=JobRecord.State.OPEN, published_at__lt=before, pk__gt=last)
            .order_by("id")[:BATCH]
        )
        if not rows:
            return
        last = rows[-1].pk
        yield rows, queue.states([row.job_id for row in rows])


def republish_lost(queue: PreparingQueue, alias: str) -> int:
    """Publish again what is owed and what the provider no longer knows; return how many.

    A job that the provider ended by itself, at the crash limit, is owed no more: its row ends too.
    """
    republished = 0
    for rows, states in _published(queue, alias, timezone.now() - SETTLED):
        for row in rows:
            if states.get(row.job_id) in {JobState.FAILED, JobState.COMPLETED}:
                _end(queue, row.job_id, alias)
        # A job may have ended since its row was read, and the provider may have forgotten it for that.
        lost = [row.pk for row in rows if row.job_id not in states]
        owed = JobRecord.objects.using(alias).filter(pk__in=lost, state=JobRecord.State.OPEN)
        jobs = [records.prepared(row) for row in owed.order_by("id")]
        if jobs:
            queue.store(jobs)
            republished += len(jobs)
    return republished


def end_failed(queue: PreparingQueue, alias: str) -> int:
    """End the rows of jobs that the provider has as failed and that are still open; return how many."""
    failed = queue.list_jobs(JobState.FAILED, 0, records.KEPT_FAILED)
    open_ids = set(
        JobRecord.objects.using(alias)
        .filter(queue=queue.name, state=JobRecord.State.OPEN, job_id__in=[job.id for job in failed])
        .values_list("job_id", flat=True)
    )
    for job_id in open_ids:
        _end(queue, job_id, alias)
    return len(open_ids)


def _end(queue: PreparingQueue, job_id: str, alias: str) -> None:
    job = queue.get_job(job_id)
    if job is None or job.state not in {JobState.FAILED, JobState.COMPLETED}:
        return
    state = JobRecord.State.FAILED if job.state is JobState.FAILED else JobRecord.State.COMPLETED
    records.mark(
        queue.name,
        [job_id],
        alias,
        state=state,
        ended_at=timezone.now(),
        error=job.failed_reason or "",
        attempts_made=job.attempts_made,
    )


def discard_lost(queue: PreparingQueue, alias: str, before: datetime, *, delayed: bool) -> None:
    """Owe no more what was accepted before and what the provider has let go."""
    for rows, states in _published(queue, alias, before):
        lost = [row for row in rows if row.job_id not in states]
        gone = [row.job_id for row in lost if delayed or records.view(row).state is not JobState.DELAYED]
        records.mark(queue.name, gone, alias, state=JobRecord.State.DISCARDED, ended_at=timezone.now())


def prune(alias: str, age: timedelta, batch: int = 1000) -> int:
    """Delete rows that ended longer than `age` ago, in batches; return how many."""
    deleted = 0
    while True:
        ended = (
            JobRecord.objects.using(alias).exclude(state=JobRecord.State.OPEN).filter(ended_at__lt=timezone.now() - age)
        )
        ids = list(ended.order_by("ended_at").values_list("pk", flat=True)[:batch])
        JobRecord.objects.using(alias).filter(pk__in=ids).delete()
        deleted += len(ids)
        if len(ids) < batch:
            return deleted
