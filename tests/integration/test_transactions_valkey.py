"""The specification's examples of this domain on the default provider, over a real Valkey."""

from datetime import timedelta
from decimal import Decimal

import pytest

from queues import Backoff, JobIdConflict, JobState, Priority, QueueName, get_queue
from tests.unit.transactions.build import known, refund, run_next, settlement, validation
from transactions.models import LedgerEntry, Transaction
from transactions.services import enqueue_refund, enqueue_settlement, enqueue_validation

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rq_queues")]


def test_settlement_with_a_correlation_id_is_kept_high_with_five_attempts() -> None:
    """What the server has of the job: HIGH, five attempts, 5 s exponential, that job id, those data."""
    enqueue_settlement(settlement(), correlation_id="corr-789")
    job = get_queue(QueueName.TRANSACTION_PROCESSING).get_job("corr-789")
    assert job is not None
    assert (job.name, job.state) == ("transaction.settlement.v1", JobState.WAITING)
    assert (job.options.priority, job.options.attempts) == (Priority.HIGH, 5)
    assert job.options.backoff == Backoff(kind="exponential", base=timedelta(seconds=5))
    assert job.metadata.correlation_id == "corr-789"
    assert job.data == {
        "txId": "tx-123",
        "amount": "100.00",
        "currency": "USD",
        "paymentMethod": "credit_card",
        "merchantId": "merchant-456",
    }


def test_validation_is_kept_normal_with_two_attempts() -> None:
    """What the server has of the job: NORMAL, two attempts, `validation-<tx>`."""
    enqueue_validation(validation())
    job = get_queue(QueueName.TRANSACTION_PROCESSING).get_job("validation-tx-123")
    assert job is not None
    assert (job.options.priority, job.options.attempts) == (Priority.NORMAL, 2)


def test_transaction_lives_its_whole_life_through_the_server() -> None:
    """Validated, settled and refunded in two parts, each by a job that went through Valkey."""
    known()
    enqueue_validation(validation())
    assert run_next().result["state"] == "validated"
    enqueue_settlement(settlement())
    assert run_next().result["state"] == "settled"
    for refund_id, amount, state in [("r-1", "40.00", "partially_refunded"), ("r-2", "60.00", "refunded")]:
        enqueue_refund(refund(refund_id=refund_id, amount=Decimal(amount)))
        assert run_next().result["state"] == state
    assert [entry.amount_minor for entry in LedgerEntry.objects.order_by("id")] == [10_000, -4_000, -6_000]


def test_same_settlement_again_is_a_duplicate_and_another_a_conflict() -> None:
    """Case B02: the first data stay, and one capture is made."""
    assert not enqueue_settlement(settlement()).duplicate
    assert enqueue_settlement(settlement()).duplicate
    with pytest.raises(JobIdConflict):
        enqueue_settlement(settlement(amount=Decimal(5)))
    assert run_next().state is JobState.COMPLETED
    assert Transaction.objects.get().amount_minor == 10_000
