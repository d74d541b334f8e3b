"""The wire: what others wrote is read strictly, and what we cannot read says why."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queues.codec import WireMetadata, decode, decode_job, decode_metadata, decode_object, encode
from queues.codec.metadata import WireUser
from queues.errors import InvalidMetadata, InvalidPayload, QueueRejected
from queues.metadata import JobMetadata, SystemUser, UserToken
from tests.unit.queues.payloads import Color, Level, Line, Order, Settlement

METADATA = JobMetadata(correlation_id="c")
NODE_JOB = b"""{"txId": "tx-1", "amount": 100.10, "currency": "USD", "paymentMethod": "credit_card",
 "merchantId": "m-1", "addedByANewerRelease": {"x": [1]}, "metadata": {"correlationId": "corr-789",
 "user": {"sub": "u1", "tenant": "acme", "roles": ["ops"], "displayName": "Ann", "email": "a@example.com", "iat": 1},
 "source": "checkout", "timestamp": "2026-01-01T05:30:00.123Z", "businessContext": {"region": "eu"}, "v": 2}}"""


@dataclass(frozen=True)
class Anything:
    """A payload of one field."""

    a: Any


def settlement(**fields: str) -> bytes:
    """Return a settlement as JSON, with some fields written in another way."""
    values = {"txId": '"t"', "amount": "1", "currency": '"EUR"', "paymentMethod": '"c"', "merchantId": '"m"', **fields}
    return ("{" + ",".join(f'"{name}":{value}' for name, value in values.items() if value) + "}").encode()


def unreadable(body: bytes, field: str, payload_type: type[Any] = Settlement) -> InvalidPayload:
    """Return the refusal at decoding, which must name the field."""
    with pytest.raises(InvalidPayload) as caught:
        decode(body, payload_type)
    assert caught.value.field == field, caught.value
    return caught.value


def test_a_job_of_a_node_producer_is_read() -> None:
    """camelCase, money as a JSON number, unknown fields, JavaScript's times: what the specification writes."""
    assert decode(NODE_JOB, Settlement) == Settlement(
        tx_id="tx-1", amount=Decimal("100.10"), currency="USD", payment_method="credit_card", merchant_id="m-1"
    )
    assert decode_metadata(NODE_JOB) == JobMetadata(
        correlation_id="corr-789",
        user=UserToken(sub="u1", tenant="acme", roles=("ops",), display_name="Ann", email="a@example.com"),
        source="checkout",
        timestamp=datetime(2026, 1, 1, 5, 30, 0, 123_000, tzinfo=UTC),
        business_context={"region": "eu"},
    )


@pytest.mark.parametrize(
    "digits", ["0.10", "19.99", "8.20", "1.005", "0.1000000000000000055511151231257827", "1" * 40, "1e2", "-0.00", "0"]
)
def test_a_number_is_read_by_its_digits(digits: str) -> None:
    """Cases B39 and B60: no float stands between the text and the Decimal."""
    amount = decode(settlement(amount=digits), Settlement).amount

    assert amount == Decimal(digits)
    assert amount.as_tuple() == Decimal(digits).as_tuple()


def test_a_number_and_a_text_are_the_same_amount() -> None:
    """Case B60: what Node.js writes as a number and we as a text is one amount."""
    assert decode(settlement(amount="19.90"), Settlement) == decode(settlement(amount='"19.90"'), Settlement)


@pytest.mark.parametrize(
    "amount",
    ['"NaN"', '"sNaN"', '"Infinity"', '"-Infinity"', '"1,5"', '""', '"abc"', "true", "null", "[1]", "{}"],
)
def test_what_is_no_amount_is_refused(amount: str) -> None:
    """Case B55: not a number, not finite, or no number at all."""
    unreadable(settlement(amount=amount), "amount")


@pytest.mark.parametrize("body", [b"NaN", b"Infinity", b"1e", b"01", b"0x10"])
def test_what_is_no_json_is_refused(body: bytes) -> None:
    """Case B55: a NaN literal and the like is no JSON at all."""
    unreadable(settlement(amount=body.decode()), "data")


@pytest.mark.parametrize(
    "body", [b"", b"{", b"null", b"[]", b'"x"', b"7", b"\xff", b'{"a":"\xff"}', b"[" * 100_000, b'{"a":"\\ud800"}']
)
def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    """Case B24: garbage is an error with a reason, never a crash."""
    with pytest.raises(InvalidPayload) as caught:
        decode_object(body)
    assert caught.value.field == "data"
    with pytest.raises(InvalidPayload):
        decode(body, Settlement)
    with pytest.raises(InvalidPayload):
        decode(body, dict)


def test_a_missing_field_is_named() -> None:
    """By the payload's own name."""
    unreadable(settlement(paymentMethod=""), "payment_method")
    unreadable(b"{}", "tx_id")


