"""What the demo shows: a progress bar, and tables in plain text."""

import re
import sys
import threading
import time
from collections.abc import Sequence
from typing import TextIO

from demo.agreement import Check
from demo.commands import Book
from demo.plan import Kind
from demo.services import USER, Services

WIDTH = 40
REDRAW_SECONDS = 0.1
NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")


class Progress:
    """A bar on a terminal; elsewhere one line for each tenth. Threads may advance it."""

    def __init__(self, total: int, *, stream: TextIO = sys.stdout) -> None:
        """Count up to `total` steps."""
        self.total = total
        self.done = 0
        self._stream = stream
        self._drawn_at = 0.0
        self._tenths = 0
        self._started = time.monotonic()
        self._lock = threading.Lock()

    def advance(self) -> None:
        """Note that one more step is done."""
        with self._lock:
            self.done += 1
            if self._is_due():
                self._draw()

    def _is_due(self) -> bool:
        if self._stream.isatty():
            return self.done >= self.total or time.monotonic() - self._drawn_at > REDRAW_SECONDS
        return self.done * 10 // self.total > self._tenths

    def _draw(self) -> None:
        share = self.done / self.total
        bar = "#" * round(WIDTH * share)
        line = f"[{bar:-<{WIDTH}}] {self.done}/{self.total} commands ended, {time.monotonic() - self._started:.0f} s"
        is_terminal = self._stream.isatty()
        end = "\n" if self.done >= self.total or not is_terminal else ""
        self._stream.write(f"\r{line}{end}" if is_terminal else f"{line}{end}")
        self._stream.flush()
        self._drawn_at = time.monotonic()
        self._tenths = self.done * 10 // self.total


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a table as text: the first column to the left, numbers to the right."""
    cells = [list(header), *[[str(cell) for cell in row] for row in rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    rule = "  ".join("-" * width for width in widths)
    lines = [_line(row, widths) for row in cells]
    return "\n".join(["", title, "", lines[0], rule, *lines[1:]])


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    columns = [
        cell.rjust(width) if NUMBER.fullmatch(cell) else cell.ljust(width)
        for cell, width in zip(row, widths, strict=True)
    ]
    return "  ".join(columns).rstrip()


def commands_table(book: Book) -> str:
    """Return what was accepted of each kind, and what became of it."""
    rows = []
    for kind in Kind:
        ends = [end for end in book.ended if end.command.kind is kind]
        accepted = sum(command.kind is kind for command in book.accepted)
        done = sum(end.done for end in ends)
        rows.append([kind, accepted, done, len(ends) - done, sum(end.retries for end in ends)])
    rows.append(["together", *(sum(column) for column in zip(*(row[1:] for row in rows), strict=True))])
    text = table("Commands", ["kind", "accepted", "done", "failed", "retried"], rows)
    unseen = sum(not end.seen for end in book.ended)
    if unseen:
        text += f"\n({unseen} jobs had left their queue before they were asked for; retries of theirs are not counted.)"
    return text


def checks_table(checks: Sequence[Check]) -> str:
    """Return every comparison, and below it what differs."""
    rows = [[check.what, check.expected, check.found, "agrees" if check.agrees else "DISAGREES"] for check in checks]
    text = table("Agreement", ["what", "expected", "found", ""], rows)
    differing = [f"{check.what}: {detail}" for check in checks for detail in check.details]
    return "\n".join([text, *(["", *differing] if differing else [])])


def logins(services: Services) -> str:
    """Return where to look, and as whom."""
    url = services.url
    pages = {
        "admin": f"{url}/admin/",
        "queues": f"{url}/admin/queues/queue/",
        "RQ's pages": f"{url}/admin/django-rq/",
        "API schema": f"{url}/api/schema/",
        "API": f"{url}/api/v1/queues/",
        "health": f"{url}/health/",
        "login": f"{USER} / {services.password}",
        "API token": f"Authorization: Token {services.token}",
    }
    lines = [f"  {name:<11}{value}" for name, value in pages.items()]
    return "\n".join(["", "The system stays up until Ctrl-C.", "", *lines])
