"""Payloads to JSON and back: what keeps its meaning, and what is refused where."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import django
import pytest
from django.utils.safestring import mark_safe

from queues.codec import camel, decode, decode_object, encode
from queues.errors import InvalidPayload, PayloadTooLarge
from tests.unit.queues.payloads import METADATA, ORDER, SETTLEMENT, Color, Level, Line, Order, Settlement, body, wire


def refused(data: object, field: str) -> InvalidPayload:
    """Return the refusal at encoding, which must name the field."""
    with pytest.raises(InvalidPayload) as caught:
        encode(data, METADATA)
    assert caught.value.field == field, caught.value
    return caught.value


# What arrives


@pytest.mark.parametrize("payload", [SETTLEMENT, ORDER], ids=["settlement", "order"])
def test_a_payload_arrives_as_what_it_was(payload: Any) -> None:
    """Case B39: Decimal, aware datetime, date, UUID, tuple, enumerations, nested dataclasses and 2**70."""
    arrived = decode(body(payload), type(payload))

    assert arrived == payload
    assert decode(body(arrived), type(payload)) == payload


def test_money_keeps_its_digits() -> None:
    """Case B39: 0.10 is never 0.1, nor anything near it."""
    for digits in ("0.10", "19.990", "1E+2", "-0.00", "0.1" + "0" * 40 + "1", "1" * 60):
        arrived = decode(body(replace(SETTLEMENT, amount=Decimal(digits))), Settlement)
        assert str(arrived.amount) == digits
    assert wire(SETTLEMENT)["amount"] == "0.10"


def test_fields_are_camel_case_on_the_wire() -> None:
    """What a Node.js processor of the specification reads: camelCase, the metadata beside the fields."""
    value = json.loads(body(SETTLEMENT))

    assert set(value) == {"txId", "amount", "currency", "paymentMethod", "merchantId", "metadata"}
    assert value["metadata"]["correlationId"] == "corr-1"
    assert wire(ORDER)["otherLines"] == [{"unitPrice": "-0.00", "madeOn": "9999-12-31"}]


@pytest.mark.parametrize(
    ("name", "expected"), [("tx_id", "txId"), ("id", "id"), ("a_b_c", "aBC"), ("merchant_id_2", "merchantId2")]
)
def test_names_become_camel_case(name: str, expected: str) -> None:
    """The first word stays, each other one begins with a capital."""
    assert camel(name) == expected


def test_the_keys_of_a_mapping_stay_as_they_are() -> None:
    """Only fields of dataclasses are renamed."""
    data = {"snake_case": {"inner_key": 1}, "camelCase": [{"x_y": 2}]}

    assert wire(data) == data
    assert decode(body(data), dict) == data
    assert wire(replace(ORDER, by_name={"a_b": Decimal(1)}))["byName"] == {"a_b": "1"}


def test_an_untyped_payload_arrives_as_json() -> None:
    """Case B39: "0.10" and not 0.1, ISO times with their offset, canonical UUIDs, lists, exact integers."""
    data = {
        "decimal": Decimal("0.10"),
        "datetime": datetime(2026, 1, 1, 5, 30, tzinfo=timezone(timedelta(hours=5, minutes=30))),
        "utc": datetime(2026, 1, 1, tzinfo=UTC),
        "date": date(2026, 1, 1),
        "uuid": UUID("6F9619FF-8B86-4D01-B42D-00CF4FC964FF"),
        "tuple": (1, (2,)),
        "huge": 2**70,
        "enum": [Color.RED, Level.ONE],
        "dataclass": Line(unit_price=Decimal("1.0"), made_on=date(2026, 1, 1)),
    }

    assert decode(body(data), dict) == {
        "decimal": "0.10",
        "datetime": "2026-01-01T05:30:00+05:30",
        "utc": "2026-01-01T00:00:00Z",
        "date": "2026-01-01",
        "uuid": "6f9619ff-8b86-4d01-b42d-00cf4fc964ff",
        "tuple": [1, [2]],
        "huge": 2**70,
        "enum": ["red", 1],
        "dataclass": {"unitPrice": "1.0", "madeOn": "2026-01-01"},
    }


def test_subclasses_of_text_and_number_are_text_and_number() -> None:
    """Django's safe strings and other subclasses are carried as what they are."""

    class Number(int):
        """An integer of another class."""

    assert wire({"text": mark_safe("<b>"), "number": Number(7), mark_safe("key"): True}) == {
        "text": "<b>",
        "number": 7,
        "key": True,
    }


def test_any_mapping_is_a_payload() -> None:
    """A payload need not be a dict, and may be empty."""

    class Only(Mapping[str, int]):
        def __getitem__(self, key: str) -> int:
            return {"a": 1}[key]

        def __iter__(self) -> Any:
            return iter(["a"])

        def __len__(self) -> int:
            return 1

    assert wire(Only()) == {"a": 1}
    assert wire({}) == {}


# What is refused


@dataclass(frozen=True)
class Untyped:
    """A payload that promises nothing of its field."""

    inner_value: Any


