"""POST of a Slack message and of an alert."""

from typing import Any, ClassVar

from rest_framework.permissions import IsAuthenticated

from queues import JobMetadata, QueueJob
from queues.api.commands import CommandView
from slackworker.api.permissions import MaySendToSlack
from slackworker.api.serializers import SlackAlertSerializer, SlackMessageSerializer
from slackworker.payloads import Severity, SlackAlertPayload, SlackMessagePayload
from slackworker.services import send_alert, send_channel_message


class SlackMessageView(CommandView):
    """Send a message to a Slack channel."""

    permission_classes = (IsAuthenticated, MaySendToSlack)
    serializer_class: ClassVar = SlackMessageSerializer

    def command(self, data: dict[str, Any], *, job_id: str | None, metadata: JobMetadata) -> QueueJob[Any]:
        """Queue the message."""
        return send_channel_message(SlackMessagePayload(**data), job_id=job_id, metadata=metadata)


class SlackAlertView(CommandView):
    """Send an alert to Slack."""

    permission_classes = (IsAuthenticated, MaySendToSlack)
    serializer_class: ClassVar = SlackAlertSerializer

    def command(self, data: dict[str, Any], *, job_id: str | None, metadata: JobMetadata) -> QueueJob[Any]:
        """Queue the alert."""
        alert = SlackAlertPayload(**{**data, "severity": Severity(data["severity"])})
        return send_alert(alert, job_id=job_id, metadata=metadata)
