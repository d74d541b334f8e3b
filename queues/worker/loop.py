"""The worker's loop: reserve to free capacity, run on threads, settle in batches.

One thread feeds and settles all queues; each queue has a thread that waits for its next job;
one thread renews every lease, one sweeps.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from queues.conf import WorkerConf
from queues.errors import QueueError, QueueUnavailable
from queues.ports import Delivery, GenericQueue, Outcome, Settlement
from queues.worker.failpoints import reached
from queues.worker.lane import Lane
from queues.worker.outage import Outage
from queues.worker.prefetch import Prefetch
from queues.worker.runner import InThread, Runners, close_stale

BATCH: Final = 500
STALE_SECONDS: Final = 0.008
IDLE_SECONDS: Final = 1.0
INTERRUPTED_SECONDS: Final = 1.0
log: Final = logging.getLogger("queues.worker")


class Worker:
    """Runs the jobs of some queues until it is told to stop.

    `stop()` may be called from a signal handler: the first lets what runs end within the grace,
    the second ends it at once. Either way what does not end goes back to waiting, and costs no
    attempt.
    """

    def __init__(
        self,
        queues: Sequence[GenericQueue[Any]],
        name: str,
        conf: WorkerConf,
        *,
        lease: float,
        result_bytes: int,
        swept: Sequence[GenericQueue[Any]] = (),
        providers: Mapping[str, str] | None = None,
        burst: bool = False,
        max_jobs: int | None = None,
        max_idle: float | None = None,
        way: InThread | None = None,
    ) -> None:
        """Take the queues and how to run; `lease` is in seconds, shared by all of them.

        `swept` are further queues whose dead workers' jobs this one returns to waiting; `providers`
        gives queues of one provider the same text; `way` is how each thread runs its jobs.
        """
        self.name = name
        self.conf = conf
        self.completed = self.failed = self.stalled = 0
        self.working_seconds = 0.0
        self.outage = Outage(providers)
        self._lease = lease
        self._swept = list(swept) or list(queues)
        self._burst, self._max_jobs, self._max_idle = burst, max_jobs, max_idle
        self._changed = threading.Event()
        self._stopping = threading.Event()
        self._at_once = threading.Event()
        self._done = threading.Event()
        # Held while settling and reserving: by the loop's thread, or by one that waited for a queue.
        self._serving = threading.Lock()
        self._failure: Exception | None = None
        self._told = False
        self._lanes = [Lane(queue.consumer(name), self._look, self.outage) for queue in queues]
        self._lane_of = {id(lane.consumer): lane for lane in self._lanes}
        self._runners = Runners(conf.concurrency, self._settled, result_bytes, way)
        self._prefetch = Prefetch()
        self._taken = 0
        self._last_end = self._last_took = self._last_job = time.monotonic()

    def stop(self) -> None:
        """Take nothing more; a second call waits for nothing."""
        if self._told:
            self._at_once.set()
        self._told = True
        self._drain()

    def _drain(self) -> None:
        self._stopping.set()
        self._changed.set()

    def cancel(self, job_id: str) -> bool:
        """End a running job as failed; say whether it was running here."""
        return self._runners.cancel(job_id)

    @property
    def running(self) -> list[Delivery]:
        """Return what runs now."""
        return self._runners.running

    @property
    def stuck(self) -> bool:
        """Say whether a thread would not end at its timeout; the process has to."""
        return bool(self._runners.stuck)

    @property
    def to_replace(self) -> bool:
        """Say whether a new process should go on; not when this one was told to stop."""
        return self.stuck and not self._told

    def run(self) -> None:
        """Run until stopped, or until there is nothing left in burst mode. Returns when all is settled."""
        self._runners.start()
        threading.Thread(target=self._beat, name="queues-beat", daemon=True).start()
        threading.Thread(target=self._tend, name="queues-tend", daemon=True).start()
        for lane in self._lanes:
            lane.start()
        self._changed.set()
        try:
            while not self._stopping.is_set():
                self._turn()
                if self._finished():
                    self._drain()
        finally:
            self._shut_down()
            self._done.set()

    # Feeding and settling

    def _settled(self, settlement: Settlement) -> None:
        lane = self._lane_of[id(settlement.delivery.consumer)]
        lane.settlements.append(settlement)
        if not self._changed.is_set():
            self._changed.set()

    def _turn(self) -> None:
        """Wait for something to do, then settle and reserve once for each queue that needs it."""
        holding = not self._runners.inbox.empty()
        if not self._changed.wait(STALE_SECONDS if holding else IDLE_SECONDS):
            if holding:
                self._give_back()
            return
        self._changed.clear()
        if self._failure is not None:
            raise self._failure
        # Each queue comes first in turn, so that a busy one leaves the others their share.
        self._lanes.append(self._lanes.pop(0))
        with self._serving:
            for lane in self._lanes:
                # Each may take as long as Redis' time-out, and a worker has many.
                if self._stopping.is_set():
                    break
                self._serve(lane)

    def _look(self, lane: Lane) -> None:
        """Serve a queue from the thread that waited for it, which saves an idle worker a switch of threads."""
        if not self._serving.acquire(blocking=False):
            self._changed.set()
            return
        try:
            if not self._stopping.is_set():
                self._serve(lane)
        except Exception as exc:  # noqa: BLE001 - what is unexpected here ends the worker, as in its own loop
            self._failure = exc
            self._changed.set()
        finally:
            self._serving.release()

    def _serve(self, lane: Lane) -> None:
        batch = self._batch(lane)
        room = self._room(batch) if lane.ready else 0
        if not batch and room <= 0:
            return
        try:
            self._exchange(lane, batch, max(0, room))
            self.outage.over()
        except QueueUnavailable as exc:
            lane.unheard(batch)
            self._stopping.wait(self.outage.seen(exc, lane.name))
            self._changed.set()

    def _exchange(self, lane: Lane, batch: list[Settlement], room: int) -> None:
        if batch:
            reached("before_settle")
            settled = lane.consumer.settle(batch, reserve=room)
            reached("after_settle")
            self._count(lane, batch, settled.refused)
            reserved = settled.reserved
        else:
            reserved = lane.consumer.reserve(room)
        if room and len(reserved) < room:
            lane.run_dry()
        if reserved:
            reached("after_reserve")
            self._taken += len(reserved)
            self._last_took = self._last_job = time.monotonic()
            lane.took(reserved)
            for delivery in reserved:
                self._runners.inbox.put(delivery)

    def _batch(self, lane: Lane) -> list[Settlement]:
        waiting = lane.settlements
        return [waiting.popleft() for _ in range(min(len(waiting), BATCH))]

    def _room(self, batch: list[Settlement]) -> int:
        in_flight = sum(len(lane.in_flight) for lane in self._lanes) - len(batch)
        unsettled = sum(len(lane.settlements) for lane in self._lanes)
        room = self.conf.concurrency + self._prefetch.extra - (in_flight - unsettled)
        if self._max_jobs is not None:
            room = min(room, self._max_jobs - self._taken)
        return min(room, BATCH)

    def _count(self, lane: Lane, batch: list[Settlement], refused: list[Delivery]) -> None:
        now = time.monotonic()
        self._prefetch.note(len(batch), now - max(self._last_end, self._last_took))
        self._last_end = self._last_job = now
        lane.gave([settlement.delivery for settlement in batch])
        for settlement in batch:
            self.working_seconds += settlement.ran_for
            if settlement.outcome is Outcome.COMPLETE:
                self.completed += 1
            elif settlement.outcome is not Outcome.RELEASE:
                self.failed += 1
                _say(settlement)
        for delivery in lane.lost(refused):
            self.stalled += 1
            log.warning("lease lost", extra={"job_id": delivery.id, "job_name": delivery.name, "queue": lane.name})

    def _give_back(self) -> None:
        """Release jobs that wait here behind slow ones; another worker may be idle."""
        self._prefetch.slow()
        self._release(self._runners.take_back())
        self._changed.set()

    def _finished(self) -> bool:
        if any(lane.in_flight for lane in self._lanes):
            return False
        if self._max_jobs is not None and self._taken >= self._max_jobs:
            return True
        idle = time.monotonic() - self._last_job
        if self._max_idle is not None and idle > self._max_idle:
            return True
        return self._burst and not any(lane.ready for lane in self._lanes)

    # Leases

    def _beat(self) -> None:
        period = min(self.conf.beat.total_seconds(), self._lease / 3)
        while not self._done.wait(period):
            if self.stuck and not self._stopping.is_set():
                log.error("a job's thread will not end; draining to be replaced")
                self._drain()
            for lane in list(self._lanes):
                self._try(lane.name, partial(self._renew, lane))

    def _tend(self) -> None:
        """Sweep every queue now and then; in a thread of its own, for a long sweep must hold up no lease."""
        period = min(self.conf.beat.total_seconds(), self._lease / 3)
        while not self._stopping.wait(period):
            for queue in self._swept:
                if self._stopping.is_set():
                    break
                # After an outage whoever lives renews first; only then is a lapsed lease a dead worker's.
                there = self.outage.quiet(queue.name, self._lease)
                self._try(queue.name, queue.sweep if there else queue.relay)
            close_stale()

    def _try(self, name: str, call: Callable[[], object]) -> None:
        """Call one queue's provider; its outage must not keep the others' leases from being renewed."""
        try:
            call()
        except QueueError as exc:
            self.outage.seen(exc, name)

    def _renew(self, lane: Lane) -> None:
        held = lane.held()
        if held:
            reached("before_beat")
            lane.consumer.extend(held, self._lease)

    # Stopping

    def _shut_down(self) -> None:
        until = time.monotonic() + self.conf.grace.total_seconds()
        for lane in self._lanes:
            lane.stop()
        with self._serving:
            self._release(self._runners.take_back())
        while self._busy() and time.monotonic() < until and not self._at_once.is_set():
            self._changed.wait(0.1)
            self._changed.clear()
            self._flush(until)
        left = self._runners.abandon()
        if left:
            log.warning("jobs put back", extra={"count": len(left)})
        self._release(left)
        # A provider that was away for the whole grace is not back in a few seconds more.
        patience = 0.0 if self.outage.lasts else INTERRUPTED_SECONDS + self._lease / 2
        self._flush(time.monotonic() + patience)
        self._runners.stop()
        for lane in self._lanes:
            lane.consumer.close()

    def _busy(self) -> bool:
        return bool(self._runners.running) or any(lane.settlements for lane in self._lanes)

    def _release(self, deliveries: list[Delivery]) -> None:
        # Each goes to the front of its level, so the first comes last.
        for delivery in reversed(deliveries):
            self._lane_of[id(delivery.consumer)].settlements.append(Settlement(delivery, Outcome.RELEASE, counts=False))

    def _flush(self, until: float) -> None:
        """Settle what has ended; while the provider is away, try until the time is up."""
        for lane in self._lanes:
            while batch := self._batch(lane):
                try:
                    self._exchange(lane, batch, 0)
                except QueueUnavailable as exc:
                    lane.unheard(batch)
                    if self._at_once.is_set() or time.monotonic() > until:
                        return
                    self._at_once.wait(self.outage.seen(exc, lane.name))


def _say(settlement: Settlement) -> None:
    delivery = settlement.delivery
    last = settlement.error.rstrip().rpartition("\n")[2]
    extra = {"job_id": delivery.id, "job_name": delivery.name, "attempt": delivery.attempt, "error": last[:500]}
    if settlement.outcome is Outcome.FAIL:
        log.error("job failed", extra=extra)
    else:
        log.info("job will be retried", extra={**extra, "after_s": settlement.after.total_seconds()})
