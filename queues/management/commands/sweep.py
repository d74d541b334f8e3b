"""Return dead workers' jobs to waiting and forget what outlived its age: one pass, from anywhere."""

import json
from argparse import ArgumentParser
from dataclasses import asdict, dataclass
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from queues.conf import queue_conf
from queues.errors import QueueError
from queues.registry import registry


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What a pass over one queue did, and how the queue stands after it."""

    queue: str
    swept: int
    waiting: int
    active: int
    delayed: int
    completed: int
    failed: int


class Command(BaseCommand):
    """Sweeps every queue once, as each worker does all the while; needs no worker.

    Prints a line for each queue. A queue whose provider does not answer is reported, the others
    are swept all the same, and the exit code is 1.
    """

    help = "Returns jobs whose worker died to waiting, and forgets those that outlived their retention age."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the queues, and how to print."""
        parser.add_argument("queues", nargs="*", help="queue names; all queues when none is given")
        parser.add_argument("--json", action="store_true", help="print one JSON list")

    def handle(self, *_: Any, **options: Any) -> None:
        """Sweep once."""
        names = options["queues"] or list(registry)
        try:
            for name in names:
                queue_conf(name)
        except QueueError as exc:
            raise CommandError(exc.message) from exc
        done, errors = _sweep_all(names)
        if options["json"]:
            self.stdout.write(json.dumps([asdict(swept) for swept in done]))
        else:
            for swept in done:
                self.stdout.write(_line(swept))
        if errors:
            raise CommandError("\n".join(errors))


def _sweep_all(names: list[str]) -> tuple[list[Swept], list[str]]:
    done, errors = [], []
    for name in names:
        try:
            done.append(_sweep(name))
        except QueueError as exc:
            errors.append(f"{name}: {exc.message}")
    return done, errors


def _sweep(name: str) -> Swept:
    swept = registry[name].sweep()
    stats = registry[name].get_stats()
    return Swept(
        queue=name,
        swept=swept,
        waiting=stats.waiting,
        active=stats.active,
        delayed=stats.delayed,
        completed=stats.completed,
        failed=stats.failed,
    )


def _line(swept: Swept) -> str:
    counts = {key: value for key, value in asdict(swept).items() if key != "queue"}
    return f"{swept.queue:24}" + "  ".join(f"{key} {value}" for key, value in counts.items())
