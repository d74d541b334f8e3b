"""The contract of `settle`: each run ends once, in its own way, by the one who holds its lease."""

from datetime import timedelta
from typing import Any

import pytest

from queues.adapters.base import STALLED, AdapterQueue
from queues.codec import encode_result
from queues.errors import LeaseLost
from queues.jobs import JobState
from queues.ports import Delivery, Outcome, Settlement
from queues.priorities import Priority
from tests.contract.conftest import Advance, MakeQueue
from tests.contract.steps import (
    MS,
    SECOND,
    WORKER,
    add,
    counts,
    ids,
    job,
    lapse,
    listed,
    new,
    order,
    state,
    take,
    take_one,
)


@pytest.mark.parametrize(
    "result", [None, 0, "ok", True, 1.5, [1, {"a": None}], {"id": 2**70}, {"text": "日本 \x00 \U0001f389"}]
)
def test_a_completed_job_keeps_its_result(queue: AdapterQueue, result: Any) -> None:
    """The state is completed, the result is JSON's, and the end has its time."""
    add(queue, "j1")

    take_one(queue).complete(encode_result(result))

    read = job(queue, "j1")
    assert (read.state, read.result, read.failed_reason, read.attempts_made) == (JobState.COMPLETED, result, None, 1)
    assert read.worker == WORKER
    assert read.processed_at is not None
    assert read.finished_at is not None
    assert read.finished_at >= read.processed_at
    assert (counts(queue), order(queue)) == ({"completed": 1}, [])


@pytest.mark.parametrize("after_ms", [1, 70, 1500, 3_600_000])
def test_a_retried_job_waits_as_long_as_it_is_told(queue: AdapterQueue, after_ms: int) -> None:
    """Case B25: the wait is kept to the millisecond, by the provider's clock."""
    add(queue, "j1")
    consumer = queue.consumer("w")
    (delivery,) = consumer.reserve(1)
    consumer.settle([Settlement(delivery, Outcome.RETRY, after=after_ms * MS, error="boom", ran_for=0.25)])

    read = job(queue, "j1")

    (attempt,) = read.attempts
    assert (read.state, read.attempts_made, read.failed_reason) == (JobState.DELAYED, 1, None)
    assert (attempt.number, attempt.error, attempt.duration) == (1, "boom", 250 * MS)
    assert read.available_at is not None
    assert abs(read.available_at - attempt.ended_at - after_ms * MS) <= 2 * MS
    assert read.finished_at is None


def test_attempts_are_runs(queue: AdapterQueue, advance: Advance) -> None:
    """Case B06: the first run is attempt 1, and each run that counts adds one; the errors are kept in order."""
    add(queue, "j1", attempts=3)

    for attempt in (1, 2):
        delivery = take_one(queue)
        assert (delivery.attempt, delivery.attempts) == (attempt, 3)
        delivery.retry(10 * MS, f"error {attempt}")
        advance(0.02)
    delivery = take_one(queue)
    delivery.fail("error 3")

    read = job(queue, "j1")
    assert (delivery.attempt, read.attempts_made, read.state, read.failed_reason) == (3, 3, JobState.FAILED, "error 3")
    assert [(each.number, each.error) for each in read.attempts] == [(1, "error 1"), (2, "error 2"), (3, "error 3")]
    assert read.attempts[0].ended_at <= read.attempts[1].ended_at <= read.attempts[2].ended_at
    assert read.finished_at is not None


def test_a_run_may_cost_no_attempt(queue: AdapterQueue, advance: Advance) -> None:
    """`RetryLater` and the like give the attempt back."""
    add(queue, "j1")
    take_one(queue).retry(10 * MS, "rate limited", counts=False)
    assert job(queue, "j1").attempts_made == 0

    advance(0.02)

    assert take_one(queue).attempt == 1


def test_a_failed_job_keeps_its_reason(queue: AdapterQueue) -> None:
    """The reason is the text that was given, markup, line ends and all."""
    reason = "Traceback:\r\n  <script>alert(1)</script>\n日本 \U0001f389\n" + "x" * 2000
    add(queue, "j1")

    take_one(queue).fail(reason)

    assert (state(queue, "j1"), job(queue, "j1").failed_reason) == (JobState.FAILED, reason)
    assert [attempt.error for attempt in job(queue, "j1").attempts] == [reason]


