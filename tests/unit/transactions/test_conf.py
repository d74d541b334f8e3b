"""The TRANSACTIONS setting is read whole or refused with what to write."""

from decimal import Decimal

import pytest
from pytest_django import Settings

from queues import QueueMisconfigured
from transactions.conf import Policy, check_settings, policy


def test_nothing_set_gives_the_defaults(settings: Settings) -> None:
    """A project that sets nothing is checked by the defaults."""
    assert policy() == Policy()
    assert check_settings() == []


def test_setting_changes_a_limit(settings: Settings) -> None:
    """Each limit is set by its name in capitals."""
    settings.TRANSACTIONS = {"RISK_LIMIT": Decimal("0.5"), "CURRENCIES": ["EUR"]}
    assert policy() == Policy(risk_limit=Decimal("0.5"), currencies=["EUR"])


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ({"RISK_LIMIT": 0.5}, "RISK_LIMIT"),
        ({"RISK_LIMIT": Decimal(0)}, "RISK_LIMIT"),
        ({"RISK_LIMIT": Decimal("NaN")}, "RISK_LIMIT"),
        ({"RISK_LIMIT": Decimal("1.1")}, "RISK_LIMIT"),
        ({"AMOUNT_LIMIT": 0}, "AMOUNT_LIMIT"),
        ({"AMOUNT_LIMIT": True}, "AMOUNT_LIMIT"),
        ({"LOSS_LIMIT": "5"}, "LOSS_LIMIT"),
        ({"CURRENCIES": "USD"}, "CURRENCIES"),
        ({"CURRENCIES": ["BTC"]}, "BTC"),
        ({"LIMIT": 5}, "limit"),
        ([], "TRANSACTIONS"),
    ],
)
def test_wrong_setting_is_a_system_check_error(value: object, named: str, settings: Settings) -> None:
    """What cannot be kept is found at start, and the error names it."""
    settings.TRANSACTIONS = value
    with pytest.raises(QueueMisconfigured, match=named):
        policy()
    [error] = check_settings()
    assert error.id == "transactions.E001"
