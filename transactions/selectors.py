"""What can be asked about transactions and the ledger; nothing here changes anything."""

from decimal import Decimal

from django.db.models import Case, F, QuerySet, Sum, When
from django.db.models.functions import Coalesce

from transactions.models import LedgerEntry, Transaction
from transactions.money import from_minor


def transaction_get(*, tx_id: str) -> Transaction | None:
    """Return the transaction of that id; None when it is not known."""
    return Transaction.objects.filter(tx_id=tx_id).first()


def ledger_of(*, tx_id: str) -> QuerySet[LedgerEntry]:
    """Return the transaction's ledger entries, the oldest first."""
    return LedgerEntry.objects.filter(transaction__tx_id=tx_id).order_by("id")


def merchant_balances(*, merchant_id: str) -> dict[str, Decimal]:
    """Return what the ledger holds for a merchant: captured less refunded, for each currency."""
    sums = (
        LedgerEntry.objects.filter(account=f"merchant:{merchant_id}")
        .order_by("currency")
        .values_list("currency")
        .annotate(total=Sum("amount_minor"))
    )
    return {currency: from_minor(total, currency) for currency, total in sums}


def ledger_disagreements() -> QuerySet[Transaction]:
    """Return transactions whose state and refunds are not what their ledger entries add up to.

    Empty unless something else than the services wrote to the tables.
    """
    held = Case(When(settled_at__isnull=False, then=F("amount_minor") - F("refunded_minor")), default=0)
    totals = Transaction.objects.annotate(total=Coalesce(Sum("entries__amount_minor"), 0), held=held)
    return totals.exclude(total=F("held"))
