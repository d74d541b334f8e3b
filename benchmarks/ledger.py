"""Which jobs ran, how often and when: a file that the worker under test writes through memory.

Laid out for n jobs as n start times and n end times (unsigned 64-bit nanoseconds of the
monotonic clock, which every process on the host shares) and n run counts (one byte). Writing
costs a job well under a microsecond and no system call, the same for every system. Only the
standard library, because each peer's environment imports it.
"""

import mmap
import os
from array import array
from functools import cache
from pathlib import Path
from time import monotonic_ns
from typing import Self

RECORD_BYTES = 17


class Ledger:
    """One measurement's record of runs. Workers and their forks share it."""

    def __init__(self, path: Path, jobs: int) -> None:
        """Open the file at `path`, made by `create`, for that many jobs."""
        self.path = path
        self.jobs = jobs
        with path.open("r+b") as file:
            self._map = memoryview(mmap.mmap(file.fileno(), RECORD_BYTES * jobs))
        self.starts = self._map[: 8 * jobs].cast("Q")
        self.ends = self._map[8 * jobs : 16 * jobs].cast("Q")
        self.runs = self._map[16 * jobs :]

    @classmethod
    def create(cls, path: Path, jobs: int) -> Self:
        """Make an empty ledger."""
        with path.open("wb") as file:
            file.truncate(RECORD_BYTES * jobs)
        return cls(path, jobs)

    def once(self, index: int) -> None:
        """Note the run of a job that does nothing."""
        self.starts[index] = self.ends[index] = monotonic_ns()
        self.runs[index] += 1

    def start(self, index: int) -> None:
        """Note that a job begins to run."""
        self.starts[index] = monotonic_ns()

    def end(self, index: int) -> None:
        """Note that a job has run."""
        self.ends[index] = monotonic_ns()
        self.runs[index] += 1

    def ended(self) -> int:
        """Return how many jobs have run at least once."""
        return self.jobs - bytes(self.runs).count(0)

    def problem(self) -> str:
        """Say how the runs differ from exactly one for each job; empty when they do not."""
        runs = bytes(self.runs)
        missing, once = runs.count(0), runs.count(1)
        if once == self.jobs:
            return ""
        return f"{missing} of {self.jobs} jobs never ran and {self.jobs - missing - once} ran more than once"

    def seconds(self, first: int | None = None) -> float:
        """Return the time from the first start to the last end, or to the `first`-th end."""
        ends = sorted(array("Q", bytes(self.ends)))
        return (ends[(first or self.jobs) - 1] - min(self.starts)) / 1e9


@cache
def the_ledger() -> Ledger:
    """Return the ledger that the environment of a worker under test names."""
    return Ledger(Path(os.environ["BENCH_LEDGER"]), int(os.environ["BENCH_JOBS"]))
