"""The contract of `reserve` and `wait`: the most urgent first, each once, none while paused."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from queues.adapters.base import AdapterQueue
from queues.codec import decode_object
from queues.errors import InvalidOptions
from queues.jobs import Backoff, JobOptions, JobState
from queues.ports import Consumer, Delivery
from queues.priorities import Priority
from tests.contract.conftest import Advance, MakeQueue
from tests.contract.providers import Provider
from tests.contract.steps import (
    MS,
    NAME,
    SECOND,
    WORKER,
    add,
    counts,
    every_level,
    ids,
    job,
    new,
    order,
    take,
    take_one,
)

SOON = 20.0


def test_the_most_urgent_runs_first(queue: AdapterQueue) -> None:
    """CRITICAL is 1 and runs first, then HIGH 3, NORMAL 5, LOW 7, BULK 10, whatever came first."""
    queue.add_bulk(every_level())

    assert order(queue) == ["CRITICAL", "HIGH", "NORMAL", "LOW", "BULK"]


def test_equal_priorities_run_first_in_first_out(queue: AdapterQueue) -> None:
    """Within a level, single and bulk adds keep the order in which they came."""
    add(queue, "a", priority=Priority.LOW)
    queue.add_bulk([new("b", priority=Priority.LOW), new("x", priority=Priority.HIGH), new("c", priority=Priority.LOW)])
    add(queue, "d", priority=Priority.LOW)
    add(queue, "y", priority=Priority.HIGH)

    assert ids(take(queue, 4)) == ["x", "y", "a", "b"]
    assert ids(take(queue, 4)) == ["c", "d"]


@pytest.mark.parametrize("priority", [0, 2, 25, None, True, "1"])
def test_no_sixth_level_exists(queue: AdapterQueue, priority: object) -> None:
    """Case B05: any other number, 0 included, is refused and never read as highest or lowest."""
    with pytest.raises(InvalidOptions, match="CRITICAL") as caught:
        queue.add(NAME, {}, JobOptions(priority=priority))  # type: ignore[arg-type]

    assert caught.value.field == "priority"
    assert counts(queue) == {}


def test_a_delayed_job_comes_back_at_its_own_priority(queue: AdapterQueue, advance: Advance) -> None:
    """Case B05: once due it runs before the less urgent and behind the more urgent."""
    add(queue, "late-high", priority=Priority.HIGH, delay=100 * MS)
    add(queue, "late-bulk", priority=Priority.BULK, delay=50 * MS)
    queue.add_bulk([new("normal-1"), new("critical", priority=Priority.CRITICAL), new("normal-2")])
    assert ids(take(queue, 1)) == ["critical"]

    advance(0.12)

    assert order(queue) == ["late-high", "normal-1", "normal-2", "late-bulk"]


def test_a_retried_job_comes_back_at_its_own_priority(queue: AdapterQueue, advance: Advance) -> None:
    """Case B05: a HIGH job that failed once runs before the NORMAL ones that wait; a BULK one after."""
    queue.add_bulk([new("high", priority=Priority.HIGH), new("low", priority=Priority.BULK)])
    for delivery in take(queue, 2):
        delivery.retry(400 * MS, "again")
    queue.add_bulk([new("n1"), new("n2")])
    assert ids(take(queue, 1)) == ["n1"]

    advance(0.42)

    assert order(queue) == ["high", "n2", "low"]


def test_delayed_jobs_fall_due_in_the_order_of_their_times(queue: AdapterQueue, advance: Advance) -> None:
    """Of one level, the first due runs first, though it was added last."""
    for job_id, delay in (("third", 90), ("second", 60), ("first", 30)):
        add(queue, job_id, delay=delay * MS)

    advance(0.12)

    assert order(queue) == ["first", "second", "third"]


@pytest.mark.parametrize("batch", [1, 3, 12])
def test_the_lowest_level_does_not_starve(make_queue: MakeQueue, batch: int) -> None:
    """One reservation in four starts from the lowest level that has any, singly and in batches."""
    queue = make_queue(lowest_first_every=4)
    queue.add_bulk([new(f"n{n}") for n in range(10)])
    queue.add_bulk([new("bulk", priority=Priority.BULK), new("low", priority=Priority.LOW)])

    taken: list[str] = []
    while got := take(queue, batch):
        taken += ids(got)

    assert taken == ["n0", "n1", "n2", "bulk", "n3", "n4", "n5", "low", "n6", "n7", "n8", "n9"]


def test_a_guard_of_zero_is_strict_order(make_queue: MakeQueue) -> None:
    """Without the guard the low level waits for the last of the others."""
    queue = make_queue(lowest_first_every=0)
    queue.add_bulk([new("bulk", priority=Priority.BULK), *(new(f"n{n}") for n in range(70))])

    assert order(queue)[-1] == "bulk"


def test_the_default_guard_is_one_in_thirty_two(make_queue: MakeQueue) -> None:
    """The thirty-second reservation starts from the lowest level."""
    queue = make_queue()
    queue.add_bulk([new("bulk", priority=Priority.BULK), *(new(f"n{n}") for n in range(70))])

    assert order(queue).index("bulk") == 31


def test_a_delivery_says_what_the_worker_needs(queue: AdapterQueue, advance: Advance) -> None:
    """Id, name, body, attempt, budget, timeout in seconds, backoff, and the wait in seconds."""
    backoff = Backoff(kind="fixed", base=3 * SECOND, jitter=0.5)
    add(queue, "j1", {"n": 1}, attempts=5, timeout=1500 * MS, backoff=backoff)
    advance(0.1)

    delivery = take_one(queue)

    assert (delivery.id, delivery.name, delivery.attempt, delivery.attempts) == ("j1", NAME, 1, 5)
    assert (delivery.timeout, delivery.backoff) == (1.5, backoff)
    assert decode_object(delivery.body)[0] == {"n": 1}
    assert 0.09 <= delivery.waited < 30


def test_a_reserved_job_is_active_in_its_workers_name(queue: AdapterQueue) -> None:
    """The job leaves waiting in the instant in which it becomes active."""
    queue.add_bulk([new("j1"), new("j2")])

    assert ids(queue.consumer("worker-7").reserve(1)) == ["j1"]

    read = job(queue, "j1")
    assert (read.state, read.worker, read.attempts_made) == (JobState.ACTIVE, "worker-7", 1)
    assert read.processed_at is not None
    assert read.processed_at >= read.created_at - MS
    assert counts(queue) == {"waiting": 1, "active": 1}


@pytest.mark.parametrize(("limit", "expected"), [(0, []), (1, ["a"]), (2, ["a", "b"]), (50, ["a", "b", "c"])])
def test_reserve_takes_up_to_its_limit(queue: AdapterQueue, limit: int, expected: list[str]) -> None:
    """Never more than asked for, and no wait when there is something."""
    queue.add_bulk([new("a"), new("b"), new("c")])

    assert ids(take(queue, limit)) == expected


def test_no_two_workers_get_one_job(queue: AdapterQueue) -> None:
    """Eight workers at once take 400 jobs, each exactly once."""
    added = ids(queue.add_bulk([new(None, {"n": n}) for n in range(400)]))

    def work(worker: int) -> list[str]:
        consumer, mine = queue.consumer(f"worker-{worker}"), []
        while taken := consumer.reserve(7):
            mine += ids(taken)
        return mine

    with ThreadPoolExecutor(8) as pool:
        taken = [job_id for mine in pool.map(work, range(8)) for job_id in mine]

    assert sorted(taken) == sorted(added)
    assert counts(queue) == {"active": 400}


def test_nothing_starts_while_paused(queue: AdapterQueue, advance: Advance) -> None:
    """Case B07: pausing changes no count; adds go on; due delayed jobs wait; twice is once."""
    add(queue, "due", delay=20 * MS)
    queue.pause()
    queue.pause()
    queue.add_bulk([new("a"), new("b"), new("c"), new("urgent", priority=Priority.HIGH)])
    add(queue, "later", delay=timedelta(hours=1))
    advance(0.05)

    assert (queue.is_paused(), queue.get_stats().is_paused) == (True, True)
    assert take(queue, 10) == []
    assert take(queue, 10, wait=0.05) == []
    assert (counts(queue)["waiting"] + counts(queue)["delayed"], len(counts(queue))) == (6, 2)
    assert sum(len(queue.list_jobs(state)) for state in JobState) == 6

    queue.resume()
    queue.resume()
    assert (queue.is_paused(), queue.get_stats().is_paused) == (False, False)
    assert sorted(ids(take(queue, 10))) == ["a", "b", "c", "due", "urgent"]
    assert counts(queue) == {"active": 5, "delayed": 1}


def test_pausing_outlives_the_process(provider: Provider, queue: AdapterQueue) -> None:
    """Who opens the queue later finds it paused, and what was added while it was."""
    queue.pause()
    add(queue, "j1")

    again = provider.reopen(queue)

    assert (again.is_paused(), take(again)) == (True, [])
    again.resume()
    assert (queue.is_paused(), ids(take(queue))) == (False, ["j1"])


def test_what_runs_when_the_queue_is_paused_can_end(queue: AdapterQueue) -> None:
    """A pause takes no lease away, and settling reserves nothing."""
    queue.add_bulk([new("j1"), new("j2")])
    delivery = take_one(queue)
    queue.pause()

    delivery.complete()

    assert counts(queue) == {"waiting": 1, "completed": 1}


type InBackground = Callable[..., Future[Any]]


@pytest.fixture
def in_background() -> Iterator[InBackground]:
    """Call something in a thread of its own, from the moment at which the thread runs."""
    with ThreadPoolExecutor(1) as pool:

        def start(call: Callable[..., Any], *arguments: Any) -> Future[Any]:
            running = threading.Event()
            future = pool.submit(lambda: (running.set(), call(*arguments))[1])
            assert running.wait(SOON)
            return future

        yield start


def reserving(consumer: Consumer) -> list[Delivery]:
    """Wait until there is a job and take it, as a worker's loop does."""
    end = time.monotonic() + SOON
    while time.monotonic() < end:
        if taken := consumer.reserve(1):
            return taken
        consumer.wait(max(0.0, end - time.monotonic()))
    return []


