"""System checks: what is wrong in the settings or risky at the provider, and what to write instead."""

from typing import Any, Protocol, runtime_checkable

from django.core.checks import CheckMessage, Error, Warning  # noqa: A004 - Django's name for it
from django.utils.module_loading import import_string

from queues.conf import problems, queue_conf, queue_names
from queues.errors import QueueUnavailable


@runtime_checkable
class Cautious(Protocol):
    """A queue that can tell what its provider's own settings put at risk."""

    def risks(self) -> list[str]:
        """Return a sentence for each risk, with what to set instead; raise QueueUnavailable."""
        ...


def check_settings(**_: Any) -> list[CheckMessage]:
    """Return an error for each setting that cannot be kept."""
    return [Error(problem, id="queues.E001") for problem in problems()]


def check_providers(**_: Any) -> list[CheckMessage]:
    """Return a warning for each risk of a provider; none of one that does not answer. For deployments."""
    if problems():
        return []
    risks: list[str] = []
    asked: set[str] = set()
    for name in queue_names():
        conf = queue_conf(name)
        provider = f"{conf.backend} {conf.connection!r}"
        if provider not in asked:
            asked.add(provider)
            risks += _risks(import_string(conf.backend)(conf))
    return [Warning(risk, id="queues.W001") for risk in dict.fromkeys(risks)]


def _risks(queue: object) -> list[str]:
    try:
        return queue.risks() if isinstance(queue, Cautious) else []
    except QueueUnavailable:
        return []
