"""The outbox: a queue whose jobs are rows first, in the caller's transaction.

On commit they are published at once; the relay publishes what a crash or an outage left, and
publishes again what the provider has lost. A rollback leaves nothing.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any, Final

import msgspec
from django.db import Error, transaction
from django.utils import timezone

from queues.durability import reconcile, records, relay, retention
from queues.durability.consumer import RecordedConsumer
from queues.durability.guard import RecordGuard
from queues.errors import InvalidTransition, QueueUnavailable, UnknownJob
from queues.jobs import JobState, QueueJob, QueueStats
from queues.models import JobRecord
from queues.packed import pack, unpack
from queues.prepared import Prepared, PreparingQueue
from queues.priorities import Priority
from queues.registry import registry

RECONCILE_SECONDS: Final = 60.0
log: Final = logging.getLogger("queues.durability")


class OutboxQueue(PreparingQueue):
    """A queue that keeps a record of every job, from its acceptance to its end, over any provider's.

    Every call raises QueueUnavailable when the database cannot be reached, as when the provider cannot.
    """

    def __init__(self, inner: PreparingQueue) -> None:
        """Take the provider's queue."""
        super().__init__(inner.conf)
        self.inner = inner
        self.capabilities = inner.capabilities
        self.guard = RecordGuard(inner.name, inner.conf.result_bytes)
        self._reconciled = float("-inf")

    # Adding

    def store(self, jobs: Sequence[Prepared]) -> list[QueueJob[Any]]:
        """Write rows in the caller's transaction; publish them when it commits."""
        alias = records.writing_alias()
        with records.answering():
            there = records.write(self.name, jobs, alias)
        fresh: dict[str, Prepared] = {}
        added = []
        now = timezone.now()
        for job in jobs:
            if job.id in there:
                added.append(self._duplicate(there[job.id], job))
                continue
            state = JobState.DELAYED if job.options.delay else JobState.WAITING
            view = self.added(job, state, now + job.options.delay, now)
            added.append(msgspec.structs.replace(view, duplicate=True) if job.id in fresh else view)
            fresh.setdefault(job.id, job)
        if fresh:
            # Last: outside of a transaction it is done here and now.
            publish = partial(self._publish, relay.publish, list(fresh.values()), alias)
            transaction.on_commit(publish, using=alias, robust=True)
        return added

    def _duplicate(self, record: JobRecord, job: Prepared) -> QueueJob[Any]:
        known = self.get_job(record.job_id) or records.view(record)
        return msgspec.structs.replace(known, data=job.data, duplicate=True)

    def _publish[T](self, publish: Callable[[PreparingQueue, list[T], str], None], jobs: list[T], alias: str) -> None:
        """Publish what was just committed; whatever keeps it from that, the relay publishes it."""
        try:
            publish(self.inner, jobs, alias)
        except (QueueUnavailable, Error) as exc:
            log.warning("left for the relay", extra={"queue": self.name, "jobs": len(jobs), "error": str(exc)[:200]})

    # Reading

    def get_job(self, job_id: str) -> QueueJob[Any] | None:
        """Return a job as its provider knows it, or as its record does when the provider does not or is away."""
        try:
            job = self.inner.get_job(job_id)
        except QueueUnavailable:
            job = None
        if job is not None:
            return job
        record = self._find(job_id)
        if record is None or record.state == JobRecord.State.DISCARDED:
            return None
        return records.view(record)

    def _find(self, job_id: str) -> JobRecord | None:
        with records.answering():
            return records.find(self.name, job_id)

    def get_stats(self) -> QueueStats:
        """Return the provider's counts; see the port."""
        return self.inner.get_stats()

    def list_jobs(self, state: JobState, offset: int = 0, limit: int = 100) -> list[QueueJob[Any]]:
        """Return a page of the provider's jobs; see the port."""
        return self.inner.list_jobs(state, offset, limit)

    def states(self, job_ids: Sequence[str]) -> dict[str, JobState]:
        """Return the state of each job that the provider knows; see the port."""
        return self.inner.states(job_ids)

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
        """Forget a job, and owe it no more; its id is free again. See the port."""
        self.inner.remove_job(job_id)
        record = self._find(job_id)
        if record is not None:
            self._change(record, state=JobRecord.State.DISCARDED, ended_at=record.ended_at or timezone.now())

    def clean(self, grace: timedelta, state: JobState, limit: int = 0) -> list[str]:
        """Remove old jobs of one state from the provider; those that had not ended are owed no more."""
        gone = self.inner.clean(grace, state, limit)
        with records.answering():
            for alias in records.aliases():
                reconcile.discard(self.name, gone, alias)
        return gone

    def drain(self, *, delayed: bool = False) -> int:
        """Remove every waiting job, those that only their record knows included; they are owed no more."""
        before = timezone.now()
        gone = self.inner.drain(delayed=delayed)
        with records.answering():
            for alias in records.aliases():
                gone += reconcile.discard_waiting(self.inner, alias, before, delayed=delayed)
        return gone

    def retry_job(self, job_id: str) -> QueueJob[Any]:
        """Put a failed job back to waiting with a fresh budget, whether or not the provider knows it or is there."""
        record = self._find(job_id)
        if record is None:
            return self.inner.retry_job(job_id)
        alias = records.alias_of(record)
        with records.answering():
            if record.state == JobRecord.State.OPEN:
                # The provider may have ended it at the crash limit, of which its row has not heard yet.
                reconcile.end(self.inner, record)
                record.refresh_from_db(using=alias)
            if record.state != JobRecord.State.FAILED:
                raise InvalidTransition(f"The job is {record.state}; this needs it to be failed.", field="state")
            now = timezone.now()
            reopened = {"state": JobRecord.State.OPEN, "ended_at": None, "error": "", "attempts_made": 0}
            owed = {"published_at": None, "claimed_until": None, "available_at": now}
            if not self._change(record, **reopened, **owed):
                raise InvalidTransition("Somebody else has retried the job.", field="state")
            record.refresh_from_db(using=alias)
        # Before the commit a worker would find the row failed, and run nothing.
        publish = partial(self._publish, relay.publish_rows, [record], alias)
        transaction.on_commit(publish, using=alias, robust=True)
        job = self.get_job(job_id)
        return records.view(record) if job is None or job.state is JobState.FAILED else job

    def promote_job(self, job_id: str) -> QueueJob[Any]:
        """Let a delayed job run now, also one that only its record knows; see the port."""
        record = self._find(job_id)
        if record is None or record.state != JobRecord.State.OPEN:
            return self.inner.promote_job(job_id)
        try:
            self.inner.promote_job(job_id)
        except UnknownJob:
            if record.available_at <= timezone.now():
                raise InvalidTransition("The job is waiting; this needs it to be delayed.", field="state") from None
        self._change(record, available_at=timezone.now())
        return self._owed(record)

    def change_priority(self, job_id: str, priority: Priority) -> QueueJob[Any]:
        """Move a job to another level, also one that only its record knows; see the port."""
        priority = Priority.parse(priority)
        record = self._find(job_id)
        if record is None or record.state != JobRecord.State.OPEN:
            return self.inner.change_priority(job_id, priority)
        try:
            self.inner.change_priority(job_id, priority)
        except UnknownJob:
            log.info("only the record knows it", extra={"queue": self.name, "job_id": job_id})
        self._change(record, options=pack(replace(unpack(record.options), priority=priority)))
        return self._owed(record)

    def _change(self, record: JobRecord, **values: Any) -> int:
        """Change a row that is still in the state in which it was read; return whether it was."""
        with records.answering():
            rows = JobRecord.objects.using(records.alias_of(record))
            return rows.filter(pk=record.pk, state=record.state).update(**values)

    def _owed(self, record: JobRecord) -> QueueJob[Any]:
        job = self.get_job(record.job_id)
        if job is None:
            raise UnknownJob(f"The job {record.job_id!r:.80} was removed meanwhile.", field="job_id")
        return job

    def update_progress(self, job_id: str, progress: float) -> None:
        """Note how far a job is; see the port."""
        self.inner.update_progress(job_id, progress)

    # Keeping the promise

    def sweep(self) -> int:
        """Sweep the provider's queue, and relay what is owed."""
        moved = self.inner.sweep()
        return moved + self.relay(swept=moved > 0)

    def relay(self, *, swept: bool = False) -> int:
        """Publish what is owed and not published, and at once what the provider has lost; return how many.

        Every RECONCILE_SECONDS all that is owed is compared. With `swept`, the provider may have ended
        jobs by itself, whose rows end too. One database that is away keeps no other from it.
        """
        full = time.monotonic() - self._reconciled > RECONCILE_SECONDS
        moved, away = 0, None
        for alias in records.aliases():
            try:
                with records.answering():
                    moved += self._relay(alias, full=full, swept=swept)
            except QueueUnavailable as exc:
                away = exc
        if full:
            self._reconciled = time.monotonic()
        if away is not None:
            raise away
        return moved

    def _relay(self, alias: str, *, full: bool, swept: bool) -> int:
        if swept:
            reconcile.end_failed(self.inner, alias)
        moved = relay.publish_pending(self.inner, alias)
        if full or reconcile.anything_lost(self.inner, alias):
            moved += reconcile.republish_lost(self.inner, alias)
        return moved

    def reconcile(self) -> int:
        """Publish again every job that is owed and that the provider no longer knows; return how many."""
        with records.answering():
            return sum(reconcile.republish_lost(self.inner, alias) for alias in records.aliases())

    def owed(self) -> tuple[int, int]:
        """Return how many jobs have not ended, and how many of them the provider has never confirmed."""
        owed = unpublished = 0
        with records.answering():
            for alias in records.aliases():
                rows = JobRecord.objects.using(alias).filter(queue=self.name, state=JobRecord.State.OPEN)
                owed += rows.count()
                unpublished += rows.filter(published_at=None).count()
        return owed, unpublished

    def prune(self, age: timedelta) -> int:
        """Delete the records of jobs that ended longer than `age` ago; return how many."""
        with records.answering():
            return sum(retention.prune(self.name, alias, age) for alias in records.aliases())

    def consumer(self, worker: str) -> RecordedConsumer:
        """Return what a worker takes jobs through."""
        return RecordedConsumer(self, self.inner.consumer(worker))

    def close(self) -> None:
        """Give back connections; see the port."""
        self.inner.close()


def recorded(names: Sequence[str] = ()) -> list[OutboxQueue]:
    """Return those of these queues, or of all, that keep records; raise UnknownQueue."""
    queues = [registry[name] for name in names or registry]
    return [queue for queue in queues if isinstance(queue, OutboxQueue)]
