"""A validation decides by its rules and the risk score, and keeps what it found."""

from decimal import Decimal

import pytest
from pytest_django import Settings

from queues import PermanentError
from tests.unit.transactions.build import known, settlement, validation
from transactions.errors import NotThereYet
from transactions.models import Transaction
from transactions.services import transaction_settle, transaction_validate

pytestmark = pytest.mark.django_db


def test_transaction_that_passes_is_validated() -> None:
    """The findings name every rule and the risk score, in order."""
    known()
    decision = transaction_validate(data=validation(), correlation_id="flow-1", job_id="job-1")
    assert decision.result() == {"tx_id": "tx-123", "state": "validated", "failed": [], "duplicate": False}
    tx = Transaction.objects.get()
    assert [finding["rule"] for finding in tx.findings] == ["risk_score", "amount_check", "fraud_detection"]
    assert all(finding["passed"] for finding in tx.findings)
    assert (tx.risk_score, tx.correlation_id, tx.job_id) == (Decimal("0.300000"), "flow-1", "job-1")
    assert tx.validated_at is not None


@pytest.mark.parametrize(("score", "state"), [("0.7999999999", "validated"), ("0.8", "declined"), ("1", "declined")])
def test_risk_score_at_the_limit_declines(score: str, state: str) -> None:
    """The limit itself declines; the decision is made on all digits of the score."""
    known()
    decision = transaction_validate(data=validation(risk_score=Decimal(score)))
    assert decision.state == state
    assert (decision.failed == ("risk_score",)) == (state == "declined")


def test_rule_that_finds_something_declines_with_its_reason() -> None:
    """The finding says which rule and why."""
    known(amount=Decimal("1000000.01"))
    decision = transaction_validate(data=validation(rules=["amount_check"]))
    assert (decision.state, decision.failed) == ("declined", ("amount_check",))
    assert Transaction.objects.get().findings[1] == {
        "rule": "amount_check",
        "passed": False,
        "reason": "the amount is above 1000000.00 USD",
    }


def test_only_the_named_rules_are_applied(settings: Settings) -> None:
    """A currency that is not supported matters to the rule that asks for it alone."""
    settings.TRANSACTIONS = {"CURRENCIES": ["EUR"]}
    known()
    assert transaction_validate(data=validation()).state == "validated"
    assert transaction_validate(data=validation(rules=["currency_supported"])).failed == ("currency_supported",)


def test_same_validation_again_changes_nothing() -> None:
    """A second delivery answers the first decision, declined ones and settled ones included."""
    known()
    known(tx_id="tx-bad")
    bad = validation(tx_id="tx-bad", risk_score=Decimal("0.9"))
    for data in (validation(), bad):
        first = transaction_validate(data=data)
        again = transaction_validate(data=data)
        assert (first.duplicate, again.duplicate) == (False, True)
        assert (first.state, first.failed) == (again.state, again.failed)
    transaction_settle(data=settlement())
    assert transaction_validate(data=validation()).duplicate


def test_another_validation_before_settlement_decides_anew() -> None:
    """A higher score that comes later declines what was validated."""
    known()
    transaction_validate(data=validation())
    later = transaction_validate(data=validation(risk_score=Decimal("0.99")))
    assert (later.state, later.duplicate) == ("declined", False)


def test_declined_transaction_is_not_validated_by_another_validation() -> None:
    """Declined is an end."""
    known()
    transaction_validate(data=validation(risk_score=Decimal("0.99")))
    with pytest.raises(PermanentError, match="declined"):
        transaction_validate(data=validation())
    tx = Transaction.objects.get()
    assert (tx.state, tx.risk_score) == ("declined", Decimal("0.99"))


def test_settled_transaction_is_past_validation() -> None:
    """Money that moved is not judged afterwards."""
    transaction_settle(data=settlement())
    with pytest.raises(PermanentError, match="settled"):
        transaction_validate(data=validation())
    assert Transaction.objects.get().validated_at is None


def test_unknown_transaction_is_not_there_yet() -> None:
    """It may be recorded in a moment, so the error is not permanent."""
    with pytest.raises(NotThereYet, match="tx-123"):
        transaction_validate(data=validation())