def prepare_add(queue: AdapterQueue) -> Callable[[], object]:
    """An empty queue; then a job is added."""
    return lambda: add(queue, "j1")


def prepare_bulk(queue: AdapterQueue) -> Callable[[], object]:
    """An empty queue; then jobs are added together."""
    return lambda: queue.add_bulk([new("j1")])


def prepare_resume(queue: AdapterQueue) -> Callable[[], object]:
    """A paused queue that holds a job; then it is resumed."""
    queue.pause()
    add(queue, "j1")
    return queue.resume


def prepare_retry(queue: AdapterQueue) -> Callable[[], object]:
    """A failed job; then it is retried by hand."""
    add(queue, "j1")
    take_one(queue).fail("no")
    return lambda: queue.retry_job("j1")


def prepare_promote(queue: AdapterQueue) -> Callable[[], object]:
    """A delayed job; then it is promoted by hand."""
    add(queue, "j1", delay=timedelta(hours=1))
    return lambda: queue.promote_job("j1")


def prepare_release(queue: AdapterQueue) -> Callable[[], object]:
    """A job that another worker runs; then it is released."""
    add(queue, "j1")
    return take_one(queue).release


def prepare_delayed(queue: AdapterQueue) -> Callable[[], object]:
    """A far delayed job that is waited for; then one that falls due much earlier is added."""
    add(queue, "far", delay=timedelta(hours=1))
    return lambda: add(queue, "j1", delay=100 * MS)


