"""Jobs in child processes, for code that can crash or leak: `rqworker --isolation process`.

Each of the worker's threads has a child of its own, which runs one job after another. It is
replaced when it dies, when it was killed at a job's timeout, and after so many jobs. A child
that dies costs its job an attempt; the worker and all other jobs go on. Children are started as
new programs, never forked, and programs that a job started are killed with it.
"""

import logging
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import IO, Any, Final

import msgspec

from queues.errors import QueueError
from queues.ports import Delivery, Outcome, Settlement
from queues.worker import pipeline
from queues.worker.child import LENGTH_BYTES, Ended, Heard, Message, Order, Progress, frame
from queues.worker.runner import InThread

RUNS: Final = 1000
START_SECONDS: Final = 60.0
END_SECONDS: Final = 2.0
NOT_STARTED_WAIT: Final = timedelta(seconds=5)
# What interrupts the thread comes through between two of these.
TICK_MS: Final = 100
PIECE: Final = 65_536
log: Final = logging.getLogger("queues.worker")
_decode: Final[Callable[[bytes], Message]] = msgspec.json.Decoder(Message).decode


class ChildDied(Exception):
    """The child is not there any more; the text says how it ended."""


class ChildLate(Exception):
    """The time was up before the child answered."""


class Child:
    """One child process, used by the thread that started it."""

    def __init__(self) -> None:
        """Start it; it sets Django up meanwhile. Raises OSError when there can be no more processes."""
        self._process = subprocess.Popen(  # noqa: S603 - this interpreter, and a module of ours
            [sys.executable, "-m", "queues.worker.child", str(os.getpid()), os.environ.get("PYTHONPATH", "")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path or os.curdir for path in sys.path)},
            # A terminal's signals stay away from it, and programs that it starts can be killed with it.
            start_new_session=True,
        )
        self._in, self._out = _unblocked(self._process.stdin), _unblocked(self._process.stdout)
        self._got = bytearray()
        self._ready = False
        self.runs = 0

    def wait_ready(self) -> None:
        """Wait until it can run jobs. Raises ChildDied or ChildLate."""
        if not self._ready:
            self._receive(time.monotonic() + START_SECONDS)
            self._ready = True

    def run(self, delivery: Delivery, result_bytes: int) -> Settlement:
        """Run a job for as long as its timeout allows. Raises ChildDied or ChildLate."""
        until = time.monotonic() + delivery.timeout
        self.runs += 1
        self._send(_order(delivery, result_bytes), until)
        while True:
            match self._receive(until):
                case Ended() as ended:
                    return _settlement(delivery, ended)
                case Progress(value):
                    self._send(Heard(_note(delivery, value)), until)

    def end(self) -> None:
        """Let it end by itself, as it runs nothing; kill it when it does not."""
        self._in.close()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        self.kill()

    def kill(self) -> None:
        """End it at once, with every program that its job started."""
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._process.wait()
        self._in.close()
        self._out.close()

    def _send(self, message: msgspec.Struct, until: float) -> None:
        left = memoryview(frame(message))
        while left:
            self._wait_for(self._in, select.POLLOUT, until)
            try:
                left = left[os.write(self._in.fileno(), left) :]
            except BrokenPipeError:
                raise self._death() from None

    def _receive(self, until: float) -> Message:
        length = int.from_bytes(self._take(LENGTH_BYTES, until), "big")
        try:
            return _decode(self._take(length, until))
        except msgspec.DecodeError:
            raise ChildDied("it wrote what is no message") from None

    def _take(self, size: int, until: float) -> bytes:
        while len(self._got) < size:
            self._wait_for(self._out, select.POLLIN, until)
            piece = os.read(self._out.fileno(), PIECE)
            if not piece:
                raise self._death()
            self._got += piece
        taken = bytes(self._got[:size])
        del self._got[:size]
        return taken

    def _wait_for(self, pipe: IO[bytes], event: int, until: float) -> None:
        poller = select.poll()
        poller.register(pipe, event)
        while (left := until - time.monotonic()) > 0:
            if poller.poll(min(TICK_MS, left * 1000)):
                return
            # A program that the job started may hold the pipe open beyond the child's end.
            if self._process.poll() is not None:
                raise self._death()
        raise ChildLate

    def _death(self) -> ChildDied:
        try:
            code = self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            return ChildDied("it closed its pipe")
        return ChildDied(f"signal {-code}" if code < 0 else f"exit code {code}")


