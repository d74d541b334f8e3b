"""Compare what is owed with what the provider knows, and publish again what it has lost: one pass."""

import json
from argparse import ArgumentParser
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from queues.durability.outbox import OutboxQueue, recorded
from queues.errors import QueueError


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """What a pass over one queue did, what is owed after it, and how much of it the provider has."""

    queue: str
    republished: int
    owed: int
    unpublished: int
    known: int
    pruned: int


class Command(BaseCommand):
    """Reconciles every queue that keeps records, as workers do once a minute; needs no worker.

    Prints a line for each queue. A queue whose provider or database does not answer is reported,
    the others are reconciled all the same, and the exit code is 1.
    """

    help = "Publishes again the accepted jobs that the provider no longer knows."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the queues, how to print, and how old records may grow."""
        parser.add_argument("queues", nargs="*", help="queue names; all queues when none is given")
        parser.add_argument("--json", action="store_true", help="print one JSON list")
        parser.add_argument(
            "--prune-days", type=_days, metavar="DAYS", help="delete records of jobs that ended longer ago"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Reconcile once."""
        try:
            queues = recorded(options["queues"])
        except QueueError as exc:
            raise CommandError(exc.message) from exc
        done, errors = [], []
        for queue in queues:
            try:
                done.append(_reconcile(queue, options["prune_days"]))
            except QueueError as exc:
                errors.append(f"{queue.name}: {exc.message}")
        if options["json"]:
            self.stdout.write(json.dumps([asdict(reconciled) for reconciled in done]))
        else:
            for reconciled in done:
                self.stdout.write(_line(reconciled))
        if errors:
            raise CommandError("\n".join(errors))


def _days(text: str) -> timedelta:
    """Read a number of days; argparse reports a ValueError as a wrong argument."""
    if not text.isdecimal():
        raise ValueError(text)
    return timedelta(days=int(text))


def _reconcile(queue: OutboxQueue, keep: timedelta | None) -> Reconciled:
    republished = queue.reconcile()
    pruned = 0 if keep is None else queue.prune(keep)
    stats = queue.get_stats()
    owed, unpublished = queue.owed()
    return Reconciled(
        queue=queue.name,
        republished=republished,
        owed=owed,
        unpublished=unpublished,
        known=stats.waiting + stats.active + stats.delayed,
        pruned=pruned,
    )


def _line(reconciled: Reconciled) -> str:
    counts = {key: value for key, value in asdict(reconciled).items() if key != "queue"}
    return f"{reconciled.queue:24}" + "  ".join(f"{key} {value}" for key, value in counts.items())
