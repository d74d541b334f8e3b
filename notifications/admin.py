"""Notifications in the admin: to look at, never to change."""

from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest

from notifications.models import EmailDelivery


@admin.register(EmailDelivery)
class EmailDeliveryAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """The e-mails and what became of them."""

    list_display = ("created_at", "to", "template", "subject", "state", "sent_at", "job_id")
    list_filter = ("state", "template", "created_at")
    search_fields = ("to", "job_id", "correlation_id", "message_id")
    date_hierarchy = "created_at"
    show_full_result_count = False
    exclude: ClassVar = ("fingerprint",)

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 - Django's signature
        """Say no: jobs write these rows."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - Django's signature
        """Say no: a row says what happened."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - Django's signature
        """Say no: without its row, a job that runs again would send again."""
        return False
