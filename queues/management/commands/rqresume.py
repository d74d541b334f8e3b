"""Let jobs start again that rqsuspend held, in place of django-rq's command."""

from typing import Any

from django.core.management.base import BaseCommand

from queues.adapters.rq.keys import SUSPENDED
from queues.management.commands.rqsuspend import on_each_server


class Command(BaseCommand):
    """Ends what rqsuspend, or `rq suspend`, began; a queue that is paused by itself stays so."""

    help = "Lets jobs of all queues on RQ start again."

    def handle(self, *_: Any, **__: Any) -> None:
        """Resume."""
        on_each_server("resuming", lambda server: server.delete(SUSPENDED))
        self.stdout.write("Jobs start again.")
