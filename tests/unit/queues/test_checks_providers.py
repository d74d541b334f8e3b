"""A deployment is warned of a Redis that would throw jobs away."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core import checks
from django.core.checks import Warning  # noqa: A004 - Django's name for it
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from pytest_django.fixtures import Settings

from queues.checks import check_providers
from tests.support.valkey import Valkey, free_port

SAYS = "maxmemory-policy"


@pytest.fixture
def policy(valkey: Valkey) -> Iterator[Any]:
    """Set the run's Valkey's policy; undone afterwards."""
    client = valkey.client()
    yield lambda value: client.config_set("maxmemory-policy", value)
    client.config_set("maxmemory-policy", "noeviction")


def use(settings: Settings, *urls: str) -> None:
    """Let the first queues use these servers, and all others the first of them."""
    names = ["default", "data-processing", "file-processing"]
    settings.QUEUES = {name: {"CONNECTION": {"URL": url}} for name, url in zip(names, urls, strict=False)}


def test_it_is_asked_at_deployment_only() -> None:
    """Case B46: `check --deploy` asks Redis; a plain start does not wait for it."""
    assert check_providers in checks.registry.registry.get_checks(include_deployment_checks=True)
    assert check_providers not in checks.registry.registry.get_checks()


@pytest.mark.parametrize("value", ["allkeys-lru", "volatile-ttl"])
def test_a_policy_that_evicts_is_a_warning(settings: Settings, valkey: Valkey, policy: Any, value: str) -> None:
    """Case B46: it names the policy and what to set, once for all queues of a Redis."""
    use(settings, valkey.url)
    policy(value)

    [warning] = check_providers()

    assert isinstance(warning, Warning)
    assert warning.id == "queues.W001"
    assert value in warning.msg and "maxmemory-policy to noeviction" in warning.msg


def test_it_stops_a_deployment_that_asks_for_it(settings: Settings, valkey: Valkey, policy: Any) -> None:
    """Case B46: `check --deploy --fail-level WARNING` fails by it."""
    use(settings, valkey.url)
    policy("allkeys-random")

    with pytest.raises(SystemCheckError, match=SAYS):
        call_command("check", deploy=True, fail_level="WARNING")


def test_noeviction_is_right(settings: Settings, valkey: Valkey) -> None:
    """Nothing is said of a Redis that refuses instead of evicting."""
    use(settings, valkey.url)

    assert check_providers() == []


def test_a_redis_that_does_not_answer_is_passed_over(settings: Settings, valkey: Valkey, policy: Any) -> None:
    """A build machine has no Redis: that is no fault; the next one is still asked."""
    use(settings, f"redis://127.0.0.1:{free_port()}/0", valkey.url)
    policy("allkeys-lru")

    assert [message.id for message in check_providers()] == ["queues.W001"]


def test_settings_that_are_wrong_are_left_to_the_other_check(settings: Settings) -> None:
    """One fault, one message."""
    settings.QUEUES = {"default": {"BACKEND": "no.such.Queue"}}

    assert check_providers() == []


def test_a_provider_without_such_risks_has_none(settings: Settings) -> None:
    """Queues in memory have no Redis to ask."""
    settings.QUEUES = {"default": {"BACKEND": "queues.adapters.memory.MemoryQueue"}}

    assert check_providers() == []
