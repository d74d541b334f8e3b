"""Payload types that the codec's tests share."""

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Any, Literal
from uuid import UUID


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
