"""How many jobs to hold beyond those that run.

As many as the worker ends in PREFETCH_SECONDS, so that threads never wait for a round trip and
no job waits much longer than that behind a busy worker while another is idle. Slow jobs: none.
"""

from typing import Final

PREFETCH_SECONDS: Final = 0.004
MOST: Final = 250
_WEIGHT: Final = 0.3
_SLOW: Final = 1.0


class Prefetch:
    """Adapts to how fast a worker ends jobs. Used by one thread."""

    def __init__(self) -> None:
        """Start as if jobs were slow."""
        self._interval = _SLOW

    def note(self, ended: int, seconds: float) -> None:
        """Take in that `ended` jobs ended within `seconds`, with jobs at hand all the while."""
        interval = min(_SLOW, seconds / ended)
        if self._interval == _SLOW:
            self._interval = interval
        self._interval += _WEIGHT * (interval - self._interval)

    def slow(self) -> None:
        """Take in that held jobs waited too long: hold none until jobs prove fast again."""
        self._interval = _SLOW

    @property
    def extra(self) -> int:
        """Return how many jobs to hold beyond the free threads."""
        return min(MOST, int(PREFETCH_SECONDS / max(self._interval, 1e-6)))
