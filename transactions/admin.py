"""Transactions and their ledger in the admin, to be searched and read; only services change them."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from transactions.models import LedgerEntry, Transaction

_EFFECT = ("kind", "amount", "currency", "account", "reference", "reason", "job_id", "created_at")


class ReadOnly:
    """Nothing is added, changed or deleted here; who may view is asked of the permissions."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - Django's names
        """Refuse: a service records it."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - Django's names
        """Refuse: a service changes it."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - Django's names
        """Refuse: money that moved is not forgotten."""
        return False


class LedgerEntryInline(ReadOnly, admin.TabularInline):  # type: ignore[type-arg]  # generic in the stubs only
    """A transaction's effects, on its own page."""

    model = LedgerEntry
    fields = _EFFECT
    readonly_fields = _EFFECT
    ordering = ["id"]


@admin.register(Transaction)
class TransactionAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    """Transactions, newest first."""

    list_display = ["tx_id", "state", "amount", "currency", "refunded", "merchant_id", "risk_score", "created_at"]
    list_filter = ["state", "currency", "payment_method", "created_at"]
    search_fields = ["tx_id__startswith", "merchant_id__exact", "correlation_id__exact", "job_id__exact"]
    search_help_text = "The beginning of a transaction id; or a whole merchant, correlation or job id."
    show_full_result_count = False
    list_per_page = 50
    readonly_fields = ["amount", "refunded"]
    exclude = ["amount_minor", "refunded_minor"]
    inlines = [LedgerEntryInline]


@admin.register(LedgerEntry)
class LedgerEntryAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    """The ledger, newest first."""

    list_display = ["reference", "kind", "amount", "currency", "account", "transaction", "created_at"]
    list_filter = ["kind", "currency", "created_at"]
    search_fields = ["reference__startswith", "account__exact", "transaction__tx_id__exact", "job_id__exact"]
    search_help_text = "The beginning of a reference; or a whole account, transaction or job id."
    show_full_result_count = False
    list_per_page = 50
    readonly_fields = ["amount"]
    exclude = ["amount_minor"]
