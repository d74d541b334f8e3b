"""The contract of moving a job by hand: retry, promote, change its priority."""

import pytest

from queues.adapters.base import AdapterQueue
from queues.errors import InvalidOptions, InvalidTransition
from queues.jobs import JobState
from queues.priorities import Priority
from tests.contract.conftest import Advance, MakeQueue
from tests.contract.steps import (
    HOUR,
    MS,
    add,
    counts,
    fail,
    job,
    lapse,
    listed,
    new,
    one_of_each,
    order,
    state,
    take_one,
)

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
