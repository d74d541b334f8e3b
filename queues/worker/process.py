"""A worker as a process: signals, the loop's own thread, and how it ends."""

import logging
import os
import select
import signal
import sys
import threading
import time
from multiprocessing import parent_process
from types import FrameType
from typing import Final

from queues.worker.loop import Worker

CHECK_SECONDS: Final = 1.0
SAME_SECONDS: Final = 1.0
log: Final = logging.getLogger("queues.worker")


class WorkerProcess:
    """Runs a worker until it ends by itself or by TERM or INT; twice ends it at once."""

    def __init__(self, worker: Worker) -> None:
        """Take the worker to run."""
        self.worker = worker
        self._signals = 0
        self._signalled_at = 0.0
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)
        os.set_blocking(self._read, False)

    def run(self) -> None:
        """Run to the end. The loop has a thread of its own, for a handler may take no lock."""
        before = {number: signal.signal(number, self._handle) for number in (signal.SIGTERM, signal.SIGINT)}
        wakeup = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        thread = threading.Thread(target=self.worker.run, name="queues-loop")
        thread.start()
        try:
            self._watch(thread)
        finally:
            signal.set_wakeup_fd(wakeup)
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(self._read)
            os.close(self._write)

    def _watch(self, thread: threading.Thread) -> None:
        obeyed = 0
        while thread.is_alive():
            select.select([self._read], [], [], CHECK_SECONDS if obeyed == 0 else 0.05)
            try:
                os.read(self._read, 64)
            except BlockingIOError:
                pass
            if self._signals == 0 and _is_orphan():
                log.warning("the pool is gone")
                self._signals = 1
            while obeyed < self._signals:
                obeyed += 1
                log.info("stopping" if obeyed == 1 else "stopping at once")
                self.worker.stop()

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        # rqworker-pool passes on a signal that the system may have sent to all processes already.
        if parent_process() is None or now - self._signalled_at > SAME_SECONDS:
            self._signals += 1
        self._signalled_at = now


def _is_orphan() -> bool:
    """Say whether the pool that started this process has died; a new one will start workers of its own."""
    pool = parent_process()
    return pool is not None and os.getppid() != pool.pid


def leave(worker: Worker) -> None:
    """End the process; one whose job threads will not end is replaced by a new one, a pool's by its pool."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    if worker.to_replace and parent_process() is None:
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - this very command again
    if worker.running or worker.stuck:
        # An abandoned thread must not run on while the interpreter waits for it.
        os._exit(0)
