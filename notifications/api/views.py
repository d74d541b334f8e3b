"""POST of an e-mail."""

from typing import Any, ClassVar

from rest_framework.permissions import IsAuthenticated

from notifications.api.permissions import MaySendEmail
from notifications.api.serializers import EmailSerializer
from notifications.payloads import EmailPayload
from notifications.services import enqueue_email
from queues import JobMetadata, QueueJob
from queues.api.commands import CommandView


class EmailView(CommandView):
    """Send an e-mail from a template."""

    permission_classes = (IsAuthenticated, MaySendEmail)
    serializer_class: ClassVar = EmailSerializer

    def command(self, data: dict[str, Any], *, job_id: str | None, metadata: JobMetadata) -> QueueJob[Any]:
        """Queue the e-mail."""
        return enqueue_email(EmailPayload(**data), job_id=job_id, metadata=metadata)
