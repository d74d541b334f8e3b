"""Queues by name, built from settings once per process, as CACHES and DATABASES are.

Tests put other queues in their place with `override()`.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import Any, Final

from django.utils.module_loading import import_string

from queues.conf import QueueConf, queue_conf, queue_names
from queues.names import QueueName
from queues.ports import GenericQueue

# By its path, for records are above this module.
OUTBOX: Final = "queues.durability.outbox.OutboxQueue"


class QueueRegistry:
    """Every queue that is configured, each built when it is first asked for."""

    def __init__(self) -> None:
        """Start with no queue built."""
        self._queues: dict[str, GenericQueue[Any]] = {}
        self._overrides: list[Mapping[str, GenericQueue[Any]] | str] = []
        self._lock = Lock()

    def __getitem__(self, name: str) -> GenericQueue[Any]:
        """Return a queue; raise UnknownQueue, listing those that exist, or QueueMisconfigured."""
        name = str(name)
        queue = self._queues.get(name)
        if queue is None:
            with self._lock:
                queue = self._queues.get(name) or self._queues.setdefault(name, self._build(name))
        return queue

    def __iter__(self) -> Iterator[str]:
        """Return the names of all queues, the specification's first."""
        return iter(queue_names())

    def _build(self, name: str) -> GenericQueue[Any]:
        backend: str | None = None
        for override in reversed(self._overrides):
            if isinstance(override, str):
                backend = override
                break
            given: GenericQueue[Any] | None = override.get(name)
            if given is not None:
                return given
        conf = queue_conf(name)
        build: Callable[[QueueConf], GenericQueue[Any]] = import_string(backend or conf.backend)
        queue = build(conf)
        if backend is None and conf.record == "accepted":
            queue = import_string(OUTBOX)(queue)
        return queue

    @contextmanager
    def override(self, queues: Mapping[str, GenericQueue[Any]] | str) -> Iterator["QueueRegistry"]:
        """Use these queues, or every queue on this backend (a dotted path), inside the block.

        A mapping leaves the queues that it does not name as they are, and its own are the caller's
        to close. Overrides nest.
        """
        named = {} if isinstance(queues, str) else queues
        with self._lock:
            self._overrides.append(queues)
            before = self._queues
            self._queues = {} if isinstance(queues, str) else {**before, **named}
        try:
            yield self
        finally:
            with self._lock:
                self._overrides.remove(queues)
                built, self._queues = self._queues, before
            for name, queue in built.items():
                if queue not in (named.get(name), before.get(name)):
                    queue.close()

    def close(self) -> None:
        """Give back every connection; queues are built anew when next asked for."""
        with self._lock:
            built, self._queues = self._queues, {}
        for queue in built.values():
            queue.close()


registry = QueueRegistry()


def get_queue(name: str = QueueName.DATA_PROCESSING) -> GenericQueue[Any]:
    """Return the queue of that name; raise UnknownQueue, listing those that exist."""
    return registry[name]
