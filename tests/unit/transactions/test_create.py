"""A transaction is recorded once, with the facts that it was first given."""

from decimal import Decimal
from typing import Any

import pytest

from queues import InvalidPayload
from transactions.errors import TransactionConflict
from transactions.models import LedgerEntry, Transaction
from transactions.services import transaction_create

pytestmark = pytest.mark.django_db

FACTS: dict[str, Any] = {
    "tx_id": "tx-1",
    "amount": Decimal("8.2"),
    "currency": "USD",
    "payment_method": "card",
    "merchant_id": "m-1",
}


def test_transaction_is_recorded_as_created() -> None:
    """Every fact is kept exactly, and no money has moved."""
    tx = transaction_create(**FACTS, correlation_id="flow-1")
    tx.refresh_from_db()
    assert (tx.tx_id, tx.amount_minor, str(tx.amount), tx.currency) == ("tx-1", 820, "8.20", "USD")
    assert (tx.payment_method, tx.merchant_id, tx.state) == ("card", "m-1", "created")
    assert (tx.correlation_id, tx.job_id, tx.findings, tx.risk_score) == ("flow-1", "", [], None)
    assert tx.created_at.tzinfo is not None
    assert not LedgerEntry.objects.exists()


def test_same_facts_again_return_the_transaction_that_is_there() -> None:
    """A client that sends its request twice records one transaction."""
    first = transaction_create(**FACTS)
    again = transaction_create(**FACTS | {"amount": Decimal("8.20")})
    assert first.pk == again.pk
    assert Transaction.objects.count() == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [("amount", Decimal("8.21")), ("currency", "EUR"), ("merchant_id", "m-2"), ("payment_method", "cash")],
)
def test_other_facts_under_the_same_id_are_a_conflict(field: str, value: object) -> None:
    """The first facts stay, and the error names the one that differs."""
    transaction_create(**FACTS)
    with pytest.raises(TransactionConflict) as caught:
        transaction_create(**FACTS | {field: value})
    assert caught.value.field == field
    assert Transaction.objects.get().amount_minor == 820


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("amount", Decimal("NaN")),
        ("amount", Decimal("1.005")),
        ("currency", "XXX"),
        ("tx_id", ""),
        ("merchant_id", "a b"),
    ],
)
def test_facts_that_no_settlement_could_carry_are_refused(field: str, value: object) -> None:
    """The error names the field, and nothing is stored."""
    with pytest.raises(InvalidPayload) as caught:
        transaction_create(**FACTS | {field: value})
    assert caught.value.field == field
    assert not Transaction.objects.exists()