def test_a_released_job_is_as_if_it_had_not_been_taken(queue: AdapterQueue) -> None:
    """It waits at the front of its level, and a shutdown costs no attempt."""
    queue.add_bulk([new("a"), new("b"), new("c"), new("urgent", priority=Priority.HIGH)])
    urgent, a, b = take(queue, 3)

    b.release()
    a.release()

    read = job(queue, "a")
    assert (read.state, read.attempts_made, read.worker, read.attempts) == (JobState.WAITING, 0, None, ())
    assert counts(queue) == {"waiting": 3, "active": 1}
    assert order(queue) == ["a", "b", "c"]
    urgent.complete()


def test_a_batch_ends_each_run_in_its_own_way(queue: AdapterQueue) -> None:
    """One call completes, retries, fails and releases."""
    queue.add_bulk([new(job_id) for job_id in "abcd"])
    consumer = queue.consumer("w")
    a, b, c, d = consumer.reserve(4)

    settled = consumer.settle(
        [
            Settlement(a, Outcome.COMPLETE, result=b'{"ok":1}'),
            Settlement(b, Outcome.RETRY, after=SECOND * 60, error="later"),
            Settlement(c, Outcome.FAIL, error="never"),
            Settlement(d, Outcome.RELEASE, counts=False),
        ]
    )

    assert (settled.refused, settled.reserved) == ([], [])
    assert counts(queue) == {"waiting": 1, "delayed": 1, "completed": 1, "failed": 1}
    assert (job(queue, "a").result, job(queue, "c").failed_reason) == ({"ok": 1}, "never")


def test_settling_takes_the_next_jobs_in_the_same_call(queue: AdapterQueue) -> None:
    """`reserve=` returns leased deliveries, in the order in which `reserve` would."""
    queue.add_bulk([new("a"), new("b"), new("c"), new("d", priority=Priority.HIGH)])
    consumer = queue.consumer("w")
    (first,) = consumer.reserve(1)

    settled = consumer.settle([Settlement(first, Outcome.COMPLETE)], reserve=2)

    assert (first.id, ids(settled.reserved)) == ("d", ["a", "b"])
    assert counts(queue) == {"waiting": 1, "active": 2, "completed": 1}
    for delivery in settled.reserved:
        delivery.complete()
    assert ids(consumer.settle([], reserve=5).reserved) == ["c"]


def test_settling_takes_nothing_while_paused(queue: AdapterQueue) -> None:
    """Case B07: a pause holds for the jobs that a settle would take."""
    queue.add_bulk([new("a"), new("b")])
    consumer = queue.consumer("w")
    (first,) = consumer.reserve(1)
    queue.pause()

    settled = consumer.settle([Settlement(first, Outcome.COMPLETE)], reserve=5)

    assert (settled.refused, settled.reserved) == ([], [])
    assert counts(queue) == {"waiting": 1, "completed": 1}


@pytest.mark.parametrize("outcome", Outcome)
def test_a_settle_sent_twice_is_written_once(queue: AdapterQueue, outcome: Outcome) -> None:
    """Case B18: the second one is refused and changes nothing."""
    add(queue, "j1")
    consumer = queue.consumer("w")
    (delivery,) = consumer.reserve(1)
    settlement = Settlement(delivery, outcome, error="e", after=SECOND * 60, counts=outcome is not Outcome.RELEASE)
    assert consumer.settle([settlement]).refused == []
    before = job(queue, "j1"), counts(queue)

    assert consumer.settle([settlement]).refused == [delivery]

    assert (job(queue, "j1"), counts(queue)) == before


SETTLE = {
    "complete": lambda delivery: delivery.complete(),
    "retry": lambda delivery: delivery.retry(SECOND, "late"),
    "fail": lambda delivery: delivery.fail("late"),
    "release": lambda delivery: delivery.release(),
    "extend": lambda delivery: delivery.extend(30),
}


