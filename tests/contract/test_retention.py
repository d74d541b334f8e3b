"""The contract of retention: what has ended is kept by count or by age, each job by its own."""

from datetime import timedelta

import pytest

from queues.adapters.base import AdapterQueue
from queues.errors import InvalidOptions, LeaseLost
from queues.jobs import JobOptions, JobState, Retention
from queues.priorities import Priority
from tests.contract.conftest import Advance, MakeQueue
from tests.contract.steps import MS, NAME, add, counts, lapse, listed, state, take_one

KEPT = [(True, 0), (0, 0), (1, 1), (3, 3), (Retention(count=3), 3), (None, 10), (False, 10), (Retention(), 10)]


@pytest.mark.parametrize(("keep", "kept"), KEPT)
@pytest.mark.parametrize("ending", ["complete", "fail"])
def test_a_count_keeps_the_newest(queue: AdapterQueue, ending: str, keep: int | Retention | None, kept: int) -> None:
    """Case B11 c: of ten jobs true or 0 keeps none, 1 one, 3 three, None all; the last ended stay."""
    option = "remove_on_complete" if ending == "complete" else "remove_on_fail"
    ended = JobState.COMPLETED if ending == "complete" else JobState.FAILED
    for n in range(10):
        add(queue, f"j{n}", **{option: keep})
        delivery = take_one(queue)
        delivery.complete() if ending == "complete" else delivery.fail("no")

    assert listed(queue, ended) == [f"j{n}" for n in reversed(range(10 - kept, 10))]
    assert counts(queue) == ({str(ended): kept} if kept else {})
    assert queue.get_job("j0") is None or kept == 10


def test_counts_of_completed_and_failed_are_their_own(queue: AdapterQueue) -> None:
    """A completed job trims no failed one."""
    for n in range(3):
        add(queue, f"bad{n}", remove_on_fail=2)
        take_one(queue).fail("no")
    for n in range(3):
        add(queue, f"good{n}", remove_on_complete=1, remove_on_fail=0)
        take_one(queue).complete()

    assert (listed(queue, JobState.FAILED), listed(queue, JobState.COMPLETED)) == (["bad2", "bad1"], ["good2"])


def test_a_job_that_keeps_all_is_not_trimmed_by_others(queue: AdapterQueue) -> None:
    """Case B11: one job's count removes none that asked to be kept without a limit, or for an age."""
    for job_id, keep in (("all", None), ("aged", timedelta(days=1)), ("counted", 5), ("one", 1), ("none", 0)):
        add(queue, job_id, remove_on_complete=keep)
        take_one(queue).complete()

    assert listed(queue, JobState.COMPLETED) == ["one", "aged", "all"]


def test_an_age_ends_in_silence(queue: AdapterQueue, advance: Advance) -> None:
    """Case B11 a: without any further job, a sweep forgets what has outlived its age."""
    add(queue, "done", remove_on_complete=60 * MS)
    take_one(queue).complete()
    add(queue, "failed", remove_on_fail=Retention(age=60 * MS))
    take_one(queue).fail("no")
    assert counts(queue) == {"completed": 1, "failed": 1}

    advance(0.1)

    assert queue.sweep() == 2
    assert (queue.get_job("done"), queue.get_job("failed"), counts(queue)) == (None, None, {})
    assert (listed(queue, JobState.COMPLETED), listed(queue, JobState.FAILED)) == ([], [])


def test_one_jobs_age_removes_no_other(queue: AdapterQueue, advance: Advance) -> None:
    """Case B11 b: A asked for 50,000 s; B's short age and C's count leave it."""
    for job_id, keep in (("A", timedelta(seconds=50_000)), ("B", 50 * MS), ("C", 1)):
        add(queue, job_id, remove_on_complete=keep)
        take_one(queue).complete()
    advance(0.08)
    queue.sweep()

    add(queue, "D", remove_on_complete=1)
    take_one(queue).complete()

    assert listed(queue, JobState.COMPLETED) == ["D", "A"]


def test_a_retried_job_leaves_its_age_behind(queue: AdapterQueue, advance: Advance) -> None:
    """A failed job that runs again is not forgotten when the age of its failure is over."""
    add(queue, "j1", remove_on_fail=80 * MS)
    take_one(queue).fail("no")
    queue.retry_job("j1")
    advance(0.1)
    assert queue.sweep() == 0

    assert state(queue, "j1") is JobState.WAITING
    take_one(queue).complete()
    assert queue.sweep() == 0
    assert state(queue, "j1") is JobState.COMPLETED


def test_the_crash_limit_ends_a_job_as_its_retention_says(make_queue: MakeQueue, advance: Advance) -> None:
    """A job that a sweep ended is kept or forgotten like any failed one."""
    queue = make_queue(crash_limit=1)
    for job_id, keep in (("a", 1), ("b", 1), ("c", 0), ("d", None)):
        add(queue, job_id, remove_on_fail=keep)
        assert lapse(queue, advance, take_one(queue)) == 1

    assert listed(queue, JobState.FAILED) == ["d", "b"]
    assert (state(queue, "a"), state(queue, "c")) == (None, None)


def test_the_default_keeps_a_hundred_and_fifty(make_queue: MakeQueue) -> None:
    """The specification's defaults: the last 100 completed and the last 50 failed."""
    queue = make_queue()
    queue.add_bulk([])
    for n in range(220):
        queue.add(NAME, {"n": n})
        delivery = take_one(queue)
        delivery.complete() if n % 2 else delivery.fail("no")

    assert counts(queue) == {"completed": 100, "failed": 50}


@pytest.mark.parametrize("value", [-1, 2.5, "3", timedelta(0), timedelta(seconds=-1), {"count": 3}])
@pytest.mark.parametrize("option", ["remove_on_complete", "remove_on_fail"])
def test_a_retention_that_cannot_be_kept_is_refused(queue: AdapterQueue, option: str, value: object) -> None:
    """The error names the option."""
    with pytest.raises(InvalidOptions) as caught:
        queue.add(NAME, {}, JobOptions(**{option: value}))  # type: ignore[arg-type]

    assert caught.value.field == option
    assert counts(queue) == {}


def test_a_refused_run_trims_nothing(queue: AdapterQueue, advance: Advance) -> None:
    """A zombie's settle writes nothing of its run, and its retention forgets no other job."""
    add(queue, "zombie", remove_on_complete=1, remove_on_fail=1)
    zombie = take_one(queue)
    lapse(queue, advance, zombie)
    for job_id in ("a", "b"):
        add(queue, job_id, remove_on_complete=5, priority=Priority.HIGH)
        take_one(queue).complete()

    for settle in (zombie.complete, lambda: zombie.fail("late")):
        with pytest.raises(LeaseLost):
            settle()

    assert listed(queue, JobState.COMPLETED) == ["b", "a"]
