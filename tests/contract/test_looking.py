"""The contract of lists and counts: they are right, in order, and change nothing."""

from datetime import timedelta

import pytest

from queues.adapters.base import AdapterQueue
from queues.errors import InvalidOptions
from queues.jobs import JobState
from queues.priorities import Priority
from tests.contract.conftest import Advance, MakeQueue
from tests.contract.steps import (
    HOUR,
    MS,
    add,
    complete,
    counts,
    every_level,
    fail,
    ids,
    job,
    lapse,
    listed,
    new,
    order,
    take,
    take_one,
)

# list_jobs, get_stats


def test_lists_are_in_the_order_in_which_jobs_run(queue: AdapterQueue) -> None:
    """Waiting by level then age, delayed by time, the ended newest first."""
    for job_id, delay in (("d3", 3), ("d1", 1), ("d2", 2)):
        add(queue, job_id, delay=delay * HOUR)
    complete(queue, "c1", "c2", "c3")
    fail(queue, "f1", "f2")
    queue.add_bulk([*every_level(), new("normal-2"), new("bulk-2", priority=Priority.BULK)])

    waiting = ["CRITICAL", "HIGH", "NORMAL", "normal-2", "LOW", "BULK", "bulk-2"]
    assert listed(queue, JobState.WAITING) == waiting
    assert listed(queue, JobState.DELAYED) == ["d1", "d2", "d3"]
    assert listed(queue, JobState.COMPLETED) == ["c3", "c2", "c1"]
    assert listed(queue, JobState.FAILED) == ["f2", "f1"]
    assert order(queue) == waiting


def test_pages_join_to_the_whole(queue: AdapterQueue) -> None:
    """Case B48: any page size gives each job once, over all levels; beyond the end there is nothing."""
    queue.add_bulk([new(f"j{n}", priority=sorted(Priority)[n % 5]) for n in range(23)])
    whole = listed(queue, JobState.WAITING)

    for size in (1, 4, 10, 23, 100):
        paged = [job_id for at in range(0, 23, size) for job_id in ids(queue.list_jobs(JobState.WAITING, at, size))]
        assert paged == whole, size
    assert (len(whole), queue.list_jobs(JobState.WAITING, 23), queue.list_jobs(JobState.WAITING, 0, 0)) == (23, [], [])


@pytest.mark.parametrize(("offset", "limit"), [(-1, 10), (0, -1), (0, 10_001)])
def test_a_page_that_no_list_has_is_refused(queue: AdapterQueue, offset: int, limit: int) -> None:
    """InvalidOptions, and not a wrong page."""
    with pytest.raises(InvalidOptions):
        queue.list_jobs(JobState.WAITING, offset, limit)


def test_looking_moves_no_stalled_or_due_job(make_queue: MakeQueue, advance: Advance) -> None:
    """A page or a scrape that is opened while leases lapse changes nothing; only a sweep does."""
    queue = make_queue()
    add(queue, "old", remove_on_complete=20 * MS)
    take_one(queue).complete()
    add(queue, "j1")
    take_one(queue).extend(0.02)
    add(queue, "due", delay=20 * MS)
    advance(0.05)

    for each in JobState:
        queue.list_jobs(each)
    queue.get_job("j1")
    queue.get_stats()

    assert (job(queue, "j1").stalls, counts(queue)) == (0, {"active": 1, "delayed": 1, "completed": 1})


def test_the_oldest_waiting_job_has_its_age(queue: AdapterQueue, advance: Advance) -> None:
    """None without one; over all levels; delayed jobs wait from when they were due."""
    assert queue.get_stats().oldest_waiting is None
    add(queue, "delayed", delay=HOUR)
    assert queue.get_stats().oldest_waiting is None
    add(queue, "first", priority=Priority.BULK)
    advance(0.1)
    add(queue, "second", priority=Priority.CRITICAL)

    oldest = queue.get_stats().oldest_waiting

    assert oldest is not None
    assert timedelta(seconds=0.09) <= oldest < timedelta(seconds=30)
    take(queue, 2)
    assert queue.get_stats().oldest_waiting is None


@pytest.mark.parametrize("way", ["release", "stall"])
def test_a_job_that_comes_back_hides_no_older_one(queue: AdapterQueue, advance: Advance, way: str) -> None:
    """A job put back to the front goes on with the wait that it had begun."""
    queue.add_bulk([new("a"), new("b")])
    delivery = take_one(queue)
    advance(0.2)
    if way == "release":
        delivery.release()
    else:
        lapse(queue, advance, delivery)

    oldest = queue.get_stats().oldest_waiting

    assert oldest is not None
    assert oldest >= timedelta(seconds=0.19)
