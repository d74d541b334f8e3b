"""A transaction is captured once, whoever asks and however often."""

from decimal import Decimal

import pytest
from django.db import transaction

from queues import PermanentError
from tests.unit.transactions.build import MERCHANT, known, refund, settlement, validation
from transactions.models import LedgerEntry, Transaction
from transactions.selectors import ledger_disagreements
from transactions.services import transaction_refund, transaction_settle, transaction_validate

pytestmark = pytest.mark.django_db


def test_known_transaction_is_captured() -> None:
    """The state, the time, the flow and one ledger entry of the whole amount are written together."""
    known()
    done = transaction_settle(data=settlement(), correlation_id="flow-1", job_id="job-1")
    tx = Transaction.objects.get()
    assert (tx.state, tx.correlation_id, tx.job_id) == ("settled", "flow-1", "job-1")
    assert tx.settled_at is not None
    entry = tx.entries.get()
    assert (entry.kind, entry.amount, entry.currency) == ("capture", Decimal("100.00"), "USD")
    assert (entry.account, entry.reference, entry.job_id) == (f"merchant:{MERCHANT}", "capture~tx-123", "job-1")
    assert done.result() == {
        "tx_id": "tx-123",
        "state": "settled",
        "amount": "100.00",
        "currency": "USD",
        "duplicate": False,
    }


def test_unknown_transaction_is_recorded_from_the_payload() -> None:
    """A job of another producer carries every fact, so it can be settled."""
    transaction_settle(data=settlement(tx_id="from-node", amount=Decimal("0.29")))
    tx = Transaction.objects.get()
    assert (tx.tx_id, tx.amount_minor, tx.state, tx.payment_method) == ("from-node", 29, "settled", "credit_card")
    assert tx.entries.get().amount_minor == 29


def test_settling_again_captures_nothing_more() -> None:
    """Case B19: the second call, of another job, says that the capture was there."""
    first = transaction_settle(data=settlement(), job_id="job-1")
    second = transaction_settle(data=settlement(), job_id="job-2")
    assert (first.duplicate, second.duplicate) == (False, True)
    assert LedgerEntry.objects.get().job_id == "job-1"


def test_crash_before_the_commit_leaves_nothing_and_the_retry_settles_once() -> None:
    """Case B19: what a dead worker did not commit did not happen; its job runs again."""

    def settle_and_die() -> None:
        with transaction.atomic():
            transaction_settle(data=settlement(), job_id="job-1")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        settle_and_die()
    assert not LedgerEntry.objects.exists()
    assert not transaction_settle(data=settlement(), job_id="job-1").duplicate
    assert LedgerEntry.objects.count() == 1


@pytest.mark.parametrize(
    ("field", "value"), [("amount", Decimal("100.01")), ("currency", "EUR"), ("merchant_id", "somebody-else")]
)
def test_known_transaction_with_other_facts_is_never_settled(field: str, value: object) -> None:
    """The error is permanent and names the fact; nothing is captured."""
    known()
    with pytest.raises(PermanentError) as caught:
        transaction_settle(data=settlement(**{field: value}))
    assert caught.value.field == field
    assert Transaction.objects.get().state == "created"
    assert not LedgerEntry.objects.exists()


def test_declined_transaction_is_never_settled() -> None:
    """Case B19: a late settlement does not revive what was declined."""
    known()
    transaction_validate(data=validation(risk_score=Decimal("0.95")))
    with pytest.raises(PermanentError, match="declined"):
        transaction_settle(data=settlement())
    assert not LedgerEntry.objects.exists()


def test_refunded_transaction_is_not_settled_by_another_job() -> None:
    """Case B19: a late settlement does not capture again what was given back."""
    transaction_settle(data=settlement(), job_id="job-1")
    transaction_refund(data=refund(amount=Decimal("100.00")))
    for job_id in ("job-2", ""):
        with pytest.raises(PermanentError, match="refunded"):
            transaction_settle(data=settlement(), job_id=job_id)
    assert LedgerEntry.objects.count() == 2


def test_refunded_transaction_is_not_settled_by_a_caller_without_a_job() -> None:
    """No job id is not the same job id."""
    transaction_settle(data=settlement())
    transaction_refund(data=refund(amount=Decimal("100.00")))
    with pytest.raises(PermanentError, match="refunded"):
        transaction_settle(data=settlement())


def test_job_that_captured_may_be_delivered_again_after_the_refund() -> None:
    """A second delivery of the same job finds its work done and is no failure."""
    transaction_settle(data=settlement(), job_id="job-1")
    transaction_refund(data=refund())
    assert transaction_settle(data=settlement(), job_id="job-1").state == "partially_refunded"
    transaction_refund(data=refund(amount=Decimal("60.00"), refund_id="rest"))
    again = transaction_settle(data=settlement(), job_id="job-1")
    assert (again.duplicate, again.state) == (True, "refunded")
    assert not ledger_disagreements().exists()


def test_job_and_correlation_ids_with_nul_are_kept_as_a_database_can() -> None:
    """Ids may hold any character; PostgreSQL has no text with NUL."""
    transaction_settle(data=settlement(), job_id="a\0b", correlation_id="c\0d")
    entry = LedgerEntry.objects.get()
    assert (entry.job_id, entry.correlation_id) == ("a\ufffdb", "c\ufffdd")


def test_validated_transaction_is_settled() -> None:
    """The ordinary way: created, validated, settled."""
    known()
    transaction_validate(data=validation())
    assert transaction_settle(data=settlement()).state == "settled"
