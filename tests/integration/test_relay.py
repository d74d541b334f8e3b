"""The relay publishes what an outage left, each row once in effect, however many relays there are."""

import json
from collections.abc import Iterator
from datetime import timedelta
from threading import Thread
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connections
from django.test import Client
from django.utils import timezone

from queues.durability import relay
from queues.durability.outbox import OutboxQueue
from queues.errors import InvalidTransition, QueueUnavailable
from queues.jobs import JobState
from queues.models import JobRecord
from queues.priorities import Priority
from queues.registry import registry
from tests.integration.durability import (
    HOUR,
    add,
    at_once,
    effects_table,
    impatient,
    known,
    outbox,
    record,
    second_database,
    states,
    take,
    work,
)
from tests.support.accepted.processors import effects
from tests.support.valkey import Valkey, free_port
from tests.support.wait import until

ROWS = 1200


@pytest.fixture
def queue(each_database: None, valkey: Valkey, monkeypatch: pytest.MonkeyPatch) -> Iterator[OutboxQueue]:
    """A queue that keeps records, on each database, whose relay waits for nothing."""
    impatient(monkeypatch)
    with effects_table():
        yield outbox(valkey)


@pytest.fixture
def server() -> Iterator[Valkey]:
    """A Valkey that the test may kill; what it held is gone then."""
    own = Valkey().start()
    yield own
    own.kill()


def unpublished(count: int) -> None:
    """Write rows as a process leaves them that dies between its commit and its publishing."""
    now = timezone.now() - timedelta(minutes=1)
    JobRecord.objects.bulk_create(
        JobRecord(
            queue="data-processing",
            job_id=f"job-{number}",
            name="effect.once.v1",
            body="{}",
            data_length=2,
            options="5|3|exponential:2000:3600000:0|30000|100|50",
            correlation_id="c",
            accepted_at=now,
            available_at=now,
        )
        for number in range(count)
    )


def test_a_job_is_accepted_while_the_provider_is_away(queue: OutboxQueue, server: Valkey) -> None:
    """The row is open, the job is known from it, and when the provider is back it runs once."""
    away = outbox(server)
    server.kill()
    job = add(away, "j")
    delayed = add(away, "d", delay=HOUR)

    assert (job.state, record("j").state, record("j").published_at) == (JobState.WAITING, "open", None)
    for known_job, state in ((job, JobState.WAITING), (delayed, JobState.DELAYED)):
        found = away.get_job(known_job.id)
        assert found is not None and (found.state, found.data, found.metadata) == (state, {}, known_job.metadata)
    with pytest.raises(QueueUnavailable):
        away.sweep()
    assert add(away, "j").duplicate
    assert work(queue) == []

    server.start()
    assert away.sweep() == 2
    assert record("j").published_at is not None
    assert [settlement.delivery.id for settlement in work(away)] == ["j"]
    assert effects() == ["j"]


def test_a_claim_is_given_back_when_the_provider_does_not_answer(queue: OutboxQueue, server: Valkey) -> None:
    """A relay that met an outage keeps nobody from publishing once it is over."""
    away = outbox(server)
    server.kill()
    add(away, "j")
    with pytest.raises(QueueUnavailable):
        away.relay()
    server.start()

    assert (record("j").claimed_until, away.relay()) == (None, 1)


@pytest.mark.usefixtures("each_database")
def test_a_command_is_answered_202_while_the_provider_is_away(settings: Any) -> None:
    """The API accepts what the database keeps."""
    gone = f"redis://127.0.0.1:{free_port()}/0"
    settings.RQ_QUEUES = {name: {**conf, "URL": gone} for name, conf in settings.RQ_QUEUES.items()}
    settings.SECURE_SSL_REDIRECT = False
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("root"))
    registry.close()
    try:
        answer = client.post(
            "/api/v1/transactions/settlements/",
            {"tx_id": "tx-1", "amount": "1.00", "currency": "USD", "payment_method": "card", "merchant_id": "m"},
            content_type="application/json",
        )
        seen = client.get(answer.headers["Location"])
    finally:
        registry.close()

    assert (answer.status_code, seen.status_code) == (202, 200)
    assert json.loads(seen.content)["state"] == "waiting"
    assert JobRecord.objects.get().state == "open"


def test_what_the_provider_lost_runs_once(queue: OutboxQueue, valkey: Valkey) -> None:
    """Lost between publishing and the run, a job is published again; lost after its end, it is not."""
    add(queue, "ended")
    work(queue)
    add(queue, "lost")
    add(queue, "running", name="effect.often.v1")
    delivery = take(queue)
    valkey.client().flushall()

    assert queue.relay() == 2
    assert sorted(settlement.delivery.id for settlement in work(queue)) == ["lost", "running"]
    assert queue.relay() == queue.reconcile() == 0
    assert effects() == ["ended", "lost", "running"]
    assert delivery.consumer.settle([]).refused == []
    assert set(states().values()) == {"completed"}


def test_what_retention_trimmed_is_not_owed(queue: OutboxQueue) -> None:
    """A job that the provider forgot after its end is not published again."""
    for number in range(5):
        add(queue, f"job-{number}", remove_on_complete=number % 2)
    work(queue)

    assert (queue.reconcile(), known(queue)) == (0, 0)
    assert len(effects()) == 5


