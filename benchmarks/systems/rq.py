"""RQ: `rq worker` with JSON.

RQ has no concurrency within a process, so it runs one job at a time. `--quiet` and warnings
only, because by default it logs three lines for each job; JSON, because pickle is not safe to
load. Everything else is RQ's default, results kept for 500 seconds included.
"""

import os
from collections.abc import Sequence
from typing import Any

from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer

from benchmarks.catalogue import System
from benchmarks.systems.driver import Driver, become

URL = os.environ["BENCH_REDIS_URL"]
CHUNK = 1_000


class RQ(Driver):
    """One RQ queue."""

    bulks = True

    def __init__(self, system: System) -> None:
        """Connect to the queue."""
        super().__init__(system)
        self.queue = Queue("bench", connection=Redis.from_url(URL), serializer=JSONSerializer)

    def add(self, kind: str, content: Any) -> None:
        """Enqueue by the function's path, as RQ's documentation does for code it does not import."""
        self.queue.enqueue(f"benchmarks.systems.jobs.{kind}", content)

    def add_bulk(self, kind: str, contents: Sequence[Any]) -> None:
        """Enqueue through `enqueue_many`; chunks keep its pipeline from growing without bound."""
        path = f"benchmarks.systems.jobs.{kind}"
        for low in range(0, len(contents), CHUNK):
            self.queue.enqueue_many([Queue.prepare_data(path, (each,)) for each in contents[low : low + CHUNK]])

    def work(self, concurrency: int) -> None:  # noqa: ARG002 - see the module's docstring
        """Become `rq worker`."""
        command = ["-m", "rq.cli", "worker", "bench", "--url", URL, "--serializer", "json"]
        become(*command, "--worker-class", self.system.variant, "--quiet")


DRIVER = RQ
