"""Once means once: a second delivery, a zombie, a crash between commit and settle change nothing."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection, connections, transaction

from queues.codec import RESULT_BYTES
from queues.conf import WorkerConf
from queues.durability.outbox import OutboxQueue
from queues.errors import PermanentError, QueueUnavailable, RetryLater
from queues.jobs import JobState
from queues.models import JobRecord
from queues.ports import AlreadyEnded, Delivery, Outcome, Settlement
from queues.worker import pipeline
from queues.worker.loop import Worker
from tests.integration.durability import (
    HOUR,
    add,
    at_once,
    effects_table,
    impatient,
    outbox,
    record,
    second_database,
    states,
    take,
    work,
)
from tests.support.accepted.processors import OFTEN, ONCE, effects
from tests.support.valkey import Valkey
from tests.support.wait import until


@pytest.fixture
def queue(each_database: None, valkey: Valkey, monkeypatch: pytest.MonkeyPatch) -> Iterator[OutboxQueue]:
    """A queue that keeps records, on each database, and a table for effects."""
    impatient(monkeypatch)
    with effects_table():
        yield outbox(valkey)


def run(delivery: Delivery) -> Settlement:
    """Run a delivery and settle nothing: what a worker that dies then leaves behind."""
    return pipeline.run(delivery, RESULT_BYTES)


def lapse(queue: OutboxQueue, delivery: Delivery) -> None:
    """Let the lease of a delivery end, and have its job returned."""
    delivery.extend(0.001)
    until(queue.inner.sweep, why="the lease has lapsed")


def test_a_second_delivery_does_nothing(queue: OutboxQueue) -> None:
    """The crash between commit and settle: the row is completed, the second run ends with its result."""
    add(queue, "j")
    first = take(queue)
    assert run(first).outcome is Outcome.COMPLETE
    assert record("j").state == "completed"
    lapse(queue, first)
    (second,) = work(queue)

    assert (second.outcome, second.result) == (Outcome.COMPLETE, b'"ok"')
    found = queue.get_job("j")
    assert found is not None and (found.state, found.result) == (JobState.COMPLETED, "ok")
    assert effects() == ["j"]


def test_an_exception_undoes_the_work_and_leaves_the_row_open(queue: OutboxQueue) -> None:
    """Each attempt's work goes with it; the last one ends the row as failed, with error and attempts."""
    add(queue, "j", action="fail", attempts=2)
    (first,) = work(queue)
    assert (first.outcome, states(), effects()) == (Outcome.RETRY, {"j": "open"}, [])
    queue.promote_job("j")
    (second,) = work(queue)

    assert (second.outcome, effects()) == (Outcome.FAIL, [])
    failed = record("j")
    assert (failed.state, failed.attempts_made) == ("failed", 2)
    assert "ValueError: as asked" in failed.error


def test_a_job_that_completed_is_not_run_by_a_late_delivery(queue: OutboxQueue, valkey: Valkey) -> None:
    """Without once too: the provider comes back from an old copy, in which the job waits."""
    for name, job_id in ((OFTEN, "often"), (ONCE, "once")):
        add(queue, job_id, name=name)
        copy = valkey.client().dump(f"rq:job:{encoded(queue, job_id)}")
        work(queue)
        valkey.client().flushall()
        valkey.client().restore(f"rq:job:{encoded(queue, job_id)}", 0, copy)
        valkey.client().rpush("rq:queue:data-processing", encoded(queue, job_id))
        assert [settlement.outcome for settlement in work(queue)] == [Outcome.COMPLETE]

    assert effects() == ["often", "once"]


def encoded(queue: OutboxQueue, job_id: str) -> str:
    """Return a job's id as Redis has it."""
    from queues.adapters.rq.keys import encode_id

    return encode_id(queue.name, job_id)


def test_a_dead_letter_that_is_delivered_again_stays_one(queue: OutboxQueue) -> None:
    """Failed in its record, it fails with the same error and runs nothing."""
    add(queue, "j")
    JobRecord.objects.update(state="failed", error="it broke")
    (settlement,) = work(queue)

    assert (settlement.outcome, settlement.error, effects()) == (Outcome.FAIL, "it broke", [])


