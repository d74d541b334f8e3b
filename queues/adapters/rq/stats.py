"""`manage.py rqstats`: django-rq's command, on a look at Redis that changes nothing.

Its own would retry or fail jobs of plain RQ while it counts, and ends in an error when the oldest
waiting job does not say when it was enqueued.
"""

from typing import Any

from django.core.management.base import CommandError
from django_rq.management.commands import rqstats

from queues.adapters.rq.connection import translated
from queues.adapters.rq.pages import rebound, statistics
from queues.errors import QueueMisconfigured, QueueUnavailable

_COUNTS: dict[str, object] = {"get_statistics": statistics}


class Command(rqstats.Command):
    """Prints how many jobs and workers each queue has; --json, --yaml and --interval as in django-rq."""

    def handle(self, *args: Any, **options: Any) -> None:
        """Print. Raises CommandError when a server does not answer."""
        try:
            with translated("counting"):
                rebound(rqstats.Command.handle, _COUNTS)(self, *args, **options)
        except (QueueUnavailable, QueueMisconfigured) as exc:
            raise CommandError(exc.message) from exc
