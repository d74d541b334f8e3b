"""The bytes of a job: equal payloads are equal bytes, and results are JSON of limited size."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.utils.safestring import mark_safe

from queues.codec import Encoded, encode, encode_result
from queues.errors import InvalidPayload, PayloadTooLarge
from queues.metadata import JobMetadata
from tests.unit.queues.payloads import ORDER, SETTLEMENT, Line, wire

# What tells two jobs apart


def content(data: object, correlation_id: str = "c") -> bytes:
    """Return the part of a job's bytes that says what it does."""
    encoded: Encoded = encode(data, JobMetadata(correlation_id=correlation_id))
    return encoded.body[: encoded.data_length]


def test_equal_payloads_are_the_same_bytes() -> None:
    """Case B02: whatever the order of keys, the metadata, or the way in which it was written."""
    assert content({"a": 1, "b": {"x": 1, "y": 2}}) == content({"b": {"y": 2, "x": 1}, "a": 1}, "other")
    assert content({"txId": "1", "amount": "2"}) == content({"amount": Decimal(2), "txId": "1"})


def test_the_first_job_of_a_type_is_written_as_the_next() -> None:
    """Case B02: which process wrote a payload, and when, makes no other job; nor does a dict in its place."""

    @dataclass(frozen=True)
    class Fresh:
        total_amount: Decimal
        note: str = ""

    loose: Any = Fresh(5)  # type: ignore[arg-type]
    first, second = content(loose), content(loose)

    assert first == second == content({"totalAmount": "5", "note": ""})
    assert content(Fresh(Decimal(5), mark_safe("x"))) == content(Fresh(Decimal(5), "x"))
    assert content(SETTLEMENT) == content(wire(SETTLEMENT))
    assert content(ORDER) == content(wire(ORDER))


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ({"a": 1}, {"a": 2}),
        ({"a": 1}, {"a": 1, "b": 2}),
        ({}, {"a": 1}),
        ({"a": 1}, {"a": "1"}),
        ({"a": 1}, {"a": 1.5}),
    ],
)
def test_other_payloads_are_other_bytes(one: Any, two: Any) -> None:
    """Neither is a prefix of the other, so a comparison of prefixes tells them apart."""
    assert not content(one).startswith(content(two))
    assert not content(two).startswith(content(one))


# Results


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (None, b"null"),
        ({"a": Decimal("0.10")}, b'{"a":"0.10"}'),
        ([1, (2,)], b"[1,[2]]"),
        ("日本", '"日本"'.encode()),
        (2**70, b"1180591620717411303424"),
        (Line(unit_price=Decimal(1), made_on=date(2026, 1, 1)), b'{"madeOn":"2026-01-01","unitPrice":"1"}'),
    ],
)
def test_a_result_is_any_json(result: Any, expected: bytes) -> None:
    """What a processor returns need be no object."""
    assert encode_result(result) == expected


@pytest.mark.parametrize(
    ("result", "field"),
    [({1}, "result"), ([b"x"], "result[0]"), (float("nan"), "result"), ({"a": "\ud800"}, "result.a")],
)
def test_a_result_that_json_cannot_carry_is_refused(result: Any, field: str) -> None:
    """The error names where in the result."""
    with pytest.raises(InvalidPayload) as caught:
        encode_result(result)

    assert caught.value.field == field


def test_a_result_too_large_is_refused() -> None:
    """64 KiB unless told otherwise."""
    assert len(encode_result("x" * 1000, limit=1002)) == 1002
    for result, options in (("x" * 1001, {"limit": 1002}), ("x" * 65_536, {})):
        with pytest.raises(PayloadTooLarge) as caught:
            encode_result(result, **options)
        assert caught.value.field == "result"
