"""Who may send notifications over REST."""

from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView


class MaySendEmail(BasePermission):
    """May have e-mails sent."""

    message = "This needs the permission notifications.add_emaildelivery."

    def has_permission(self, request: Request, view: APIView) -> bool:  # noqa: ARG002 - REST framework's signature
        """Ask for the right to add e-mail deliveries."""
        return request.user.has_perm("notifications.add_emaildelivery")
