"""The memory provider's worker half: reserve, settle, extend under the queue's lock."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, cast

import msgspec

from queues.jobs import JobState
from queues.ports import Consumer, Delivery, GenericQueue, Outcome, Settled, Settlement
from queues.priorities import Priority

if TYPE_CHECKING:
    from queues.adapters.memory.job import StoredJob
    from queues.adapters.memory.queue import MemoryQueue

_tokens = itertools.count(1)
_LEVELS = sorted(Priority)


class MemoryConsumer(Consumer):
    """Takes jobs from a MemoryQueue."""

    def __init__(self, queue: MemoryQueue, worker: str) -> None:
        """Take jobs of `queue` in the name of `worker`."""
        super().__init__(cast("GenericQueue[object]", queue), worker)
        self._queue = queue
        self._woken = False

    def _take(self, limit: int) -> list[Delivery]:
        """Take up to `limit` jobs; see the port."""
        queue = self._queue
        with queue.changed:
            if queue.is_paused():
                return []
            now = queue.clock()
            self._promote(now)
            deliveries: list[Delivery] = []
            while len(deliveries) < limit and (job := self._next()) is not None:
                deliveries.append(self._lease(job, now))
            return deliveries

    def _promote(self, now: float) -> None:
        queue = self._queue
        delayed = [j for j in queue.jobs.values() if j.state is JobState.DELAYED and j.available_at <= now]
        for job in sorted(delayed, key=lambda j: (j.available_at, j.sequence)):
            queue.push(job, now)

    def _next(self) -> StoredJob | None:
        queue = self._queue
        every = queue.conf.lowest_first_every
        lowest_first = every > 0 and (queue.taken + 1) % every == 0
        for level in reversed(_LEVELS) if lowest_first else _LEVELS:
            if queue.lists[level]:
                queue.taken += 1
                return queue.jobs[queue.lists[level].pop(0)[1]]
        return None

    def _lease(self, job: StoredJob, now: float) -> Delivery:
        waited = max(0.0, now - job.available_at)
        job.enter(JobState.ACTIVE, now)
        job.started_at, job.worker = now, self.worker
        job.lease_until = now + self._queue.conf.lease.total_seconds()
        job.token = str(next(_tokens))
        job.runs += 1
        options = job.prepared.options
        return Delivery(
            consumer=self,
            id=job.prepared.id,
            name=job.prepared.name,
            body=job.prepared.body,
            token=job.token,
            attempt=job.runs,
            attempts=options.attempts,
            timeout=options.timeout.total_seconds(),
            backoff=options.backoff,
            waited=waited,
        )

    def wait(self, seconds: float) -> None:
        """Block until there may be a job; see the port."""
        deadline = time.monotonic() + seconds
        with self._queue.changed:
            # What is added or resumed meanwhile may fall due before what was there.
            while not self._woken and (left := min(deadline - time.monotonic(), self._ready_in())) > 0:
                self._queue.changed.wait(left)
            self._woken = False

    def _ready_in(self) -> float:
        """Return in how many seconds there is a job to take; infinity when none is known."""
        queue = self._queue
        if queue.is_paused():
            return math.inf
        if any(queue.lists.values()):
            return 0.0
        due = [j.available_at for j in queue.jobs.values() if j.state is JobState.DELAYED]
        return min(due) - queue.clock() if due else math.inf

    def wake(self) -> None:
        """End a wait; see the port."""
        with self._queue.changed:
            self._woken = True
            self._queue.changed.notify_all()

    def settle(self, settlements: Sequence[Settlement], *, reserve: int = 0) -> Settled:
        """End runs; see the port."""
        refused = []
        with self._queue.changed:
            for settlement in settlements:
                job = self._held(settlement.delivery)
                if job is None:
                    refused.append(settlement.delivery)
                else:
                    self._settle(job, settlement)
            self._queue.changed.notify_all()
        return Settled(refused, self._take(reserve) if reserve else [])

    def _held(self, delivery: Delivery) -> StoredJob | None:
        job = self._queue.jobs.get(delivery.id)
        return job if job is not None and job.state is JobState.ACTIVE and job.token == delivery.token else None

    def _settle(self, job: StoredJob, settlement: Settlement) -> None:
        queue, now = self._queue, self._queue.clock()
        if settlement.error:
            job.note(settlement.error, settlement.ran_for, now)
        if not settlement.counts:
            job.runs -= 1
        match settlement.outcome:
            case Outcome.COMPLETE:
                job.result = msgspec.json.decode(settlement.result)
                queue.end(job, JobState.COMPLETED, now)
            case Outcome.FAIL:
                queue.end(job, JobState.FAILED, now, reason=settlement.error)
            case Outcome.RETRY:
                queue.delay(job, settlement.after, now)
            case Outcome.RELEASE:
                queue.push(job, now, front=True)

    def extend(self, deliveries: Sequence[Delivery], seconds: float) -> list[Delivery]:
        """Let leases end later; see the port."""
        lost = []
        with self._queue.changed:
            until = self._queue.clock() + timedelta(seconds=seconds).total_seconds()
            for delivery in deliveries:
                job = self._held(delivery)
                if job is None:
                    lost.append(delivery)
                else:
                    job.lease_until = until
        return lost