WAKERS = [prepare_add, prepare_bulk, prepare_resume, prepare_retry, prepare_promote, prepare_release, prepare_delayed]


@pytest.mark.parametrize("prepare", WAKERS, ids=lambda prepare: prepare.__name__.removeprefix("prepare_"))
def test_waiting_ends_when_there_is_a_job(
    queue: AdapterQueue, in_background: InBackground, prepare: Callable[[AdapterQueue], Callable[[], object]]
) -> None:
    """A worker that waits for long is woken at once by whatever gives it a job."""
    act = prepare(queue)
    started = time.monotonic()
    waiting = in_background(reserving, queue.consumer("waiter"))

    act()

    assert ids(waiting.result(SOON * 2)) == ["j1"]
    assert time.monotonic() - started < SOON / 4


def test_waiting_ends_when_the_next_delayed_job_falls_due(queue: AdapterQueue) -> None:
    """Not before its time, and within little of it."""
    started = time.monotonic()
    add(queue, "j1", delay=200 * MS)

    (delivery,) = reserving(queue.consumer(WORKER))

    assert 0.19 <= time.monotonic() - started < SOON / 4
    assert 0 <= delivery.waited < SOON / 4


def test_a_job_that_fell_due_while_paused_starts_on_resume(
    queue: AdapterQueue, in_background: InBackground, advance: Advance
) -> None:
    """The waiter is woken by the resume, though no list has a job before it looks."""
    add(queue, "j1", delay=30 * MS)
    queue.pause()
    started = time.monotonic()
    waiting = in_background(reserving, queue.consumer("waiter"))
    advance(0.06)

    queue.resume()

    assert ids(waiting.result(SOON * 2)) == ["j1"]
    assert time.monotonic() - started < SOON / 4


def test_reserve_waits_for_the_first_job(queue: AdapterQueue, in_background: InBackground) -> None:
    """`reserve(wait=)` itself returns the job that comes meanwhile."""
    waiting = in_background(queue.consumer("waiter").reserve, 5, SOON)

    add(queue, "j1")

    assert ids(waiting.result(SOON * 2)) == ["j1"]


def test_waiting_ends_in_time(queue: AdapterQueue) -> None:
    """An empty queue lets `wait` and `reserve` return when their time is over, and not much sooner."""
    consumer = queue.consumer(WORKER)
    for wait in (lambda: consumer.wait(0.2), lambda: consumer.reserve(1, 0.2)):
        started = time.monotonic()
        wait()
        assert 0.15 <= time.monotonic() - started < SOON / 4
    started = time.monotonic()
    consumer.wait(0)
    assert time.monotonic() - started < SOON / 4


@pytest.mark.parametrize("before", [True, False])
def test_wake_ends_a_wait(queue: AdapterQueue, in_background: InBackground, before: bool) -> None:  # noqa: FBT001 - a parameter
    """A shutdown need not wait for a job; a wake that comes first is not lost."""
    consumer = queue.consumer("waiter")
    started = time.monotonic()
    if before:
        consumer.wake()
    waiting = in_background(consumer.wait, SOON)
    if not before:
        consumer.wake()

    waiting.result(SOON * 2)

    assert time.monotonic() - started < SOON / 4
