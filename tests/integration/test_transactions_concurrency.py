"""Many workers at one transaction, on PostgreSQL and on SQLite: one capture, and no refund too many."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from threading import Barrier
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from queues import PermanentError
from transactions.errors import NotThereYet, TransactionConflict
from transactions.models import LedgerEntry, Transaction
from transactions.payloads import RefundPayload, SettlementPayload, ValidationPayload
from transactions.selectors import ledger_disagreements
from transactions.services import transaction_create, transaction_refund, transaction_settle, transaction_validate

pytestmark = pytest.mark.usefixtures("each_database")

THREADS = 20
FACTS: dict[str, Any] = {
    "tx_id": "tx-1",
    "amount": Decimal("100.00"),
    "currency": "USD",
    "payment_method": "card",
    "merchant_id": "m-1",
}


def at_once(calls: Iterable[Callable[[], Any]]) -> list[Any]:
    """Run all calls in threads of their own that start together; return results, or the domain's errors."""
    waiting = list(calls)
    gate = Barrier(len(waiting))

    def run(call: Callable[[], Any]) -> Any:
        try:
            connection.ensure_connection()
            gate.wait(30)
            return call()
        except (PermanentError, NotThereYet, TransactionConflict) as exc:
            return exc
        finally:
            connection.close()

    with ThreadPoolExecutor(len(waiting)) as pool:
        return list(pool.map(run, waiting))


def settle(number: int = 0, **facts: Any) -> Callable[[], Any]:
    """Return a call that settles the transaction in the name of one job."""
    return lambda: transaction_settle(data=SettlementPayload(**FACTS | facts), job_id=f"job-{number}")


def refund(number: int, amount: str, refund_id: str | None = None) -> Callable[[], Any]:
    """Return a call that refunds a part in the name of one job."""
    data = RefundPayload(tx_id="tx-1", amount=Decimal(amount), currency="USD", refund_id=refund_id or f"r-{number}")
    return lambda: transaction_refund(data=data, job_id=f"job-{number}")


@pytest.mark.parametrize("known", [True, False])
def test_twenty_settlements_at_once_make_one_capture(*, known: bool) -> None:
    """Case B19: one ledger entry, whether the transaction was there or each of them would record it."""
    if known:
        transaction_create(**FACTS)
    effects = at_once(settle(number) for number in range(THREADS))
    assert [effect.state for effect in effects] == ["settled"] * THREADS
    assert sorted(effect.duplicate for effect in effects) == [False] + [True] * (THREADS - 1)
    assert LedgerEntry.objects.get().amount_minor == 10_000
    assert Transaction.objects.get().state == "settled"


def test_settlements_at_once_with_other_amounts_capture_one_of_them() -> None:
    """The first to come decides what the transaction is; the others are refused."""
    outcomes = at_once(settle(number, amount=Decimal(number + 1)) for number in range(THREADS))
    assert sum(isinstance(outcome, PermanentError) for outcome in outcomes) == THREADS - 1
    assert LedgerEntry.objects.get().amount_minor == Transaction.objects.get().amount_minor


def test_refunds_at_once_never_exceed_what_was_captured() -> None:
    """Twenty refunds of 7.00 from 100.00: fourteen are made, six are refused."""
    settle()()
    outcomes = at_once(refund(number, "7.00") for number in range(THREADS))
    assert sum(isinstance(outcome, PermanentError) for outcome in outcomes) == 6
    tx = Transaction.objects.get()
    assert (tx.state, tx.refunded) == ("partially_refunded", Decimal("98.00"))
    assert LedgerEntry.objects.filter(kind="refund").count() == 14
    assert not ledger_disagreements().exists()


def test_same_refund_at_once_is_made_once() -> None:
    """Twenty deliveries of one refund write one entry."""
    settle()()
    effects = at_once(refund(number, "7.00", refund_id="r") for number in range(THREADS))
    assert sorted(effect.duplicate for effect in effects) == [False] + [True] * (THREADS - 1)
    assert Transaction.objects.get().refunded == Decimal("7.00")


def test_creations_at_once_record_one_transaction() -> None:
    """A client's parallel requests with the same facts all answer the one transaction."""
    created = at_once([lambda: transaction_create(**FACTS)] * THREADS)
    assert len({tx.pk for tx in created}) == 1


def test_everything_at_once_leaves_state_and_ledger_in_agreement() -> None:
    """Settlements, refunds and a validation that declines race; whoever wins, the books agree."""
    decline = ValidationPayload(tx_id="tx-1", rules=("amount_check",), risk_score=Decimal("0.9"))
    for _ in range(5):
        transaction_create(**FACTS)
        at_once(
            [
                *(settle(number) for number in range(6)),
                *(refund(number, "30.00") for number in range(6)),
                lambda: transaction_validate(data=decline),
            ]
        )
        tx = Transaction.objects.get()
        assert tx.state in {"declined", "settled", "partially_refunded"}
        assert LedgerEntry.objects.filter(kind="capture").count() == (tx.state != "declined")
        assert not ledger_disagreements().exists()
        LedgerEntry.objects.all().delete()
        Transaction.objects.all().delete()


@pytest.mark.parametrize(
    "broken",
    [
        "UPDATE transactions_transaction SET refunded_minor = amount_minor + 1, state = 'partially_refunded'",
        "UPDATE transactions_transaction SET state = 'created'",
        "UPDATE transactions_transaction SET amount_minor = 0",
        "UPDATE transactions_ledgerentry SET amount_minor = -amount_minor",
        "UPDATE transactions_ledgerentry SET kind = 'gift'",
    ],
)
def test_database_refuses_what_breaks_a_rule(broken: str) -> None:
    """The constraints hold for SQL that goes past Django, whatever the database."""
    settle()()
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(broken)


def test_texts_and_amounts_at_their_limits_are_kept() -> None:
    """The database stores the largest amount, a NUL in a job id and the longest ids without an error."""
    facts = FACTS | {"tx_id": "x" * 100, "amount": Decimal("9999999999999.99")}
    transaction_settle(data=SettlementPayload(**facts), job_id="a\0" + "j" * 253, correlation_id="c" * 255)
    refund = RefundPayload(
        tx_id="x" * 100, amount=Decimal("0.01"), currency="USD", refund_id="r" * 100, reason="ü" * 255
    )
    assert transaction_refund(data=refund).state == "partially_refunded"
    assert Transaction.objects.get().amount == Decimal("9999999999999.99")
