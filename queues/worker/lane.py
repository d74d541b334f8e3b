"""One queue of a worker: what it has in flight, and the thread that waits for its next job."""

import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from django.db import connections

from queues.errors import QueueError, QueueUnavailable
from queues.ports import Consumer, Delivery, Settlement
from queues.worker.outage import Outage

WAIT_SECONDS: Final = 2.0


class Lane:
    """The jobs of one consumer. `ready` says that a reservation may find one."""

    def __init__(self, consumer: Consumer, look: "Callable[[Lane], None]", outage: Outage) -> None:
        """Take the consumer, whom to tell when a job may be there, and the worker's outage."""
        self.consumer = consumer
        self.name = consumer.queue.name
        self.settlements: deque[Settlement] = deque()
        self.in_flight: set[Delivery] = set()
        self._unheard: set[Delivery] = set()
        self.lock = threading.Lock()
        self.ready = True
        self._look = look
        self._outage = outage
        self._dry = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name=f"queues-wait-{self.name}", daemon=True)

    def start(self) -> None:
        """Start waiting for jobs."""
        self._thread.start()

    def took(self, deliveries: list[Delivery]) -> None:
        """Count deliveries as in flight."""
        with self.lock:
            self.in_flight.update(deliveries)

    def gave(self, deliveries: list[Delivery]) -> None:
        """Count deliveries as settled."""
        with self.lock:
            self.in_flight.difference_update(deliveries)

    def held(self) -> list[Delivery]:
        """Return what is in flight now."""
        with self.lock:
            return list(self.in_flight)

    def unheard(self, batch: list[Settlement]) -> None:
        """Keep a batch whose settlement got no answer, to settle it again; it may have been done."""
        self.settlements.extendleft(reversed(batch))
        self._unheard.update(settlement.delivery for settlement in batch)

    def lost(self, refused: list[Delivery]) -> list[Delivery]:
        """Return those whose lease was lost; one that was settled unheard is refused the second time, and is not."""
        lost = [delivery for delivery in refused if delivery not in self._unheard]
        self._unheard.clear()
        return lost

    def run_dry(self) -> None:
        """Say that the queue had no more; the waiting thread says when it may have."""
        self.ready = False
        self._dry.set()

    def stop(self) -> None:
        """End the waiting thread."""
        self._stop.set()
        self._dry.set()
        if self._outage.lasts:
            return  # The wait ends by its own error; a call more would only keep the worker from ending.
        try:
            self.consumer.wake()
        except QueueUnavailable as exc:
            self._outage.seen(exc, self.name)

    def _watch(self) -> None:
        try:
            self._wait_and_look()
        finally:
            # Settling may have written records.
            connections.close_all()

    def _wait_and_look(self) -> None:
        while not self._stop.is_set():
            self._dry.wait()
            self._dry.clear()
            if self._stop.is_set():
                return
            try:
                self.consumer.wait(WAIT_SECONDS)
            except QueueError as exc:
                self._stop.wait(self._outage.seen(exc, self.name))
            self.ready = True
            self._look(self)
