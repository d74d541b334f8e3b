"""Each rule finds what it is for, and nothing else."""

from decimal import Decimal

import pytest

from queues import InvalidPayload
from transactions.conf import Policy
from transactions.rules import Subject, apply_rule, rule_names


def subject(
    amount_minor: int = 10_000, currency: str = "USD", risk: str = "0.3", policy: Policy | None = None
) -> Subject:
    """Return what a rule looks at."""
    return Subject(amount_minor=amount_minor, currency=currency, risk_score=Decimal(risk), policy=policy or Policy())


def test_rules_are_those_of_the_registry() -> None:
    """The specification's two rules and ours."""
    assert rule_names() == ["amount_check", "currency_supported", "fraud_detection"]


def test_ordinary_payment_passes_every_rule() -> None:
    """A hundred dollars at a low risk is nothing to look at."""
    assert [apply_rule(name, subject()) for name in rule_names()] == ["", "", ""]


@pytest.mark.parametrize(("amount_minor", "found"), [(500, False), (501, True)])
def test_amount_check_finds_amounts_above_the_limit(amount_minor: int, *, found: bool) -> None:
    """The limit itself is allowed, and the reason names it in the currency."""
    reason = apply_rule("amount_check", subject(amount_minor, policy=Policy(amount_limit=500)))
    assert bool(reason) is found
    assert not found or "5.00 USD" in reason


@pytest.mark.parametrize(("risk", "found"), [("0.5", False), ("0.501", True), ("0", False)])
def test_fraud_detection_finds_expected_losses_above_the_limit(risk: str, *, found: bool) -> None:
    """The amount times its risk is what counts."""
    reason = apply_rule("fraud_detection", subject(1000, "JPY", risk, Policy(loss_limit=500)))
    assert bool(reason) is found
    assert not found or "500 JPY" in reason


@pytest.mark.parametrize(("currencies", "found"), [((), False), (("EUR", "USD"), False), (("EUR",), True)])
def test_currency_supported_finds_those_that_are_not_named(currencies: tuple[str, ...], *, found: bool) -> None:
    """No currency named means every currency in use."""
    reason = apply_rule("currency_supported", subject(policy=Policy(currencies=currencies)))
    assert bool(reason) is found


def test_unknown_rule_is_refused_with_those_that_exist() -> None:
    """The error lists what could have been meant."""
    with pytest.raises(InvalidPayload, match="amount_check, currency_supported, fraud_detection") as caught:
        apply_rule("no_such_rule", subject())
    assert caught.value.field == "rules"
