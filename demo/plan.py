"""What is to happen, decided before anything is sent: the payments, and what each must come to.

The plan is the same in every run, so that the agreement at the end compares with what was
meant, and not with what the system said.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, StrEnum

PAYMENTS = 240
PLACES = {"USD": 2, "EUR": 2, "JPY": 0, "KWD": 3}
SAFE_RISK, RISKY = 0.3, 0.95
CHANNEL, UNKNOWN_CHANNEL = "#payments", "#nowhere"


class Kind(StrEnum):
    """The kinds of commands."""

    VALIDATION = "validation"
    SETTLEMENT = "settlement"
    REFUND = "refund"
    EMAIL = "e-mail"
    MESSAGE = "Slack message"
    ALERT = "Slack alert"


class Ending(Enum):
    """What a payment is meant to come to."""

    SETTLED = "settled"
    DECLINED = "declined by its risk score, so that the settlement fails"
    DISAGREES = "settled with an amount other than the known one, which fails"


class Receipt(Enum):
    """What becomes of a payment's e-mail."""

    NONE = "none"
    DELIVERED = "delivered"
    REFUSED = "refused by the mail server for good"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund:
    """A refund in minor units; one that is too much must fail, an early one is asked before the settlement."""

    refund_id: str
    minor: int
    succeeds: bool = True
    early: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """One transaction from its creation to its refunds, with amounts in minor units."""

    number: int
    currency: str
    minor: int
    ending: Ending
    refunds: tuple[Refund, ...]
    receipt: Receipt
    channel: str | None
    sent_twice: bool

    @property
    def tx_id(self) -> str:
        """Return the transaction's id."""
        return f"tx-{self.number:04}"

    @property
    def state(self) -> str:
        """Return the state that the transaction must be in at the end."""
        if self.ending is not Ending.SETTLED:
            return "declined" if self.ending is Ending.DECLINED else "validated"
        refunded = sum(refund.minor for refund in self.refunds if refund.succeeds)
        if not refunded:
            return "settled"
        return "refunded" if refunded == self.minor else "partially_refunded"

    @property
    def recipient(self) -> str:
        """Return the customer's address, which no other payment has."""
        return f"customer-{self.number:04}@example.org"

    @property
    def commands(self) -> int:
        """Return how many jobs the payment is made of, a command that is sent twice counted once."""
        is_told = self.channel is not None or self.ending is not Ending.SETTLED
        return 2 + len(self.refunds) + (self.receipt is not Receipt.NONE) + is_told


def amount(minor: int, currency: str) -> str:
    """Return minor units as the amount that a person reads: 1999 is 19.99 USD."""
    return str(Decimal(minor).scaleb(-PLACES[currency]))


def payments() -> list[Payment]:
    """Return all payments."""
    return [_payment(number) for number in range(1, PAYMENTS + 1)]


def _payment(number: int) -> Payment:
    # Not in step with the refunds below, so that each kind of refund meets each currency.
    currency = tuple(PLACES)[(number + number // 8) % len(PLACES)]
    minor = 1_000 + number * 137 % 9_001
    ending = {7: Ending.DECLINED, 13: Ending.DISAGREES}.get(number % 20, Ending.SETTLED)
    is_settled = ending is Ending.SETTLED
    return Payment(
        number=number,
        currency=currency,
        minor=minor,
        ending=ending,
        refunds=tuple(_refunds(number, minor)) if is_settled else (),
        receipt=_receipt(number) if is_settled else Receipt.NONE,
        channel=_channel(number) if is_settled else None,
        sent_twice=number % 12 == 0,
    )


def _refunds(number: int, minor: int) -> Iterator[Refund]:
    match number % 8:
        case 0:
            yield Refund(refund_id="whole", minor=minor)
        case 4:
            yield Refund(refund_id="first", minor=minor // 3)
            yield Refund(refund_id="rest", minor=minor - minor // 3)
        case 6:
            yield Refund(refund_id="part", minor=minor // 4)
    if number % 40 == 2:
        yield Refund(refund_id="too-much", minor=minor + 1, succeeds=False)
    if number % 60 == 11:
        yield Refund(refund_id="early", minor=minor // 2, early=True)


def _receipt(number: int) -> Receipt:
    if number % 3:
        return Receipt.NONE
    return Receipt.REFUSED if number % 60 == 18 else Receipt.DELIVERED


def _channel(number: int) -> str | None:
    if number % 5:
        return None
    return UNKNOWN_CHANNEL if number % 80 == 35 else CHANNEL
