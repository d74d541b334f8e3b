"""Who may do what with transactions over REST."""

from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView


class MayCommand(BasePermission):
    """May create transactions and command what is done with them."""

    message = "This needs the permission transactions.add_transaction."

    def has_permission(self, request: Request, view: APIView) -> bool:  # noqa: ARG002 - REST framework's signature
        """Ask for the right to add transactions."""
        return request.user.has_perm("transactions.add_transaction")


class MayView(BasePermission):
    """May read transactions."""

    message = "This needs the permission transactions.view_transaction."

    def has_permission(self, request: Request, view: APIView) -> bool:  # noqa: ARG002 - REST framework's signature
        """Ask for the right to view transactions."""
        return request.user.has_perm("transactions.view_transaction")
