"""Publish what was accepted and is not published, and what the provider has lost, until told to stop."""

import logging
import signal
import threading
from argparse import ArgumentParser
from types import FrameType
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError
from django.db import close_old_connections

from queues.durability.outbox import OutboxQueue, recorded
from queues.errors import QueueError

PERIOD_SECONDS: Final = 1.0
log: Final = logging.getLogger("queues.durability")


class Command(BaseCommand):
    """Relays the queues that keep records, once a second, until TERM or INT; several at once are safe.

    Workers do the same all the while; this is for times when none runs. An outage of the provider
    or of the database is waited for. With --once there is one pass, and the exit code is 1 when a
    queue could not be relayed.
    """

    help = "Publishes accepted jobs that are not published yet, and those that the provider has lost."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the queues, and whether one pass is enough."""
        parser.add_argument("queues", nargs="*", help="queue names; all queues when none is given")
        parser.add_argument("--once", action="store_true", help="make one pass and end")

    def handle(self, *_: Any, **options: Any) -> None:
        """Relay."""
        try:
            queues = recorded(options["queues"])
        except QueueError as exc:
            raise CommandError(exc.message) from exc
        if options["once"]:
            self._once(queues)
        else:
            _until_told(queues)

    def _once(self, queues: list[OutboxQueue]) -> None:
        errors = []
        for queue in queues:
            try:
                self.stdout.write(f"{queue.name:24}published {queue.relay()}")
            except QueueError as exc:
                errors.append(f"{queue.name}: {exc.message}")
        if errors:
            raise CommandError("\n".join(errors))


def _until_told(queues: list[OutboxQueue]) -> None:
    told = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        told.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    away: set[str] = set()
    log.info("relay started", extra={"queues": [queue.name for queue in queues]})
    try:
        while not told.wait(PERIOD_SECONDS):
            for queue in queues:
                _relay(queue, away)
            close_old_connections()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _relay(queue: OutboxQueue, away: set[str]) -> None:
    """Relay one queue; say once when an outage begins, and once when it is over."""
    try:
        moved = queue.relay()
    except QueueError as exc:
        if queue.name not in away:
            away.add(queue.name)
            log.warning("cannot relay", extra={"queue": queue.name, "error": exc.message})
        return
    if queue.name in away:
        away.discard(queue.name)
        log.warning("relaying again", extra={"queue": queue.name})
    if moved:
        log.info("relayed", extra={"queue": queue.name, "jobs": moved})
