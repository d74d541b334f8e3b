"""One run of a job: which outcome each thing that can happen has, and what is kept of it."""

import asyncio
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from queues import Backoff, PermanentError, RetryLater, RunningJob, current_metadata, processor
from queues.adapters.memory import MemoryQueue
from queues.conf import QueueConf
from queues.context import running_job
from queues.jobs import JobOptions, JobState
from queues.metadata import JobMetadata
from queues.ports import Delivery, Outcome, Settlement
from queues.worker import pipeline

NAME = "unit.pipeline.v1"
BACKOFF = Backoff(kind="fixed", base=timedelta(seconds=7))
RESULT_BYTES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What the processor is to do."""

    what: str = "none"
    amount: Decimal = Decimal("0.10")


def exhaust() -> None:
    """Recurse without end."""
    exhaust()


RAISED = {
    "value-error": ValueError("no"),
    "no-message": RuntimeError(),
    "sys-exit": SystemExit(2),
    "interrupt": KeyboardInterrupt(),
    "cancelled": asyncio.CancelledError(),
    "group": ExceptionGroup("several", [ValueError("a"), TypeError("b")]),
    "surrogate": ValueError("half a character \ud800"),
    "nul": ValueError("a\0b"),
}
RETURNED = {
    "none": (None, b"null"),
    "text": ("done", b'"done"'),
    "decimal": (Decimal("0.10"), b'"0.10"'),
    "mapping": ({"rows": 3}, b'{"rows":3}'),
    "large": ("x" * 200, b"null"),
    "no-json": (object(), b"null"),
}
seen: list[Any] = []


@processor(NAME)
def act(payload: Act, job: RunningJob) -> Any:
    """Return, raise or look around, as told."""
    if payload.what in RAISED:
        raise RAISED[payload.what]
    if payload.what == "permanent":
        raise PermanentError("never \ud800")
    if payload.what == "later":
        raise RetryLater(timedelta(minutes=5), "busy \ud800")
    if payload.what == "exhaust":
        exhaust()
    if payload.what == "look":
        seen.extend([payload, job, current_metadata(), running_job.get()])
    if payload.what == "progress":
        job.progress(40)
    return RETURNED.get(payload.what, (None,))[0]


@processor("unit.pipeline.async.v1")
async def act_async(payload: Act) -> str:
    """Wait for something, then say what was asked for."""
    await asyncio.sleep(0)
    if payload.what == "cancelled":
        raise asyncio.CancelledError
    return payload.what


@pytest.fixture
def queue() -> Iterator[MemoryQueue]:
    """A queue in memory."""
    seen.clear()
    yield MemoryQueue(QueueConf(name="unit-pipeline"))
    seen.clear()


def take(queue: MemoryQueue, what: str = "none", name: str = NAME, **options: Any) -> Delivery:
    """Add a job and reserve it."""
    metadata = options.pop("metadata", None)
    queue.add(name, {"what": what}, JobOptions(backoff=BACKOFF, **options), metadata=metadata)
    (delivery,) = queue.consumer("unit").reserve(1)
    return delivery


def run(delivery: Delivery) -> Settlement:
    """Run it to its outcome."""
    return pipeline.run(delivery, RESULT_BYTES)


@pytest.mark.parametrize("what", RETURNED)
def test_what_is_returned_completes_the_job(queue: MemoryQueue, what: str) -> None:
    """The result is JSON; one that is too large or no JSON is not kept, and the work stays done."""
    settlement = run(take(queue, what))

    assert (settlement.outcome, settlement.result, settlement.error) == (Outcome.COMPLETE, RETURNED[what][1], "")
    assert settlement.ran_for >= 0


def test_a_result_that_is_not_kept_is_logged(queue: MemoryQueue, caplog: pytest.LogCaptureFixture) -> None:
    """With the job's id, so that somebody can find out."""
    delivery = take(queue, "large")
    run(delivery)

    assert [(record.message, record.__dict__["job_id"]) for record in caplog.records] == [
        ("result not kept", delivery.id)
    ]


@pytest.mark.parametrize("what", RAISED)
def test_whatever_is_raised_is_an_attempt_that_failed(queue: MemoryQueue, what: str) -> None:
    """Case B06: another run after the backoff while attempts are left, then the end; the error names its type."""
    retried, failed = run(take(queue, what, attempts=2)), run(take(queue, what, attempts=1))

    assert (retried.outcome, retried.after, retried.counts) == (Outcome.RETRY, timedelta(seconds=7), True)
    assert (failed.outcome, failed.counts) == (Outcome.FAIL, True)
    for settlement in (retried, failed):
        assert type(RAISED[what]).__name__ in settlement.error
        assert "act" in settlement.error
        settlement.error.encode()


def test_the_error_of_a_deep_recursion_is_bounded(queue: MemoryQueue) -> None:
    """A thousand frames are not kept, the innermost and the message are."""
    error = run(take(queue, "exhaust", attempts=1)).error

    assert len(error) <= pipeline.ERROR_CHARACTERS
    assert "RecursionError" in error


def test_a_permanent_error_ends_the_job(queue: MemoryQueue) -> None:
    """Case B06: with attempts left, no more runs; the reason is the message."""
    settlement = run(take(queue, "permanent", attempts=5))

    assert (settlement.outcome, settlement.error) == (Outcome.FAIL, "PermanentError: never \\ud800")


