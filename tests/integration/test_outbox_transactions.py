"""The transactions' commands are part of the transaction in which they are given."""

import os
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ObjectDoesNotExist
from django.db import transaction

from queues.codec import RESULT_BYTES
from queues.durability.outbox import OutboxQueue
from queues.models import JobRecord
from queues.registry import registry
from queues.worker import pipeline
from tests.integration.durability import at_once, known, states
from tests.support.valkey import Valkey
from transactions.models import LedgerEntry, Transaction
from transactions.payloads import RefundPayload, SettlementPayload
from transactions.selectors import ledger_disagreements
from transactions.services import enqueue_refund, enqueue_settlement, transaction_create

FACTS: dict[str, Any] = {
    "tx_id": "tx-1",
    "amount": Decimal("100.00"),
    "currency": "USD",
    "payment_method": "card",
    "merchant_id": "m-1",
}


@pytest.fixture
def queue(each_database: None, valkey: Valkey, settings: Any) -> Iterator[OutboxQueue]:
    """The queue of transactions as the settings have it."""
    settings.RQ_QUEUES = {name: {**conf, "URL": valkey.url} for name, conf in settings.RQ_QUEUES.items()}
    registry.close()
    kept = registry["transaction-processing"]
    assert isinstance(kept, OutboxQueue)
    yield kept
    registry.close()


def work(queue: OutboxQueue) -> None:
    """Run all that waits."""
    consumer = queue.consumer(f"worker-{os.getpid()}")
    while deliveries := consumer.reserve(50):
        consumer.settle([pipeline.run(delivery, RESULT_BYTES) for delivery in deliveries])


def command(refund: str = "30.00") -> None:
    """Record a transaction and give both commands."""
    transaction_create(**FACTS)
    enqueue_settlement(SettlementPayload(**FACTS), correlation_id="flow", job_id="settle")
    enqueue_refund(RefundPayload(tx_id="tx-1", amount=Decimal(refund), currency="USD"), job_id="refund")


def test_commands_of_a_transaction_that_rolls_back_were_never_given(queue: OutboxQueue) -> None:
    """Case B01: neither the rows nor the jobs are there; the same ids are free for other commands."""
    with suppress(ObjectDoesNotExist), transaction.atomic():
        command()
        Transaction.objects.get(tx_id="nope")
    assert (Transaction.objects.count(), JobRecord.objects.count(), known(queue)) == (0, 0, 0)

    with transaction.atomic():
        command(refund="40.00")
    assert known(queue) == 2


def test_commands_of_a_transaction_that_commits_are_carried_out_once(queue: OutboxQueue, valkey: Valkey) -> None:
    """Case B19: given by twenty at once, lost by Redis, delivered again: the books have one capture, one refund."""
    with transaction.atomic():
        command()
    at_once([command] * 20)
    assert known(queue) == 2
    valkey.client().flushall()
    JobRecord.objects.update(published_at="2020-01-01T00:00:00Z")
    assert queue.reconcile() == 2
    work(queue)
    valkey.client().flushall()
    queue.reconcile()
    work(queue)

    assert states() == {"settle": "completed", "refund": "completed"}
    assert sorted(LedgerEntry.objects.values_list("kind", flat=True)) == ["capture", "refund"]
    assert Transaction.objects.get().refunded == Decimal("30.00")
    assert not ledger_disagreements().exists()
