"""The contract of job ids: any string of 1 to 255 characters, unique, and safe to add twice."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from queues.adapters.base import AdapterQueue
from queues.errors import InvalidOptions, JobIdConflict
from queues.jobs import JobOptions, JobState
from queues.metadata import JobMetadata
from tests.contract.conftest import Advance, MakeQueue
from tests.contract.steps import (
    MS,
    NAME,
    add,
    complete,
    counts,
    fail,
    ids,
    job,
    listed,
    new,
    order,
    state,
    take_one,
)

ODD_IDS = [
    "a:b",
    "123",
    "0",
    "x/y",
    "a.b",
    "../x",
    "a b",
    "a\n",
    "日本",
    "a_b",
    "a_5f",
    "__",
    "$?#%&",
    "\x7f",
    " ",
    "x" * 255,
]
ODD_IDS += ["ü" * 255, "\U0001f389" * 255]


@pytest.mark.parametrize("job_id", ODD_IDS, ids=lambda job_id: ascii(job_id)[:12])
def test_an_odd_id_is_taken_run_listed_and_shown(queue: AdapterQueue, job_id: str) -> None:
    """Case B13: an id that is accepted is never stuck, whatever a provider allows in its keys."""
    assert add(queue, job_id).id == job_id
    assert add(queue, job_id).duplicate
    assert job(queue, job_id).data == {"n": job_id}
    assert listed(queue, JobState.WAITING) == [job_id]

    delivery = take_one(queue)
    assert delivery.id == job_id
    assert listed(queue, JobState.ACTIVE) == [job_id]
    delivery.progress(50)
    delivery.extend(30)
    delivery.fail("once")
    assert listed(queue, JobState.FAILED) == [job_id]
    assert queue.retry_job(job_id).id == job_id

    take_one(queue).complete()
    assert state(queue, job_id) is JobState.COMPLETED
    assert queue.clean(timedelta(0), JobState.COMPLETED) == [job_id]
    assert queue.get_job(job_id) is None


def test_odd_ids_do_not_meet(queue: AdapterQueue) -> None:
    """Ids that differ only in what a provider must escape are different jobs."""
    alike = ["a_b", "a:b", "a b", "a_3ab", "a__b", "a.b", "a/b", "A_B", "a", "a_", "_a"]

    for job_id in alike:
        add(queue, job_id)

    assert order(queue) == alike


@pytest.mark.parametrize("job_id", ["", "x" * 256, 123, b"x", "\ud800", "a\x00", 1.5, True])
def test_an_id_that_is_no_such_string_is_refused(queue: AdapterQueue, job_id: Any) -> None:
    """Case B13: the error names the field, and nothing is stored."""
    with pytest.raises(InvalidOptions) as caught:
        queue.add(NAME, {}, JobOptions(job_id=job_id))

    assert caught.value.field == "job_id"
    assert counts(queue) == {}


@pytest.mark.parametrize("job_id", ["", "x" * 256, "\ud800", "never-added", "a_zz"])
def test_an_id_that_no_job_has_is_unknown(queue: AdapterQueue, job_id: str) -> None:
    """`get_job` answers None and `remove_job` does nothing, also for what could be no id at all."""
    add(queue, "j1")

    assert queue.get_job(job_id) is None
    queue.remove_job(job_id)

    assert counts(queue) == {"waiting": 1}


def test_no_id_means_a_made_one(queue: AdapterQueue) -> None:
    """Case B13: None gives an id of its own to each job."""
    made = {queue.add(NAME, {}, JobOptions(job_id=None)).id for _ in range(50)}

    assert len(made) == 50
    assert counts(queue) == {"waiting": 50}


def test_an_id_belongs_to_one_queue(make_queue: MakeQueue) -> None:
    """Case B02: the same id in another queue is another job, with its own data and fate."""
    one, two = make_queue(), make_queue()

    add(one, "j1", {"queue": 1})
    assert not add(two, "j1", {"queue": 2}).duplicate
    assert (job(one, "j1").data, job(two, "j1").data) == ({"queue": 1}, {"queue": 2})
    take_one(one).complete()
    two.remove_job("j1")

    assert state(one, "j1") is JobState.COMPLETED
    assert state(two, "j1") is None


def test_the_same_job_again_is_the_job_there(queue: AdapterQueue) -> None:
    """Case B02: a second add returns the first job, marked as a duplicate, and queues nothing."""
    first = add(queue, "j1", {"a": 1, "b": [1, 2]})

    second = add(queue, "j1", {"b": [1, 2], "a": 1})

    assert (first.duplicate, second.duplicate, second.id) == (False, True, "j1")
    assert abs(second.created_at - first.created_at) <= MS
    assert counts(queue) == {"waiting": 1}
    assert order(queue) == ["j1"]


def test_fifty_parallel_adds_of_one_id_are_one_job(queue: AdapterQueue) -> None:
    """Case B02: exactly one of them adds; all answer with the same id; it runs once."""
    with ThreadPoolExecutor(50) as pool:
        added = list(pool.map(lambda _: add(queue, "j1"), range(50)))

    assert {each.id for each in added} == {"j1"}
    assert [each.duplicate for each in added].count(False) == 1
    assert counts(queue) == {"waiting": 1}
    assert order(queue) == ["j1"]


def test_metadata_and_options_make_no_other_job(queue: AdapterQueue) -> None:
    """A retried request has a new trace and time; it is still the same job."""
    queue.add(NAME, {"a": 1}, JobOptions(job_id="j1"), metadata=JobMetadata(correlation_id="one"))

    again = queue.add(NAME, {"a": 1}, JobOptions(job_id="j1", attempts=9), metadata=JobMetadata(correlation_id="two"))

    assert again.duplicate
    assert (job(queue, "j1").metadata.correlation_id, job(queue, "j1").options.attempts) == ("one", 3)


@pytest.mark.parametrize("delay", [timedelta(0), timedelta(seconds=60)])
def test_another_job_under_a_known_id_is_a_conflict(queue: AdapterQueue, delay: timedelta) -> None:
    """Case B02: other data or another name raises JobIdConflict, and the first job stays as it is."""
    add(queue, "j1", {"v": "a"})

    for data, name in (({"v": "b"}, NAME), ({"v": "a"}, "other.job.v1"), ({"v": "a", "w": 1}, NAME), ({}, NAME)):
        with pytest.raises(JobIdConflict, match="j1") as caught:
            queue.add(name, data, JobOptions(job_id="j1", delay=delay))
        assert caught.value.field == "job_id"

    assert (job(queue, "j1").data, counts(queue)) == ({"v": "a"}, {"waiting": 1})


def test_a_delayed_duplicate_does_not_move_the_run_time(queue: AdapterQueue) -> None:
    """Case B02: the first job's run time and state stay, whatever delay the second add has."""
    first = add(queue, "j1", delay=timedelta(minutes=10))

    for delay in (timedelta(0), timedelta(hours=1)):
        again = add(queue, "j1", delay=delay)
        assert (again.duplicate, again.state) == (True, JobState.DELAYED)
        assert again.available_at is not None
        assert first.available_at is not None
        assert abs(again.available_at - first.available_at) <= MS

    assert (counts(queue), order(queue)) == ({"delayed": 1}, [])