@pytest.mark.parametrize("name", [ONCE, OFTEN])
def test_a_result_that_cannot_be_kept_does_not_undo_the_work(queue: OutboxQueue, name: str) -> None:
    """The job is done; its record has no result."""
    add(queue, "j", name=name, action="unwritable")
    (settlement,) = work(queue)

    assert (settlement.outcome, record("j").state, record("j").result) == (Outcome.COMPLETE, "completed", "")
    assert effects() == ["j"]


def test_a_zombie_cannot_fail_a_job(queue: OutboxQueue) -> None:
    """Its lease is another's: what it says of the end is refused by record and provider."""
    add(queue, "j", name=OFTEN)
    zombie = take(queue)
    lapse(queue, zombie)
    living = take(queue)
    settled = zombie.consumer.settle([Settlement(zombie, Outcome.FAIL, error="too late")])

    assert (settled.refused, states()) == ([zombie], {"j": "open"})
    living.consumer.settle([run(living)])
    assert (states(), record("j").error) == ({"j": "completed"}, "")


def test_work_that_a_zombie_has_done_is_done(queue: OutboxQueue, valkey: Valkey) -> None:
    """The provider lost everything during the run: what completed is not run again, once or not."""
    add(queue, "j", name=OFTEN)
    delivery = take(queue)
    valkey.client().flushall()
    settlement = run(delivery)
    assert delivery.consumer.settle([settlement]).refused == [delivery]

    assert (states(), queue.reconcile(), effects()) == ({"j": "completed"}, 0, ["j"])


def test_a_run_that_hangs_holds_up_no_other(postgres: None, valkey: Valkey) -> None:
    """While a zombie's transaction holds the row, a second delivery waits at no cost, and a settle goes on."""
    queue = outbox(valkey)
    add(queue, "j")
    row = record("j")
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            JobRecord.objects.select_for_update().get(pk=row.pk)
            held.set()
            done.wait(60)
        connection.close()

    thread = threading.Thread(target=hold, daemon=True)
    thread.start()
    assert held.wait(60)
    try:
        delivery = take(queue)
        settlement = run(delivery)
        assert (settlement.outcome, settlement.counts) == (Outcome.RETRY, False)
        settled = delivery.consumer.settle([Settlement(delivery, Outcome.FAIL, error="timed out")])
        assert (settled.refused, states()) == ([], {"j": "open"})
    finally:
        done.set()
        thread.join(60)
    assert (queue.relay(swept=True), states()) == (0, {"j": "failed"})


def test_deliveries_at_once_have_one_effect(queue: OutboxQueue) -> None:
    """Eight threads that got the same job run it once; none of the others costs an attempt."""
    add(queue, "j", seconds=0.05)
    delivery = take(queue)
    outcomes = at_once([lambda: run(delivery)] * 8)

    assert effects() == ["j"]
    assert {(outcome.outcome, outcome.counts) for outcome in outcomes} <= {
        (Outcome.COMPLETE, True),
        (Outcome.RETRY, False),
    }


def test_the_work_and_the_record_commit_in_their_own_database(queue: OutboxQueue, tmp_path: Path) -> None:
    """On a second alias too, an exception undoes both and success keeps both."""
    with second_database(tmp_path) as alias, effects_table(alias):
        with transaction.atomic(using=alias):
            add(queue, "good", alias=alias)
            add(queue, "bad", alias=alias, action="permanent")
        work(queue)
        assert effects(alias) == ["good"]
        assert states(alias) == {"good": "completed", "bad": "failed"}


def test_settlements_of_a_batch_are_written_together(queue: OutboxQueue) -> None:
    """Completed, failed and retried in one call: each row says its own."""
    for number in range(6):
        add(queue, f"job-{number}", name=OFTEN, action=("ok", "permanent", "fail")[number % 3])
    consumer = queue.consumer("worker")
    consumer.settle([run(delivery) for delivery in consumer.reserve(6)])

    assert [states()[f"job-{number}"] for number in range(6)] == ["completed", "failed", "open"] * 2


