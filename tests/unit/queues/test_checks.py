"""The system check is registered, so `manage.py check` and every start run it."""

import pytest
from django.core import checks
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from pytest_django.fixtures import Settings

from queues.checks import check_settings

pytestmark = pytest.mark.django_db


def test_the_check_is_registered() -> None:
    """Django runs it with its own."""
    assert check_settings in checks.registry.registry.get_checks()


def test_a_wrong_setting_stops_the_command(settings: Settings) -> None:
    """The message says what to write instead."""
    settings.QUEUES = {"default": {"CRASH_LIMIT": 0}}

    with pytest.raises(SystemCheckError, match="at least 1"):
        call_command("check")


def test_right_settings_pass(settings: Settings) -> None:
    """Nothing is said of queues, and nothing is connected to."""
    settings.QUEUES = {"default": {"CONNECTION": {"URL": "redis://192.0.2.1:1/0"}}}

    assert [message for message in checks.run_checks() if message.id.startswith("queues")] == []
