"""What a driver of a Python system implements, and the commands that the harness calls it with.

`python -m benchmarks.systems SYSTEM COMMAND ...` takes everything as arguments and prints one
line of JSON last: `add N` and `bulk N` add jobs and time it, `fill KIND LOW HIGH` adds them,
`ping N` adds one at a time to an idle worker, `work N` is the worker with concurrency N, until
it gets TERM. Only the standard library.
"""

import os
import random
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, Final, NoReturn

from benchmarks import payload
from benchmarks.catalogue import System
from benchmarks.ledger import the_ledger

WARM_UP: Final = 200
FILL: Final = 10_000
PING_PAUSE: Final = (0.005, 0.015)
PING_LIMIT: Final = 30.0


class Driver(ABC):
    """How one system adds jobs and works them off.

    What a caller would hold anyway, the payload and metadata, is made before the clock runs.
    """

    bulks: ClassVar[bool] = False

    def __init__(self, system: System) -> None:
        """Drive the system as its line of the catalogue says."""
        self.system = system

    def content(self, index: int) -> Any:
        """Return what the job of that index carries, as a caller of this system holds it."""
        return payload.job(index)

    @abstractmethod
    def add(self, kind: str, content: Any) -> None:
        """Add one job and wait for the server's answer."""

    def add_each(self, kind: str, contents: Iterable[Any]) -> None:
        """Add jobs one by one, each after the answer to the one before."""
        for content in contents:
            self.add(kind, content)

    def add_bulk(self, kind: str, contents: Sequence[Any]) -> None:
        """Add many jobs by the system's own call for that, in the chunks that suit it."""
        raise NotImplementedError

    def contents(self, low: int, high: int) -> list[Any]:
        """Return what the jobs from `low` up to `high` carry."""
        return [self.content(index) for index in range(low, high)]

    @abstractmethod
    def work(self, concurrency: int) -> None:
        """Run the system's worker as its documentation starts it; may replace the process."""


def become(*arguments: str) -> NoReturn:
    """Go on as another Python program, so that signals reach it and its memory is its own."""
    os.execv(sys.executable, [sys.executable, *arguments])


def run(driver: Driver, command: str, arguments: list[str]) -> dict[str, Any]:
    """Carry out one command and return its figures."""
    commands: dict[str, Callable[..., dict[str, Any]]] = {
        "add": _add,
        "bulk": _bulk,
        "fill": _fill,
        "ping": _ping,
        "work": _work,
    }
    # A system's own measurements are methods of its driver.
    command_of = commands.get(command)
    if command_of is None:
        return dict(getattr(driver, command)(*arguments))
    return command_of(driver, *arguments)


def _add(driver: Driver, jobs: str) -> dict[str, Any]:
    return _timed(driver, driver.add_each, int(jobs))


def _bulk(driver: Driver, jobs: str) -> dict[str, Any]:
    return _timed(driver, driver.add_bulk, int(jobs))


def _timed(driver: Driver, add: Callable[[str, list[Any]], None], jobs: int) -> dict[str, Any]:
    add("noop", driver.contents(0, WARM_UP))
    contents = driver.contents(WARM_UP, WARM_UP + jobs)
    began = time.perf_counter()
    add("noop", contents)
    return {"jobs": jobs, "seconds": time.perf_counter() - began}


def _fill(driver: Driver, kind: str, low: str, high: str) -> dict[str, Any]:
    add = driver.add_bulk if driver.bulks else driver.add_each
    for start in range(int(low), int(high), FILL):
        add(kind, driver.contents(start, min(start + FILL, int(high))))
    return {}


def _ping(driver: Driver, jobs: str) -> dict[str, Any]:
    """Return when each job was sent; the ledger says when it started."""
    ledger, sent, pauses = the_ledger(), [], random.Random(7)
    for index in range(int(jobs)):
        time.sleep(pauses.uniform(*PING_PAUSE))
        content = driver.content(index)
        sent.append(time.monotonic_ns())
        driver.add("noop", content)
        deadline = time.monotonic() + PING_LIMIT
        while not ledger.runs[index]:
            if time.monotonic() > deadline:
                raise TimeoutError(f"job {index} did not start within {PING_LIMIT} seconds")
            time.sleep(0.0002)
    return {"jobs": int(jobs), "sent": sent}


def _work(driver: Driver, concurrency: str) -> dict[str, Any]:
    driver.work(int(concurrency))
    return {}
