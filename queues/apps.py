"""The queues app: finds the processors of the domain apps when Django is ready."""

from django.apps import AppConfig
from django.core.checks import register


class QueuesConfig(AppConfig):
    """The platform's app."""

    name = "queues"
    verbose_name = "Queues"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the checks and import every app's processors."""
        from queues.checks import check_providers, check_settings
        from queues.processors import autodiscover

        register(check_settings)
        register(check_providers, deploy=True)
        autodiscover()
