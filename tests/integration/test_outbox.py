"""Jobs are rows in the caller's transaction: what rolls back leaves nothing, what commits runs once."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, connections, transaction

from queues.durability.outbox import OutboxQueue
from queues.errors import InvalidMetadata, JobIdConflict, QueueUnavailable
from queues.jobs import JobOptions, JobState, NewJob
from queues.metadata import JobMetadata
from queues.models import JobRecord
from tests.integration.durability import (
    HOUR,
    OTHER,
    add,
    at_once,
    effects_table,
    known,
    outbox,
    record,
    second_database,
    states,
    work,
)
from tests.support.accepted.processors import ONCE, TABLE, effects
from tests.support.valkey import Valkey

RUNS = 200


@pytest.fixture
def queue(each_database: None, valkey: Valkey) -> Iterator[OutboxQueue]:
    """A queue that keeps records, on each database, and a table for effects."""
    with effects_table():
        yield outbox(valkey)


@pytest.fixture
def other(queue: OutboxQueue, tmp_path: Path) -> Iterator[str]:
    """A second database with records and effects of its own."""
    with second_database(tmp_path) as alias, effects_table(alias):
        yield alias


def add_all(queue: OutboxQueue, alias: str = "default") -> list[str]:
    """Add a job now, one with delay and two in bulk; return their ids."""
    jobs = [
        add(queue, alias=alias),
        add(queue, delay=HOUR, alias=alias),
        *queue.add_bulk([NewJob(name=ONCE, data={"alias": alias}) for _ in range(2)]),
    ]
    return [job.id for job in jobs]


@contextmanager
def rolled_back(alias: str = "default") -> Iterator[None]:
    """Run the block in a transaction that an exception ends."""
    with suppress(ZeroDivisionError), transaction.atomic(using=alias):
        yield
        1 / 0  # noqa: B018 - for its exception


def test_a_rollback_leaves_no_row_and_no_job(queue: OutboxQueue) -> None:
    """Case B01: added, delayed or in bulk, nothing is left of what was rolled back."""
    with rolled_back():
        add_all(queue)

    assert (JobRecord.objects.count(), known(queue)) == (0, 0)


def test_a_commit_publishes_each_job_once_and_not_before(queue: OutboxQueue) -> None:
    """Case B01: the id is there inside the transaction, the job only after it."""
    with transaction.atomic():
        ids = add_all(queue)
        assert (len(set(ids)), known(queue), queue.inner.get_job(ids[0])) == (4, 0, None)
        inside = queue.get_job(ids[0])
        assert inside is not None and inside.state is JobState.WAITING

    stats = queue.get_stats()
    assert (stats.waiting, stats.delayed) == (3, 1)
    queue.promote_job(ids[1])
    assert len(work(queue)) == 4
    assert effects() == sorted(ids)
    assert states() == dict.fromkeys(ids, "completed")


def test_a_consumer_never_meets_a_job_whose_row_is_not_there(queue: OutboxQueue) -> None:
    """Case B01: in 200 transactions a consumer that polls finds the row that each wrote beside its job."""
    seen: list[bool] = []
    done = threading.Event()

    def poll() -> None:
        consumer = outbox_consumer(queue)
        try:
            while not (done.is_set() and len(seen) >= RUNS):
                for delivery in consumer.reserve(10, 0.05):
                    with connection.cursor() as cursor:
                        cursor.execute(f"SELECT COUNT(*) FROM {TABLE} WHERE job_id = %s", [delivery.id])  # noqa: S608 - the name is a constant
                        seen.append(cursor.fetchone() == (1,))
                    delivery.complete()
        finally:
            connections.close_all()

    thread = threading.Thread(target=poll, daemon=True)
    thread.start()
    for number in range(RUNS):
        with transaction.atomic():
            job = add(queue, f"job-{number}") if number % 2 else queue.add_bulk([bulk_item(f"job-{number}")])[0]
            with connection.cursor() as cursor:
                cursor.execute(f"INSERT INTO {TABLE} (job_id, attempt) VALUES (%s, 0)", [job.id])  # noqa: S608 - the name is a constant
    done.set()
    thread.join(60)

    assert seen == [True] * RUNS


def outbox_consumer(queue: OutboxQueue) -> object:
    """Return a consumer for a thread of its own."""
    return queue.consumer("poller")


def bulk_item(job_id: str) -> NewJob[object]:
    """Return one item of a bulk add."""
    return NewJob(name=ONCE, data={}, options=JobOptions(job_id=job_id))


def test_the_rows_are_in_the_database_of_the_transaction(queue: OutboxQueue, other: str) -> None:
    """Case B01: on a second database alias a rollback leaves nothing, and a commit gives one run each."""
    with rolled_back(other):
        add_all(queue, other)
    assert (states(other), states(), known(queue)) == ({}, {}, 0)

    with transaction.atomic(using=other):
        ids = add_all(queue, other)
        assert known(queue) == 0
    assert (set(states(other)), states()) == (set(ids), {})
    queue.promote_job(ids[1])
    work(queue)

    assert effects(OTHER) == sorted(ids)
    assert states(other) == dict.fromkeys(ids, "completed")


def test_a_savepoint_that_rolls_back_takes_its_jobs_with_it(queue: OutboxQueue, other: str) -> None:
    """Case B01: what a nested block gives up is not published with the rest."""
    for alias in ("default", other):
        with transaction.atomic(using=alias):
            kept = add(queue, f"kept-{alias}", alias=alias)
            with rolled_back(alias):
                add_all(queue, alias)
        assert states(alias) == {kept.id: "open"}

    assert sorted(effect.delivery.id for effect in work(queue)) == ["kept-default", "kept-other"]


def test_a_job_of_both_databases_is_had_once(queue: OutboxQueue, other: str) -> None:
    """One id that was accepted on two databases is one job, and neither row stays open."""
    add(queue, "both")
    with transaction.atomic(using=other):
        add(queue, "both")
    work(queue)
    queue.reconcile()
    work(queue)

    assert (effects(), states(), states(other)) == (["both"], {"both": "completed"}, {"both": "completed"})


def test_a_known_id_with_the_same_data_is_a_duplicate(queue: OutboxQueue) -> None:
    """Case B02: it runs nothing more, in one call or the next, open or ended, published or not."""
    assert not add(queue, "j").duplicate
    assert add(queue, "j").duplicate
    twice = queue.add_bulk([bulk_item("k"), bulk_item("k")])
    assert [job.duplicate for job in twice] == [False, True]
    with transaction.atomic():
        add(queue, "l")
        assert add(queue, "l").duplicate
    work(queue)
    ended = add(queue, "j")

    assert (ended.duplicate, ended.state, work(queue)) == (True, JobState.COMPLETED, [])
    assert effects() == ["j", "k", "l"]


def test_a_known_id_with_other_data_is_a_conflict(queue: OutboxQueue) -> None:
    """Nothing of the call is written, and the caller's transaction can go on."""
    add(queue, "j")
    with transaction.atomic():
        with pytest.raises(JobIdConflict):
            queue.add_bulk([bulk_item("new"), NewJob(name=ONCE, data={"x": 1}, options=JobOptions(job_id="j"))])
        with pytest.raises(JobIdConflict):
            queue.add_bulk([bulk_item("k"), NewJob(name=ONCE, data={"x": 1}, options=JobOptions(job_id="k"))])
        add(queue, "goes-on")

    assert set(states()) == {"j", "goes-on"}