@pytest.mark.parametrize("way", SETTLE)
def test_a_zombie_ends_no_run(make_queue: MakeQueue, advance: Advance, way: str) -> None:
    """Case B16: who let the lease lapse is refused, before and while another worker runs the job."""
    queue = make_queue()
    add(queue, "j1")
    zombie = take_one(queue)
    assert lapse(queue, advance, zombie) == 1
    with pytest.raises(LeaseLost):
        SETTLE[way](zombie)
    assert counts(queue) == {"waiting": 1}
    (other,) = queue.consumer("worker-2").reserve(1)
    with pytest.raises(LeaseLost):
        SETTLE[way](zombie)

    assert (counts(queue), job(queue, "j1").worker) == ({"active": 1}, "worker-2")
    other.complete(b'"mine"')
    with pytest.raises(LeaseLost):
        SETTLE[way](zombie)
    assert (counts(queue), job(queue, "j1").result) == ({"completed": 1}, "mine")


def test_a_refused_run_does_not_hold_up_the_others(make_queue: MakeQueue, advance: Advance) -> None:
    """Of a batch, the runs whose lease holds are written; the refused one is named."""
    queue = make_queue()
    queue.add_bulk([new("lost"), new("held")])
    consumer = queue.consumer("w")
    lost, held = consumer.reserve(2)
    lapse(queue, advance, lost)

    settled = consumer.settle([Settlement(lost, Outcome.COMPLETE), Settlement(held, Outcome.COMPLETE)])

    assert settled.refused == [lost]
    assert (state(queue, "lost"), state(queue, "held")) == (JobState.WAITING, JobState.COMPLETED)


def test_a_stalled_job_runs_again_at_no_cost(make_queue: MakeQueue, advance: Advance) -> None:
    """Case B03: back at the front of its level, no attempt used, the stall counted and noted."""
    queue = make_queue()
    queue.add_bulk([new("j1"), new("j2")])
    delivery = take_one(queue)
    assert queue.sweep() == 0

    assert lapse(queue, advance, delivery) == 1

    read = job(queue, "j1")
    assert (read.state, read.attempts_made, read.stalls, read.worker) == (JobState.WAITING, 0, 1, None)
    assert [(attempt.number, attempt.error.partition(":")[0]) for attempt in read.attempts] == [(1, "stalled")]
    assert queue.sweep() == 0
    first, _ = take(queue, 2)
    assert (first.id, first.attempt) == ("j1", 1)


def test_stalled_jobs_keep_their_order(make_queue: MakeQueue, advance: Advance) -> None:
    """A worker that died with several jobs gives them back as they were."""
    queue = make_queue(lowest_first_every=0)
    queue.add_bulk([new("a"), new("b"), new("c"), new("d")])
    deliveries = [take_one(queue) for _ in range(3)]

    assert lapse(queue, advance, *deliveries) == 3

    assert order(queue) == ["a", "b", "c", "d"]


def test_a_job_that_kills_its_worker_ends_at_the_crash_limit(make_queue: MakeQueue, advance: Advance) -> None:
    """Case B03: the second stall of a limit of 2 ends it as failed with the reason; the next job runs."""
    queue = make_queue(crash_limit=2)
    queue.add_bulk([new("killer"), new("next")])
    for expected in (JobState.WAITING, JobState.FAILED):
        delivery = take_one(queue)
        assert (delivery.id, lapse(queue, advance, delivery)) == ("killer", 1)
        assert state(queue, "killer") is expected

    read = job(queue, "killer")
    assert (read.failed_reason, read.stalls, read.attempts_made, read.worker) == (STALLED, 2, 0, WORKER)
    assert read.finished_at is not None
    assert len(read.attempts) == 2
    assert counts(queue) == {"waiting": 1, "failed": 1}
    assert order(queue) == ["next"]