@pytest.mark.parametrize(("name", "value", "field"), [("txId", "7", "tx_id"), ("merchantId", "null", "merchant_id")])
def test_a_field_of_another_type_is_named(name: str, value: str, field: str) -> None:
    """Nothing is coerced: a number is no text."""
    unreadable(settlement(**{name: value}), field)


def order(**fields: str) -> bytes:
    """Return an order as JSON, with some fields written in another way."""
    values = {
        "orderId": '"6f9619ff-8b86-4d01-b42d-00cf4fc964ff"',
        "paidAt": '"2026-01-01T00:00:00Z"',
        "dueOn": '"2026-01-01"',
        "total": "1",
        "quantity": "1",
        "ratio": "1",
        "isPaid": "true",
        **fields,
    }
    return ("{" + ",".join(f'"{name}":{value}' for name, value in values.items()) + "}").encode()


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"paidAt": '"2026-01-01T00:00:00"'}, "paid_at"),
        ({"paidAt": '"yesterday"'}, "paid_at"),
        ({"paidAt": "1767225600"}, "paid_at"),
        ({"dueOn": '"2026-02-30"'}, "due_on"),
        ({"orderId": '"42"'}, "order_id"),
        ({"quantity": "1.0"}, "quantity"),
        ({"quantity": "true"}, "quantity"),
        ({"quantity": '"1"'}, "quantity"),
        ({"isPaid": "1"}, "is_paid"),
        ({"ratio": "1e400"}, "ratio"),
        ({"color": '"green"'}, "color"),
        ({"level": "2"}, "level"),
        ({"kind": '"c"'}, "kind"),
        ({"tags": '["a",1]'}, "tags[1]"),
        ({"pair": "[1]"}, "pair"),
        ({"otherLines": '[{"unitPrice":1,"madeOn":"2026-01-01"},{"unitPrice":1}]'}, "other_lines[1].made_on"),
        ({"otherLines": '[{"unitPrice":"NaN","madeOn":"2026-01-01"}]'}, "other_lines[0].unit_price"),
        ({"mainLine": '{"unitPrice":"Infinity","madeOn":"2026-01-01"}'}, "main_line.unit_price"),
        ({"byName": '{"x":"NaN"}'}, "by_name.x"),
        ({"byName": '{"x":"abc"}'}, "by_name[...]"),
    ],
    ids=str,
)
def test_every_type_is_read_strictly(fields: dict[str, str], field: str) -> None:
    """Cases B27, B39, B55: no naive time, no rounding, no NaN, at any depth; the path is named."""
    assert decode(order(), Order).quantity == 1
    unreadable(order(**fields), field, Order)


# Metadata on the wire


def test_a_job_without_metadata_is_read() -> None:
    """A producer that writes none gets its job run; there is no metadata to show."""
    assert decode_object(settlement())[1] is None
    assert decode_metadata(b'{"metadata":null}') is None
    assert decode(settlement(), Settlement).tx_id == "t"


@pytest.mark.parametrize(
    "metadata",
    [
        JobMetadata(correlation_id="c"),
        JobMetadata(correlation_id="日本 \U0001f389" * 20, user=SystemUser(tenant="acme"), source="scheduler"),
        JobMetadata(
            correlation_id="c",
            user=UserToken(sub="u", tenant="t", roles=("a", "b"), display_name="Ü", email="e@example.com"),
            timestamp=datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
            business_context={"a": {"b": [1, None, "x"]}},
            traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ),
    ],
    ids=["least", "system", "full"],
)
def test_metadata_comes_back_as_it_was(metadata: JobMetadata) -> None:
    """Field for field, the kind of user included."""
    read = decode_metadata(encode({"a": 1}, metadata).body)

    assert read == metadata
    assert read is not None
    assert type(read.user) is type(metadata.user)


def test_a_job_is_read_in_one_pass() -> None:
    """Payload and metadata together are what each is alone, for a typed and an untyped payload."""
    for payload_type in (Settlement, dict):
        payload, metadata = decode_job(NODE_JOB, payload_type)
        assert payload == decode(NODE_JOB, payload_type)
        assert metadata is not None
        assert metadata.build() == decode_metadata(NODE_JOB)
    assert decode_job(settlement(), Settlement) == (decode(settlement(), Settlement), None)


@pytest.mark.parametrize(
    ("changed", "error", "field"),
    [
        ((b'"txId": "tx-1"', b'"txId": 7'), InvalidPayload, "tx_id"),
        ((b'"sub": "u1", ', b""), InvalidMetadata, "metadata"),
        ((b".123Z", b""), InvalidMetadata, "metadata"),
        ((b'{"sub": "u1", "tenant": "acme"', b'{"sub": 1, "tenant": "acme"'), InvalidMetadata, "metadata"),
    ],
    ids=str,
)
def test_one_pass_tells_payload_and_metadata_apart(
    changed: tuple[bytes, bytes], error: type[QueueRejected], field: str
) -> None:
    """Each error is of its own kind and names its field."""
    with pytest.raises(error) as caught:
        decode_job(NODE_JOB.replace(*changed), Settlement)

    assert caught.value.field == field


