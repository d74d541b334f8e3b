"""Payloads that the codec's tests share."""

import json
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Any, Literal
from uuid import UUID

from queues.codec import encode
from queues.metadata import JobMetadata


class Color(StrEnum):
    """An enumeration of texts."""

    RED = "red"
    BLUE = "blue"


class Level(Enum):
    """An enumeration of numbers."""

    ONE = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """The specification's settlement, with money as Decimal."""

    tx_id: str
    amount: Decimal
    currency: str
    payment_method: str
    merchant_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Something with fields of its own."""

    unit_price: Decimal
    made_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Every type that keeps its meaning, optional, in lists, nested."""

    order_id: UUID
    paid_at: datetime
    due_on: date
    total: Decimal
    quantity: int
    ratio: float
    is_paid: bool
    note: str | None = None
    color: Color = Color.RED
    level: Level = Level.ONE
    kind: Literal["a", "b"] = "a"
    tags: tuple[str, ...] = ()
    pair: tuple[int, str] = (0, "")
    main_line: Line | None = None
    other_lines: list[Line] = field(default_factory=list)
    by_name: dict[str, Decimal] = field(default_factory=dict)
    free_form: Any = None


METADATA = JobMetadata(correlation_id="corr-1")
SETTLEMENT = Settlement(tx_id="tx-1", amount=Decimal("0.10"), currency="EUR", payment_method="card", merchant_id="m-1")
ORDER = Order(
    order_id=UUID("6f9619ff-8b86-4d01-b42d-00cf4fc964ff"),
    paid_at=datetime(2026, 1, 1, 5, 30, 0, 123_456, tzinfo=timezone(timedelta(hours=5, minutes=30))),
    due_on=date(2026, 2, 28),
    total=Decimal("0.10"),
    quantity=2**70,
    ratio=0.1,
    is_paid=True,
    note="Zürich 日本 \x00\u2028\U0001f389",
    color=Color.BLUE,
    kind="b",
    tags=("x", ""),
    pair=(-(2**63), "y"),
    main_line=Line(unit_price=Decimal("1E+2"), made_on=date(1, 1, 1)),
    other_lines=[Line(unit_price=Decimal("-0.00"), made_on=date(9999, 12, 31))],
    by_name={"a b": Decimal("19.990")},
    free_form={"any": [1, 2.5, None, {"deep": "x"}]},
)


def body(data: object, **options: Any) -> bytes:
    """Return a payload as a job's JSON object."""
    return encode(data, METADATA, **options).body


def wire(data: object) -> Any:
    """Return a payload as plain JSON values, without its metadata."""
    value = json.loads(body(data))
    del value["metadata"]
    return value
