"""SAQ: one worker process with ten coroutines, over Redis, JSON as by default.

Its defaults throughout: results kept for ten minutes, a pool of connections without bound. It
has no call that adds many jobs: its `batch` and `map` wait for the results.
"""

import asyncio
import os
from collections.abc import Iterable
from typing import Any

from saq import Queue

from benchmarks.catalogue import System
from benchmarks.systems import jobs
from benchmarks.systems.driver import Driver, become


async def noop(_context: object, *, job: dict[str, Any]) -> None:
    """Do nothing."""
    await jobs.anoop(job)


async def sleep(_context: object, *, job: dict[str, Any]) -> None:
    """Wait as I/O does."""
    await jobs.asleep(job)


QUEUE = Queue.from_url(os.environ["BENCH_REDIS_URL"], name="bench")
SETTINGS = {"queue": QUEUE, "functions": [noop, sleep], "concurrency": 10}


class SAQ(Driver):
    """One SAQ queue."""

    def __init__(self, system: System) -> None:
        """Keep one event loop, so that the connection stays open between calls."""
        super().__init__(system)
        self.runner = asyncio.Runner()
        self.runner.run(QUEUE.connect())

    def add(self, kind: str, content: Any) -> None:
        """Enqueue one job."""
        self.runner.run(self._add_each(kind, (content,)))

    def add_each(self, kind: str, contents: Iterable[Any]) -> None:
        """Enqueue jobs one by one within one run of the loop."""
        self.runner.run(self._add_each(kind, contents))

    async def _add_each(self, kind: str, contents: Iterable[Any]) -> None:
        for content in contents:
            await QUEUE.enqueue(kind, job=content)

    def work(self, concurrency: int) -> None:
        """Become `saq`, which reads the concurrency from its settings."""
        if concurrency != SETTINGS["concurrency"]:
            raise ValueError(f"SAQ is set up for {SETTINGS['concurrency']} coroutines, not {concurrency}")
        become("-m", "saq", f"{__name__}.SETTINGS")


DRIVER = SAQ