@given(st.text(max_size=260), st.text(max_size=260), st.none() | st.text(max_size=5))
def test_plausible_metadata_can_be_built(correlation_id: str, source: str, traceparent: str | None) -> None:
    """What a worker builds only when it is asked for must not fail then."""
    wire = WireMetadata(
        correlation_id=correlation_id,
        user=WireUser("u"),
        source=source,
        timestamp=datetime(2026, 1, 1, tzinfo=UTC),
        traceparent=traceparent,
    )

    if wire.plausible:
        assert wire.build().correlation_id == correlation_id


def test_a_time_of_another_zone_comes_back_in_utc() -> None:
    """Case B27: the same instant."""
    sydney = datetime(2026, 1, 1, 11, tzinfo=timezone(timedelta(hours=11)))

    read = decode_metadata(encode({}, JobMetadata(correlation_id="c", timestamp=sydney)).body)

    assert read is not None
    assert (read.timestamp, read.timestamp.tzinfo) == (sydney, UTC)


@pytest.mark.parametrize(
    "metadata",
    [
        b"{}",
        b"7",
        b'{"correlationId":"","user":{"sub":"u"},"source":"s","timestamp":"2026-01-01T00:00:00Z"}',
        b'{"correlationId":"c","user":{},"source":"s","timestamp":"2026-01-01T00:00:00Z"}',
        b'{"correlationId":"c","user":{"sub":"u"},"source":"s","timestamp":"2026-01-01T00:00:00"}',
        b'{"correlationId":"c","user":{"sub":"u"},"source":"s","timestamp":"now"}',
        b'{"correlationId":"c","user":{"sub":"u"},"source":"s","timestamp":"2026-01-01T00:00:00Z","traceparent":"x"}',
    ],
)
def test_metadata_that_cannot_be_read_is_refused(metadata: bytes) -> None:
    """Case B24: by an error of its own, so that the payload can still be shown."""
    body = b'{"a":1,"metadata":' + metadata + b"}"

    with pytest.raises(InvalidMetadata):
        decode_metadata(body)
    assert decode(body, Anything) == Anything(a=1)


@pytest.mark.parametrize(
    "metadata",
    [
        JobMetadata(correlation_id="\ud800"),
        JobMetadata(correlation_id="c", user=UserToken(sub="\ud800")),
        JobMetadata(correlation_id="c", business_context={"a": {"b": "\ud800"}}),
    ],
)
def test_metadata_with_half_a_surrogate_is_refused(metadata: JobMetadata) -> None:
    """The error is the caller's, not an encoder's."""
    with pytest.raises((InvalidMetadata, InvalidPayload)):
        encode({}, metadata)


@pytest.mark.parametrize("value", [{1}, float("nan"), b"x", object()])
def test_a_business_context_is_json_too(value: Any) -> None:
    """What JSON cannot carry is refused by its path."""
    with pytest.raises(InvalidPayload) as caught:
        encode({}, JobMetadata(correlation_id="c", business_context={"deep": [value]}))

    assert caught.value.field == "business_context.deep[0]"


# Any payload

texts = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=30)
decimals = st.decimals(allow_nan=False, allow_infinity=False)
lines = st.builds(Line, unit_price=decimals, made_on=st.dates())
orders = st.builds(
    Order,
    order_id=st.uuids(),
    paid_at=st.datetimes(
        timezones=st.sampled_from([UTC, timezone(timedelta(hours=-3)), timezone(timedelta(minutes=345))])
    ),
    due_on=st.dates(),
    total=decimals,
    quantity=st.integers(),
    ratio=st.floats(allow_nan=False, allow_infinity=False),
    is_paid=st.booleans(),
    note=st.none() | texts,
    color=st.sampled_from(Color),
    level=st.sampled_from(Level),
    kind=st.sampled_from(["a", "b"]),
    tags=st.lists(texts, max_size=3).map(tuple),
    pair=st.tuples(st.integers(), texts),
    main_line=st.none() | lines,
    other_lines=st.lists(lines, max_size=3),
    by_name=st.dictionaries(texts, decimals, max_size=3),
    free_form=st.recursive(
        st.none() | st.booleans() | st.integers() | texts,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
        max_leaves=6,
    ),
)


@given(orders)
def test_any_payload_comes_back_as_it_was(payload: Order) -> None:
    """Case B39: encode then decode is the identity, digit by digit."""
    encoded = encode(payload, METADATA)

    arrived = decode(encoded.body, Order)

    assert arrived == payload
    assert str(arrived.total) == str(payload.total)
    assert encode(arrived, METADATA) == encoded