def test_twenty_adds_of_one_id_at_once_are_one_job(queue: OutboxQueue) -> None:
    """Case B21: one row, one job, one that is no duplicate; those with other data are refused."""
    jobs = at_once([lambda: add(queue, "same")] * 20)
    assert sorted(job.duplicate for job in jobs) == [False] + [True] * 19
    assert (JobRecord.objects.count(), known(queue)) == (1, 1)

    outcomes = at_once([lambda number=number: add(queue, "other", seconds=number / 100) for number in range(20)])
    assert sum(isinstance(outcome, JobIdConflict) for outcome in outcomes) == 19
    assert known(queue) == 2


def test_a_conflict_with_what_only_the_provider_knows_ends_as_failed(queue: OutboxQueue) -> None:
    """An id that a producer without records took stands in nobody else's way, and is said in the row."""
    queue.inner.add(ONCE, {"action": "theirs"}, JobOptions(job_id="taken"))
    bulk = [bulk_item("first"), bulk_item("taken"), bulk_item("last")]
    queue.add_bulk(bulk)

    assert states() == {"first": "open", "taken": "failed", "last": "open"}
    assert "known with other content" in record("taken").error
    assert known(queue) == 3


def test_an_ended_job_of_the_provider_makes_room_for_an_accepted_one(queue: OutboxQueue) -> None:
    """What the provider remembers of a job that ended, and that no row stands for, keeps none from running."""
    queue.inner.add(ONCE, {"action": "old"}, JobOptions(job_id="j"))
    work(queue)
    add(queue, "j", action="new")
    work(queue)

    assert record("j").result == '"new"'


def test_metadata_that_the_database_cannot_hold_is_refused(queue: OutboxQueue) -> None:
    """It is the caller's error, on every database."""
    with pytest.raises(InvalidMetadata):
        queue.add(ONCE, {}, metadata=JobMetadata(correlation_id="a\0b"))
    for text in ("x" * 255, "ü\U0001f389"):
        queue.add(ONCE, {"action": "\0 \U0001f389"}, metadata=JobMetadata(correlation_id=text))
    assert len(work(queue)) == 2
    assert set(states().values()) == {"completed"}


def test_a_database_without_the_table_is_an_error_of_the_platform(queue: OutboxQueue) -> None:
    """The caller hears that nothing was accepted."""
    with connection.schema_editor() as editor:
        editor.alter_db_table(JobRecord, JobRecord._meta.db_table, "elsewhere")
    try:
        for call in (lambda: add(queue), lambda: add(queue, "named"), queue.relay, lambda: queue.retry_job("x")):
            with pytest.raises(QueueUnavailable, match="database"):
                call()
    finally:
        with connection.schema_editor() as editor:
            editor.alter_db_table(JobRecord, "elsewhere", JobRecord._meta.db_table)
    assert known(queue) == 0


def test_adding_costs_few_queries(queue: OutboxQueue, django_assert_num_queries: Any) -> None:
    """A row, and the word that it was published; inside a transaction a savepoint around the row."""
    for job_id in (None, "named"):
        with django_assert_num_queries(2):
            add(queue, job_id)
    with transaction.atomic(), django_assert_num_queries(3):
        add(queue, "inside")

    assert known(queue) == 3
