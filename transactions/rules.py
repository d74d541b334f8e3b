"""The named rules of a validation: each looks at a transaction and says what is wrong with it.

A rule is a pure function of what it is given, so that a validation that runs twice decides
the same. Another rule is another function here, under `@rule`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from queues import InvalidPayload
from transactions.conf import Policy
from transactions.money import from_minor


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What rules look at; the amount is in minor units of the currency."""

    amount_minor: int
    currency: str
    risk_score: Decimal
    policy: Policy


# A rule returns what is wrong, or "" when nothing is.
type Rule = Callable[[Subject], str]

_rules: Final[dict[str, Rule]] = {}


def rule(function: Rule) -> Rule:
    """Register a rule under its function's name and return it unchanged."""
    _rules[function.__name__] = function
    return function


def rule_names() -> list[str]:
    """Return the names of all rules, sorted."""
    return sorted(_rules)


def check_rule(name: object) -> str:
    """Return `name` when there is such a rule; raise InvalidPayload, listing them, otherwise."""
    if isinstance(name, str) and name in _rules:
        return name
    raise InvalidPayload(f"There is no rule {name!r:.40}; there are {', '.join(rule_names())}.", field="rules")


def apply_rule(name: str, subject: Subject) -> str:
    """Return what the named rule finds wrong, or "". Raises InvalidPayload for an unknown rule."""
    return _rules[check_rule(name)](subject)


@rule
def amount_check(subject: Subject) -> str:
    """Find amounts above the policy's limit."""
    if subject.amount_minor <= subject.policy.amount_limit:
        return ""
    return f"the amount is above {from_minor(subject.policy.amount_limit, subject.currency)} {subject.currency}"


@rule
def fraud_detection(subject: Subject) -> str:
    """Find transactions whose expected loss, the amount times its risk, is above the policy's limit."""
    if subject.amount_minor * subject.risk_score <= subject.policy.loss_limit:
        return ""
    limit = from_minor(subject.policy.loss_limit, subject.currency)
    return f"the amount times its risk score is above {limit} {subject.currency}"


@rule
def currency_supported(subject: Subject) -> str:
    """Find currencies that the policy does not name, if it names any."""
    if not subject.policy.currencies or subject.currency in subject.policy.currencies:
        return ""
    return f"{subject.currency} is not supported"