BAD: dict[str, tuple[Any, str]] = {
    "set": ({1}, ""),
    "frozenset": (frozenset(), ""),
    "bytes": (b"x", ""),
    "bytearray": (bytearray(b"x"), ""),
    "type": (Order, ""),
    "object": (object(), ""),
    "function": (len, ""),
    "generator": ((n for n in [1]), ""),
    "complex": (1j, ""),
    "timedelta": (timedelta(1), ""),
    "time": (time(1), ""),
    "naive": (datetime(2026, 1, 1), ""),  # noqa: DTZ001 - naive on purpose
    "nan": (float("nan"), ""),
    "infinity": (float("inf"), ""),
    "minus-infinity": (float("-inf"), ""),
    "decimal-nan": (Decimal("NaN"), ""),
    "decimal-snan": (Decimal("sNaN"), ""),
    "decimal-infinity": (Decimal("-Infinity"), ""),
    "overflow": (float("1e400"), ""),
    "nested-nan": ([{"b": [float("nan")]}], "[0].b[0]"),
    "nested-set": ({"b": {"c": {1}}}, ".b.c"),
    "number-key": ({3: "x"}, ""),
    "none-key": ({"a": {None: 1}}, ".a"),
    "tuple-key": ([{("a",): 1}], "[0]"),
    "surrogate": ("a\ud800", ""),
    "nested-surrogate": (["ok", {"b": "\udfff"}], "[1].b"),
    "digits": ([1, 10**5000], "[1]"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_json_cannot_carry_unchanged_is_refused(case: str) -> None:
    """Cases B39 and B55: at `add`, with the field named, in a mapping and in a dataclass alike."""
    value, path = BAD[case]

    refused({"good": 1, "inner_value": value}, f"inner_value{path}")
    refused(Untyped(value), f"inner_value{path}")


def test_a_model_instance_is_refused_by_its_class() -> None:
    """Case B39: the caller who passed one reads which."""
    django.setup()
    from django.contrib.auth.models import User

    assert "is a User" in refused({"user": User(username="ann")}, "user").message
    assert "is a User" in refused(Untyped([User()]), "inner_value[0]").message


@pytest.mark.parametrize("data", [None, 1, "x", [1], [("a", 1)], Order, object()])
def test_a_payload_is_a_dataclass_or_a_mapping(data: Any) -> None:
    """Nothing else has fields to carry."""
    assert "dataclass" in refused(data, "data").message


@pytest.mark.parametrize("wrong", [{"amount": "ten"}, {"tx_id": 7}, {"currency": None}, {"tx_id": ["a"]}])
def test_a_field_of_another_type_is_refused(wrong: dict[str, Any]) -> None:
    """What the payload's own type does not allow fails where it is made, by the payload's own name."""
    (name,) = wrong

    assert "Settlement" in refused(replace(SETTLEMENT, **wrong), name).message


def test_a_wrong_field_deep_inside_is_named_by_its_path() -> None:
    """The path is in the payload's own words, with the place in a list."""
    lines = [Line(unit_price=Decimal(1), made_on=date(2026, 1, 1)), Line(unit_price="x", made_on=date(2026, 1, 1))]  # type: ignore[arg-type]

    refused(replace(ORDER, other_lines=lines), "other_lines[1].unit_price")
    refused(replace(ORDER, main_line=Line(unit_price=Decimal(1), made_on="soon")), "main_line.made_on")  # type: ignore[arg-type]


def test_a_payload_has_no_field_named_metadata() -> None:
    """The name belongs to the platform, in a mapping and in a dataclass."""

    @dataclass(frozen=True)
    class Mistaken:
        metadata: str

    refused({"metadata": {}}, "metadata")
    refused(Mistaken("x"), "metadata")


def test_a_type_that_json_cannot_carry_is_refused() -> None:
    """A payload type with a set or bytes is a mistake of its author, said on first use."""

    @dataclass(frozen=True)
    class WithSet:
        tags: set[str] = field(default_factory=set)

    @dataclass(frozen=True)
    class WithBytes:
        raw: bytes | None = None

    for payload_type in (WithSet, WithBytes):
        with pytest.raises(InvalidPayload, match="cannot carry"):
            decode(b"{}", payload_type)


def test_a_payloads_own_rule_is_a_refusal() -> None:
    """A ValueError of `__post_init__` becomes InvalidPayload with its words."""

    @dataclass(frozen=True)
    class Positive:
        amount: int

        def __post_init__(self) -> None:
            if self.amount <= 0:
                raise ValueError("amount must be positive")

    assert decode(b'{"amount":1}', Positive) == Positive(1)
    with pytest.raises(InvalidPayload, match="amount must be positive"):
        decode(b'{"amount":0}', Positive)


@pytest.mark.parametrize("depth", [70, 5000])
def test_a_payload_nested_too_deep_is_refused(depth: int) -> None:
    """No payload makes a reader run out of stack."""
    deep: Any = 1
    for _ in range(depth):
        deep = [deep]

    with pytest.raises(InvalidPayload, match="deeper than 64") as caught:
        encode({"deep": deep}, METADATA)

    assert caught.value.field is not None
    assert caught.value.field.startswith("deep[0]")


def test_sixty_levels_are_taken() -> None:
    """What real payloads nest is far from the limit."""
    deep: Any = 1
    for _ in range(60):
        deep = {"a": deep}

    assert decode(body({"deep": deep}), dict) == {"deep": deep}


def test_a_payload_too_large_is_refused() -> None:
    """The limit is in bytes of the whole JSON object."""
    size = len(body({"text": "ü" * 100}))

    assert len(body({"text": "ü" * 100}, limit=size)) == size
    with pytest.raises(PayloadTooLarge, match=f"{size} bytes.*{size - 1}") as caught:
        body({"text": "ü" * 100}, limit=size - 1)
    assert caught.value.field == "data"


def test_decode_object_gives_data_and_metadata() -> None:
    """What the admin shows: the JSON object without its metadata, and the metadata."""
    assert decode_object(body(SETTLEMENT)) == (wire(SETTLEMENT), METADATA)