def test_a_full_reconcile_comes_now_and_then_and_at_once_when_a_loss_shows(queue: OutboxQueue, valkey: Valkey) -> None:
    """One of the oldest or newest jobs that is not known is enough; one in the middle waits for its minute."""
    ids = [add(queue, f"job-{number:02}").id for number in range(30)]
    assert queue.relay() == 0
    queue.inner.remove_job(ids[15])
    assert queue.relay() == 0
    queue.inner.remove_job(ids[-1])
    assert queue.relay() == 2
    valkey.client().flushall()
    assert queue.relay() == 30


@pytest.mark.parametrize("relays", [2, 4])
def test_relays_at_once_publish_each_row_once(queue: OutboxQueue, valkey: Valkey, relays: int) -> None:
    """Each row is one job, whoever claimed it, and no relay is refused."""
    unpublished(ROWS)
    outcomes = at_once([outbox(valkey).relay] * relays)

    assert not [outcome for outcome in outcomes if isinstance(outcome, QueueUnavailable)]
    until(lambda: (queue.relay(), not JobRecord.objects.filter(published_at=None).exists())[1])
    assert known(queue) == ROWS
    assert len(work(queue, 500)) == ROWS
    assert effects() == sorted(f"job-{number}" for number in range(ROWS))


def test_the_claim_of_a_dead_relay_ends(queue: OutboxQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a relay had claimed when it died is another's after CLAIM, and nobody's before."""
    unpublished(3)
    assert len(relay._claim(queue.name, "default")) == 3
    assert queue.relay() == 0
    JobRecord.objects.update(claimed_until=None)
    monkeypatch.setattr(relay, "CLAIM", timedelta(seconds=0.3))
    assert len(relay._claim(queue.name, "default")) == 3

    until(lambda: queue.relay() == 3, why="the claim has ended")
    assert known(queue) == 3


def test_a_row_that_cannot_be_published_holds_up_no_other(queue: OutboxQueue) -> None:
    """One that cannot be read ends as failed and says why."""
    unpublished(3)
    JobRecord.objects.filter(job_id="job-1").update(body="{broken")
    queue.relay()

    assert states() == {"job-0": "open", "job-1": "failed", "job-2": "open"}
    assert "cannot be decoded" in record("job-1").error
    assert known(queue) == 2


def test_a_database_that_is_away_keeps_no_other_from_being_relayed(
    queue: OutboxQueue, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its error is raised after the others' jobs are published."""
    with second_database(tmp_path) as alias:
        monkeypatch.setattr("queues.durability.records.aliases", lambda: [alias, "default"])
        with connections[alias].cursor() as cursor:
            cursor.execute("DROP TABLE queues_jobrecord")
        unpublished(2)
        with pytest.raises(QueueUnavailable):
            queue.relay()
    assert known(queue) == 2


def test_what_an_operator_removed_does_not_come_back(queue: OutboxQueue, valkey: Valkey) -> None:
    """Removed, cleaned or drained, a job is owed no more, known to the provider or not; its id is free again."""
    for job_id in ("removed", "cleaned"):
        add(queue, job_id)
        if job_id == "removed":
            queue.remove_job(job_id)
            assert queue.get_job(job_id) is None
    assert queue.clean(timedelta(0), JobState.WAITING) == ["cleaned"]
    add(queue, "drained")
    add(queue, "later", delay=HOUR)
    unpublished(2)
    assert queue.drain() == 3
    assert queue.reconcile() == queue.relay() == 0
    valkey.client().flushall()

    assert queue.reconcile() == 1
    assert [job.id for job in queue.list_jobs(JobState.DELAYED)] == ["later"]
    assert queue.drain(delayed=True) == 1
    assert (queue.reconcile(), queue.relay(), known(queue)) == (0, 0, 0)
    assert set(states().values()) == {"discarded"}
    assert not add(queue, "removed", action="another").duplicate
    assert [settlement.delivery.id for settlement in work(queue)] == ["removed"]


def test_a_promotion_and_a_priority_outlive_a_loss(queue: OutboxQueue, valkey: Valkey) -> None:
    """What is published again is as it was: due now, at its level; a delayed job keeps its time."""
    promoted, delayed = add(queue, "promoted", delay=HOUR), add(queue, "delayed", delay=HOUR)
    add(queue, "moved", priority=Priority.BULK)
    queue.promote_job("promoted")
    queue.change_priority("moved", Priority.CRITICAL)
    valkey.client().flushall()
    queue.reconcile()

    assert [job.id for job in queue.list_jobs(JobState.WAITING)] == ["moved", "promoted"]
    (again,) = queue.list_jobs(JobState.DELAYED)
    assert again.available_at is not None and delayed.available_at is not None
    assert abs(again.available_at - delayed.available_at) < timedelta(seconds=1)
    assert promoted.id in {settlement.delivery.id for settlement in work(queue)}
    with pytest.raises(InvalidTransition):
        queue.promote_job("moved")


def test_a_job_that_only_its_record_knows_can_be_moved(queue: OutboxQueue, valkey: Valkey) -> None:
    """The provider has lost it; it is promoted and gets its level all the same."""
    add(queue, "j", delay=HOUR)
    valkey.client().flushall()
    assert queue.change_priority("j", Priority.HIGH).options.priority is Priority.HIGH
    assert queue.promote_job("j").state is JobState.WAITING
    with pytest.raises(InvalidTransition):
        queue.promote_job("j")
    queue.reconcile()

    assert [job.options.priority for job in queue.list_jobs(JobState.WAITING)] == [Priority.HIGH]


@pytest.mark.parametrize("forgotten", [False, True])
def test_a_retry_gives_a_fresh_budget(queue: OutboxQueue, valkey: Valkey, *, forgotten: bool) -> None:
    """A dead letter runs again with all its attempts, also when the provider has forgotten it."""
    add(queue, "j", action="permanent", attempts=2)
    work(queue)
    failed = record("j")
    assert (failed.state, failed.attempts_made) == ("failed", 1)
    assert "as asked, with a NUL" in failed.error
    if forgotten:
        valkey.client().flushall()

    retried = queue.retry_job("j")
    assert (retried.state, retried.attempts_made, record("j").state) == (JobState.WAITING, 0, "open")
    with pytest.raises(InvalidTransition):
        queue.retry_job("j")
    assert take(queue).attempt == 1


def test_two_retries_at_once_are_one(queue: OutboxQueue) -> None:
    """The other hears that the job is not failed any more; it runs once."""
    add(queue, "j", action="permanent")
    work(queue)
    outcomes = at_once([lambda: queue.retry_job("j")] * 8)

    assert sum(isinstance(outcome, InvalidTransition) for outcome in outcomes) == 7
    assert (known(queue), len(work(queue))) == (1, 1)


def test_a_retry_while_the_provider_is_away_is_not_lost(queue: OutboxQueue, server: Valkey) -> None:
    """The dead letter is owed again and runs when the provider is back, whether or not it kept it."""
    away = outbox(server)
    server.stop()
    server.arguments = ("--appendonly", "yes", "--appendfsync", "always")
    server.start()
    add(away, "j", action="permanent")
    work(away)
    server.kill()
    assert away.retry_job("j").state is JobState.WAITING

    server.start()
    found = away.inner.get_job("j")
    assert found is not None and found.state is JobState.FAILED
    away.relay()
    assert [settlement.delivery.id for settlement in work(away)] == ["j"]


def test_the_crash_limit_of_the_provider_ends_the_row(queue: OutboxQueue, valkey: Valkey) -> None:
    """A job that kills its workers ends as failed in its record too, whatever its retention, and is not owed."""
    crashing = outbox(valkey, crash_limit=2)
    add(crashing, "pill", remove_on_fail=0)
    for _ in range(2):
        take(crashing).extend(0.001)
        until(crashing.sweep, why="the lease has lapsed")

    assert record("pill").state == "failed"
    assert "crash limit" in record("pill").error
    assert (crashing.reconcile(), known(crashing)) == (0, 0)


def test_a_row_whose_end_nobody_wrote_ends_by_reconcile(queue: OutboxQueue) -> None:
    """What a worker without records completed or failed ends as the provider has it; a retry comes before that too."""
    for job_id in ("completed", "failed", "retried"):
        add(queue, job_id)
        (delivery,) = queue.inner.consumer("bare").reserve(1)
        if job_id == "completed":
            delivery.complete(b'{"a":1}')
        else:
            delivery.fail("it broke\0")
    assert queue.retry_job("retried").state is JobState.WAITING
    queue.reconcile()

    assert states() == {"completed": "completed", "failed": "failed", "retried": "open"}
    assert (record("completed").result, record("failed").error) == ('{"a":1}', "it broke\\x00")


def test_relays_go_on_beside_adds_and_workers(queue: OutboxQueue, valkey: Valkey) -> None:
    """Adding, working, relaying and reconciling at once, and a loss in the middle: every effect once, no deadlock."""
    failures: list[BaseException] = []

    def run(call: Any) -> None:
        try:
            call()
        except BaseException as exc:  # noqa: BLE001 - reported by the test's thread
            failures.append(exc)
        finally:
            connections.close_all()

    def adding(prefix: str) -> None:
        for number in range(150):
            add(outbox(valkey), f"{prefix}-{number}")

    def tending() -> None:
        mine = outbox(valkey)
        for _ in range(20):
            mine.relay()
            mine.reconcile()
            work(mine, 20)

    calls = [lambda: adding("a"), lambda: adding("b"), tending, tending]
    threads = [Thread(target=run, args=(call,), daemon=True) for call in calls]
    for thread in threads:
        thread.start()
    until(lambda: JobRecord.objects.count() > 100)
    valkey.client().flushall()
    for thread in threads:
        thread.join(120)
    assert failures == []
    until(lambda: (queue.reconcile(), work(queue), set(states().values()) == {"completed"})[2], why="all has ended")
    assert sorted(effects()) == sorted(f"{prefix}-{number}" for prefix in "ab" for number in range(150))
