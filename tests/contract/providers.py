"""The providers that keep the contract: how to build a queue of each, and how its time passes.

A new provider registers here and nowhere else; the suite then runs over it.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import pytest

from queues.adapters.base import AdapterQueue
from queues.conf import QueueConf
from tests.support.wait import until


class Clock:
    """A clock that runs with the real one and can be put forward."""

    def __init__(self) -> None:
        """Start at the real time."""
        self.ahead = 0.0

    def __call__(self) -> float:
        """Return seconds since the epoch."""
        return time.time() + self.ahead


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One provider while it is open.

    `build` makes a queue from its settings; `reopen` one that knows what another process of
    the provider would know; `advance` lets seconds pass, as the provider counts them.
    """

    name: str
    build: Callable[[QueueConf], AdapterQueue]
    reopen: Callable[[AdapterQueue], AdapterQueue]
    advance: Callable[[float], None]

    def make(self, **settings: Any) -> AdapterQueue:
        """Return a queue under a name of its own."""
        return self.build(QueueConf(**{"name": f"contract-{uuid4().hex[:12]}", **settings}))


@contextmanager
def memory(request: pytest.FixtureRequest) -> Iterator[Provider]:
    """Open the memory provider; its time is put forward."""
    from queues.adapters.memory import MemoryQueue

    clock = Clock()

    def advance(seconds: float) -> None:
        clock.ahead += seconds

    yield Provider(
        name="memory",
        build=lambda conf: MemoryQueue(conf, clock=clock),
        reopen=lambda queue: queue,
        advance=advance,
    )


@contextmanager
def rq(request: pytest.FixtureRequest) -> Iterator[Provider]:
    """Open RQ over a real Valkey; its time is the server's and has to be waited for."""
    from queues.adapters.rq import RQQueue

    server = request.getfixturevalue("valkey")

    def now() -> float:
        seconds, micro = server.client().time()
        return float(seconds) + micro / 1_000_000

    def advance(seconds: float) -> None:
        end = now() + seconds
        until(lambda: now() >= end, why=f"{seconds} s pass on the server")

    def build(conf: QueueConf) -> AdapterQueue:
        return RQQueue(replace(conf, connection={"URL": server.url}))

    yield Provider(name="rq", build=build, reopen=lambda queue: RQQueue(queue.conf), advance=advance)


PROVIDERS: Mapping[str, Callable[[pytest.FixtureRequest], Any]] = {"memory": memory, "rq": rq}
