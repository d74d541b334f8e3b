"""The TRANSACTIONS setting as a typed, validated value: what a validation lets pass.

Amounts are in minor units, so that one limit is of like size in USD (2 places) and JPY (0).
"""

from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error

from queues import InvalidPayload, QueueMisconfigured
from transactions.money import check_currency


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The limits of a validation; settings.TRANSACTIONS gives others, by these names in capitals.

    A risk score of `risk_limit` or more declines. `amount_limit` is the largest amount,
    `loss_limit` the largest expected loss (amount times risk score), both in minor units.
    `currencies` are those that are supported; none named means every currency in use.
    """

    risk_limit: Decimal = Decimal("0.8")
    amount_limit: int = 100_000_000
    loss_limit: int = 10_000_000
    currencies: Collection[str] = ()

    def __post_init__(self) -> None:
        """Refuse a limit that would decline everything or nothing by mistake."""
        limit: object = self.risk_limit
        if not isinstance(limit, Decimal) or not limit.is_finite() or not 0 < limit <= 1:
            raise QueueMisconfigured(f"RISK_LIMIT is {self.risk_limit!r:.40}; write a Decimal above 0, at most 1.")
        for name in ("amount_limit", "loss_limit"):
            value: object = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise QueueMisconfigured(f"{name.upper()} is {value!r:.40}; write minor units, at least 1.")
        if isinstance(self.currencies, str):
            raise QueueMisconfigured("CURRENCIES is a string; write a list of ISO 4217 codes.")
        for code in self.currencies:
            check_currency(code)


def policy() -> Policy:
    """Return the limits that settings give; raise QueueMisconfigured, saying what to write."""
    values = getattr(settings, "TRANSACTIONS", {})
    try:
        return Policy(**{key.lower(): value for key, value in values.items()})
    except (QueueMisconfigured, InvalidPayload, TypeError, AttributeError) as exc:
        raise QueueMisconfigured(f"TRANSACTIONS: {exc}") from exc


def check_settings(**_: Any) -> list[CheckMessage]:
    """Return an error when the TRANSACTIONS setting cannot be kept."""
    try:
        policy()
    except QueueMisconfigured as exc:
        return [Error(exc.message, id="transactions.E001")]
    return []
