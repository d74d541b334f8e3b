"""Transactions and the ledger of what was captured and refunded.

Amounts are whole minor units of their currency, exact on every database. The constraints
repeat the rules of the services, so that no other writer can break them.
"""

from decimal import Decimal

from django.db import models
from django.db.models import F, Q

from transactions.identifiers import ID_LENGTH, TEXT_LENGTH
from transactions.money import from_minor
from transactions.payloads import METHOD_LENGTH
from transactions.states import TransactionState

CURRENCY_LENGTH = 3
RISK_PLACES = 6

_NOTHING_REFUNDED = Q(refunded_minor=0)
_BEFORE_SETTLEMENT = [TransactionState.CREATED, TransactionState.VALIDATED, TransactionState.DECLINED]


class Transaction(models.Model):
    """One payment. `correlation_id` and `job_id` are those of what changed it last."""

    tx_id = models.CharField("transaction id", max_length=ID_LENGTH, unique=True)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=CURRENCY_LENGTH)
    payment_method = models.CharField(max_length=METHOD_LENGTH)
    merchant_id = models.CharField(max_length=ID_LENGTH, db_index=True)
    state = models.CharField(max_length=20, choices=TransactionState, default=TransactionState.CREATED)
    refunded_minor = models.BigIntegerField(default=0)
    risk_score = models.DecimalField(max_digits=RISK_PLACES + 1, decimal_places=RISK_PLACES, null=True, blank=True)
    findings = models.JSONField(default=list, blank=True)
    correlation_id = models.CharField(max_length=TEXT_LENGTH, blank=True, db_index=True)
    job_id = models.CharField(max_length=TEXT_LENGTH, blank=True, db_index=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    validated_at = models.DateTimeField(null=True, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        """Newest first; the rules of the services, in the database too."""

        ordering = ["-id"]
        indexes = [models.Index(fields=["state", "-id"], name="transaction_by_state")]
        constraints = [
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="transaction_amount_above_zero"),
            models.CheckConstraint(condition=Q(state__in=TransactionState.values), name="transaction_state_known"),
            models.CheckConstraint(
                condition=Q(risk_score__isnull=True) | Q(risk_score__gte=0, risk_score__lte=1),
                name="transaction_risk_from_0_to_1",
            ),
            models.CheckConstraint(
                condition=(
                    (Q(state__in=_BEFORE_SETTLEMENT) & _NOTHING_REFUNDED & Q(settled_at__isnull=True))
                    | (Q(state=TransactionState.SETTLED, settled_at__isnull=False) & _NOTHING_REFUNDED)
                    | Q(
                        state=TransactionState.PARTIALLY_REFUNDED,
                        settled_at__isnull=False,
                        refunded_minor__gt=0,
                        refunded_minor__lt=F("amount_minor"),
                    )
                    | Q(
                        state=TransactionState.REFUNDED,
                        settled_at__isnull=False,
                        refunded_minor=F("amount_minor"),
                    )
                ),
                name="transaction_refunded_agrees_with_state",
            ),
        ]

    def __str__(self) -> str:
        """Return the id, amount and state."""
        return f"{self.tx_id} ({self.amount} {self.currency}, {self.state})"

    @property
    def amount(self) -> Decimal:
        """Return the amount in the currency's own places."""
        return from_minor(self.amount_minor, self.currency)

    @property
    def refunded(self) -> Decimal:
        """Return how much was given back so far."""
        return from_minor(self.refunded_minor, self.currency)


class LedgerEntry(models.Model):
    """One effect on a merchant's account: what was captured (above zero) or refunded (below).

    Rows are added and never changed. `reference` is the effect's idempotency key.
    """

    class Kind(models.TextChoices):
        """What the effect was."""

        CAPTURE = "capture"
        REFUND = "refund"

    transaction = models.ForeignKey(Transaction, on_delete=models.PROTECT, related_name="entries")
    kind = models.CharField(max_length=10, choices=Kind)
    account = models.CharField(max_length=TEXT_LENGTH, db_index=True)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=CURRENCY_LENGTH)
    reference = models.CharField(max_length=TEXT_LENGTH)
    reason = models.CharField(max_length=TEXT_LENGTH, blank=True)
    correlation_id = models.CharField(max_length=TEXT_LENGTH, blank=True)
    job_id = models.CharField(max_length=TEXT_LENGTH, blank=True, db_index=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        """Newest first; no effect twice, and signs that agree with the kind."""

        ordering = ["-id"]
        verbose_name_plural = "ledger entries"
        constraints = [
            models.UniqueConstraint(fields=["reference"], name="ledger_reference_once"),
            models.UniqueConstraint(
                fields=["transaction"], condition=Q(kind="capture"), name="ledger_one_capture_per_transaction"
            ),
            models.CheckConstraint(
                condition=Q(kind="capture", amount_minor__gt=0) | Q(kind="refund", amount_minor__lt=0),
                name="ledger_sign_agrees_with_kind",
            ),
        ]

    def __str__(self) -> str:
        """Return what it did."""
        return f"{self.kind} {self.amount} {self.currency} ({self.reference})"

    @property
    def amount(self) -> Decimal:
        """Return the signed amount in the currency's own places."""
        return from_minor(self.amount_minor, self.currency)
