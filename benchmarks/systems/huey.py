"""Huey: the Redis list, JSON instead of pickle, ten worker threads.

Results of None are not stored, which is Huey's default. The scheduler thread runs, since it
also serves retries and delays; periodic tasks are off because there are none.
"""

import json
import os
from typing import Any

from huey import RedisHuey
from huey.registry import Message
from huey.serializer import Serializer

from benchmarks.systems import jobs
from benchmarks.systems.driver import Driver, become


class JSONMessages(Serializer):
    """Huey's messages as JSON lists; its own serializer pickles."""

    def _serialize(self, data: Any) -> bytes:
        return json.dumps(data, separators=(",", ":")).encode()

    def _deserialize(self, data: bytes) -> Any:
        value = json.loads(data)
        return Message(*value) if isinstance(value, list) and len(value) == len(Message._fields) else value


HUEY = RedisHuey("bench", url=os.environ["BENCH_REDIS_URL"], serializer=JSONMessages())
TASKS = {kind: HUEY.task(name=kind)(function) for kind, function in {"noop": jobs.noop, "sleep": jobs.sleep}.items()}


class Huey(Driver):
    """One Huey instance."""

    def add(self, kind: str, content: Any) -> None:
        """Enqueue one task."""
        TASKS[kind](content)

    def work(self, concurrency: int) -> None:
        """Become Huey's consumer; `-q` because it logs two lines for each task."""
        command = ["-m", "huey.bin.huey_consumer", f"{__name__}.HUEY", "-k", "thread"]
        become(*command, "-w", str(concurrency), "-n", "-q")


DRIVER = Huey
