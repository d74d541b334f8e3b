"""What the REST API takes and gives: the payloads' fields in snake_case, read strictly.

The fields read types and name what is missing; the payloads refuse the rest.
"""

from decimal import Decimal
from typing import Any, Final

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from queues import InvalidPayload
from transactions.identifiers import ID_LENGTH, TEXT_LENGTH
from transactions.models import Transaction
from transactions.money import number
from transactions.payloads import METHOD_LENGTH

# These words are paths beside transactions/<tx_id>/, so a transaction of such an id could not be read.
RESERVED: Final = frozenset({"settlements", "validations", "refunds"})


class TextField(serializers.CharField):
    """A JSON string, kept as it is; a number or anything else is refused."""

    def __init__(self, **options: Any) -> None:
        """Trim nothing: what was sent is what is checked."""
        super().__init__(trim_whitespace=False, **options)

    def to_internal_value(self, data: Any) -> str:
        """Return the string."""
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class TransactionIdField(TextField):
    """The id of a transaction."""

    def __init__(self, **options: Any) -> None:
        """Limit the length as the payloads do."""
        super().__init__(max_length=ID_LENGTH, **options)

    def to_internal_value(self, data: Any) -> str:
        """Return the id; refuse those that this API's own paths have."""
        value = super().to_internal_value(data)
        if value in RESERVED:
            raise serializers.ValidationError(f"{value!r} is a path of this API; use another id.")
        return value


@extend_schema_field(OpenApiTypes.DECIMAL)
class ExactDecimalField(serializers.Field[Decimal, Any, str, Any]):
    """A number or a string of one, read by its digits; written as a string."""

    def to_internal_value(self, data: Any) -> Decimal:
        """Return the Decimal; refuse NaN, infinities, booleans and anything that is no number."""
        try:
            return number(data, self.field_name or "value")
        except InvalidPayload as exc:
            raise serializers.ValidationError(exc.message) from exc

    def to_representation(self, value: Decimal) -> str:
        """Return its digits."""
        return f"{value:f}"


class TransactionFactsSerializer(serializers.Serializer[Any]):
    """The facts of a transaction: what it is created from, and what its settlement carries."""

    tx_id = TransactionIdField()
    amount = ExactDecimalField()
    currency = TextField(min_length=3, max_length=3)
    payment_method = TextField(max_length=METHOD_LENGTH)
    merchant_id = TextField(max_length=ID_LENGTH)


class ValidationSerializer(serializers.Serializer[Any]):
    """A validation: the names of the rules and the risk score, from 0 to 1."""

    tx_id = TransactionIdField()
    rules = serializers.ListField(child=TextField(max_length=TEXT_LENGTH), allow_empty=False)
    risk_score = ExactDecimalField()


class RefundSerializer(serializers.Serializer[Any]):
    """A refund; `refund_id` tells several of one transaction apart."""

    tx_id = TransactionIdField()
    amount = ExactDecimalField()
    currency = TextField(min_length=3, max_length=3)
    reason = TextField(max_length=TEXT_LENGTH, required=False, allow_blank=True)
    refund_id = TextField(max_length=ID_LENGTH, required=False, allow_null=True)


class FindingSerializer(serializers.Serializer[Any]):
    """What one rule said."""

    rule = serializers.CharField()
    passed = serializers.BooleanField()
    reason = serializers.CharField(allow_blank=True)


class TransactionSerializer(serializers.ModelSerializer[Transaction]):
    """A transaction as it stands; amounts are strings with the currency's places."""

    amount = ExactDecimalField(read_only=True)
    refunded = ExactDecimalField(read_only=True)
    risk_score = ExactDecimalField(read_only=True, allow_null=True)
    findings = FindingSerializer(many=True, read_only=True)

    class Meta:
        """Every field is for reading."""

        model = Transaction
        fields = (
            "tx_id",
            "amount",
            "currency",
            "payment_method",
            "merchant_id",
            "state",
            "refunded",
            "risk_score",
            "findings",
            "correlation_id",
            "job_id",
            "created_at",
            "updated_at",
            "validated_at",
            "settled_at",
        )
        read_only_fields = fields
