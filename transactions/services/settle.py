"""Capture a transaction's amount, once."""

import logging
from typing import Final

from django.db import transaction
from django.utils import timezone

from queues import PermanentError
from transactions.identifiers import join_ids
from transactions.models import LedgerEntry, Transaction
from transactions.payloads import SettlementPayload
from transactions.services.rows import Cause, Effect, difference, effect, lock_or_record, move, write
from transactions.states import TransactionState

logger = logging.getLogger(__name__)

_FACTS: Final = ("currency", "amount", "merchant_id")
_CAPTURED: Final = {TransactionState.SETTLED, TransactionState.PARTIALLY_REFUNDED}


def transaction_settle(*, data: SettlementPayload, correlation_id: str = "", job_id: str = "") -> Effect:
    """Capture the amount: one ledger entry, however often it is called and by however many at once.

    A transaction that is not known is recorded from `data`, which carries every fact. Raises
    PermanentError when a known one differs in currency, amount or merchant, and when it was
    declined or refunded; only the job that captured it may come again after the refund.
    """
    cause = Cause(correlation_id=correlation_id, job_id=job_id)
    with transaction.atomic():
        tx, _ = lock_or_record(data, cause)
        if found := difference(tx, data, _FACTS):
            raise PermanentError(found[1], field=found[0])
        duplicate = tx.state in _CAPTURED or _captured_by(tx, cause)
        if not duplicate:
            tx.settled_at = timezone.now()
            move(tx, TransactionState.SETTLED, cause)
            reference = join_ids("capture", tx.tx_id)
            write(tx, tx.amount_minor, cause, kind=LedgerEntry.Kind.CAPTURE, reference=reference)
    logger.info("transaction settled", extra={"tx_id": tx.tx_id, "duplicate": duplicate})
    return effect(tx, tx.amount_minor, duplicate=duplicate)


def _captured_by(tx: Transaction, cause: Cause) -> bool:
    """Say whether the refunded transaction was captured by this same job, which is delivered again."""
    if tx.state != TransactionState.REFUNDED or not cause.job_id:
        return False
    return tx.entries.filter(kind=LedgerEntry.Kind.CAPTURE, job_id=cause.columns()["job_id"]).exists()
