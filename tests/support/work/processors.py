"""A processor with a vocabulary of faults, and the ledger that it keeps."""

import ctypes
import os
import signal
import time
from dataclasses import dataclass
from datetime import timedelta

from queues import PermanentError, RetryLater, RunningJob, processor


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What to do: an action, how long it takes, and the file that says it was done."""

    ledger: str
    action: str = "ok"
    seconds: float = 0.0


def write(path: str, line: str) -> None:
    """Append one line in one write, which the kernel keeps whole and in order."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(descriptor, f"{line}\n".encode())
    finally:
        os.close(descriptor)


@processor("work.do.v1")
def do(work: Work, job: RunningJob) -> str:
    """Write the start, act, write the finish."""
    write(work.ledger, f"start {job.id} {job.attempt} {os.getpid()} {time.time()}")
    ACTIONS[work.action](work.seconds)
    write(work.ledger, f"finish {job.id} {job.attempt} {os.getpid()} {time.time()}")
    return work.action


def kill(_seconds: float) -> None:
    """End the process as the out-of-memory killer does."""
    os.kill(os.getpid(), signal.SIGKILL)


def fail(_seconds: float) -> None:
    """Raise what any code may raise."""
    raise ValueError("as asked")


def permanent(_seconds: float) -> None:
    """Fail for good."""
    raise PermanentError("as asked")


def later(seconds: float) -> None:
    """Ask for another time."""
    raise RetryLater(timedelta(seconds=seconds))


def swallow(seconds: float) -> None:
    """Swallow every exception until the time is over."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            time.sleep(0.05)
        except BaseException:  # noqa: BLE001, S112 - the fault that Case B10 is about
            continue


def hog(seconds: float) -> None:
    """Hold the interpreter's lock in C code, in pieces of a second at most."""
    libc = ctypes.PyDLL(None)
    for _ in range(int(seconds / 0.5)):
        libc.usleep(500_000)


ACTIONS = {
    "ok": time.sleep,
    "kill": kill,
    "fail": fail,
    "permanent": permanent,
    "later": later,
    "swallow": swallow,
    "hog": hog,
}
