"""BullMQ on Python: one worker with ten coroutines.

Attempts, backoff and retention are the specification's. `addBulk` takes a thousand jobs a
call, as on Node.
"""

import asyncio
import os
import signal
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any

from bullmq import Job, Queue, Worker

from benchmarks.catalogue import System
from benchmarks.payload import NOOP, SLEEP
from benchmarks.systems import jobs
from benchmarks.systems.driver import Driver

CONNECTION = {"connection": os.environ["BENCH_REDIS_URL"]}
NAMES = {"noop": NOOP, "sleep": SLEEP}
OPTIONS = {
    "attempts": 3,
    "backoff": {"type": "exponential", "delay": 2000},
    "removeOnComplete": {"count": 100},
    "removeOnFail": {"count": 50},
}
CHUNK = 1_000


class BullMQ(Driver):
    """One BullMQ queue."""

    bulks = True

    def __init__(self, system: System) -> None:
        """Keep one event loop, so that the connection stays open between calls."""
        super().__init__(system)
        self.runner = asyncio.Runner()
        self.queue: Queue | None = None

    def _run(self, call: Coroutine[Any, Any, None]) -> None:
        self.runner.run(call)

    def _open(self) -> Queue:
        self.queue = self.queue or Queue("bench", CONNECTION)
        return self.queue

    def add(self, kind: str, content: Any) -> None:
        """Add one job."""
        self._run(self._add_each(kind, (content,)))

    def add_each(self, kind: str, contents: Iterable[Any]) -> None:
        """Add jobs one by one within one run of the loop."""
        self._run(self._add_each(kind, contents))

    async def _add_each(self, kind: str, contents: Iterable[Any]) -> None:
        queue = self._open()
        for content in contents:
            await queue.add(NAMES[kind], content, OPTIONS)

    def add_bulk(self, kind: str, contents: Sequence[Any]) -> None:
        """Add jobs through `addBulk`."""
        self._run(self._add_bulk(kind, contents))

    async def _add_bulk(self, kind: str, contents: Sequence[Any]) -> None:
        queue = self._open()
        for low in range(0, len(contents), CHUNK):
            chunk = contents[low : low + CHUNK]
            await queue.addBulk([{"name": NAMES[kind], "data": each, "opts": OPTIONS} for each in chunk])

    def work(self, concurrency: int) -> None:
        """Run a Worker until TERM."""
        self._run(self._work(concurrency))

    async def _work(self, concurrency: int) -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        worker = Worker("bench", process, {**CONNECTION, "concurrency": concurrency})
        await stop.wait()
        await worker.close()


async def process(work: Job, _token: str) -> None:
    """Do what the job's name says."""
    await (jobs.asleep if work.name == SLEEP else jobs.anoop)(work.data)


DRIVER = BullMQ
