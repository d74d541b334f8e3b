"""Jobs of this domain, added by the services and run by the worker's own pipeline."""

import inspect
from decimal import Decimal

import pytest

from queues import JobState, QueueName, get_queue
from tests.unit.transactions.build import known, refund, run_next, settlement, validation
from transactions import processors
from transactions.models import LedgerEntry, Transaction
from transactions.services import enqueue_refund, enqueue_settlement, enqueue_validation

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("memory_queues")]


def test_settlement_runs_to_a_captured_transaction() -> None:
    """The job completes with a small result, and its id and flow are in the ledger."""
    enqueue_settlement(settlement(), correlation_id="corr-789")
    job = run_next()
    assert (job.state, job.failed_reason) == (JobState.COMPLETED, None)
    assert job.result["state"] == "settled"
    assert job.result["amount"] == "100.00"
    entry = LedgerEntry.objects.get()
    assert (entry.job_id, entry.correlation_id) == ("corr-789", "corr-789")


def test_validation_settlement_and_refund_run_one_after_the_other() -> None:
    """The whole life of a transaction through its queue."""
    known()
    enqueue_validation(validation())
    assert run_next().result == {"tx_id": "tx-123", "state": "validated", "failed": [], "duplicate": False}
    enqueue_settlement(settlement())
    assert run_next().result["state"] == "settled"
    enqueue_refund(refund(amount=Decimal("100.00")))
    assert run_next().result["state"] == "refunded"
    assert sum(entry.amount_minor for entry in LedgerEntry.objects.all()) == 0


def test_settlement_runs_before_a_validation_that_was_added_first() -> None:
    """HIGH goes before NORMAL."""
    enqueue_validation(validation())
    enqueue_settlement(settlement())
    assert run_next().name == "transaction.settlement.v1"


def test_settlement_that_cannot_be_carried_out_fails_for_good() -> None:
    """A permanent error costs one run, not five."""
    known()
    enqueue_settlement(settlement(amount=Decimal(5)))
    job = run_next()
    assert (job.state, job.attempts_made) == (JobState.FAILED, 1)
    assert job.failed_reason == "PermanentError: The transaction tx-123 is known with the amount 100.00, not 5.00."


def test_refund_before_its_settlement_is_tried_again() -> None:
    """The settlement may be under way, so the refund waits and has attempts left."""
    enqueue_refund(refund())
    job = run_next()
    assert (job.state, job.attempts_made) == (JobState.DELAYED, 1)
    assert "NotThereYet" in job.attempts[0].error


def test_job_of_a_producer_in_another_language_is_carried_out() -> None:
    """A plain JSON object with camelCase fields and numbers is settled, exactly."""
    data = {"txId": "n-1", "amount": 8.2, "currency": "USD", "paymentMethod": "card", "merchantId": "m"}
    get_queue(QueueName.TRANSACTION_PROCESSING).add("transaction.settlement.v1", data)
    assert run_next().state is JobState.COMPLETED
    assert Transaction.objects.get().amount_minor == 820


def test_job_that_no_service_would_have_added_fails_and_stores_nothing() -> None:
    """A producer that writes 1.005 USD gets a failed job whose reason names the field."""
    data = {"txId": "n-1", "amount": 1.005, "currency": "USD", "paymentMethod": "card", "merchantId": "m"}
    get_queue(QueueName.TRANSACTION_PROCESSING).add("transaction.settlement.v1", data)
    job = run_next()
    assert job.state is JobState.FAILED
    assert "amount is 1.005" in str(job.failed_reason)
    assert not Transaction.objects.exists()


@pytest.mark.parametrize("function", [processors.settle, processors.validate, processors.refund])
def test_processor_has_at_most_ten_lines(function: object) -> None:
    """A processor calls a service and returns."""
    assert len(inspect.getsource(function).splitlines()) <= 10  # type: ignore[arg-type]
