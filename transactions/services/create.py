"""Record a transaction."""

from decimal import Decimal
from typing import Final

from django.db import transaction

from transactions.errors import TransactionConflict
from transactions.models import Transaction
from transactions.payloads import SettlementPayload
from transactions.services.rows import Cause, difference, lock_or_record

_FACTS: Final = ("currency", "amount", "merchant_id", "payment_method")


def transaction_create(
    *, tx_id: str, amount: Decimal, currency: str, payment_method: str, merchant_id: str, correlation_id: str = ""
) -> Transaction:
    """Record a transaction as created, and return it; the same facts again return the one that is there.

    Raises InvalidPayload, naming the field, for facts that no settlement could carry, and
    TransactionConflict when the id is known with another amount, currency, merchant or method.
    """
    data = SettlementPayload(
        tx_id=tx_id, amount=amount, currency=currency, payment_method=payment_method, merchant_id=merchant_id
    )
    with transaction.atomic():
        tx, _ = lock_or_record(data, Cause(correlation_id=correlation_id))
    if found := difference(tx, data, _FACTS):
        raise TransactionConflict(found[1], field=found[0])
    return tx
