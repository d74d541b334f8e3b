"""The relay: publishes rows that were not.

Safe with several at once: a row is claimed for a while before it is published, outside of any
transaction, and publishing an id that the provider knows changes nothing.
"""

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from queues.durability import records
from queues.errors import InvalidTransition, QueueError, QueueRejected, UnknownJob
from queues.jobs import JobState
from queues.models import JobRecord
from queues.prepared import Prepared, PreparingQueue

BATCH: Final = 500
# Whoever accepted a job publishes it; the relay steps in when that has not happened by then.
OVERDUE: Final = timedelta(seconds=1)
CLAIM: Final = timedelta(seconds=30)
ENDED: Final = frozenset({JobState.COMPLETED, JobState.FAILED})
log: Final = logging.getLogger("queues.durability")


def publish_pending(queue: PreparingQueue, alias: str) -> int:
    """Publish open rows that are not published yet; return how many. Raises QueueUnavailable."""
    published = 0
    while rows := _claim(queue.name, alias):
        try:
            publish_rows(queue, rows, alias)
        except QueueError:
            records.mark(queue.name, [row.job_id for row in rows], alias, claimed_until=None)
            raise
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
    # Mostly there is nothing, and SQLite would be locked for it.
    if not rows.exists():
        return []
    with transaction.atomic(using=alias):
        claimed = list(records.locked(rows, skip_locked=True)[:BATCH])
        JobRecord.objects.using(alias).filter(pk__in=[row.pk for row in claimed]).update(claimed_until=now + CLAIM)
    return claimed


def publish_rows(queue: PreparingQueue, rows: Sequence[JobRecord], alias: str) -> None:
    """Publish the jobs of rows, with what is left of their delays. A row that cannot be read ends as failed."""
    jobs = []
    for row in rows:
        try:
            jobs.append(records.prepared(row))
        except QueueRejected as exc:
            _refuse(queue.name, row.job_id, alias, exc)
    if jobs:
        publish(queue, jobs, alias, again=True)


def publish(queue: PreparingQueue, jobs: Sequence[Prepared], alias: str, *, again: bool = False) -> None:
    """Publish jobs whose rows are open, and then say so in their rows. Raises QueueUnavailable.

    With `again`, the provider may have them from before, as failed. A job that the provider will not
    take, since it knows the id with other content, ends as failed: it must not hold up the others.
    """
    ready = [_as_published(job) for job in jobs]
    try:
        queue.store(ready)
    except QueueRejected:
        for job in ready:
            try:
                _store_alone(queue, job)
            except QueueRejected as exc:
                _refuse(queue.name, job.id, alias, exc)
    if again:
        _retry_failed(queue, jobs)
    records.mark(queue.name, [job.id for job in jobs], alias, published_at=timezone.now(), claimed_until=None)


def _retry_failed(queue: PreparingQueue, jobs: Sequence[Prepared]) -> None:
    """Put back to waiting what the provider has as failed: its row is open, for it was retried by hand."""
    for job_id, state in queue.states([job.id for job in jobs]).items():
        if state is JobState.FAILED:
            try:
                queue.retry_job(job_id)
            except (InvalidTransition, UnknownJob):
                # Somebody else has moved it meanwhile.
                continue


def _as_published(job: Prepared) -> Prepared:
    options = records.published(job.options)
    if options is job.options:
        return job
    return Prepared(
        id=job.id,
        name=job.name,
        data=job.data,
        body=job.body,
        data_length=job.data_length,
        options=options,
        metadata=job.metadata,
    )


def _store_alone(queue: PreparingQueue, job: Prepared) -> None:
    """Publish one job; an ended one of that id, which no row stands for any more, makes room for it."""
    try:
        queue.store([job])
    except QueueRejected:
        known = queue.get_job(job.id)
        if known is None or known.state not in ENDED:
            raise
        queue.remove_job(job.id)
        queue.store([job])


def _refuse(queue: str, job_id: str, alias: str, exc: QueueRejected) -> None:
    log.error("cannot be published", extra={"queue": queue, "job_id": job_id, "error": exc.message})
    error = records.without_nul(exc.message)
    records.mark(queue, [job_id], alias, state=JobRecord.State.FAILED, ended_at=timezone.now(), error=error)
