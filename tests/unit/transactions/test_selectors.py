"""The questions that the ledger answers."""

from decimal import Decimal

import pytest

from tests.unit.transactions.build import known, refund, settlement
from transactions.models import LedgerEntry, Transaction
from transactions.selectors import ledger_disagreements, ledger_of, merchant_balances, transaction_get
from transactions.services import transaction_refund, transaction_settle

pytestmark = pytest.mark.django_db


def test_transaction_is_found_by_its_id_or_not_at_all() -> None:
    """An unknown id is None."""
    known()
    found = transaction_get(tx_id="tx-123")
    assert found is not None
    assert found.tx_id == "tx-123"
    assert transaction_get(tx_id="tx-12") is None


def test_ledger_of_a_transaction_is_in_its_order() -> None:
    """The capture comes first, then each refund."""
    transaction_settle(data=settlement())
    transaction_settle(data=settlement(tx_id="tx-other"))
    transaction_refund(data=refund(refund_id="r-1"))
    assert [entry.amount_minor for entry in ledger_of(tx_id="tx-123")] == [10_000, -4_000]


def test_balances_of_a_merchant_are_kept_apart_by_currency() -> None:
    """Captured less refunded, each with its currency's places; other merchants are not counted."""
    transaction_settle(data=settlement(merchant_id="m"))
    transaction_settle(data=settlement(merchant_id="m", tx_id="tx-yen", currency="JPY", amount=Decimal(500)))
    transaction_settle(data=settlement(merchant_id="m-2", tx_id="tx-2"))
    transaction_refund(data=refund())
    balances = merchant_balances(merchant_id="m")
    assert {currency: str(total) for currency, total in balances.items()} == {"JPY": "500", "USD": "60.00"}


def test_row_that_another_writer_changed_is_found() -> None:
    """A capture without its entry, and an entry too many, are both disagreements."""
    for number in range(3):
        transaction_settle(data=settlement(tx_id=f"tx-{number}"))
    known(tx_id="tx-created")
    assert not ledger_disagreements().exists()
    LedgerEntry.objects.filter(transaction__tx_id="tx-1").delete()
    LedgerEntry.objects.create(
        transaction=Transaction.objects.get(tx_id="tx-2"),
        kind="refund",
        account="merchant:x",
        amount_minor=-1,
        currency="USD",
        reference="by hand",
    )
    assert {tx.tx_id for tx in ledger_disagreements()} == {"tx-1", "tx-2"}
