"""What the overview page shows: what needs attention, totals, and a row for each queue."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType

from queues.admin.words import NOTHING, ago, count, duration, parts
from queues.models import Queue
from queues.monitoring.overview import QueueStatus

PAUSED: Final = "Paused."
RESUMED: Final = "Resumed."


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One total: its name, its numbers with their units, and whether it calls for a look."""

    name: str
    parts: list[tuple[str, str]]
    bad: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention:
    """One line above all: which queues, and what is the matter with them."""

    kind: str
    names: list[str]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One queue of the table, in words."""

    name: str
    is_up: bool
    is_paused: bool
    waiting: str
    active: str
    delayed: str
    failed: str
    completed: str
    oldest: str
    has_failed: bool


def row(status: QueueStatus) -> Row:
    """Return a queue's row."""
    stats = status.stats
    if stats is None:
        counts = dict.fromkeys(("waiting", "active", "delayed", "failed", "completed", "oldest"), NOTHING)
        return Row(name=status.name, is_up=False, is_paused=False, has_failed=False, **counts)
    return Row(
        name=status.name,
        is_up=True,
        is_paused=stats.is_paused,
        has_failed=stats.failed > 0,
        oldest=duration(stats.oldest_waiting),
        **{str(state): count(number) for state, number in stats.counts.items()},
    )


def tiles(statuses: Sequence[QueueStatus]) -> list[Tile]:
    """Return the totals over the queues that answer."""
    up = [status.stats for status in statuses if status.stats is not None]
    oldest = max((stats.oldest_waiting or timedelta(0) for stats in up), default=timedelta(0))
    failed = sum(stats.failed for stats in up)
    return [
        Tile(name="Waiting", parts=[(count(sum(stats.waiting for stats in up)), "")]),
        Tile(name="Oldest waiting", parts=parts(oldest or None)),
        Tile(name="Active", parts=[(count(sum(stats.active for stats in up)), "")]),
        Tile(name="Delayed", parts=[(count(sum(stats.delayed for stats in up)), "")]),
        Tile(name="Failed", parts=[(count(failed), "")], bad=failed > 0),
        Tile(name="Completed", parts=[(count(sum(stats.completed for stats in up)), "")]),
    ]


def attention(statuses: Sequence[QueueStatus], now: datetime) -> list[Attention]:
    """Return what an operator should know first: queues that are down, then those that are paused."""
    down: dict[str, list[str]] = {}
    for status in statuses:
        if status.error is not None:
            down.setdefault(status.error, []).append(status.name)
    found = [Attention(kind="bad", names=names, text=f"down: {error}") for error, names in down.items()]
    paused = [status for status in statuses if status.stats is not None and status.stats.is_paused]
    by = last_pauses([status.name for status in paused]) if paused else {}
    for status in paused:
        waiting = status.stats.waiting if status.stats else 0
        text = f"paused: nothing starts, {count(waiting)} waiting."
        entry = by.get(status.name)
        if entry is not None:
            text += f" Last paused here by {entry.user.get_username()}, {ago(entry.action_time, now)}."
        found.append(Attention(kind="warn", names=[status.name], text=text))
    return found


def last_pauses(names: Sequence[str]) -> dict[str, LogEntry]:
    """Return, by queue, the admin's own entry of its last pause."""
    content_type = ContentType.objects.get_for_model(Queue)
    entries = LogEntry.objects.filter(content_type=content_type, object_id__in=names, change_message=PAUSED)
    return {str(entry.object_id): entry for entry in entries.select_related("user").order_by("action_time")}
