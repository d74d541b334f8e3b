"""Payloads with facts that a test does not care about, and a worker of one step."""

from decimal import Decimal
from typing import Any

from queues import QueueJob, QueueName, get_queue
from queues.worker.pipeline import run
from transactions.models import Transaction
from transactions.payloads import RefundPayload, SettlementPayload, ValidationPayload
from transactions.services import transaction_create

MERCHANT = "merchant-456"


def settlement(**facts: Any) -> SettlementPayload:
    """Return a settlement of 100.00 USD, with these facts instead."""
    return SettlementPayload(
        **{
            "tx_id": "tx-123",
            "amount": Decimal("100.00"),
            "currency": "USD",
            "payment_method": "credit_card",
            "merchant_id": MERCHANT,
        }
        | facts
    )


def validation(**facts: Any) -> ValidationPayload:
    """Return a validation that passes, with these facts instead."""
    return ValidationPayload(
        **{"tx_id": "tx-123", "rules": ("amount_check", "fraud_detection"), "risk_score": Decimal("0.3")} | facts
    )


def refund(**facts: Any) -> RefundPayload:
    """Return a refund of 40.00 USD, with these facts instead."""
    return RefundPayload(**{"tx_id": "tx-123", "amount": Decimal("40.00"), "currency": "USD"} | facts)


def known(**facts: Any) -> Transaction:
    """Record the transaction of that settlement."""
    data = settlement(**facts)
    return transaction_create(
        tx_id=data.tx_id,
        amount=data.amount,
        currency=data.currency,
        payment_method=data.payment_method,
        merchant_id=data.merchant_id,
    )


def run_next() -> QueueJob[Any]:
    """Run the most urgent job of the queue through the worker's own pipeline and return it."""
    queue = get_queue(QueueName.TRANSACTION_PROCESSING)
    consumer = queue.consumer("test")
    [delivery] = consumer.reserve(1)
    assert not consumer.settle([run(delivery, 64 * 1024)]).refused
    job = queue.get_job(delivery.id)
    assert job is not None
    return job
