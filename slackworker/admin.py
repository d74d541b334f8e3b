"""Slack in the admin: to look at, never to change."""

from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest

from slackworker.models import SlackDelivery


@admin.register(SlackDelivery)
class SlackDeliveryAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """The messages and alerts, and what became of them."""

    list_display = ("created_at", "channel", "queue", "state", "rate_limits", "posted_at", "job_id")
    list_filter = ("state", "queue", "created_at")
    search_fields = ("channel", "job_id", "correlation_id", "ts")
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
        """Say no: without its row, a job that runs again would post again."""
        return False
