"""A provider's consumer that writes how a job ended before the provider may forget it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from django.db import DatabaseError
from django.utils import timezone

from queues.durability import records
from queues.models import JobRecord
from queues.ports import Consumer, Delivery, GenericQueue, Outcome, Settled, Settlement

if TYPE_CHECKING:
    from queues.durability.outbox import OutboxQueue


class RecordedConsumer(Consumer):
    """Takes jobs through a provider's consumer, and keeps their records."""

    def __init__(self, queue: OutboxQueue, inner: Consumer) -> None:
        """Take the outbox's queue and the provider's consumer."""
        super().__init__(cast("GenericQueue[object]", queue), inner.worker)
        self._inner = inner
        self._lease = queue.conf.lease.total_seconds()

    def _take(self, limit: int) -> list[Delivery]:
        """Take jobs; see the port."""
        return self._own(self._inner.reserve(limit))

    def _own(self, deliveries: list[Delivery]) -> list[Delivery]:
        for delivery in deliveries:
            delivery.consumer = self
        return deliveries

    def wait(self, seconds: float) -> None:
        """Block until there may be a job; see the port."""
        self._inner.wait(seconds)

    def settle(self, settlements: Sequence[Settlement], *, reserve: int = 0) -> Settled:
        """Write how jobs ended, then settle them; a database that is away costs delay and no job."""
        ended = [s for s in settlements if s.outcome in {Outcome.COMPLETE, Outcome.FAIL}]
        if ended:
            try:
                self._record(ended)
            except DatabaseError as exc:
                raise records.unavailable(exc) from exc
        settled = self._inner.settle(settlements, reserve=reserve)
        return Settled(settled.refused, self._own(settled.reserved))

    def _record(self, ended: list[Settlement]) -> None:
        """Write outcomes of runs that still hold their lease; a zombie has no say in how a job ended."""
        lost = set(self._inner.extend([s.delivery for s in ended], self._lease))
        now = timezone.now()
        for settlement in ended:
            delivery = settlement.delivery
            if delivery in lost:
                continue
            completed = settlement.outcome is Outcome.COMPLETE
            values = {
                "state": JobRecord.State.COMPLETED if completed else JobRecord.State.FAILED,
                "ended_at": now,
                "attempts_made": delivery.attempt,
                "error": "" if completed else settlement.error,
                "result": settlement.result.decode() if completed and settlement.result != b"null" else "",
            }
            for alias in records.aliases():
                if records.mark(self.queue.name, [delivery.id], alias, **values):
                    break

    def extend(self, deliveries: Sequence[Delivery], seconds: float) -> list[Delivery]:
        """Let leases end later; see the port."""
        return self._inner.extend(deliveries, seconds)

    def wake(self) -> None:
        """End a wait; see the port."""
        self._inner.wake()

    def close(self) -> None:
        """Give back connections; see the port."""
        self._inner.close()
