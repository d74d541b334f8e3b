"""The contract of what an operator does: remove, drain, clean, count, follow a run."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from queues.adapters.base import AdapterQueue
from queues.errors import InvalidOptions, InvalidTransition, JobIsActive, LeaseLost, UnknownJob
from queues.jobs import JobState
from queues.priorities import Priority
from tests.contract.conftest import Advance, MakeQueue
from tests.contract.steps import (
    HOUR,
    MS,
    SECOND,
    add,
    complete,
    counts,
    every_level,
    fail,
    ids,
    job,
    listed,
    new,
    one_of_each,
    order,
    take,
    take_one,
)

# remove_job


@pytest.mark.parametrize("there", ["waiting", "delayed", "completed", "failed"])
def test_a_removed_job_is_gone(queue: AdapterQueue, there: str) -> None:
    """From any state but active a job is forgotten, with its place in line."""
    one_of_each(queue)

    queue.remove_job(there)
    queue.remove_job(there)

    assert queue.get_job(there) is None
    assert listed(queue, JobState(there)) == []
    assert counts(queue) == {str(each): 1 for each in JobState if each != there}
    assert sorted(order(queue)) == ([] if there == "waiting" else ["waiting"])


def test_an_active_job_is_not_removed(queue: AdapterQueue) -> None:
    """JobIsActive; the run goes on and ends."""
    add(queue, "j1")
    delivery = take_one(queue)

    with pytest.raises(JobIsActive, match="j1") as caught:
        queue.remove_job("j1")

    assert caught.value.field == "job_id"
    delivery.complete()
    assert counts(queue) == {"completed": 1}


def test_a_removed_job_leaves_the_others_in_order(queue: AdapterQueue) -> None:
    """Each level goes on without it."""
    queue.add_bulk([new("a"), new("b"), new("c"), new("low", priority=Priority.LOW)])

    queue.remove_job("b")
    queue.remove_job("low")

    assert order(queue) == ["a", "c"]


@pytest.mark.parametrize("call", ["retry_job", "promote_job", "change_priority", "update_progress"])
@pytest.mark.parametrize("job_id", ["nope", "", "x" * 256, "\ud800"])
def test_an_unknown_job_is_an_error_of_its_own(queue: AdapterQueue, call: str, job_id: str) -> None:
    """UnknownJob, naming the field."""
    arguments: dict[str, tuple[Any, ...]] = {"change_priority": (Priority.HIGH,), "update_progress": (50,)}

    with pytest.raises(UnknownJob) as caught:
        getattr(queue, call)(job_id, *arguments.get(call, ()))

    assert caught.value.field == "job_id"


# update_progress


@pytest.mark.parametrize("value", [0, 12.5, 100])
def test_progress_of_a_run_is_kept(queue: AdapterQueue, value: float) -> None:
    """By the queue and by the delivery; it stays when the job has ended."""
    add(queue, "j1")
    delivery = take_one(queue)

    delivery.progress(1)
    assert job(queue, "j1").progress == 1
    queue.update_progress("j1", value)
    delivery.complete()

    assert job(queue, "j1").progress == value


@pytest.mark.parametrize("value", [-1, 100.5, float("nan"), float("inf"), "50", None, True])
def test_progress_beyond_its_scale_is_refused(queue: AdapterQueue, value: Any) -> None:
    """From 0 to 100, a number."""
    add(queue, "j1")
    take(queue)

    with pytest.raises(InvalidOptions) as caught:
        queue.update_progress("j1", value)

    assert (caught.value.field, job(queue, "j1").progress) == ("progress", 0)


def test_only_an_active_job_makes_progress(queue: AdapterQueue) -> None:
    """InvalidTransition for the others."""
    one_of_each(queue)
    for there in ("waiting", "delayed", "completed", "failed"):
        with pytest.raises(InvalidTransition):
            queue.update_progress(there, 50)
        assert job(queue, there).progress == 0


# drain


@pytest.mark.parametrize("delayed", [False, True])
def test_a_drained_queue_has_nothing_to_run(queue: AdapterQueue, delayed: bool) -> None:  # noqa: FBT001 - a parameter
    """Every level is emptied, delayed jobs only if asked; the active and ended stay."""
    one_of_each(queue)
    queue.add_bulk(every_level())

    assert queue.drain(delayed=delayed) == (7 if delayed else 6)

    expected = {"active": 1, "completed": 1, "failed": 1}
    assert counts(queue) == (expected if delayed else {**expected, "delayed": 1})
    assert (order(queue), queue.get_job("waiting"), queue.drain(delayed=delayed)) == ([], None, 0)


def test_a_large_queue_drains_whole(queue: AdapterQueue) -> None:
    """More than any provider takes in one call."""
    queue.add_bulk([new(None, {}) for _ in range(2500)])

    assert (queue.drain(), counts(queue)) == (2500, {})


# clean


@pytest.mark.parametrize("there", ["completed", "failed", "waiting", "delayed"])
def test_clean_goes_by_the_time_of_entering_the_state(queue: AdapterQueue, advance: Advance, there: str) -> None:
    """Only what entered the state at least `grace` ago goes, the oldest first."""
    reach: dict[str, Any] = {
        "completed": lambda job_id: complete(queue, job_id),
        "failed": lambda job_id: fail(queue, job_id),
        "waiting": lambda job_id: add(queue, job_id),
        "delayed": lambda job_id: add(queue, job_id, delay=HOUR),
    }
    reach[there]("old-1")
    advance(0.01)
    reach[there]("old-2")
    advance(0.6)
    reach[there]("young")

    assert queue.clean(HOUR, JobState(there)) == []
    assert queue.clean(600 * MS, JobState(there)) == ["old-1", "old-2"]
    assert (listed(queue, JobState(there)), counts(queue)) == (["young"], {there: 1})
    assert queue.get_job("old-1") is None


def test_clean_of_one_bulk_goes_in_its_order(queue: AdapterQueue) -> None:
    """Jobs of one call are equally old; the first in line goes first."""
    added = queue.add_bulk([new(f"{(n * 37) % 100:02}") for n in range(20)])

    assert queue.clean(timedelta(0), JobState.WAITING, 5) == ids(added[:5])
    assert queue.clean(timedelta(0), JobState.WAITING) == ids(added[5:])


def test_clean_counts_from_the_state_and_not_from_the_add(queue: AdapterQueue, advance: Advance) -> None:
    """A job that was added long ago and failed just now stays."""
    add(queue, "j1")
    advance(0.6)
    take_one(queue).fail("no")

    assert queue.clean(600 * MS, JobState.FAILED) == []
    assert queue.clean(timedelta(0), JobState.FAILED) == ["j1"]


def test_clean_stops_at_its_limit(queue: AdapterQueue, advance: Advance) -> None:
    """The oldest go first; 0 is no limit."""
    for n in range(6):
        complete(queue, f"j{n}", remove_on_complete=None if n % 2 else 100)
        advance(0.002)

    assert queue.clean(timedelta(0), JobState.COMPLETED, 2) == ["j0", "j1"]
    assert queue.clean(timedelta(0), JobState.COMPLETED, 1) == ["j2"]
    assert queue.clean(timedelta(0), JobState.COMPLETED, 0) == ["j3", "j4", "j5"]
    assert queue.clean(timedelta(0), JobState.COMPLETED) == []


def test_clean_takes_more_than_one_chunk(queue: AdapterQueue) -> None:
    """A large state is cleaned whole in one call."""
    added = queue.add_bulk([new(None, {}) for _ in range(2300)])
    for delivery in take(queue, 2300):
        delivery.fail("no")
    assert counts(queue) == {"failed": 50}
    queue.add_bulk([new(None, {}) for _ in range(2300)])

    assert len(queue.clean(timedelta(0), JobState.WAITING)) == len(added)
    assert (len(queue.clean(timedelta(0), JobState.FAILED)), counts(queue)) == (50, {})


def test_clean_of_active_takes_only_stalled_jobs(make_queue: MakeQueue, advance: Advance) -> None:
    """A run whose lease holds stays; one that lapsed goes, and its zombie ends nothing."""
    queue = make_queue()
    queue.add_bulk([new("stalled"), new("runs")])
    stalled, runs = take(queue, 2)
    assert queue.clean(timedelta(0), JobState.ACTIVE) == []
    stalled.extend(0.02)
    advance(0.05)

    assert queue.clean(HOUR, JobState.ACTIVE) == []
    assert queue.clean(timedelta(0), JobState.ACTIVE) == ["stalled"]

    assert (counts(queue), queue.get_job("stalled"), queue.sweep()) == ({"active": 1}, None, 0)
    with pytest.raises(LeaseLost):
        stalled.complete()
    runs.complete()
    assert counts(queue) == {"completed": 1}


@pytest.mark.parametrize(
    ("grace", "what", "limit", "field"),
    [
        (timedelta(seconds=-1), "completed", 0, "grace"),
        (5, "completed", 0, "grace"),
        (None, "completed", 0, "grace"),
        (SECOND, "completed", -1, "limit"),
        (SECOND, "prioritized", 0, "state"),
    ],
)
def test_clean_refuses_what_it_cannot_mean(queue: AdapterQueue, grace: Any, what: Any, limit: int, field: str) -> None:
    """The error names the argument, and nothing is removed."""
    complete(queue, "j1")

    with pytest.raises(InvalidOptions) as caught:
        queue.clean(grace, what, limit)

    assert (caught.value.field, counts(queue)) == (field, {"completed": 1})


# get_stats


def test_stats_count_each_state(queue: AdapterQueue) -> None:
    """At one instant, with nothing changed by looking."""
    assert counts(queue) == {}
    one_of_each(queue)
    queue.add_bulk([new("w2"), new("w3", priority=Priority.BULK)])

    for _ in range(3):
        stats = queue.get_stats()
        assert (stats.waiting, stats.active, stats.completed, stats.failed, stats.delayed) == (3, 1, 1, 1, 1)
    assert stats.counts == {each: len(queue.list_jobs(each)) for each in JobState}


def test_the_async_twins_operate_too(queue: AdapterQueue) -> None:
    """Every call of an operator has its twin, which does the same."""
    one_of_each(queue)

    async def scenario() -> None:
        await queue.apause()
        assert await queue.ais_paused()
        assert (await queue.aget_stats()).is_paused
        await queue.aresume()
        await queue.aupdate_progress("active", 40)
        assert (await queue.aretry_job("failed")).state is JobState.WAITING
        assert (await queue.apromote_job("delayed")).state is JobState.WAITING
        assert (await queue.achange_priority("waiting", Priority.BULK)).options.priority is Priority.BULK
        assert ids(await queue.alist_jobs(JobState.WAITING, 0, 2)) == ["failed", "delayed"]
        assert await queue.aclean(timedelta(0), JobState.COMPLETED, 5) == ["completed"]
        assert await queue.adrain(delayed=True) == 3

    asyncio.run(scenario())

    assert (counts(queue), job(queue, "active").progress) == ({"active": 1}, 40)
