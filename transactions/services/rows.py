"""Steps that the services share: lock a transaction, compare it, move it, write the ledger.

All of them need an open database transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from queues import PermanentError
from transactions.models import LedgerEntry, Transaction
from transactions.money import from_minor, to_minor
from transactions.payloads import SettlementPayload
from transactions.states import TransactionState, may_move

_NUL: Final = "\0"  # PostgreSQL keeps no text that has one; job and correlation ids may


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """What a change was made for: the flow and the job; empty when there is none."""

    correlation_id: str = ""
    job_id: str = ""

    def columns(self) -> dict[str, str]:
        """Return both as a database keeps them."""
        return {
            "correlation_id": self.correlation_id.replace(_NUL, "\N{REPLACEMENT CHARACTER}"),
            "job_id": self.job_id.replace(_NUL, "\N{REPLACEMENT CHARACTER}"),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What a capture or refund came to. `duplicate` says that it was there already."""

    tx_id: str
    state: str
    amount: Decimal
    currency: str
    duplicate: bool

    def result(self) -> dict[str, Any]:
        """Return it as a job's result."""
        return {
            "tx_id": self.tx_id,
            "state": self.state,
            "amount": str(self.amount),
            "currency": self.currency,
            "duplicate": self.duplicate,
        }


def lock(tx_id: str) -> Transaction | None:
    """Return the transaction, held by this database transaction to its end; None when unknown."""
    return Transaction.objects.select_for_update().filter(tx_id=tx_id).first()


def lock_or_record(data: SettlementPayload, cause: Cause) -> tuple[Transaction, bool]:
    """Return the locked transaction and whether it was recorded now, from the facts in `data`."""
    return Transaction.objects.select_for_update().get_or_create(
        tx_id=data.tx_id,
        defaults={
            "amount_minor": to_minor(data.amount, data.currency),
            "currency": data.currency,
            "payment_method": data.payment_method,
            "merchant_id": data.merchant_id,
            **cause.columns(),
        },
    )


def difference(tx: Transaction, data: SettlementPayload, fields: Sequence[str]) -> tuple[str, str] | None:
    """Return the field in which row and payload differ and a sentence about it; None when they agree."""
    for field in fields:
        known, given = getattr(tx, field), getattr(data, field)
        if known != given:
            return field, f"The transaction {tx.tx_id} is known with the {field} {known}, not {given}."
    return None


def move(tx: Transaction, state: TransactionState, cause: Cause) -> None:
    """Save the transaction in another state; raise PermanentError for a move that there is not."""
    if not may_move(tx.state, state):
        raise PermanentError(f"The transaction {tx.tx_id} is {tx.state}; it cannot become {state}.", field="tx_id")
    tx.state = state
    for column, value in cause.columns().items():
        setattr(tx, column, value)
    tx.save()


def write(
    tx: Transaction, amount_minor: int, cause: Cause, *, kind: LedgerEntry.Kind, reference: str, reason: str = ""
) -> None:
    """Add the ledger's row of one effect on the merchant's account; its reference is unique."""
    LedgerEntry.objects.create(
        transaction=tx,
        kind=kind,
        account=f"merchant:{tx.merchant_id}",
        amount_minor=amount_minor,
        currency=tx.currency,
        reference=reference,
        reason=reason,
        **cause.columns(),
    )


def effect(tx: Transaction, amount_minor: int, *, duplicate: bool) -> Effect:
    """Return what a capture or refund of that many minor units came to."""
    return Effect(
        tx_id=tx.tx_id,
        state=str(tx.state),
        amount=from_minor(amount_minor, tx.currency),
        currency=tx.currency,
        duplicate=duplicate,
    )
