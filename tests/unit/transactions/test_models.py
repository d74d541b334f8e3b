"""The database itself refuses what the services would never write."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError
from django.utils import timezone

from tests.unit.transactions.build import known, settlement
from transactions.models import LedgerEntry, Transaction
from transactions.services import transaction_settle

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "values",
    [
        {"amount_minor": 0},
        {"amount_minor": -1},
        {"state": "paid"},
        {"state": "settled"},
        {"state": "settled", "settled_at": timezone.now(), "refunded_minor": 1},
        {"state": "created", "settled_at": timezone.now()},
        {"refunded_minor": 1},
        {"refunded_minor": -1},
        {"state": "partially_refunded", "settled_at": timezone.now(), "refunded_minor": 0},
        {"state": "partially_refunded", "settled_at": timezone.now(), "refunded_minor": 10_000},
        {"state": "refunded", "settled_at": timezone.now(), "refunded_minor": 9_999},
        {"state": "refunded", "settled_at": timezone.now(), "refunded_minor": 10_001},
        {"state": "refunded", "refunded_minor": 10_000},
        {"risk_score": Decimal("1.1")},
        {"risk_score": Decimal("-0.1")},
    ],
    ids=repr,
)
def test_transaction_that_breaks_a_rule_cannot_be_stored(values: dict[str, Any]) -> None:
    """Whoever writes to the table, by whatever way, keeps the rules."""
    known()
    with pytest.raises(IntegrityError), transaction.atomic():
        Transaction.objects.update(**values)


@pytest.mark.parametrize(
    "values",
    [
        {"state": "refunded", "settled_at": timezone.now(), "refunded_minor": 10_000},
        {"state": "partially_refunded", "settled_at": timezone.now(), "refunded_minor": 9_999},
        {"state": "settled", "settled_at": timezone.now()},
        {"state": "declined", "risk_score": Decimal(1)},
        {"state": "validated", "risk_score": Decimal(0)},
    ],
    ids=repr,
)
def test_transaction_that_keeps_the_rules_can_be_stored(values: dict[str, Any]) -> None:
    """The constraints refuse no state that the services reach."""
    known()
    assert Transaction.objects.update(**values) == 1


def entry(tx: Transaction, **values: Any) -> LedgerEntry:
    """Write a ledger entry past the services."""
    return LedgerEntry.objects.create(
        **{"transaction": tx, "kind": "refund", "account": "a", "amount_minor": -1, "currency": "USD", "reference": "r"}
        | values
    )


@pytest.mark.parametrize(
    "values",
    [
        {"kind": "capture", "amount_minor": 5},
        {"reference": "capture~tx-123"},
        {"amount_minor": 1},
        {"amount_minor": 0},
        {"kind": "capture", "amount_minor": -5},
        {"kind": "gift"},
    ],
    ids=repr,
)
def test_ledger_entry_that_breaks_a_rule_cannot_be_stored(values: dict[str, Any]) -> None:
    """No second capture, no reference twice, no sign or kind that is wrong."""
    transaction_settle(data=settlement())
    with pytest.raises(IntegrityError), transaction.atomic():
        entry(Transaction.objects.get(), **values)


def test_transaction_with_ledger_entries_cannot_be_deleted() -> None:
    """Money that moved keeps its transaction."""
    transaction_settle(data=settlement())
    with pytest.raises(ProtectedError):
        Transaction.objects.get().delete()


def test_largest_amount_is_kept_exactly() -> None:
    """Case B60: sixteen digits would lose their last ones in a float."""
    known(amount=Decimal("9999999999999.99"))
    assert str(Transaction.objects.get().amount) == "9999999999999.99"


def test_rows_say_what_they_are() -> None:
    """The text of a row names its id, its amount and its state."""
    transaction_settle(data=settlement(currency="KWD", amount=Decimal("1.234")))
    assert str(Transaction.objects.get()) == "tx-123 (1.234 KWD, settled)"
    assert str(LedgerEntry.objects.get()) == "capture 1.234 KWD (capture~tx-123)"
