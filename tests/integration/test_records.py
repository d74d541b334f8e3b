"""Rows are found by small indexes, kept for a while, and on the databases that a router names."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from queues.durability import records, retention
from queues.durability.outbox import OutboxQueue, recorded
from queues.errors import QueueUnavailable, UnknownQueue
from queues.models import JobRecord
from queues.registry import registry
from tests.integration.durability import OTHER, add, effects_table, outbox, record, second_database, states, work
from tests.support.valkey import Valkey

DAY = timedelta(days=1)


@pytest.fixture
def queue(each_database: None, valkey: Valkey) -> Iterator[OutboxQueue]:
    """A queue that keeps records, on each database."""
    with effects_table():
        yield outbox(valkey)


def rows(state: str, count: int, *, published: bool = True, age: timedelta = DAY) -> None:
    """Write rows of jobs that were accepted, and ended if so, that long ago."""
    at = timezone.now() - age
    first = JobRecord.objects.count()
    JobRecord.objects.bulk_create(
        [
            JobRecord(
                queue="data-processing",
                job_id=f"{state}-{first + number}",
                name="effect.once.v1",
                body="{}",
                data_length=2,
                options="",
                correlation_id="c",
                state=state,
                accepted_at=at,
                available_at=at,
                published_at=at if published else None,
                ended_at=None if state == "open" else at,
            )
            for number in range(count)
        ],
        batch_size=5000,
    )


def test_pruning_deletes_old_ended_rows_in_batches(queue: OutboxQueue, django_assert_num_queries: Any) -> None:
    """Open rows and younger ones stay, however old the open ones are; no transaction takes more than a batch."""
    for state in ("open", "completed", "failed", "discarded"):
        rows(state, 30, age=2 * DAY)
    rows("completed", 5, age=DAY / 2)
    with django_assert_num_queries(4 * 9 + 1):
        assert retention.prune("data-processing", "default", DAY, batch=10) == 90

    assert (queue.prune(DAY), queue.owed()) == (0, (30, 0))
    assert JobRecord.objects.count() == 35


def test_a_pruned_id_is_free_again(queue: OutboxQueue) -> None:
    """Its record is forgotten; the provider may still know it, and then it is the provider's duplicate."""
    add(queue, "j", remove_on_complete=0)
    work(queue)
    JobRecord.objects.update(ended_at=timezone.now() - 2 * DAY)
    assert queue.prune(DAY) == 1
    assert queue.get_job("j") is None

    assert not add(queue, "j").duplicate
    assert len(work(queue)) == 1


def plan(rows_: Any) -> str:
    """Return how PostgreSQL would look for rows."""
    return str(rows_.explain())


@pytest.mark.usefixtures("postgres")
def test_what_the_relay_asks_is_served_by_the_partial_indexes() -> None:
    """Among many ended rows, those that are owed are found without looking at the others."""
    rows("completed", 20_000)
    rows("open", 200)
    rows("open", 20, published=False)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE queues_jobrecord")
    seen: list[str] = []

    def watch(execute: Any, sql: str, params: Any, many: Any, context: Any) -> Any:
        if "queues_jobrecord" in sql and sql.startswith("SELECT"):
            with connection.cursor() as cursor, connection_unwatched():
                cursor.execute(f"EXPLAIN {sql}", params)
                seen.append("\n".join(row[0] for row in cursor.fetchall()))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(watch):
        ask()
    assert len(seen) == 6
    assert not [each for each in seen if "Seq Scan" in each]
    assert all(any(name in each for name in ("records_to_publish", "open_records", "ended_records")) for each in seen)


def connection_unwatched() -> Any:
    """Ask the database without being asked about it."""
    from contextlib import contextmanager

    @contextmanager
    def unwatched() -> Iterator[None]:
        wrappers = connection.execute_wrappers
        connection.execute_wrappers = []
        try:
            yield
        finally:
            connection.execute_wrappers = wrappers

    return unwatched()


def ask() -> None:
    """Ask what the relay, reconcile and pruning ask."""
    from queues.adapters.memory import MemoryQueue
    from queues.conf import QueueConf
    from queues.durability import reconcile, relay

    provider = MemoryQueue(QueueConf(name="data-processing"))
    assert len(relay._claim("data-processing", "default")) == 20
    assert reconcile.anything_lost(provider, "default")
    assert len(next(reconcile._published(provider, "default", timezone.now()))[0]) == 200
    assert retention.prune("data-processing", "default", 2 * DAY) == 0


class Router:
    """Keeps the platform's tables out of the second database."""

    def allow_migrate(self, db: str, app_label: str, **_: Any) -> bool | None:
        """Say where tables of an app may be."""
        return None if app_label != "queues" else db != OTHER


def test_a_database_that_a_router_keeps_records_out_of_is_not_asked(
    queue: OutboxQueue, tmp_path: Path, settings: Any
) -> None:
    """A foreign database beside ours neither needs our table nor holds up the relay."""
    with second_database(tmp_path) as alias:
        assert records.aliases() == ["default", alias]
        with connections[alias].cursor() as cursor:
            cursor.execute("DROP TABLE queues_jobrecord")
        with pytest.raises(QueueUnavailable, match="database"):
            queue.relay()
        settings.DATABASE_ROUTERS = [Router()]
        assert records.aliases() == ["default"]
        with transaction.atomic(using=alias):
            add(queue, "j")
        queue.relay()
        assert states() == {"j": "open"}


def test_the_row_says_what_was_accepted(queue: OutboxQueue) -> None:
    """Content, options, flow and times are the job's own, and the caller's retention is kept in it."""
    job = add(queue, "j", action="ok", remove_on_fail=7, attempts=4)
    row = record("j")
    (seen, inside) = (records.view(row), queue.inner.get_job("j"))

    assert (seen.data, seen.metadata, seen.options.attempts) == ({"action": "ok"}, job.metadata, 4)
    assert inside is not None
    assert (seen.options.remove_on_fail, inside.options.remove_on_fail) == (7, records.KEPT_FAILED)
    assert row.correlation_id == job.metadata.correlation_id


@pytest.mark.usefixtures("each_database")
def test_only_queues_that_keep_records_are_relayed() -> None:
    """The settings say which; an unknown name is an error."""
    registry.close()
    try:
        assert [queue.name for queue in recorded()] == ["transaction-processing", "transaction-settlement"]
        assert recorded(["data-processing"]) == []
        with pytest.raises(UnknownQueue):
            recorded(["nope"])
    finally:
        registry.close()
