"""A payload that exists is valid, and crosses the wire unchanged."""

import dataclasses
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from queues import InvalidPayload, JobMetadata
from queues.codec import decode, encode
from tests.unit.transactions.build import refund, settlement, validation
from transactions.payloads import RefundPayload, SettlementPayload, ValidationPayload

ODD_IDS = ["", " ", "a b", "a/b", "../x", "a\n", "日本", "~", "-a", "x" * 101, "a\0", "\ud800", 123, None, b"a"]
ODD_AMOUNTS = [Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"), Decimal(-1), Decimal(0), Decimal("1.005"), 19.99]


def metadata() -> JobMetadata:
    """Return metadata that says nothing."""
    return JobMetadata(correlation_id="flow-1")


@pytest.mark.parametrize("payload", [settlement(), validation(), refund(), refund(refund_id="r-1", reason="näh — 😀")])
def test_payload_comes_out_of_the_wire_as_it_went_in(payload: Any) -> None:
    """Case B39: Decimals keep their digits; the type is the same at the other end."""
    assert decode(encode(payload, metadata()).body, type(payload)) == payload


def test_payload_is_camel_case_on_the_wire() -> None:
    """The names are those of the specification's producers, and money is written by its digits."""
    body = json.loads(encode(settlement(amount=Decimal(100)), metadata()).body)
    del body["metadata"]
    assert body == {
        "txId": "tx-123",
        "amount": "100.00",
        "currency": "USD",
        "paymentMethod": "credit_card",
        "merchantId": "merchant-456",
    }


@pytest.mark.parametrize("amount", ["19.99", '"19.99"'])
def test_settlement_of_a_node_producer_is_read_by_its_digits(amount: str) -> None:
    """Case B60: a JSON number and a string of it are the same amount."""
    body = (
        f'{{"txId":"tx-1","amount":{amount},"currency":"USD","paymentMethod":"credit_card","merchantId":"m-1",'
        '"metadata":{"correlationId":"c","user":{"sub":"system"},"source":"node","timestamp":"2026-01-01T00:00:00Z"}}'
    )
    assert decode(body.encode(), SettlementPayload) == settlement(
        tx_id="tx-1", merchant_id="m-1", amount=Decimal("19.99")
    )


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"txId":"t","amount":1.005,"currency":"USD","paymentMethod":"card","merchantId":"m"}', "amount"),
        (b'{"txId":"t","amount":"NaN","currency":"USD","paymentMethod":"card","merchantId":"m"}', "amount"),
        (b'{"txId":"t","amount":1,"currency":"usd","paymentMethod":"card","merchantId":"m"}', "currency"),
        (b'{"txId":"a/b","amount":1,"currency":"USD","paymentMethod":"card","merchantId":"m"}', "tx_id"),
        (b'{"txId":1,"amount":1,"currency":"USD","paymentMethod":"card","merchantId":"m"}', "tx_id"),
        (b'{"txId":"t","amount":true,"currency":"USD","paymentMethod":"card","merchantId":"m"}', "amount"),
        (b'{"txId":"t","amount":1,"currency":"USD","paymentMethod":"card"}', "merchant_id"),
    ],
)
def test_payload_that_another_producer_wrote_is_checked_the_same(body: bytes, field: str) -> None:
    """What comes over the wire goes through the same rules, with the field named."""
    with pytest.raises(InvalidPayload) as caught:
        decode(body, SettlementPayload)
    assert caught.value.field == field


@pytest.mark.parametrize("value", ODD_IDS, ids=repr)
@pytest.mark.parametrize(
    ("build", "field"),
    [
        (settlement, "tx_id"),
        (settlement, "merchant_id"),
        (settlement, "payment_method"),
        (validation, "tx_id"),
        (refund, "tx_id"),
    ],
)
def test_id_that_names_nothing_is_refused(build: Callable[..., Any], field: str, value: object) -> None:
    """Case B13: odd ids are refused with the rule named, never accepted and then stuck."""
    with pytest.raises(InvalidPayload, match=f"{field} is .*; it must be 1 to") as caught:
        build(**{field: value})
    assert caught.value.field == field


@pytest.mark.parametrize("tx_id", ["0", "123", "a.b", "a:b", "A_-.:9", "x" * 100])
def test_id_within_the_rule_is_taken(tx_id: str) -> None:
    """Case B13: digits alone, dots, colons and a hundred characters are ids."""
    assert settlement(tx_id=tx_id).tx_id == tx_id


@pytest.mark.parametrize("value", [*(v for v in ODD_IDS if v is not None)], ids=repr)
def test_refund_id_that_names_nothing_is_refused(value: object) -> None:
    """Only None stands for no id."""
    with pytest.raises(InvalidPayload) as caught:
        refund(refund_id=value)
    assert caught.value.field == "refund_id"


@pytest.mark.parametrize("amount", ODD_AMOUNTS, ids=repr)
@pytest.mark.parametrize("build", [settlement, refund])
def test_amount_that_is_not_exact_is_refused(build: Callable[..., Any], amount: object) -> None:
    """Case B55: a payload cannot hold NaN, a negative, a float or too many places."""
    with pytest.raises(InvalidPayload) as caught:
        build(amount=amount)
    assert caught.value.field == "amount"


@pytest.mark.parametrize("score", [Decimal("-0.1"), Decimal("1.1"), Decimal("NaN"), Decimal("Infinity"), 0.3, 1, "0.3"])
def test_risk_score_outside_0_to_1_is_refused(score: object) -> None:
    """A risk score is a Decimal from 0 to 1, both included."""
    with pytest.raises(InvalidPayload) as caught:
        validation(risk_score=score)
    assert caught.value.field == "risk_score"
    assert validation(risk_score=Decimal(0)) != validation(risk_score=Decimal(1))


@pytest.mark.parametrize(
    "rules", [(), "amount_check", ("no_such_rule",), (1,), None, ("amount_check", "Fraud")], ids=repr
)
def test_rules_that_are_not_names_of_rules_are_refused(rules: object) -> None:
    """Unknown rules are refused with the list of those that exist."""
    with pytest.raises(InvalidPayload) as caught:
        validation(rules=rules)
    assert caught.value.field == "rules"


def test_rules_may_be_a_list_and_count_once() -> None:
    """A list becomes a tuple, and a rule that is named twice is one."""
    assert validation(rules=["amount_check", "fraud_detection", "amount_check"]) == validation()


@pytest.mark.parametrize("reason", ["x" * 256, "a\nb", "a\0b", "\ud800", None, 5], ids=repr)
def test_reason_that_is_not_one_line_is_refused(reason: object) -> None:
    """A reason is one line of at most 255 characters."""
    with pytest.raises(InvalidPayload) as caught:
        refund(reason=reason)
    assert caught.value.field == "reason"


@pytest.mark.parametrize("kind", [SettlementPayload, ValidationPayload, RefundPayload])
def test_payload_types_are_frozen_slotted_and_keyword_only(kind: type) -> None:
    """Values that cross a boundary cannot change."""
    assert kind.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert all(field.kw_only for field in dataclasses.fields(kind))
    assert hasattr(kind, "__slots__")