def test_a_database_that_is_away_costs_no_attempt(queue: OutboxQueue) -> None:
    """The record cannot be asked: the job waits for it, however often it is delivered."""
    add(queue, "j")
    delivery = take(queue)

    def gone(*_: Any) -> None:
        raise OperationalError("away")

    with connection.execute_wrapper(gone):
        settlement = run(delivery)
        assert (settlement.outcome, settlement.counts) == (Outcome.RETRY, False)
        with pytest.raises(QueueUnavailable):
            delivery.consumer.settle([Settlement(delivery, Outcome.COMPLETE)])
    delivery.consumer.settle([settlement])
    queue.promote_job("j")
    (again,) = work(queue)

    assert (again.outcome, again.delivery.attempt, effects()) == (Outcome.COMPLETE, 1, ["j"])


@pytest.mark.parametrize(
    ("raised", "seen"),
    [
        (OperationalError("its own"), OperationalError),
        (PermanentError("for good"), PermanentError),
        (RetryLater(HOUR), RetryLater),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
def test_what_the_processor_raises_is_its_own(
    queue: OutboxQueue, raised: BaseException, seen: type[BaseException]
) -> None:
    """A database error of the job's own code costs an attempt like any other; nothing is written."""
    add(queue, "j")

    def call() -> None:
        raise raised

    with pytest.raises(seen) as caught:
        queue.guard.run(take(queue), call, once=True)
    assert (caught.value is raised, states()) == (True, {"j": "open"})


def test_a_job_that_removes_itself_undoes_its_work(queue: OutboxQueue) -> None:
    """The row is not open any more at the end of the run: what ran does not count, and the next run hears why."""
    add(queue, "j")
    delivery = take(queue)
    with pytest.raises(RetryLater):
        queue.guard.run(delivery, lambda: JobRecord.objects.update(state="discarded"), once=True)
    assert states() == {"j": "open"}
    JobRecord.objects.update(state="discarded")
    with pytest.raises(AlreadyEnded, match="discarded"):
        queue.guard.run(delivery, lambda: None, once=True)


@pytest.mark.parametrize("once", [True, False])
def test_a_job_without_a_record_just_runs(queue: OutboxQueue, *, once: bool) -> None:
    """Another producer of the queue added it to the provider."""
    queue.inner.add(ONCE if once else OFTEN, {})

    assert [settlement.outcome for settlement in work(queue)] == [Outcome.COMPLETE]
    assert (len(effects()), states()) == (1, {})


@pytest.fixture
def worker_of() -> Iterator[Callable[[OutboxQueue], Worker]]:
    """Run a worker's loop in a thread of this process, ended with the test."""
    started: list[tuple[Worker, threading.Thread]] = []

    def start(queue: OutboxQueue) -> Worker:
        worker = Worker([queue], "loop", WorkerConf(concurrency=4), lease=10.0, result_bytes=RESULT_BYTES)
        thread = threading.Thread(target=work_and_close, args=(worker,), daemon=True)
        thread.start()
        started.append((worker, thread))
        return worker

    yield start
    for worker, thread in started:
        worker.stop()
        thread.join(60)
        assert not thread.is_alive()


def work_and_close(worker: Worker) -> None:
    """Run a worker to its end, and leave none of its thread's connections open."""
    try:
        worker.run()
    finally:
        connections.close_all()


def test_a_settlement_is_kept_while_the_database_is_away(
    queue: OutboxQueue, worker_of: Callable[[OutboxQueue], Worker]
) -> None:
    """The worker loses no outcome and does not crash; it writes it when the table is there again."""
    for number in range(20):
        add(queue, f"job-{number}", name=OFTEN, seconds=0.2)
    worker = worker_of(queue)
    until(lambda: worker.running, why="jobs run")
    rename("queues_jobrecord", "elsewhere")
    try:
        until(lambda: worker.outage._since is not None, why="the worker has met the outage")
        assert worker.completed < 20
    finally:
        rename("elsewhere", "queues_jobrecord")
    until(lambda: set(states().values()) == {"completed"}, why="every outcome is written")

    assert len(effects()) == len(set(effects())) == 20


def rename(before: str, after: str) -> None:
    """Give a table another name, as soon as no other holds it."""
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {before} RENAME TO {after}")
