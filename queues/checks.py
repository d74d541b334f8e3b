"""System checks: what is wrong in the settings, and what to write instead."""

from typing import Any

from django.core.checks import CheckMessage, Error

from queues.conf import problems


def check_settings(**_: Any) -> list[CheckMessage]:
    """Return an error for each setting that cannot be kept."""
    return [Error(problem, id="queues.E001") for problem in problems()]
