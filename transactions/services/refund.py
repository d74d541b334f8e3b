"""Give back a part or the whole of what was captured, each refund once."""

import logging

from django.db import transaction

from queues import PermanentError
from transactions.errors import NotThereYet
from transactions.identifiers import join_ids
from transactions.models import LedgerEntry, Transaction
from transactions.money import from_minor, to_minor
from transactions.payloads import RefundPayload
from transactions.services.rows import Cause, Effect, effect, lock, move, write
from transactions.states import TransactionState

logger = logging.getLogger(__name__)


def transaction_refund(*, data: RefundPayload, correlation_id: str = "", job_id: str = "") -> Effect:
    """Refund the amount: one ledger entry for each refund id, never more in all than was captured.

    Raises NotThereYet for a transaction that is unknown or not settled yet, and PermanentError
    when it was declined, is in another currency, has less left than is asked, or when the
    same refund id was used for another amount.
    """
    with transaction.atomic():
        tx = _lock_captured(data)
        minor = to_minor(data.amount, data.currency)
        reference = refund_reference(data)
        known = LedgerEntry.objects.filter(reference=reference).first()
        if known is None:
            _refund(tx, minor, reference, data.reason, Cause(correlation_id=correlation_id, job_id=job_id))
        elif -known.amount_minor != minor:
            raise PermanentError(f"This refund was made before, of {-known.amount} {tx.currency}.", field="amount")
    logger.info("transaction refunded", extra={"tx_id": tx.tx_id, "duplicate": known is not None})
    return effect(tx, minor, duplicate=known is not None)


def refund_reference(data: RefundPayload) -> str:
    """Return the key of this refund, which no other refund of any transaction has."""
    return join_ids("refund", data.tx_id, *([data.refund_id] if data.refund_id else []))


def _lock_captured(data: RefundPayload) -> Transaction:
    tx = lock(data.tx_id)
    if tx is None or tx.state in {TransactionState.CREATED, TransactionState.VALIDATED}:
        raise NotThereYet(f"The transaction {data.tx_id} is not {'settled' if tx else 'known'} (yet).")
    if tx.state == TransactionState.DECLINED:
        raise PermanentError(f"The transaction {tx.tx_id} was declined; there is nothing to refund.", field="tx_id")
    if tx.currency != data.currency:
        raise PermanentError(f"The transaction {tx.tx_id} is in {tx.currency}, not {data.currency}.", field="currency")
    return tx


def _refund(tx: Transaction, minor: int, reference: str, reason: str, cause: Cause) -> None:
    left = tx.amount_minor - tx.refunded_minor
    if minor > left:
        raise PermanentError(
            f"Only {from_minor(left, tx.currency)} {tx.currency} of {tx.tx_id} is left to refund.", field="amount"
        )
    tx.refunded_minor += minor
    move(tx, TransactionState.REFUNDED if minor == left else TransactionState.PARTIALLY_REFUNDED, cause)
    write(tx, -minor, cause, kind=LedgerEntry.Kind.REFUND, reference=reference, reason=reason)
