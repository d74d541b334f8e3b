"""The services that add jobs: the specification's priorities, attempts, backoffs and ids."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any
from unittest.mock import Mock

import pytest

from queues import (
    Backoff,
    GenericQueue,
    InvalidMetadata,
    InvalidOptions,
    InvalidPayload,
    JobIdConflict,
    JobMetadata,
    JobState,
    Priority,
    QueueName,
    QueueUnavailable,
    UserToken,
    get_queue,
)
from queues.metadata import use_metadata
from queues.registry import registry
from tests.unit.transactions.build import refund, settlement, validation
from transactions.services import enqueue_refund, enqueue_settlement, enqueue_validation

EVERY = [(enqueue_settlement, settlement), (enqueue_validation, validation), (enqueue_refund, refund)]


@pytest.fixture(autouse=True)
def _queues(memory_queues: None) -> None:
    """Keep every queue in memory."""


def waiting() -> int:
    """Return how many jobs wait in the queue."""
    return get_queue(QueueName.TRANSACTION_PROCESSING).get_stats().waiting


def test_settlement_with_a_correlation_id_is_high_with_five_attempts() -> None:
    """The specification's example: HIGH, five attempts, 5 s exponential, the correlation id as job id."""
    data = settlement()
    job = enqueue_settlement(data, correlation_id="corr-789")
    assert (job.id, job.name, job.queue) == ("corr-789", "transaction.settlement.v1", "transaction-processing")
    assert job.options.priority is Priority.HIGH
    assert job.options.attempts == 5
    assert job.options.backoff == Backoff(kind="exponential", base=timedelta(seconds=5))
    assert job.data == data
    assert job.metadata.correlation_id == "corr-789"
    assert job.state is JobState.WAITING


def test_validation_is_normal_with_two_attempts() -> None:
    """The specification's example: NORMAL, two attempts, `validation-<tx>`."""
    job = enqueue_validation(validation())
    assert (job.id, job.name) == ("validation-tx-123", "transaction.validation.v1")
    assert (job.options.priority, job.options.attempts) == (Priority.NORMAL, 2)


def test_refund_is_high_with_three_attempts() -> None:
    """The specification's options: HIGH, three attempts, `refund-<tx>`."""
    job = enqueue_refund(refund())
    assert (job.id, job.name) == ("refund-tx-123", "transaction.refund.v1")
    assert (job.options.priority, job.options.attempts) == (Priority.HIGH, 3)


def test_mock_queue_is_given_the_settlement_as_the_specification_says() -> None:
    """A mock registry sees one add with the payload, HIGH, five attempts and the job id."""
    queue = Mock(spec=GenericQueue)
    data = settlement()
    with registry.override({"transaction-processing": queue}):
        enqueue_settlement(data, correlation_id="corr-789")
    queue.add.assert_called_once()
    name, payload, options = queue.add.call_args.args
    assert (name, payload) == ("transaction.settlement.v1", data)
    assert (options.priority, options.attempts, options.job_id) == (Priority.HIGH, 5, "corr-789")
    assert queue.add.call_args.kwargs["metadata"].correlation_id == "corr-789"


def test_mock_queue_is_given_the_validation_as_the_specification_says() -> None:
    """A mock registry sees one add with the payload, NORMAL, two attempts and the job id."""
    queue = Mock(spec=GenericQueue)
    data = validation()
    with registry.override({"transaction-processing": queue}):
        enqueue_validation(data)
    name, payload, options = queue.add.call_args.args
    assert (name, payload) == ("transaction.validation.v1", data)
    assert (options.priority, options.attempts, options.job_id) == (Priority.NORMAL, 2, "validation-tx-123")


@pytest.mark.parametrize(("enqueue", "build"), EVERY)
def test_job_id_is_the_given_one_then_the_correlation_id(
    enqueue: Callable[..., Any], build: Callable[..., Any]
) -> None:
    """A job id goes before a correlation id; the correlation id is the metadata's in both cases."""
    job = enqueue(build(), correlation_id="flow-1", job_id="job-1")
    assert (job.id, job.metadata.correlation_id) == ("job-1", "flow-1")
    job = enqueue(build(tx_id="tx-2"), correlation_id="flow-1")
    assert (job.id, job.metadata.correlation_id) == ("flow-1", "flow-1")


