"""The contract of what an operator does: look, count, move, remove, clean."""

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
    MS,
    SECOND,
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
    state,
    take,
    take_one,
)

HOUR = timedelta(hours=1)


def one_of_each(queue: AdapterQueue) -> None:
    """Bring a job into each state, named by it."""
    complete(queue, "completed")
    fail(queue, "failed")
    add(queue, "active")
    take(queue)
    add(queue, "waiting")
    add(queue, "delayed", delay=HOUR)


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


# retry_job


def test_a_retry_by_hand_is_a_fresh_budget(make_queue: MakeQueue, advance: Advance) -> None:
    """Attempts and stalls start from none; the reason is gone, the history of attempts is not."""
    queue = make_queue(crash_limit=2)
    add(queue, "j1", priority=Priority.LOW, attempts=2)
    lapse(queue, advance, take_one(queue))
    take_one(queue).fail("it broke")
    add(queue, "j2", priority=Priority.LOW)

    retried = queue.retry_job("j1")

    assert (retried.state, retried.attempts_made, retried.stalls) == (JobState.WAITING, 0, 0)
    assert (retried.failed_reason, retried.finished_at, retried.worker) == (None, None, None)
    assert [attempt.error for attempt in retried.attempts][-1] == "it broke"
    assert counts(queue) == {"waiting": 2}
    assert take_one(queue).id == "j2"
    again = take_one(queue)
    assert (again.id, again.attempt, again.attempts) == ("j1", 1, 2)
    assert lapse(queue, advance, again) == 1
    assert state(queue, "j1") is JobState.WAITING


@pytest.mark.parametrize("there", ["waiting", "delayed", "active", "completed"])
def test_only_a_failed_job_is_retried(queue: AdapterQueue, there: str) -> None:
    """InvalidTransition, and nothing moves."""
    one_of_each(queue)
    before = counts(queue)

    with pytest.raises(InvalidTransition) as caught:
        queue.retry_job(there)

    assert (caught.value.field, counts(queue)) == ("state", before)


def test_a_job_is_retried_once_however_often_it_is_asked(queue: AdapterQueue) -> None:
    """Case B23: the second of two retries finds it waiting."""
    fail(queue, "j1")
    queue.retry_job("j1")

    with pytest.raises(InvalidTransition):
        queue.retry_job("j1")

    assert order(queue) == ["j1"]


# promote_job, change_priority


def test_a_promoted_job_runs_now(queue: AdapterQueue) -> None:
    """It joins the end of its own level, whatever its time was."""
    add(queue, "late", delay=HOUR, priority=Priority.HIGH)
    queue.add_bulk([new("normal"), new("high", priority=Priority.HIGH)])

    assert queue.promote_job("late").state is JobState.WAITING

    assert counts(queue) == {"waiting": 3}
    assert order(queue) == ["high", "late", "normal"]


def test_a_job_that_waits_for_its_retry_is_promoted(queue: AdapterQueue) -> None:
    """It keeps the attempts that it has used."""
    add(queue, "j1")
    take_one(queue).retry(HOUR, "no")

    queue.promote_job("j1")

    assert take_one(queue).attempt == 2


@pytest.mark.parametrize("there", ["waiting", "active", "completed", "failed"])
def test_only_a_delayed_job_is_promoted(queue: AdapterQueue, there: str) -> None:
    """InvalidTransition, and nothing moves."""
    one_of_each(queue)
    before = counts(queue)

    with pytest.raises(InvalidTransition):
        queue.promote_job(there)

    assert counts(queue) == before


def test_a_changed_priority_moves_to_the_end_of_that_level(queue: AdapterQueue) -> None:
    """Waiting and delayed jobs take their new level, and the job says so."""
    queue.add_bulk([new("a"), new("b"), new("c", priority=Priority.HIGH)])
    add(queue, "late", delay=HOUR)

    changed = queue.change_priority("a", Priority.HIGH)
    queue.change_priority("late", Priority.CRITICAL)
    queue.promote_job("late")

    assert (changed.state, changed.options.priority) == (JobState.WAITING, Priority.HIGH)
    assert job(queue, "a").options.priority is Priority.HIGH
    assert order(queue) == ["late", "c", "a", "b"]


def test_a_priority_that_stays_keeps_the_place(queue: AdapterQueue) -> None:
    """The level that the job has already is no other level."""
    queue.add_bulk([new("a"), new("b")])

    queue.change_priority("a", Priority.NORMAL)

    assert order(queue) == ["a", "b"]


def test_a_changed_priority_outlives_runs(queue: AdapterQueue, advance: Advance) -> None:
    """Case B05: after a retry and a stall the job comes back at the level it was given last."""
    add(queue, "j1")
    queue.change_priority("j1", Priority.BULK)
    take_one(queue).retry(10 * MS)
    add(queue, "normal")
    advance(0.02)
    first = take_one(queue)
    lapse(queue, advance, take_one(queue))

    assert (first.id, job(queue, "j1").options.priority, listed(queue, JobState.WAITING)) == (
        "normal",
        Priority.BULK,
        ["j1"],
    )


@pytest.mark.parametrize("there", ["active", "completed", "failed"])
def test_only_a_job_that_waits_changes_its_priority(queue: AdapterQueue, there: str) -> None:
    """InvalidTransition for the others."""
    one_of_each(queue)

    with pytest.raises(InvalidTransition):
        queue.change_priority(there, Priority.HIGH)

    assert job(queue, there).options.priority is Priority.NORMAL


def test_a_priority_that_is_no_level_is_refused(queue: AdapterQueue) -> None:
    """Case B05: 0 and 2 are no levels here either."""
    add(queue, "j1")
    for wrong in (0, 2, "HIGH"):
        with pytest.raises(InvalidOptions) as caught:
            queue.change_priority("j1", wrong)  # type: ignore[arg-type]
        assert caught.value.field == "priority"


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


def test_stats_count_each_state(queue: AdapterQueue) -> None:
    """At one instant, with nothing changed by looking."""
    assert counts(queue) == {}
    one_of_each(queue)
    queue.add_bulk([new("w2"), new("w3", priority=Priority.BULK)])

    for _ in range(3):
        stats = queue.get_stats()
        assert (stats.waiting, stats.active, stats.completed, stats.failed, stats.delayed) == (3, 1, 1, 1, 1)
    assert stats.counts == {each: len(queue.list_jobs(each)) for each in JobState}


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
