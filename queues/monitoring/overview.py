"""What every queue says of itself now, all asked at the same time and within one deadline.

A provider that hangs costs its own queues and nothing else: at most one question to a
queue is on its way at a time, and whoever asks meanwhile waits for that answer.
"""

import logging
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final

from django.db import connections

from queues.errors import QueueError, QueueMisconfigured, QueueUnavailable
from queues.jobs import QueueStats
from queues.ports import GenericQueue
from queues.registry import registry

DEADLINE_SECONDS: Final = 2.0
NO_ANSWER: Final = "The provider does not answer."
FAULT: Final = "The provider's answer could not be read; the log says why."

_logger = logging.getLogger(__name__)
_pool: Final = ThreadPoolExecutor(max_workers=64, thread_name_prefix="queue-stats")
_asked: Final[dict[GenericQueue[Any], Future[QueueStats]]] = {}
_lock: Final = Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStatus:
    """A queue's counts, or, when it is down, what is known of why."""

    name: str
    stats: QueueStats | None = None
    error: str | None = None

    @property
    def status(self) -> str:
        """Return "up" or "down"."""
        return "down" if self.stats is None else "up"


def read_queues(names: Sequence[str] | None = None, *, deadline: float = DEADLINE_SECONDS) -> list[QueueStatus]:
    """Return the status of these queues, or of all, in their order, within `deadline` seconds.

    Raises UnknownQueue for a name that no queue has; never because a provider is down.
    """
    asked = {name: ask(name) for name in (list(registry) if names is None else names)}
    wait(asked.values(), timeout=deadline)
    return [_status(name, future) for name, future in asked.items()]


def ask(name: str) -> Future[QueueStats]:
    """Ask a queue for its stats, or join the question that is on its way. Raises UnknownQueue."""
    try:
        queue = registry[name]
    except QueueMisconfigured as exc:
        future: Future[QueueStats] = Future()
        future.set_exception(exc)
        return future
    with _lock:
        pending = _asked.get(queue)
        if pending is None:
            pending = _asked[queue] = _pool.submit(_stats_of, queue)
            pending.add_done_callback(lambda _: _asked.pop(queue, None))
        return pending


def _stats_of(queue: GenericQueue[Any]) -> QueueStats:
    try:
        return queue.get_stats()
    finally:
        # A provider that keeps state in the database opened this thread's own connection.
        connections.close_all()


def _status(name: str, future: Future[QueueStats]) -> QueueStatus:
    if not future.done():
        return QueueStatus(name=name, error=NO_ANSWER)
    try:
        return QueueStatus(name=name, stats=future.result())
    except QueueUnavailable:
        return QueueStatus(name=name, error=NO_ANSWER)
    except QueueError as exc:
        return QueueStatus(name=name, error=exc.message)
    except Exception:
        # A page about what is broken must not break: the queue is shown as down, the log has the trace.
        _logger.exception("The stats of the queue %s could not be read", name)
        return QueueStatus(name=name, error=FAULT)