@pytest.mark.parametrize(("enqueue", "build"), EVERY)
def test_metadata_is_the_callers_with_the_given_correlation_id(
    enqueue: Callable[..., Any], build: Callable[..., Any]
) -> None:
    """The user and source stay; only the correlation id is replaced, and only if one was given."""
    given = JobMetadata(correlation_id="flow-1", user=UserToken(sub="john", tenant="acme"), source="api")
    assert enqueue(build(), metadata=given).metadata == given
    job = enqueue(build(tx_id="tx-2"), metadata=given, correlation_id="flow-2", job_id="job-2")
    assert (job.metadata.correlation_id, job.metadata.user, job.metadata.source) == ("flow-2", given.user, "api")


def test_job_that_a_job_adds_inherits_its_flow() -> None:
    """Without metadata of its own, a job belongs to the flow of the job that is running."""
    with use_metadata(JobMetadata(correlation_id="flow-of-the-parent", source="parent")):
        assert enqueue_settlement(settlement()).metadata.correlation_id == "flow-of-the-parent"


def test_parts_of_a_refund_are_jobs_of_their_own() -> None:
    """Two refunds with ids of their own do not meet, nor do ids that would join to the same text."""
    jobs = [
        enqueue_refund(refund(refund_id=None)),
        enqueue_refund(refund(refund_id="r-1")),
        enqueue_refund(refund(refund_id="r-2")),
        enqueue_refund(refund(tx_id="tx-123-r", refund_id="1")),
        enqueue_refund(refund(tx_id="tx-123-r-1")),
    ]
    assert len({job.id for job in jobs}) == 5
    assert not any(job.duplicate for job in jobs)
    assert jobs[0].id == "refund-tx-123"


@pytest.mark.parametrize(("enqueue", "build"), EVERY)
def test_same_command_again_is_a_duplicate(enqueue: Callable[..., Any], build: Callable[..., Any]) -> None:
    """Case B02: the job that is there comes back, and one job waits."""
    first, second = enqueue(build()), enqueue(build())
    assert (first.duplicate, second.duplicate) == (False, True)
    assert first.id == second.id
    assert waiting() == 1


def test_amount_that_is_written_otherwise_is_the_same_command() -> None:
    """100, 100.0 and 100.00 USD are one amount, so the second is a duplicate and no conflict."""
    amounts = ["100", "100.0", "100.00", "1e2"]
    jobs = [enqueue_settlement(settlement(amount=Decimal(amount))) for amount in amounts]
    assert [job.duplicate for job in jobs] == [False, True, True, True]


def test_same_id_for_another_command_is_a_conflict() -> None:
    """Case B02: other data, or another command under the same correlation id, is never dropped in silence."""
    enqueue_settlement(settlement(), correlation_id="flow-1")
    with pytest.raises(JobIdConflict):
        enqueue_settlement(settlement(amount=Decimal(5)), correlation_id="flow-1")
    with pytest.raises(JobIdConflict):
        enqueue_refund(refund(), correlation_id="flow-1")
    assert waiting() == 1


@pytest.mark.parametrize(("enqueue", "build"), EVERY)
@pytest.mark.parametrize(
    ("ids", "error", "field"),
    [
        ({"job_id": ""}, InvalidOptions, "job_id"),
        ({"job_id": "x" * 256}, InvalidOptions, "job_id"),
        ({"correlation_id": ""}, InvalidMetadata, "correlation_id"),
        ({"correlation_id": "x" * 256, "job_id": "job-1"}, InvalidMetadata, "correlation_id"),
    ],
)
def test_id_that_is_empty_or_too_long_is_refused(
    enqueue: Callable[..., Any],
    build: Callable[..., Any],
    ids: dict[str, str],
    error: type[InvalidOptions | InvalidMetadata],
    field: str,
) -> None:
    """An id that was given is used or refused, never replaced; nothing is added."""
    with pytest.raises((InvalidOptions, InvalidMetadata)) as caught:
        enqueue(build(), **ids)
    assert caught.value.field in {field, "job_id"}
    assert waiting() == 0


@pytest.mark.parametrize(("enqueue", "build"), EVERY)
@pytest.mark.parametrize("data", [{}, None, "tx-123", {"tx_id": "tx-123"}])
def test_what_is_no_payload_is_refused(enqueue: Callable[..., Any], build: Callable[..., Any], data: object) -> None:
    """A mapping is not the payload; the error names the type that is."""
    with pytest.raises(InvalidPayload, match=type(build()).__name__) as caught:
        enqueue(data)
    assert caught.value.field == "data"
    assert waiting() == 0


def test_provider_that_does_not_answer_is_said_to_the_caller() -> None:
    """An outage is QueueUnavailable, not a job that is thought to be there."""
    queue = Mock(spec=GenericQueue)
    queue.add.side_effect = QueueUnavailable("down")
    with registry.override({"transaction-processing": queue}), pytest.raises(QueueUnavailable):
        enqueue_settlement(settlement())
