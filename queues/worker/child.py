"""The child process of `--isolation process`: runs one job after another for one of the worker's threads.

Parent and child speak through two pipes: four bytes of length, big-endian, then one message as
JSON. The child's own standard output goes to standard error, so that a job that prints breaks
nothing. It ends when its parent does: at once on Linux, elsewhere after the job that it runs.
"""

import ctypes
import os
import signal
import sys
import threading
import time
from datetime import timedelta
from functools import cache
from typing import Any, Final, NoReturn

import django
import msgspec
from django.db import connections

from queues.errors import LeaseLost, QueueError
from queues.jobs import Backoff
from queues.ports import Consumer, Delivery, Outcome
from queues.registry import registry
from queues.worker import pipeline
from queues.worker.runner import IDLE_SECONDS, close_stale

LENGTH_BYTES: Final = 4
_PR_SET_PDEATHSIG: Final = 1


class Order(msgspec.Struct, frozen=True):
    """A job to run: what its delivery says, and how large its result may be."""

    id: str
    queue: str
    name: str
    body: bytes
    attempt: int
    attempts: int
    timeout: float
    backoff: Backoff
    result_bytes: int


class Heard(msgspec.Struct, frozen=True):
    """The parent's answer to Progress; `error` says why it was not noted."""

    error: str = ""


class Ready(msgspec.Struct, frozen=True, tag=True):
    """The child's first message: Django is set up."""


class Progress(msgspec.Struct, frozen=True, tag=True):
    """How far the run is, as the job says; the parent checks it."""

    value: Any


class Ended(msgspec.Struct, frozen=True, tag=True):
    """How the run ended; the fields are Settlement's."""

    outcome: Outcome
    result: bytes
    error: str
    after: timedelta
    counts: bool
    ran_for: float


type Message = Ready | Progress | Ended


def frame(message: msgspec.Struct) -> bytes:
    """Return a message as it goes through a pipe."""
    body = msgspec.json.encode(message)
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


class Channel:
    """The child's end of the pipes. A job may report its progress from threads of its own."""

    def __init__(self, read: int, write: int) -> None:
        """Take the two descriptors."""
        self._read = os.fdopen(read, "rb")
        self._write = os.fdopen(write, "wb", buffering=0)
        self._lock = threading.Lock()
        self._running: Delivery | None = None

    def send(self, message: Message) -> None:
        """Send one message."""
        left = memoryview(frame(message))
        while left:
            left = left[self._write.write(left) :]

    def receive[M: msgspec.Struct](self, kind: type[M]) -> M | None:
        """Return the next message; None when the parent has closed its end."""
        length = self._read.read(LENGTH_BYTES)
        return msgspec.json.decode(self._read.read(int.from_bytes(length, "big")), type=kind) if length else None

    def run(self, delivery: Delivery, result_bytes: int) -> None:
        """Run a job and say how it ended."""
        with self._lock:
            self._running = delivery
        settlement = pipeline.run(delivery, result_bytes)
        with self._lock:
            self._running = None
            self.send(
                Ended(
                    outcome=settlement.outcome,
                    result=settlement.result,
                    error=settlement.error,
                    after=settlement.after,
                    counts=settlement.counts,
                    ran_for=settlement.ran_for,
                )
            )

    def report(self, delivery: Delivery, value: object) -> None:
        """Note a run's progress through the parent. Raises QueueError when it was not noted."""
        with self._lock:
            if delivery is not self._running:
                raise LeaseLost
            self.send(Progress(value))
            heard = self.receive(Heard)
        if heard is None:
            _leave()
        if heard.error:
            raise QueueError(heard.error)


class OrderedDelivery(Delivery):
    """A delivery that the parent holds; here it is run."""

    __slots__ = ("_channel",)

    def __init__(self, order: Order, channel: Channel) -> None:
        """Take what the parent said of it."""
        super().__init__(
            consumer=_consumer(order.queue),
            id=order.id,
            name=order.name,
            body=order.body,
            token="",
            attempt=order.attempt,
            attempts=order.attempts,
            timeout=order.timeout,
            backoff=order.backoff,
            waited=0.0,
        )
        self._channel = channel

    def progress(self, value: float) -> None:
        """Note how far the run is, from 0 to 100."""
        self._channel.report(self, value)


@cache
def _consumer(queue: str) -> Consumer:
    return registry[queue].consumer(f"child-{os.getpid()}")


def serve(channel: Channel) -> None:
    """Run what the parent orders until it closes its end."""
    channel.send(Ready())
    ended_at = 0.0
    while (order := channel.receive(Order)) is not None:
        if time.monotonic() - ended_at > IDLE_SECONDS:
            close_stale()
        channel.run(OrderedDelivery(order, channel), order.result_bytes)
        close_stale()
        ended_at = time.monotonic()
    connections.close_all()


def _leave() -> NoReturn:
    """End the process at once: nobody is there to hear of the job."""
    os._exit(1)


def _end_with(parent: int) -> None:
    """Let the kernel end this process with the thread that started it, and so with its process."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        _leave()


def _take_pipes() -> Channel:
    """Take standard input and output for messages; the job's code gets none and standard error instead."""
    channel = Channel(os.dup(0), os.dup(1))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    return channel


def main(parent: int, python_path: str) -> None:
    """Serve the process of that id; programs that jobs start get its PYTHONPATH, not the one that found us."""
    _end_with(parent)
    channel = _take_pipes()
    os.environ["PYTHONPATH"] = python_path
    if not python_path:
        del os.environ["PYTHONPATH"]
    # The parent says when to stop; a signal to all of its processes must not end the job before.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    django.setup()
    serve(channel)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