class InChild(InThread):
    """Runs each thread's jobs in a child of its own."""

    # The child's run is timed here; until it is ready, the job's time does not pass.
    slack = START_SECONDS * 2

    def __init__(self, runs: int = RUNS) -> None:
        """Replace a child after so many jobs."""
        self._runs = runs
        self._local = threading.local()

    def begin(self) -> None:
        """Start this thread's child; see InThread."""
        self._local.child = None
        self._replace()

    def run(self, delivery: Delivery, result_bytes: int) -> Settlement:
        """Run one delivery to its outcome in this thread's child; see InThread."""
        try:
            return self._run(delivery, result_bytes)
        except BaseException:
            # The attempt has ended without this thread; so must the job's code.
            self._drop()
            raise

    def end(self) -> None:
        """End this thread's child; see InThread."""
        if self._local.child is not None:
            self._local.child.end()
        super().end()

    def _run(self, delivery: Delivery, result_bytes: int) -> Settlement:
        try:
            child = self._ready_child()
        except (OSError, ChildDied, ChildLate) as exc:
            self._replace()
            return _not_started(delivery, exc)
        started = time.monotonic()
        try:
            settlement = child.run(delivery, result_bytes)
        except ChildDied as exc:
            settlement = pipeline.again(delivery, f"the job's process died ({exc})")
            settlement.ran_for = time.monotonic() - started
        except ChildLate:
            settlement = pipeline.timed_out(delivery)
        else:
            if child.runs < self._runs:
                return settlement
            child.end()
        self._replace()
        return settlement

    def _ready_child(self) -> Child:
        child: Child | None = self._local.child
        if child is None:
            self._local.child = child = Child()
        child.wait_ready()
        return child

    def _replace(self) -> None:
        """Start the next child already, so that it is ready when a job comes."""
        self._drop()
        try:
            self._local.child = Child()
        except OSError as exc:
            log.error("a job's process cannot be started", extra={"error": str(exc)})  # noqa: TRY400 - its text says all

    def _drop(self) -> None:
        child: Child | None = self._local.child
        self._local.child = None
        if child is not None:
            child.kill()


def _order(delivery: Delivery, result_bytes: int) -> Order:
    return Order(
        id=delivery.id,
        queue=delivery.consumer.queue.name,
        name=delivery.name,
        body=delivery.body,
        attempt=delivery.attempt,
        attempts=delivery.attempts,
        timeout=delivery.timeout,
        backoff=delivery.backoff,
        result_bytes=result_bytes,
    )


def _settlement(delivery: Delivery, ended: Ended) -> Settlement:
    return Settlement(
        delivery,
        ended.outcome,
        result=ended.result,
        error=ended.error,
        after=ended.after,
        counts=ended.counts,
        ran_for=ended.ran_for,
    )


def _note(delivery: Delivery, value: Any) -> str:
    """Note a run's progress; return why it was not noted, if it was not."""
    try:
        delivery.progress(value)
    except QueueError as exc:
        return exc.message
    return ""


def _not_started(delivery: Delivery, exc: Exception) -> Settlement:
    """Let the job wait for a child, at no cost: it did not run."""
    error = f"the job's process did not start ({str(exc) or type(exc).__name__})"
    log.error("a job's process did not start", extra={"job_id": delivery.id, "error": error})
    return Settlement(delivery, Outcome.RETRY, after=NOT_STARTED_WAIT, error=error, counts=False)


def _unblocked(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise ChildDied("it has no pipe")
    os.set_blocking(pipe.fileno(), False)
    return pipe
