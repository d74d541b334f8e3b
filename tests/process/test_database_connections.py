"""Workers and their connections to PostgreSQL: none is used when dead, shared over a fork, or left behind."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import psutil
import psycopg
import pytest

from queues.adapters.rq import RQQueue
from queues.jobs import JobOptions, NewJob
from tests.integration.conftest import postgres_server  # noqa: F401 - a fixture, asked for by its name
from tests.support.valkey import Valkey
from tests.support.wait import until
from tests.support.workers import Workers, make_queue, wait_ended

pytestmark = pytest.mark.process
QUEUE = "data-processing"
THREADS = 4


class Database:
    """A database of the test's own, and the connections to it."""

    def __init__(self, server: dict[str, Any], name: str) -> None:
        """Create it."""
        parts = {"host": server["HOST"], "user": server["USER"], "password": server["PASSWORD"], "dbname": "postgres"}
        self.name = name
        self.admin = psycopg.connect(**parts, autocommit=True)
        self.admin.execute(f"CREATE DATABASE {name}")
        self.url = f"postgres://{server['USER']}:{server['PASSWORD']}@{quote(server['HOST'], safe='')}/{name}"

    def backends(self) -> set[int]:
        """Return the server's process of each connection."""
        rows = self.admin.execute("SELECT pid FROM pg_stat_activity WHERE datname = %s", [self.name])
        return {pid for (pid,) in rows}

    def terminate(self) -> None:
        """End every connection from the server's side, as an administrator or a firewall does overnight."""
        self.admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [self.name])
        until(lambda: not self.backends(), why="the connections have ended")

    def drop(self) -> None:
        """Remove it."""
        self.admin.execute(f"DROP DATABASE {self.name} WITH (FORCE)")
        self.admin.close()


@pytest.fixture
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """An empty database on PostgreSQL."""
    database = Database(request.getfixturevalue("postgres_server"), f"test_{uuid4().hex}")
    yield database
    database.drop()


@pytest.fixture
def workers(valkey: Valkey, tmp_path: Path) -> Iterator[Workers]:
    """Worker processes that end with the test, the forked ones first."""
    started = Workers(valkey, tmp_path)
    yield started
    for worker in started.processes:
        if worker.poll() is None:
            for child in psutil.Process(worker.pid).children(recursive=True):
                child.kill()
    started.stop()
    print(started.logs())


def start(workers: Workers, database: Database, *arguments: str, command: str = "rqworker") -> subprocess.Popen[bytes]:
    """Start a worker whose jobs use the database."""
    return workers.start(
        QUEUE,
        *arguments,
        command=command,
        DJANGO_SETTINGS_MODULE="tests.support.databases.settings",
        DATABASE_URL=database.url,
        QUEUE_CONCURRENCY=str(THREADS),
    )


def ask(queue: RQQueue, workers: Workers, ids: list[str], seconds: float = 0.0) -> None:
    """Add jobs that use the database once and may run once."""
    data = {"ledger": str(workers.ledger.path), "seconds": seconds}
    queue.add_bulk(
        [NewJob(name="database.ask.v1", data=data, options=JobOptions(job_id=each, attempts=1)) for each in ids]
    )


def test_connections_that_the_server_ended_fail_no_job(workers: Workers, database: Database) -> None:
    """Case B52: with CONN_MAX_AGE 600 and every connection terminated before each of 100 jobs, none fails."""
    queue = make_queue(workers.valkey)
    start(workers, database)
    ids = [f"job-{number}" for number in range(100)]

    for job_id in ids:
        ask(queue, workers, [job_id])
        until(lambda job_id=job_id: _ended(queue, workers, job_id), why=f"{job_id} has ended")
        database.terminate()

    assert workers.ledger.counts("finish") == dict.fromkeys(ids, 1)
    assert (queue.get_stats().completed, queue.get_stats().failed) == (100, 0)
    assert not any(error in workers.logs() for error in ("OperationalError", "InterfaceError"))


def _ended(queue: RQQueue, workers: Workers, job_id: str) -> bool:
    return bool(workers.ledger.counts("finish")[job_id] or queue.get_stats().failed)


def test_threads_keep_a_connection_each_and_leave_none(workers: Workers, database: Database) -> None:
    """Case B52: at most one connection for each thread and one of the main thread's; none after the worker's end."""
    queue = make_queue(workers.valkey)
    worker = start(workers, database)

    for batch in range(3):
        ask(queue, workers, [f"job-{batch}-{number}" for number in range(50)], seconds=0.002)
        wait_ended(queue)
    idle = database.backends()
    used = {int(line[4]) for line in workers.ledger.lines("finish")}

    assert queue.get_stats().failed == 0
    assert 1 <= len(used) <= THREADS
    assert used <= idle
    assert len(idle) <= THREADS + 1
    worker.terminate()
    assert worker.wait(60) == 0
    until(lambda: not database.backends(), why="the worker left no connection")


def test_a_pools_workers_share_no_connection(workers: Workers, database: Database) -> None:
    """Case B52: what the parent opened before it forked is used by no child, and no child uses another's."""
    queue = make_queue(workers.valkey)
    pool = start(workers, database, "--num-workers", "3", command="rqworker-pool")
    until(lambda: workers.valkey.client().scard("rq:workers") == 3, why="three workers are registered")

    ids = [f"job-{number}" for number in range(150)]
    ask(queue, workers, ids, seconds=0.02)
    wait_ended(queue)

    assert workers.ledger.counts("finish") == dict.fromkeys(ids, 1)
    users: dict[int, set[int]] = {}
    for _, _, _, worker, backend in workers.ledger.lines("finish"):
        users.setdefault(int(backend), set()).add(int(worker))
    assert len(set.union(*users.values())) == 3
    assert pool.pid not in set.union(*users.values())
    assert all(len(processes) == 1 for processes in users.values())
    assert not any(error in workers.logs() for error in ("OperationalError", "InterfaceError"))
    pool.terminate()
    assert pool.wait(60) == 0
