"""The strict JSON parser."""

import io
import json
from decimal import Decimal
from typing import Any

import pytest
from rest_framework.exceptions import APIException, ParseError, ValidationError

from queues.api.parsers import BODY_BYTES, DEPTH, BodyTooLarge, StrictJSONParser


def parse(body: bytes | str) -> Any:
    """Read a body."""
    return StrictJSONParser().parse(io.BytesIO(body.encode() if isinstance(body, str) else body))


def test_numbers_keep_their_digits() -> None:
    """Case B60: a number with a point becomes the Decimal that was written, an integer stays whole."""
    value = parse('{"amount": 0.10, "large": 1180591620717411303424, "small": 1e-30}')

    assert value == {"amount": Decimal("0.10"), "large": 2**70, "small": Decimal("1e-30")}
    assert str(value["amount"]) == "0.10"


@pytest.mark.parametrize(
    "number", ["NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1e-400", "1" + "0" * 400, "1e999999999999999999999"]
)
@pytest.mark.parametrize(("body", "field"), [('{"amount": %s}', "amount"), ('{"data": {"a": [1, %s]}}', "data.a.1")])
def test_a_number_that_no_double_holds_is_refused_with_its_field(number: str, body: str, field: str) -> None:
    """Case B55: NaN, Infinity and what overflows are refused, in free-form data too."""
    with pytest.raises(ValidationError) as caught:
        parse(body % number)

    assert list(caught.value.detail) == [field]


def test_a_key_given_twice_is_refused() -> None:
    """Two values for one key are not a choice of ours."""
    with pytest.raises(ValidationError) as caught:
        parse('{"a": {"amount": 1, "amount": 2}}')

    assert list(caught.value.detail) == ["a.amount"]


@pytest.mark.parametrize("text", ['{"a": "\\ud800"}', '{"a": {"\\udfff": 1}}'])
def test_half_a_surrogate_pair_is_refused(text: str) -> None:
    """What no encoding can carry is refused where it stands."""
    with pytest.raises(ValidationError) as caught:
        parse(text)

    assert list(caught.value.detail) == ["a"]


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"a": 1,}', b"\xff\xfe{}", b'{"a": "\xe9"}', b"\xef\xbb\xbf{}", b"'a'", b'{"a": 01}']
)
def test_what_is_not_json_in_utf8_is_a_parse_error(body: bytes) -> None:
    """No body makes the parser fail in another way."""
    with pytest.raises(ParseError):
        parse(body)


@pytest.mark.parametrize("levels", [DEPTH + 1, 5_000, 500_000])
def test_deep_nesting_is_a_parse_error(levels: int) -> None:
    """Nesting beyond the limit is refused, however deep."""
    with pytest.raises(ParseError):
        parse("[" * levels + "]" * levels)


def test_nesting_up_to_the_limit_is_read() -> None:
    """The limit itself is allowed."""
    assert parse("[" * DEPTH + "]" * DEPTH) is not None


def test_a_body_over_the_limit_is_413() -> None:
    """The body is not read beyond its limit."""
    stream = io.BytesIO(b'"' + b"x" * (BODY_BYTES * 3) + b'"')

    with pytest.raises(BodyTooLarge) as caught:
        StrictJSONParser().parse(stream)

    assert caught.value.status_code == 413
    assert stream.tell() == BODY_BYTES + 1


def test_many_faults_under_a_long_key_stay_a_small_answer() -> None:
    """An error never grows with the caller's keys."""
    body = json.dumps({"k" * 400_000: [float("nan")] * 50_000})

    with pytest.raises(APIException) as caught:
        parse(body)

    assert len(str(caught.value.detail)) < 20_000
