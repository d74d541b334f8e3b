"""What the memory provider promises beside the contract: one process, and a clock that tests may set."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from queues.adapters.memory import MemoryQueue
from queues.conf import QueueConf
from queues.errors import QueueRejected
from queues.jobs import JobOptions, JobState, NewJob
from queues.ports import Capabilities, GenericQueue

NAME = "memory.test.v1"


class StoppedClock:
    """A clock that moves only by hand."""

    def __init__(self) -> None:
        """Start at a round time."""
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        """Return seconds since the epoch."""
        return self.now


@pytest.fixture
def clock() -> StoppedClock:
    """A clock that stands still."""
    return StoppedClock()


@pytest.fixture
def queue(clock: StoppedClock) -> MemoryQueue:
    """A queue on that clock."""
    return MemoryQueue(QueueConf(name="unit-memory"), clock=clock)


def test_it_says_what_it_cannot_keep() -> None:
    """Its jobs end with the process; each missing ability has its reason."""
    capabilities = MemoryQueue.capabilities

    assert isinstance(capabilities, Capabilities)
    assert (capabilities.durable, capabilities.shared, capabilities.priorities, capabilities.delays) == (
        False,
        False,
        True,
        True,
    )
    assert capabilities.missing["durable"]
    assert issubclass(MemoryQueue, GenericQueue)


def test_its_time_is_the_clocks(queue: MemoryQueue, clock: StoppedClock) -> None:
    """Every time of a job is exact, and a delayed job waits for the clock alone."""
    job = queue.add(NAME, {}, JobOptions(delay=timedelta(days=30)))
    now = datetime.fromtimestamp(clock.now, UTC)
    assert (job.created_at, job.available_at) == (now, now + timedelta(days=30))
    consumer = queue.consumer("w")
    clock.now += timedelta(days=30).total_seconds() - 0.001
    assert consumer.reserve(1) == []

    clock.now += 0.001

    (delivery,) = consumer.reserve(1)
    assert delivery.waited == pytest.approx(0)
    delivery.complete()
    read = queue.get_job(job.id)
    assert read is not None
    assert read.finished_at == now + timedelta(days=30)


def test_what_happens_at_one_instant_keeps_its_order(queue: MemoryQueue, clock: StoppedClock) -> None:
    """On a clock that stands still, lists are still in the order in which things happened."""
    names = ["c", "a", "d", "b"]
    for job_id in names:
        queue.add(NAME, {}, JobOptions(job_id=job_id, delay=timedelta(seconds=1), remove_on_complete=3))
    assert [job.id for job in queue.list_jobs(JobState.DELAYED)] == names
    clock.now += 1

    deliveries = queue.consumer("w").reserve(10)
    for delivery in deliveries:
        delivery.complete()

    assert [delivery.id for delivery in deliveries] == names
    assert [job.id for job in queue.list_jobs(JobState.COMPLETED)] == ["b", "d", "a"]
    assert queue.clean(timedelta(0), JobState.COMPLETED) == ["a", "d", "b"]


def test_a_lease_ends_by_the_clock(queue: MemoryQueue, clock: StoppedClock) -> None:
    """To the instant: not a moment before its end."""
    queue.add(NAME, {})
    queue.consumer("w").reserve(1)
    clock.now += 9.999
    assert queue.sweep() == 0

    clock.now += 0.001

    assert queue.sweep() == 1


def test_what_a_job_holds_is_not_the_callers(queue: MemoryQueue) -> None:
    """A payload that is changed after `add` changes no job: it went through JSON."""
    data = {"n": [1]}
    job = queue.add(NAME, data)
    data["n"].append(2)

    read = queue.get_job(job.id)

    assert read is not None
    assert read.data == {"n": [1]}
    read.data["n"].append(3)
    again = queue.get_job(job.id)
    assert again is not None
    assert again.data == {"n": [1]}


def test_it_counts_right_under_many_threads(queue: MemoryQueue) -> None:
    """Adders, workers and an operator at once: no job is lost or run twice."""
    ran: list[str] = []
    done = threading.Event()

    def add(prefix: str) -> None:
        for n in range(200):
            queue.add(NAME, {}, JobOptions(job_id=f"{prefix}{n}"))

    def work(name: str) -> None:
        consumer = queue.consumer(name)
        while not done.is_set() or queue.get_stats().waiting:
            for delivery in consumer.reserve(3):
                ran.append(delivery.id)
                delivery.complete()

    def operate() -> None:
        while not done.is_set():
            for act in (queue.pause, queue.resume, queue.sweep, queue.get_stats):
                act()

    with ThreadPoolExecutor(8) as pool:
        others = [pool.submit(operate), *(pool.submit(work, f"w{n}") for n in range(4))]
        list(pool.map(add, "abc"))
        done.set()
        for other in others:
            other.result(60)

    assert sorted(ran) == sorted(f"{prefix}{n}" for prefix in "abc" for n in range(200))


def test_a_refused_bulk_leaves_the_clock_and_the_order(queue: MemoryQueue) -> None:
    """All or none: what follows a refused call is as if it had not been."""
    queue.add(NAME, {"v": 1}, JobOptions(job_id="old"))
    with pytest.raises(QueueRejected):
        queue.add_bulk([NewJob(name=NAME, data={}), NewJob(name=NAME, data={"v": 2}, options=JobOptions(job_id="old"))])

    assert [job.id for job in queue.list_jobs(JobState.WAITING)] == ["old"]
