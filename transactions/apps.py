"""The transactions app: payments from creation to settlement and refund."""

from django.apps import AppConfig
from django.core.checks import register


class TransactionsConfig(AppConfig):
    """The transactions domain."""

    name = "transactions"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the check of the TRANSACTIONS setting."""
        from transactions.conf import check_settings

        register(check_settings)
