"""One queue on RQ: the worker's half of the port."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, cast
from uuid import uuid4

import msgspec

from queues.adapters.rq.connection import client, translated
from queues.adapters.rq.keys import decode_id
from queues.adapters.rq.wire import LogEntry, read_data, read_options, read_time
from queues.jobs import JobOptions
from queues.packed import milliseconds
from queues.ports import Consumer, Delivery, GenericQueue, Outcome, Settled, Settlement

if TYPE_CHECKING:
    from queues.adapters.rq.queue import RQQueue

ERROR_CHARACTERS: Final = 8000
LONGEST_BLOCK: Final = 5.0
SHORTEST_BLOCK: Final = 0.001
WAKE_SECONDS: Final = 10
type Keeps = tuple[tuple[str, str], tuple[str, str]]
_ENTRY: Final = msgspec.json.Encoder()


class RQDelivery(Delivery):
    """A delivery that knows its id and options as Redis has them."""

    __slots__ = ("encoded_id", "keeps")

    encoded_id: str
    keeps: Keeps


class RQConsumer(Consumer):
    """Takes jobs from an RQQueue."""

    def __init__(self, queue: RQQueue, worker: str) -> None:
        """Take jobs of `queue` in the name of `worker`; wait on a connection of its own."""
        super().__init__(cast("GenericQueue[object]", queue), worker)
        self._queue = queue
        self._terms = (queue.conf.lease.total_seconds(), worker, queue.conf.lowest_first_every)
        # A blocking read outlasts the usual reply time; it must not be cut off while idle.
        self._blocking = client(queue.conf.connection, reply_seconds=LONGEST_BLOCK * 3)
        self._wake_key = f"rq:mq:{queue.name}:wake:{uuid4().hex}"
        self._due: float | None = None
        self._woken = threading.Event()

    def _take(self, limit: int) -> list[Delivery]:
        """Take up to `limit` jobs; see the port."""
        return self._read(self._queue.call("reserve", limit, *self._terms))

    def _read(self, reply: list[Any]) -> list[Delivery]:
        now = float(reply[0])
        self._due = float(reply[1]) if reply[1] else None
        return [self._delivery(now, *reply[at : at + 7]) for at in range(2, len(reply), 7)]

    def _delivery(  # noqa: PLR0917 - as lua/common.lua returns them
        self,
        now: float,
        encoded_id: bytes,
        token: bytes,
        data: bytes,
        packed: bytes,
        runs: int,
        created: bytes,
        entered: bytes,
    ) -> Delivery:
        name, body = read_data(data)
        options, keeps = _read_options(packed)
        at = read_time(entered or created)
        encoded = encoded_id.decode()
        delivery = RQDelivery(
            consumer=self,
            id=decode_id(encoded),
            name=name,
            body=body,
            token=token.decode(),
            attempt=runs,
            attempts=options.attempts,
            timeout=options.timeout.total_seconds(),
            backoff=options.backoff,
            waited=max(0.0, now - at.timestamp()) if at else 0.0,
        )
        delivery.encoded_id, delivery.keeps = encoded, keeps
        return delivery

    def wait(self, seconds: float) -> None:
        """Block until there may be a job; see the port."""
        if self._woken.is_set():
            self._woken.clear()
            return
        seconds = min(seconds, LONGEST_BLOCK)
        if self._due is not None:
            seconds = min(seconds, self._due)
        # BLPOP takes 0 for ever, and rounds to the millisecond.
        if seconds >= SHORTEST_BLOCK:
            with translated(f"waiting on {self._queue.name}"):
                self._blocking.blpop([self._wake_key, self._queue.keys[10]], timeout=seconds)
        self._due = None
        self._woken.clear()

    def wake(self) -> None:
        """End a wait; see the port."""
        self._woken.set()
        with translated(f"waking {self.worker}"):
            pipe = self._queue._client.pipeline()  # noqa: SLF001 - the worker half of the same adapter
            pipe.rpush(self._wake_key, "1")
            pipe.expire(self._wake_key, WAKE_SECONDS)
            pipe.execute()

    def settle(self, settlements: Sequence[Settlement], *, reserve: int = 0) -> Settled:
        """End runs; see the port."""
        groups: dict[tuple[Any, ...], list[Settlement]] = {}
        for settlement in settlements:
            groups.setdefault(_group(settlement), []).append(settlement)
        arguments: list[Any] = [reserve, *self._terms, len(groups)]
        for group, members in groups.items():
            arguments += group
            arguments.append(len(members))
            for settlement in members:
                delivery = _ours(settlement.delivery)
                arguments += (delivery.encoded_id, delivery.token)
                if group[-1]:
                    arguments += (_text(settlement), _entry(settlement) if settlement.error else "")
        refused, reserved = self._queue.call("settle", *arguments)
        if refused:
            ordered = [settlement.delivery for members in groups.values() for settlement in members]
            return Settled([ordered[at] for at in refused], self._read(reserved))
        return Settled([], self._read(reserved))

    def extend(self, deliveries: Sequence[Delivery], seconds: float) -> list[Delivery]:
        """Let leases end later; see the port."""
        held = [f"{_ours(delivery).encoded_id}:{delivery.token}" for delivery in deliveries]
        lost = self._queue.call("extend", seconds, *held, safe_twice=True)
        return [deliveries[at] for at in lost]


def _ours(delivery: Delivery) -> RQDelivery:
    if not isinstance(delivery, RQDelivery):
        raise TypeError("A delivery is settled through the consumer that reserved it.")
    return delivery


def _group(settlement: Settlement) -> tuple[Any, ...]:
    """Return what settlements that end alike share, as lua/settle.lua takes it."""
    outcome = settlement.outcome
    texts = int(bool(settlement.error) or settlement.result != b"null")
    if outcome is Outcome.COMPLETE:
        return ("c", 0, 1, *_ours(settlement.delivery).keeps[0], texts)
    if outcome is Outcome.FAIL:
        return ("f", 0, 1, *_ours(settlement.delivery).keeps[1], 1)
    counts = int(settlement.counts)
    return (
        ("l", 0, counts, "", "", texts)
        if outcome is Outcome.RELEASE
        else ("r", milliseconds(settlement.after), counts, "", "", texts)
    )


def _text(settlement: Settlement) -> str | bytes:
    return settlement.error if settlement.outcome is Outcome.FAIL else settlement.result


@lru_cache(maxsize=1024)
def _read_options(packed: bytes) -> tuple[JobOptions, Keeps]:
    """Return a job's options and retentions; one that cannot be read gets the defaults (Case B24)."""
    options = read_options(packed)
    return (JobOptions(), _keeps("")) if options is None else (options, _keeps(packed.decode()))


def _keeps(packed: str) -> Keeps:
    """Return the retention of completed and of failed jobs, each as a count and an age in ms."""
    if not packed:
        return ("100", ""), ("50", "")
    completed, failed = (("", text[1:]) if text.startswith("a") else (text, "") for text in packed.split("|")[-2:])
    return completed, failed


def _entry(settlement: Settlement) -> bytes:
    entry = LogEntry(
        settlement.delivery.attempt, round(settlement.ran_for * 1000), settlement.error[-ERROR_CHARACTERS:]
    )
    return _ENTRY.encode(entry)