def test_an_id_is_known_while_its_job_is(queue: AdapterQueue, advance: Advance) -> None:
    """Active, completed and failed jobs are still known: a second add runs nothing more."""
    add(queue, "j1")
    delivery = take_one(queue)
    assert (add(queue, "j1").duplicate, add(queue, "j1").state) == (True, JobState.ACTIVE)
    delivery.complete()
    assert add(queue, "j1").state is JobState.COMPLETED
    fail(queue, "j2")
    assert add(queue, "j2").state is JobState.FAILED

    assert counts(queue) == {"completed": 1, "failed": 1}
    assert order(queue) == []


def test_a_forgotten_id_is_free_again(queue: AdapterQueue) -> None:
    """After removal, and after retention kept none of it, an id takes another job."""
    add(queue, "j1", {"v": "a"})
    queue.remove_job("j1")
    assert not add(queue, "j1", {"v": "b"}).duplicate
    assert order(queue) == ["j1"]
    complete(queue, "j2", remove_on_complete=0)

    assert not add(queue, "j2", {"v": "c"}).duplicate
    assert job(queue, "j2").data == {"v": "c"}


def test_one_bulk_call_may_name_a_job_twice(queue: AdapterQueue) -> None:
    """Case B02: the same job twice in a call, or already there, is one job; the answers keep their places."""
    add(queue, "old")

    added = queue.add_bulk([new("a"), new("old"), new("b"), new("a")])

    assert ids(added) == ["a", "old", "b", "a"]
    assert [each.duplicate for each in added] == [False, True, False, True]
    assert order(queue) == ["old", "a", "b"]


@pytest.mark.parametrize(
    "items",
    [
        [new("a"), new("old", {"other": 1}), new("b")],
        [new("a"), new("old", name="other.job.v1"), new("b")],
        [new("a"), new("b"), new("a", {"other": 1})],
        [new("a"), new("b"), new("a", name="other.job.v1")],
    ],
    ids=["known-data", "known-name", "own-data", "own-name"],
)
def test_one_conflict_stops_the_whole_bulk(queue: AdapterQueue, items: list[Any]) -> None:
    """A conflict with a known job or within the call adds nothing at all."""
    add(queue, "old")

    with pytest.raises(JobIdConflict):
        queue.add_bulk(items)

    assert counts(queue) == {"waiting": 1}
    assert (queue.get_job("a"), queue.get_job("b")) == (None, None)
    assert not add(queue, "a", {"free": True}).duplicate
