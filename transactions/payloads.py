"""What the jobs of this domain carry. A payload that exists is valid.

Each raises InvalidPayload, naming the field, for a value that cannot be carried out, whether
Python, the REST API or a producer in another language wrote it. Amounts are Decimals with
their currency's number of places; on the wire the fields are camelCase.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from queues import InvalidPayload
from transactions.identifiers import check_id, check_text
from transactions.money import exact
from transactions.rules import check_rule

METHOD_LENGTH: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementPayload:
    """Capture a transaction's whole amount. It carries every fact that the capture needs."""

    tx_id: str
    amount: Decimal
    currency: str
    payment_method: str
    merchant_id: str

    def __post_init__(self) -> None:
        """Refuse ids that name nothing and amounts that are not exact."""
        check_id(self.tx_id, "tx_id")
        check_id(self.payment_method, "payment_method", length=METHOD_LENGTH)
        check_id(self.merchant_id, "merchant_id")
        object.__setattr__(self, "amount", _amount(self.amount, self.currency))


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationPayload:
    """Judge a transaction by the named rules and its risk score, from 0 (none) to 1."""

    tx_id: str
    rules: tuple[str, ...]
    risk_score: Decimal

    def __post_init__(self) -> None:
        """Refuse unknown rules and scores outside 0 to 1; a rule named twice counts once."""
        check_id(self.tx_id, "tx_id")
        object.__setattr__(self, "rules", _rules(self.rules))
        score = _decimal(self.risk_score, "risk_score")
        if not score.is_finite() or not 0 <= score <= 1:
            raise InvalidPayload(f"risk_score is {score}; it must be a number from 0 to 1.", field="risk_score")


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundPayload:
    """Give back a part or the whole of what was captured.

    `refund_id` names this refund, so that several parts of one transaction are distinct;
    without one it is the only unnamed refund of its transaction.
    """

    tx_id: str
    amount: Decimal
    currency: str
    reason: str = ""
    refund_id: str | None = None

    def __post_init__(self) -> None:
        """Refuse ids that name nothing and amounts that are not exact."""
        check_id(self.tx_id, "tx_id")
        if self.refund_id is not None:
            check_id(self.refund_id, "refund_id")
        check_text(self.reason, "reason")
        object.__setattr__(self, "amount", _amount(self.amount, self.currency))


def _decimal(value: object, field: str) -> Decimal:
    if isinstance(value, Decimal):
        return value
    raise InvalidPayload(
        f"{field} is a {type(value).__name__}; it must be a Decimal, which keeps its digits.", field=field
    )


def _amount(value: object, currency: str) -> Decimal:
    return exact(_decimal(value, "amount"), currency)


def _rules(value: object) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise InvalidPayload(f"rules is {value!r:.40}; it must be a list of rule names.", field="rules")
    names = tuple(dict.fromkeys(check_rule(name) for name in value))
    if not names:
        raise InvalidPayload("rules is empty; name at least one rule.", field="rules")
    return names
