"""Says that the provider is away: once when it begins, once a minute, and when it is back."""

import logging
import threading
import time
from collections.abc import Mapping
from typing import Final

REMIND_SECONDS: Final = 60.0
FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 1.0
# Longer than any pause: a read may succeed where every write is still refused.
QUIET_SECONDS: Final = 2.0
log: Final = logging.getLogger("queues.worker")


class Outage:
    """What all threads of a worker know of their provider. Logs at most one line a second."""

    def __init__(self, providers: Mapping[str, str] | None = None) -> None:
        """Start with the provider there; `providers` says which queues share one, for they share its outages."""
        self._providers = providers or {}
        self._lock = threading.Lock()
        self._since: float | None = None
        self._said = float("-inf")
        self._failed: dict[str, float] = {}
        self._pause = FIRST_PAUSE

    @property
    def lasts(self) -> bool:
        """Say whether the provider was away when last heard of."""
        return self._since is not None

    def seen(self, error: Exception, of: str) -> float:
        """Note a failed call of a queue, or of what else is named; return the seconds to wait before the next."""
        with self._lock:
            now = self._failed[self._providers.get(of, of)] = time.monotonic()
            if self._since is None:
                self._since = now
            if now - self._said >= (REMIND_SECONDS if self._said >= self._since else 1.0):
                self._said = now
                log.warning("provider unavailable", extra={"error": str(error), "for_s": round(now - self._since, 1)})
            self._pause = min(LONGEST_PAUSE, self._pause * 2)
            return self._pause

    def over(self) -> None:
        """Note a call that succeeded; the outage ends when none has failed for a while."""
        if self._since is not None:
            self._end()

    def _end(self) -> None:
        with self._lock:
            last = max(self._failed.values())
            if self._since is not None and time.monotonic() - last > QUIET_SECONDS:
                log.warning("provider available again", extra={"after_s": round(last - self._since, 1)})
                self._since, self._pause = None, FIRST_PAUSE

    def quiet(self, of: str, seconds: float) -> bool:
        """Say whether no call of that queue, or of another of its provider, has failed for so long."""
        return time.monotonic() - self._failed.get(self._providers.get(of, of), float("-inf")) > seconds
