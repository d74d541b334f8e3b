"""Dramatiq: one process with ten threads.

Its JSON encoder and its default middleware (time limits, retries, callbacks). Measured twice:
as it comes, and with `dramatiq_queue_prefetch`, which its reference lists, at the catalogue's
value. By default it prefetches twice the threads, and its consumer sleeps 5 to 10 ms whenever
that many messages are under way, which bounds what short jobs reach. It has no call that adds
many messages: a group enqueues its messages one by one.
"""

import os
from typing import Any

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from benchmarks.systems import jobs
from benchmarks.systems.driver import Driver, become

dramatiq.set_broker(RedisBroker(url=os.environ["BENCH_REDIS_URL"]))
ACTORS = {
    kind: dramatiq.actor(function, actor_name=kind, queue_name="bench")
    for kind, function in {"noop": jobs.noop, "sleep": jobs.sleep}.items()
}


class Dramatiq(Driver):
    """One Dramatiq queue."""

    def add(self, kind: str, content: Any) -> None:
        """Send one message."""
        ACTORS[kind].send(content)

    def work(self, concurrency: int) -> None:
        """Become `dramatiq`; without --skip-logging it writes a line when it starts, and none for a job."""
        if self.system.variant:
            os.environ["dramatiq_queue_prefetch"] = self.system.variant  # noqa: SIM112 - Dramatiq's own spelling
        command = ["-m", "dramatiq", __name__, "--queues", "bench"]
        become(*command, "--processes", "1", "--threads", str(concurrency))


DRIVER = Dramatiq
