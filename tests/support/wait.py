"""Waiting for a condition with a deadline, in place of sleeping."""

import time
from collections.abc import Callable

DEADLINE = 60.0


def until[T](condition: Callable[[], T], deadline: float = DEADLINE, every: float = 0.02, why: str = "") -> T:
    """Return the first true value of `condition`; fail after `deadline` seconds.

    The deadline is generous because machines stall; a passing test never comes near it.
    """
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline} s: {why or condition}; last value {value!r}")
        time.sleep(every)
