"""What the tests of records do with a queue, in a word each."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections

from queues.adapters.rq import RQQueue
from queues.codec import RESULT_BYTES
from queues.conf import QueueConf
from queues.durability import reconcile, relay
from queues.durability.outbox import OutboxQueue
from queues.errors import QueueError
from queues.jobs import JobOptions, QueueJob
from queues.models import JobRecord
from queues.ports import Delivery, Settlement
from queues.worker import pipeline
from tests.support.accepted import processors
from tests.support.accepted.processors import ONCE
from tests.support.valkey import Valkey

QUEUE = "data-processing"
HOUR = timedelta(hours=1)
OTHER = "other"


def outbox(server: Valkey, **settings: Any) -> OutboxQueue:
    """Return a queue that keeps records, over RQ on that server."""
    conf = QueueConf(**{"name": QUEUE, "record": "accepted", "connection": {"URL": server.url}, **settings})
    return OutboxQueue(RQQueue(conf))


def add(queue: OutboxQueue, job_id: str | None = None, name: str = ONCE, **more: Any) -> QueueJob[Any]:
    """Add a job; what is no field of its payload is an option."""
    data = {key: more.pop(key) for key in ("action", "seconds", "alias") if key in more}
    return queue.add(name, data, JobOptions(job_id=job_id, **more))


def work(queue: OutboxQueue, limit: int = 100) -> list[Settlement]:
    """Run all that waits, as a worker does, and return how each run ended."""
    consumer = queue.consumer("worker")
    ended = []
    while deliveries := consumer.reserve(limit):
        settlements = [pipeline.run(delivery, RESULT_BYTES) for delivery in deliveries]
        consumer.settle(settlements)
        ended += settlements
    return ended


def take(queue: OutboxQueue) -> Delivery:
    """Reserve the one job that must be there."""
    (delivery,) = queue.consumer("worker").reserve(1)
    return delivery


def record(job_id: str, alias: str = "default") -> JobRecord:
    """Return a job's row."""
    return JobRecord.objects.using(alias).get(job_id=job_id)


def states(alias: str = "default") -> dict[str, str]:
    """Return the state of every row."""
    return dict(JobRecord.objects.using(alias).values_list("job_id", "state"))


def known(queue: OutboxQueue) -> int:
    """Return how many jobs the provider has that have not ended."""
    stats = queue.get_stats()
    return stats.waiting + stats.delayed + stats.active


def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the relay and reconcile step in at once."""
    monkeypatch.setattr(relay, "OVERDUE", timedelta(0))
    monkeypatch.setattr(reconcile, "SETTLED", timedelta(0))


def at_once(calls: Iterable[Callable[[], Any]]) -> list[Any]:
    """Run all calls in threads of their own that start together; return results, or the platform's errors."""
    waiting = list(calls)
    gate = Barrier(len(waiting))

    def run(call: Callable[[], Any]) -> Any:
        try:
            connections["default"].ensure_connection()
            gate.wait(30)
            return call()
        except QueueError as exc:
            return exc
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(waiting)) as pool:
        return list(pool.map(run, waiting))


@contextmanager
def effects_table(alias: str = "default") -> Iterator[None]:
    """Let effects be written inside the block."""
    processors.create_table(alias)
    try:
        yield
    finally:
        processors.drop_table(alias)


@contextmanager
def second_database(folder: Path) -> Iterator[str]:
    """Open another database beside the default one, migrated, in every thread that connects inside the block."""
    options = {"transaction_mode": "IMMEDIATE", "timeout": 20, "init_command": "PRAGMA journal_mode=WAL;"}
    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(folder / "other.sqlite3"), "OPTIONS": options}
    configured = connections.configure_settings({"default": {}, OTHER: database})
    connections.settings[OTHER] = configured[OTHER]
    try:
        call_command("migrate", "queues", database=OTHER, verbosity=0, interactive=False)
        yield OTHER
    finally:
        connections[OTHER].close()
        del connections[OTHER]
        del connections.settings[OTHER]
