"""The threads that run jobs, and the watchdog that ends attempts at their timeout.

A timeout ends the attempt at once, whatever the job's own code does: the watchdog settles it
and raises an exception in the thread that no `except Exception` catches. The thread runs
nothing more; another takes its place. One that will not end is reported by `stuck`.
"""

import ctypes
import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from queue import Empty, SimpleQueue
from typing import Final

from django.db import DatabaseError, close_old_connections, connections

from queues.ports import Delivery, Outcome, Settlement
from queues.worker import pipeline
from queues.worker.failpoints import reached

WATCH_SECONDS: Final = 0.05
STUCK_SECONDS: Final = 10.0
INTERRUPT_SECONDS: Final = 1.0
# A thread idle for longer may find its database connection closed by the server.
IDLE_SECONDS: Final = 1.0
log: Final = logging.getLogger("queues.worker")


class Interrupted(BaseException):
    """Raised in a job's thread when its attempt has ended without it."""


class InThread:
    """How a thread runs its jobs: in itself.

    `run` takes a delivery to its outcome; `begin` and `end` are called in each thread. `slack` is how
    many seconds beyond a job's timeout `run` may need before it has to be ended from outside.
    """

    slack = 0.0
    run = staticmethod(pipeline.run)

    def begin(self) -> None:
        """Prepare this thread."""

    def end(self) -> None:
        """Leave nothing of this thread behind."""
        connections.close_all()


class Slot:
    """One thread and what it runs. `lock` decides whether the run or the watchdog settles."""

    __slots__ = ("deadline", "delivery", "ended_at", "interrupted_at", "lock", "retired_at", "thread")

    def __init__(self) -> None:
        """Start idle."""
        self.lock = threading.Lock()
        self.delivery: Delivery | None = None
        self.deadline = self.ended_at = 0.0
        self.retired_at: float | None = None
        self.interrupted_at = 0.0
        self.thread: threading.Thread | None = None


class Runners:
    """A fixed number of threads; `settled` is called from them with each outcome."""

    def __init__(
        self,
        concurrency: int,
        settled: Callable[[Settlement], None],
        result_bytes: int,
        way: InThread | None = None,
    ) -> None:
        """Take how many jobs run at once, who hears of their outcomes, and the way to run them."""
        self.inbox: SimpleQueue[Delivery | None] = SimpleQueue()
        self._settled = settled
        self._result_bytes = result_bytes
        self._slots: list[Slot] = []
        self._retired: list[Slot] = []
        self._stop = threading.Event()
        self._watchdog = threading.Thread(target=self._watch, name="queues-watchdog", daemon=True)
        self._concurrency = concurrency
        self._way = way or InThread()
        self._run_job, self._slack = self._way.run, self._way.slack

    def start(self) -> None:
        """Start the threads."""
        self._slots = [self._start_slot() for _ in range(self._concurrency)]
        self._watchdog.start()

    def _start_slot(self) -> Slot:
        slot = Slot()
        slot.thread = threading.Thread(target=self._work, args=(slot,), name="queues-runner", daemon=True)
        slot.thread.start()
        return slot

    def _work(self, slot: Slot) -> None:
        self._way.begin()
        try:
            while (delivery := self.inbox.get()) is not None:
                if not self._run(slot, delivery):
                    return
        except Interrupted:
            return
        finally:
            self._way.end()

    def _run(self, slot: Slot, delivery: Delivery) -> bool:
        """Run one delivery; return False when the watchdog ended it and the thread is done for."""
        now = time.monotonic()
        slot.deadline = now + delivery.timeout + self._slack
        slot.delivery = delivery
        if now - slot.ended_at > IDLE_SECONDS:
            close_stale()
        reached("before_run")
        settlement = self._run_job(delivery, self._result_bytes)
        reached("after_run")
        close_stale()
        slot.ended_at = time.monotonic()
        with slot.lock:
            slot.delivery = None
            if slot.retired_at is not None:
                return False
        self._settled(settlement)
        return True

    def _watch(self) -> None:
        while not self._stop.wait(WATCH_SECONDS):
            now = time.monotonic()
            for index, slot in enumerate(self._slots):
                if slot.delivery is not None and now > slot.deadline and self._end(slot, now):
                    self._slots[index] = self._start_slot()
            self._retired = [slot for slot in self._retired if slot.thread is not None and slot.thread.is_alive()]
            for slot in self._retired:
                if now - slot.interrupted_at > INTERRUPT_SECONDS:
                    self._interrupt(slot, now)

    def _end(self, slot: Slot, now: float) -> bool:
        delivery = self._retire(slot, lambda: now > slot.deadline)
        if delivery is None:
            return False
        log.warning("job timed out", extra={"job_id": delivery.id, "job_name": delivery.name})
        self._settled(pipeline.timed_out(delivery))
        return True

    def _retire(self, slot: Slot, condition: Callable[[], bool]) -> Delivery | None:
        """Take a running delivery from its thread, which then settles nothing any more."""
        with slot.lock:
            delivery = slot.delivery
            if delivery is None or slot.retired_at is not None or not condition():
                return None
            slot.retired_at = time.monotonic()
            self._interrupt(slot, slot.retired_at)
        self._retired.append(slot)
        return delivery

    def cancel(self, job_id: str) -> bool:
        """End a running job as failed, on an operator's request; say whether it was running."""
        for index, slot in enumerate(self._slots):
            delivery = self._retire(slot, partial(_runs, slot, job_id))
            if delivery is not None:
                self._slots[index] = self._start_slot()
                self._settled(Settlement(delivery, Outcome.FAIL, error="stopped on request"))
                return True
        return False

    def _interrupt(self, slot: Slot, now: float) -> None:
        slot.interrupted_at = now
        if slot.thread is not None and slot.thread.ident is not None:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(slot.thread.ident), ctypes.py_object(Interrupted))

    @property
    def stuck(self) -> list[Slot]:
        """Return the threads that did not end although their attempt did, long ago."""
        now = time.monotonic()
        return [slot for slot in self._retired if slot.retired_at and now - slot.retired_at > STUCK_SECONDS]

    @property
    def running(self) -> list[Delivery]:
        """Return what runs now."""
        return [delivery for slot in self._slots if (delivery := slot.delivery) is not None]

    def take_back(self) -> list[Delivery]:
        """Return the deliveries that no thread has started, and start none of them."""
        waiting = []
        try:
            while True:
                delivery = self.inbox.get_nowait()
                if delivery is not None:
                    waiting.append(delivery)
        except Empty:
            return waiting

    def abandon(self) -> list[Delivery]:
        """Interrupt what still runs and return it; its threads settle nothing any more."""
        retired = [self._retire(slot, lambda: True) for slot in self._slots]
        return [delivery for delivery in retired if delivery is not None]

    def stop(self) -> None:
        """Let idle threads end."""
        self._stop.set()
        for _ in self._slots:
            self.inbox.put(None)


def _runs(slot: Slot, job_id: str) -> bool:
    return slot.delivery is not None and slot.delivery.id == job_id


def close_stale() -> None:
    """Close this thread's database connections that are past use; the job's outcome stands."""
    try:
        close_old_connections()
    except DatabaseError as exc:
        log.warning("database connection did not close", extra={"error": type(exc).__name__})
