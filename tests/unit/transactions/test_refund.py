"""Refunds: each once, and never more in all than was captured."""

import random
from decimal import Decimal

import pytest

from queues import PermanentError
from tests.unit.transactions.build import MERCHANT, known, refund, settlement, validation
from transactions.errors import NotThereYet
from transactions.models import LedgerEntry, Transaction
from transactions.selectors import ledger_disagreements, merchant_balances
from transactions.services import transaction_refund, transaction_settle, transaction_validate

pytestmark = pytest.mark.django_db


def test_part_of_a_settled_transaction_is_refunded() -> None:
    """The state, the sum and one negative ledger entry are written together."""
    transaction_settle(data=settlement())
    done = transaction_refund(data=refund(reason="late"), correlation_id="flow-1", job_id="job-1")
    assert (done.state, done.amount, done.duplicate) == ("partially_refunded", Decimal("40.00"), False)
    assert Transaction.objects.get().refunded == Decimal("40.00")
    entry = LedgerEntry.objects.get(kind="refund")
    assert (entry.amount, entry.reason, entry.reference) == (Decimal("-40.00"), "late", "refund~tx-123")
    assert (entry.account, entry.correlation_id, entry.job_id) == (f"merchant:{MERCHANT}", "flow-1", "job-1")


def test_parts_with_ids_of_their_own_add_up_to_the_whole() -> None:
    """Three parts end as refunded, and the merchant's balance is zero."""
    transaction_settle(data=settlement())
    for refund_id, amount in [("r-1", "33.34"), ("r-2", "33.33"), ("r-3", "33.33")]:
        done = transaction_refund(data=refund(refund_id=refund_id, amount=Decimal(amount)))
    assert done.state == "refunded"
    assert merchant_balances(merchant_id=MERCHANT) == {"USD": Decimal("0.00")}


def test_same_refund_again_refunds_nothing_more() -> None:
    """A second delivery finds its entry, also once the transaction is wholly refunded."""
    transaction_settle(data=settlement())
    whole = refund(amount=Decimal("100.00"))
    assert not transaction_refund(data=whole).duplicate
    again = transaction_refund(data=whole)
    assert (again.duplicate, again.state) == (True, "refunded")
    assert LedgerEntry.objects.count() == 2


def test_same_refund_id_for_another_amount_is_refused() -> None:
    """An id stands for one refund; the error says what it was."""
    transaction_settle(data=settlement())
    transaction_refund(data=refund())
    with pytest.raises(PermanentError, match=r"40\.00 USD") as caught:
        transaction_refund(data=refund(amount=Decimal("40.01")))
    assert caught.value.field == "amount"


def test_more_than_is_left_is_refused() -> None:
    """The error says how much is left, and nothing is written."""
    transaction_settle(data=settlement())
    transaction_refund(data=refund(refund_id="r-1"))
    with pytest.raises(PermanentError, match=r"Only 60\.00 USD") as caught:
        transaction_refund(data=refund(refund_id="r-2", amount=Decimal("60.01")))
    assert caught.value.field == "amount"
    assert Transaction.objects.get().refunded == Decimal("40.00")
    assert not ledger_disagreements().exists()


def test_refund_in_another_currency_is_refused() -> None:
    """Nothing is converted."""
    transaction_settle(data=settlement())
    with pytest.raises(PermanentError) as caught:
        transaction_refund(data=refund(currency="EUR"))
    assert caught.value.field == "currency"


def test_declined_transaction_has_nothing_to_refund() -> None:
    """No retry can help."""
    known()
    transaction_validate(data=validation(risk_score=Decimal("0.9")))
    with pytest.raises(PermanentError, match="declined"):
        transaction_refund(data=refund())


def test_transaction_that_is_not_settled_is_not_there_yet() -> None:
    """The settlement may be under way, so unknown, created and validated are worth a retry."""
    with pytest.raises(NotThereYet, match="known"):
        transaction_refund(data=refund())
    known()
    with pytest.raises(NotThereYet, match="settled"):
        transaction_refund(data=refund())
    transaction_validate(data=validation())
    with pytest.raises(NotThereYet, match="settled"):
        transaction_refund(data=refund())
    assert not LedgerEntry.objects.exists()


@pytest.mark.parametrize("seed", range(10))
def test_ledger_agrees_after_any_sequence_of_commands(seed: int) -> None:
    """A hundred random commands, good and bad, on three transactions leave state and ledger in agreement."""
    dice = random.Random(seed)
    for _ in range(100):
        tx_id = f"tx-{dice.randrange(3)}"
        score = Decimal(dice.randrange(100)) / 100
        part = Decimal(dice.randrange(1, 6000)) / 100
        command = dice.choice(
            [
                lambda tx_id=tx_id: known(tx_id=tx_id),
                lambda tx_id=tx_id: transaction_settle(data=settlement(tx_id=tx_id), job_id=str(dice.randrange(4))),
                lambda tx_id=tx_id, score=score: transaction_validate(data=validation(tx_id=tx_id, risk_score=score)),
                lambda tx_id=tx_id, part=part: transaction_refund(
                    data=refund(tx_id=tx_id, amount=part, refund_id=f"r-{dice.randrange(20)}")
                ),
            ]
        )
        try:
            command()
        except (PermanentError, NotThereYet):
            continue
    assert not ledger_disagreements().exists()
    assert all(0 <= tx.refunded_minor <= tx.amount_minor for tx in Transaction.objects.all())
    assert LedgerEntry.objects.filter(kind="capture").count() == Transaction.objects.exclude(settled_at=None).count()
