"""Who may send to Slack over REST."""

from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView


class MaySendToSlack(BasePermission):
    """May have messages and alerts posted."""

    message = "This needs the permission slackworker.add_slackdelivery."

    def has_permission(self, request: Request, view: APIView) -> bool:  # noqa: ARG002 - REST framework's signature
        """Ask for the right to add Slack deliveries."""
        return request.user.has_perm("slackworker.add_slackdelivery")
