"""The Slack app."""

from django.apps import AppConfig


class SlackworkerConfig(AppConfig):
    """Slack messages and alerts that the queues deliver."""

    name = "slackworker"
    verbose_name = "Slack"
    default_auto_field = "django.db.models.BigAutoField"
