"""The REST API of transactions: create and read them, and command what is done with them."""

from typing import Any, ClassVar, Final

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.exceptions import APIException, NotFound
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.views import APIView

from queues import JobMetadata, QueueJob
from queues.api.commands import CommandView, metadata_of
from transactions.api.permissions import MayCommand, MayView
from transactions.api.serializers import (
    RefundSerializer,
    TransactionFactsSerializer,
    TransactionSerializer,
    ValidationSerializer,
)
from transactions.errors import TransactionConflict
from transactions.payloads import RefundPayload, SettlementPayload, ValidationPayload
from transactions.selectors import transaction_get
from transactions.services import enqueue_refund, enqueue_settlement, enqueue_validation, transaction_create

_READ_PROBLEMS: Final = {
    401: OpenApiResponse(description="Who calls is not known."),
    403: OpenApiResponse(description="The caller may not do this."),
    404: OpenApiResponse(description="There is no such transaction."),
}
_CREATE_PROBLEMS: Final = {
    400: OpenApiResponse(description="The facts are not valid; errors names the fields."),
    401: _READ_PROBLEMS[401],
    403: _READ_PROBLEMS[403],
    409: OpenApiResponse(description="The id is known with other facts."),
}


class Conflict(APIException):
    """A transaction of that id is known with other facts."""

    status_code = status.HTTP_409_CONFLICT
    default_code = TransactionConflict.code


class TransactionsView(APIView):
    """Record transactions."""

    permission_classes = (IsAuthenticated, MayCommand)

    @extend_schema(request=TransactionFactsSerializer, responses={201: TransactionSerializer, **_CREATE_PROBLEMS})
    def post(self, request: Request) -> Response:
        """Record a transaction; the same facts again answer the one that is there, others 409."""
        serializer = TransactionFactsSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        correlation_id = metadata_of(request).correlation_id
        try:
            tx = transaction_create(**serializer.validated_data, correlation_id=correlation_id)
        except TransactionConflict as exc:
            raise Conflict(exc.message) from exc
        headers = {"Location": reverse("transaction", args=[tx.tx_id]), "X-Correlation-ID": correlation_id}
        return Response(TransactionSerializer(tx).data, status=status.HTTP_201_CREATED, headers=headers)


class TransactionView(APIView):
    """One transaction."""

    permission_classes = (IsAuthenticated, MayView)

    @extend_schema(responses={200: TransactionSerializer, **_READ_PROBLEMS})
    def get(self, _request: Request, tx_id: str) -> Response:
        """Return the transaction as it stands."""
        tx = transaction_get(tx_id=tx_id)
        if tx is None:
            raise NotFound(f"There is no transaction {tx_id!r:.80}.")
        return Response(TransactionSerializer(tx).data)


class SettlementView(CommandView):
    """Capture a transaction's amount."""

    permission_classes = (IsAuthenticated, MayCommand)
    serializer_class: ClassVar = TransactionFactsSerializer

    def command(self, data: dict[str, Any], *, job_id: str | None, metadata: JobMetadata) -> QueueJob[Any]:
        """Add the settlement."""
        return enqueue_settlement(SettlementPayload(**data), job_id=job_id, metadata=metadata)


class ValidationView(CommandView):
    """Judge a transaction by rules and its risk score."""

    permission_classes = (IsAuthenticated, MayCommand)
    serializer_class: ClassVar = ValidationSerializer

    def command(self, data: dict[str, Any], *, job_id: str | None, metadata: JobMetadata) -> QueueJob[Any]:
        """Add the validation."""
        return enqueue_validation(ValidationPayload(**data), job_id=job_id, metadata=metadata)


class RefundView(CommandView):
    """Give back a part or the whole of what was captured."""

    permission_classes = (IsAuthenticated, MayCommand)
    serializer_class: ClassVar = RefundSerializer

    def command(self, data: dict[str, Any], *, job_id: str | None, metadata: JobMetadata) -> QueueJob[Any]:
        """Add the refund."""
        return enqueue_refund(RefundPayload(**data), job_id=job_id, metadata=metadata)