def test_retry_later_costs_nothing(queue: MemoryQueue) -> None:
    """At the last attempt too the job comes back after the time that it asked for."""
    settlement = run(take(queue, "later", attempts=1))

    assert (settlement.outcome, settlement.after, settlement.counts) == (Outcome.RETRY, timedelta(minutes=5), False)
    assert settlement.error == "RetryLater: busy \\ud800"


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff", b"[]", b"1", b'{"what": 5}', b'{"amount": "much"}', b'{"metadata": 1}']
)
def test_a_body_that_cannot_be_decoded_fails_at_once(queue: MemoryQueue, body: bytes) -> None:
    """Case B24: it will not get better by itself; the reason says so, whatever attempts are left."""
    delivery = take(queue, attempts=5)
    delivery.body = body
    settlement = run(delivery)

    assert settlement.outcome is Outcome.FAIL
    assert settlement.error.startswith("cannot be decoded: ")


@pytest.mark.parametrize("name", ["", "os.getcwd", "Unit.Act.v1", "x" * 300])
def test_a_name_that_no_job_can_have_fails_at_once(queue: MemoryQueue, name: str) -> None:
    """Case B24: no release will ever know it."""
    delivery = take(queue, attempts=5)
    delivery.name = name
    settlement = run(delivery)

    assert settlement.outcome is Outcome.FAIL
    assert settlement.error.startswith("cannot be decoded: ")


def test_an_unknown_name_waits_for_a_release_that_knows_it(
    queue: MemoryQueue, caplog: pytest.LogCaptureFixture
) -> None:
    """Case B24: half a minute, at no cost, even at the last attempt, and it is logged."""
    settlement = run(take(queue, name="unit.tomorrow.v1", attempts=1))

    assert (settlement.outcome, settlement.after, settlement.counts) == (Outcome.RETRY, pipeline.UNKNOWN_WAIT, False)
    assert "unit.tomorrow.v1" in settlement.error
    assert [record.message for record in caplog.records] == ["no processor"]


@pytest.mark.parametrize(
    ("age", "outcome"), [(timedelta(hours=23), Outcome.RETRY), (timedelta(hours=25), Outcome.FAIL)]
)
def test_an_unknown_name_is_given_up_after_a_day(queue: MemoryQueue, age: timedelta, outcome: Outcome) -> None:
    """The day begins when the job was made."""
    metadata = JobMetadata(correlation_id="c", source="unit", timestamp=datetime.now(UTC) - age)

    assert run(take(queue, name="unit.tomorrow.v1", metadata=metadata)).outcome is outcome


def test_an_unknown_name_with_garbage_fails(queue: MemoryQueue) -> None:
    """Case B24: nothing says since when it waits, and no release could read it."""
    delivery = take(queue, name="unit.tomorrow.v1")
    delivery.body = b"\xff"

    assert run(delivery).outcome is Outcome.FAIL


def test_a_processor_sees_its_payload_its_job_and_its_flow(queue: MemoryQueue) -> None:
    """The payload has its type, the job its numbers, the metadata is the current one; afterwards all is gone."""
    metadata = JobMetadata(correlation_id="flow-1", source="unit")
    delivery = take(queue, "look", attempts=4, metadata=metadata)
    run(delivery)

    payload, job, current, running = seen
    assert payload == Act(what="look")
    assert (job.id, job.queue, job.name, job.attempt, job.attempts) == (delivery.id, "unit-pipeline", NAME, 1, 4)
    assert (job.metadata, current, running) == (metadata, metadata, job)
    assert (current_metadata(), running_job.get()) == (None, None)


@pytest.mark.parametrize("what", ["value-error", "sys-exit", "permanent", "later"])
def test_nothing_of_a_run_that_failed_is_left_in_its_thread(queue: MemoryQueue, what: str) -> None:
    """The next job's log lines and jobs do not carry this one's flow."""
    run(take(queue, what))

    assert (current_metadata(), running_job.get()) == (None, None)


def test_a_job_without_metadata_has_its_id_as_its_flow(queue: MemoryQueue) -> None:
    """What a foreign producer left out is filled in."""
    delivery = take(queue, "look")
    delivery.body = b'{"what": "look"}'
    run(delivery)

    assert seen[1].metadata.correlation_id == delivery.id


def test_progress_reaches_the_queue(queue: MemoryQueue) -> None:
    """While it runs, whoever looks sees how far it is."""
    delivery = take(queue, "progress")
    run(delivery)

    job = queue.get_job(delivery.id)
    assert job is not None
    assert (job.state, job.progress) == (JobState.ACTIVE, 40)


@pytest.mark.parametrize(("what", "outcome"), [("fine", Outcome.COMPLETE), ("cancelled", Outcome.RETRY)])
def test_a_coroutine_is_run_to_its_end(queue: MemoryQueue, what: str, outcome: Outcome) -> None:
    """A processor may be async; its own cancellation is an attempt that failed."""
    assert run(take(queue, what, name="unit.pipeline.async.v1")).outcome is outcome


@pytest.mark.parametrize(("attempts", "outcome"), [(1, Outcome.FAIL), (2, Outcome.RETRY)])
def test_a_timeout_is_an_attempt(queue: MemoryQueue, attempts: int, outcome: Outcome) -> None:
    """Case B10: it took its time, the reason says timeout, and attempts that are left are used."""
    settlement = pipeline.timed_out(take(queue, attempts=attempts, timeout=timedelta(seconds=3)))

    assert (settlement.outcome, settlement.ran_for) == (outcome, 3)
    assert "timeout" in settlement.error and "3 s" in settlement.error


def test_what_ends_the_thread_itself_passes(queue: MemoryQueue) -> None:
    """The worker's interruption of a thread is no outcome of the job."""
    from queues.worker.runner import Interrupted

    RAISED["interrupted"] = Interrupted()
    try:
        with pytest.raises(Interrupted):
            run(take(queue, "interrupted"))
    finally:
        del RAISED["interrupted"]
    assert (current_metadata(), running_job.get()) == (None, None)
    assert sys.exc_info() == (None, None, None)
