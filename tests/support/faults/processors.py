"""Processors that do to their process what code can do to one."""

import ctypes
import logging
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

from queues import RunningJob, processor
from tests.support.work.processors import write

_kept: list[bytes] = []


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What to do, and the file that says in which process it was done."""

    ledger: str
    action: str = "ok"
    seconds: float = 0.0


@processor("fault.do.v1")
def do(fault: Fault, job: RunningJob) -> int:
    """Write the start, act, write the finish, and return the process id."""
    write(fault.ledger, f"start {job.id} {job.attempt} {os.getpid()} {time.time()}")
    ACTIONS[fault.action](fault.seconds, job)
    write(fault.ledger, f"finish {job.id} {job.attempt} {os.getpid()} {time.time()}")
    return os.getpid()


@processor("fault.nothing.v1")
def nothing(_payload: dict) -> None:  # type: ignore[type-arg] - any payload
    """Do nothing."""


@processor("fault.fail.v1")
def fail(_payload: dict) -> None:  # type: ignore[type-arg] - any payload
    """Fail."""
    raise ValueError("as asked")


def sleep(seconds: float, _job: RunningJob) -> None:
    """Take a while."""
    time.sleep(seconds)


def segfault(_seconds: float, _job: RunningJob) -> None:
    """Read where nothing is."""
    ctypes.string_at(0)


def kill(_seconds: float, _job: RunningJob) -> None:
    """End the process as the out-of-memory killer does."""
    os.kill(os.getpid(), signal.SIGKILL)


def leave(_seconds: float, _job: RunningJob) -> None:
    """End the process without a word."""
    os._exit(3)


def leave_by_exception(_seconds: float, _job: RunningJob) -> None:
    """Ask the interpreter to end, as command-line code does."""
    sys.exit("no such option")


def spin(_seconds: float, _job: RunningJob) -> None:
    """Never end, and keep the interpreter busy."""
    while True:
        pass


def hold(seconds: float, _job: RunningJob) -> None:
    """Hold the interpreter's lock in C code all the time."""
    ctypes.PyDLL(None).usleep(int(seconds * 1_000_000))


def leak(_seconds: float, _job: RunningJob) -> None:
    """Keep 20 MB for good."""
    _kept.append(os.urandom(20_000_000))


def speak(_seconds: float, job: RunningJob) -> None:
    """Write to standard output and to the log, read standard input, and say how far it is."""
    os.write(1, b"raw words\n")
    print("printed words")
    logging.getLogger("faults").warning("logged words")
    sys.stdin.read()
    job.progress(50)


def say_nonsense(_seconds: float, job: RunningJob) -> None:
    """Say that more is done than there is."""
    job.progress(1000)


def start_program(seconds: float, _job: RunningJob) -> None:
    """Start a program and wait for it."""
    subprocess.run([sys.executable, "-c", f"import time; time.sleep({seconds})"], check=True)


def surrogates(_seconds: float, _job: RunningJob) -> None:
    """Raise a text that no encoding carries."""
    raise ValueError("half a character: \ud800")


def inherit(_seconds: float, _job: RunningJob) -> None:
    """Tell which path a program of the job would get."""
    raise ValueError(f"PYTHONPATH is {os.environ.get('PYTHONPATH')}")


ACTIONS = {
    "ok": sleep,
    "segfault": segfault,
    "kill": kill,
    "leave": leave,
    "sys-exit": leave_by_exception,
    "spin": spin,
    "hold": hold,
    "leak": leak,
    "speak": speak,
    "nonsense": say_nonsense,
    "program": start_program,
    "surrogates": surrogates,
    "inherit": inherit,
}
