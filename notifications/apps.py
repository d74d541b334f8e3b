"""The notifications app."""

from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    """E-mails that the queues send."""

    name = "notifications"
    verbose_name = "Notifications"
    default_auto_field = "django.db.models.BigAutoField"