def test_a_renewed_lease_does_not_lapse(make_queue: MakeQueue, advance: Advance) -> None:
    """Case B16: a beat keeps the job, however long it runs."""
    queue = make_queue(lease=SECOND)
    add(queue, "j1")
    delivery = take_one(queue)
    delivery.extend(30)

    assert lapse(queue, advance) == 0

    delivery.complete()
    assert counts(queue) == {"completed": 1}


def test_a_beat_names_the_leases_that_are_lost(make_queue: MakeQueue, advance: Advance) -> None:
    """`extend` renews those that are held and returns the others."""
    queue = make_queue()
    queue.add_bulk([new("lost"), new("held"), new("done")])
    consumer = queue.consumer("w")
    lost, held, done = consumer.reserve(3)
    assert consumer.extend([lost, held, done], 1) == []
    done.complete()
    lapse(queue, advance, lost)

    assert consumer.extend([lost, held, done], 30) == [lost, done]
    assert consumer.extend([], 30) == []
    assert listed(queue, JobState.ACTIVE) == ["held"]


def test_a_lease_may_be_cut_short(make_queue: MakeQueue, advance: Advance) -> None:
    """`extend` sets the lease's end, also to an earlier one."""
    queue = make_queue(lease=SECOND * 60)
    add(queue, "j1")
    take_one(queue).extend(0.05)

    advance(0.1)

    assert queue.sweep() == 1


def test_no_job_is_nowhere_while_workers_die(make_queue: MakeQueue, advance: Advance) -> None:
    """Whatever was reserved, settled or swept, the states add up to what was added."""
    queue = make_queue(lease=SECOND)
    queue.add_bulk([new(f"j{n}") for n in range(30)])
    deliveries: list[Delivery] = take(queue, 12)
    for delivery in deliveries[:4]:
        delivery.complete()
    deliveries[4].fail("no")
    deliveries[5].retry(timedelta(hours=1))
    deliveries[6].release()
    assert sum(queue.get_stats().counts.values()) == 30

    assert lapse(queue, advance) == 5

    assert counts(queue) == {"waiting": 24, "delayed": 1, "completed": 4, "failed": 1}
    assert sum(len(queue.list_jobs(each)) for each in JobState) == 30


def test_how_long_a_run_took_is_the_workers_word(queue: AdapterQueue) -> None:
    """`ran_for` is kept with the attempt, to the millisecond."""
    add(queue, "j1")
    consumer = queue.consumer("w")
    (delivery,) = consumer.reserve(1)
    consumer.settle([Settlement(delivery, Outcome.FAIL, error="slow", ran_for=12.345)])

    (attempt,) = job(queue, "j1").attempts

    assert attempt.duration == timedelta(seconds=12.345)


def test_a_batch_that_is_released_keeps_its_order(queue: AdapterQueue) -> None:
    """A worker that stops gives back what it holds in one call, the last taken first: all is as it was."""
    added = ids(queue.add_bulk([new(f"{(n * 37) % 100:02}") for n in range(12)]))
    consumer = queue.consumer("w")
    deliveries = consumer.reserve(8)

    consumer.settle([Settlement(delivery, Outcome.RELEASE, counts=False) for delivery in reversed(deliveries)])

    assert order(queue) == added


def test_a_batch_that_stalls_keeps_its_order(queue: AdapterQueue, advance: Advance) -> None:
    """Jobs whose leases end together, as those of a dead worker do, come back as they were taken."""
    added = ids(queue.add_bulk([new(f"{(n * 37) % 100:02}") for n in range(12)]))
    consumer = queue.consumer("w")
    deliveries = consumer.reserve(8)
    assert consumer.extend(deliveries, 0.02) == []
    advance(0.03)

    assert queue.sweep() == 8

    assert order(queue) == added


def test_one_sweep_takes_all_that_lapsed(queue: AdapterQueue, advance: Advance) -> None:
    """However many they are."""
    queue.add_bulk([new(None, {}) for _ in range(1300)])
    consumer = queue.consumer("w")
    assert consumer.extend(consumer.reserve(1300), 0.02) == []
    advance(0.03)

    assert (queue.sweep(), queue.sweep()) == (1300, 0)
    assert counts(queue) == {"waiting": 1300}
