"""The outbox: a queue whose jobs are rows first, in the caller's transaction.

On commit they are published at once; the relay publishes what a crash or an outage left, and
publishes again what the provider has lost. A rollback leaves nothing.
"""

import logging
import time
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Final

import msgspec
from django.db import DatabaseError, transaction
from django.utils import timezone

from queues.durability import records, relay
from queues.durability.consumer import RecordedConsumer
from queues.durability.guard import RecordGuard
from queues.errors import InvalidTransition, QueueUnavailable, UnknownJob
from queues.jobs import JobState, QueueJob, QueueStats
from queues.models import JobRecord
from queues.packed import pack
from queues.prepared import Prepared, PreparingQueue
from queues.priorities import Priority

RECONCILE_SECONDS: Final = 60.0
log: Final = logging.getLogger("queues.durability")


class OutboxQueue(PreparingQueue):
    """A queue that keeps a record of every job, from its acceptance to its end, over any provider's."""

    def __init__(self, inner: PreparingQueue) -> None:
        """Take the provider's queue."""
        super().__init__(inner.conf)
        self.inner = inner
        self.capabilities = inner.capabilities
        self.guard = RecordGuard(inner.name)
        self._reconciled = 0.0

    # Adding

    def store(self, jobs: Sequence[Prepared]) -> list[QueueJob[Any]]:
        """Write rows in the caller's transaction; publish them when it commits."""
        alias = records.writing_alias()
        try:
            there = records.write(self.name, jobs, alias)
        except DatabaseError as exc:
            raise records.unavailable(exc) from exc
        fresh = {job.id: job for job in reversed(jobs) if job.id not in there}
        ordered = [job for job in dict.fromkeys(job.id for job in jobs) if job in fresh]
        if ordered:
            publish = partial(self._publish, [fresh[job_id] for job_id in ordered], alias)
            transaction.on_commit(publish, using=alias, robust=True)
        now = timezone.now()
        first = set(ordered)
        added = []
        for job in jobs:
            if job.id in there:
                added.append(self._duplicate(there[job.id], job))
                continue
            state = JobState.DELAYED if job.options.delay else JobState.WAITING
            view = self.added(job, state, now + job.options.delay, now)
            added.append(view if job.id in first else msgspec.structs.replace(view, duplicate=True))
            first.discard(job.id)
        return added

    def _duplicate(self, record: JobRecord, job: Prepared) -> QueueJob[Any]:
        known = self.get_job(record.job_id) or self.added(job, JobState.WAITING, record.accepted_at, record.accepted_at)
        return msgspec.structs.replace(known, data=job.data, duplicate=True)

    def _publish(self, jobs: list[Prepared], alias: str) -> None:
        """Publish what was just committed; whatever keeps it from that, the relay publishes it."""
        try:
            self.inner.store([_as_published(job) for job in jobs])
            records.mark(self.name, [job.id for job in jobs], alias, published_at=timezone.now())
        except (QueueUnavailable, DatabaseError) as exc:
            log.warning("left for the relay", extra={"queue": self.name, "jobs": len(jobs), "error": str(exc)[:200]})

    # Reading

    def get_job(self, job_id: str) -> QueueJob[Any] | None:
        """Return a job as its provider knows it, or as its record does when the provider does not or is away."""
        try:
            job = self.inner.get_job(job_id)
        except QueueUnavailable:
            job = None
        if job is None:
            record = records.find(self.name, job_id)
            return records.view(record) if record is not None else None
        return job

    def get_stats(self) -> QueueStats:
        """Return the provider's counts; see the port."""
        return self.inner.get_stats()

    def list_jobs(self, state: JobState, offset: int = 0, limit: int = 100) -> list[QueueJob[Any]]:
        """Return a page of the provider's jobs; see the port."""
        return self.inner.list_jobs(state, offset, limit)

    # Operating

    def pause(self) -> None:
        """Let nothing start; see the port."""
        self.inner.pause()

    def resume(self) -> None:
        """Let jobs start again; see the port."""
        self.inner.resume()

    def is_paused(self) -> bool:
        """Say whether the queue is paused."""
        return self.inner.is_paused()

    def remove_job(self, job_id: str) -> None:
        """Forget a job, and owe it no more; see the port."""
        self.inner.remove_job(job_id)
        self._discard([job_id])

    def clean(self, grace: timedelta, state: JobState, limit: int = 0) -> list[str]:
        """Remove old jobs of one state; those that had not ended are owed no more."""
        gone = self.inner.clean(grace, state, limit)
        self._discard(gone)
        return gone

    def drain(self, *, delayed: bool = False) -> int:
        """Remove every waiting job; they are owed no more."""
        before = timezone.now()
        gone = self.inner.drain(delayed=delayed)
        for alias in records.aliases():
            relay.discard_lost(self.inner, alias, before, delayed=delayed)
        return gone

    def _discard(self, job_ids: Sequence[str]) -> None:
        for alias in records.aliases():
            for at in range(0, len(job_ids), 500):
                chunk = job_ids[at : at + 500]
                records.mark(self.name, chunk, alias, state=JobRecord.State.DISCARDED, ended_at=timezone.now())

    def retry_job(self, job_id: str) -> QueueJob[Any]:
        """Put a failed job back to waiting with a fresh budget, from its record if the provider forgot it."""
        record = records.find(self.name, job_id)
        if record is None:
            return self.inner.retry_job(job_id)
        if record.state != JobRecord.State.FAILED:
            raise InvalidTransition(f"The job is {record.state}; this needs it to be failed.", field="state")
        alias = str(record._state.db)  # noqa: SLF001 - Django's documented place for it
        now = timezone.now()
        reopened = (
            JobRecord.objects.using(alias)
            .filter(pk=record.pk, state=JobRecord.State.FAILED)
            .update(
                state=JobRecord.State.OPEN,
                ended_at=None,
                error="",
                attempts_made=0,
                published_at=None,
                available_at=now,
            )
        )
        if not reopened:
            raise InvalidTransition("Somebody else has retried the job.", field="state")
        try:
            self.inner.retry_job(job_id)
        except UnknownJob:
            record.available_at = now
            self.inner.store([records.prepared(record)])
        records.mark(self.name, [job_id], alias, published_at=now)
        job = self.get_job(job_id)
        if job is None:
            raise UnknownJob(f"The job {job_id!r:.80} was removed meanwhile.", field="job_id")
        return job

    def promote_job(self, job_id: str) -> QueueJob[Any]:
        """Let a delayed job run now; see the port."""
        job = self.inner.promote_job(job_id)
        for alias in records.aliases():
            records.mark(self.name, [job_id], alias, available_at=timezone.now())
        return job

    def change_priority(self, job_id: str, priority: Priority) -> QueueJob[Any]:
        """Move a job to another level; see the port."""
        job = self.inner.change_priority(job_id, priority)
        for alias in records.aliases():
            records.mark(self.name, [job_id], alias, options=pack(job.options))
        return job

    def update_progress(self, job_id: str, progress: float) -> None:
        """Note how far a job is; see the port."""
        self.inner.update_progress(job_id, progress)

    def sweep(self) -> int:
        """Sweep the provider's queue, publish what is due, and now and then publish again what was lost."""
        moved = self.inner.sweep()
        try:
            for alias in records.aliases():
                moved += relay.end_failed(self.inner, alias)
                moved += relay.publish_pending(self.inner, alias)
            if time.monotonic() - self._reconciled > RECONCILE_SECONDS:
                moved += self.reconcile()
        except DatabaseError as exc:
            raise records.unavailable(exc) from exc
        return moved

    def reconcile(self) -> int:
        """Publish again every job that is owed and that the provider no longer knows; return how many."""
        self._reconciled = time.monotonic()
        return sum(relay.republish_lost(self.inner, alias) for alias in records.aliases())

    def consumer(self, worker: str) -> RecordedConsumer:
        """Return what a worker takes jobs through."""
        return RecordedConsumer(self, self.inner.consumer(worker))

    def close(self) -> None:
        """Give back connections; see the port."""
        self.inner.close()


def _as_published(job: Prepared) -> Prepared:
    return msgspec.structs.replace(job, options=records.published(job.options))
