"""Job options as one short text: `priority|attempts|kind:base:cap:jitter|timeout|keep completed|keep failed`.

Durations are whole milliseconds. Short, because it is kept with every job.
"""

from datetime import timedelta
from functools import lru_cache
from typing import Literal, cast

from queues.jobs import MILLISECOND, Backoff, JobOptions, Retention
from queues.priorities import Priority


def milliseconds(duration: timedelta) -> int:
    """Return a duration as whole milliseconds, the smallest at 1."""
    return max(1, round(duration / MILLISECOND)) if duration else 0


@lru_cache(maxsize=1024)
def pack(options: JobOptions) -> str:
    """Return options as the text."""
    backoff = options.backoff
    return "|".join(
        (
            str(options.priority.value),
            str(options.attempts),
            f"{backoff.kind}:{milliseconds(backoff.base)}:{milliseconds(backoff.cap)}:{backoff.jitter:g}",
            str(milliseconds(options.timeout)),
            _pack_retention(options.remove_on_complete, "remove_on_complete"),
            _pack_retention(options.remove_on_fail, "remove_on_fail"),
        )
    )


def _pack_retention(value: object, name: str) -> str:
    retention = Retention.parse(value, name)
    if retention.age is not None:
        return f"a{milliseconds(retention.age)}"
    return "" if retention.count is None else str(retention.count)


@lru_cache(maxsize=1024)
def unpack(packed: str) -> JobOptions:
    """Return the options that `pack` was given, without delay and job id.

    A job that RQ itself enqueued has none: it gets the defaults.
    """
    if not packed:
        return JobOptions()
    priority, attempts, backoff, timeout, keep_completed, keep_failed = packed.split("|")
    kind, base, cap, jitter = backoff.split(":")
    return JobOptions(
        priority=Priority(int(priority)),
        attempts=int(attempts),
        backoff=Backoff(
            kind=cast(Literal["fixed", "exponential"], kind),
            base=int(base) * MILLISECOND,
            cap=int(cap) * MILLISECOND,
            jitter=float(jitter),
        ),
        timeout=int(timeout) * MILLISECOND,
        remove_on_complete=_unpack_retention(keep_completed),
        remove_on_fail=_unpack_retention(keep_failed),
    )


def _unpack_retention(text: str) -> Retention | int | None:
    if text.startswith("a"):
        return Retention(age=int(text[1:]) * MILLISECOND)
    return int(text) if text else None
