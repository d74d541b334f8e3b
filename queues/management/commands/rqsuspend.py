"""Hold every queue on RQ, in place of django-rq's command, which asks for a queue named default."""

from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from queues.adapters.rq import RQQueue
from queues.adapters.rq.connection import client, translated
from queues.adapters.rq.keys import SUSPENDED
from queues.errors import QueueError
from queues.management.commands.rqworker import whole
from queues.registry import registry


class Command(BaseCommand):
    """Lets no job start on any server of the queues, until rqresume or for a time; what runs goes on.

    The same as `rq suspend` for each server. To hold one queue alone, pause it.
    """

    help = "Lets no job of any queue on RQ start, until rqresume or for --duration seconds."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take how long."""
        parser.add_argument("-d", "--duration", type=whole, help="seconds after which jobs start again by themselves")

    def handle(self, *_: Any, **options: Any) -> None:
        """Suspend."""
        on_each_server("suspending", lambda server: server.set(SUSPENDED, "1", ex=options["duration"]))
        until = f"for {options['duration']} seconds" if options["duration"] else "until rqresume"
        self.stdout.write(f"No job starts {until}.")


def on_each_server(what: str, call: Callable[[Any], object]) -> None:
    """Make a call to each Redis that has queues. Raises CommandError for one that does not answer."""
    # A queue that keeps records stands before its provider's.
    providers = (getattr(queue, "inner", queue) for queue in map(registry.__getitem__, registry))
    queues = [queue for queue in providers if isinstance(queue, RQQueue)]
    try:
        for server in dict.fromkeys(client(queue.conf.connection) for queue in queues):
            with translated(what):
                call(server)
    except QueueError as exc:
        raise CommandError(exc.message) from exc
