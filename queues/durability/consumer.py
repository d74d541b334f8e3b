"""A provider's consumer that writes how a job ended before the provider may forget it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, cast

from django.db import close_old_connections, transaction
from django.utils import timezone

from queues.durability import records
from queues.errors import QueueUnavailable
from queues.models import JobRecord
from queues.ports import Consumer, Delivery, GenericQueue, Outcome, Settled, Settlement

if TYPE_CHECKING:
    from queues.durability.outbox import OutboxQueue

# A connection idle for longer may have been closed by the server.
IDLE_SECONDS: Final = 1.0
_FIELDS: Final = ("state", "ended_at", "attempts_made", "error", "result")


class RecordedConsumer(Consumer):
    """Takes jobs through a provider's consumer, and keeps their records."""

    def __init__(self, queue: OutboxQueue, inner: Consumer) -> None:
        """Take the outbox's queue and the provider's consumer."""
        super().__init__(cast("GenericQueue[object]", queue), inner.worker)
        self._inner = inner
        self._lease = queue.conf.lease.total_seconds()
        self._recorded_at = 0.0

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
            self._record(ended)
        settled = self._inner.settle(settlements, reserve=reserve)
        return Settled(settled.refused, self._own(settled.reserved))

    def _record(self, ended: list[Settlement]) -> None:
        if time.monotonic() - self._recorded_at > IDLE_SECONDS:
            close_old_connections()
        try:
            with records.answering():
                self._write(ended)
        except QueueUnavailable:
            # The next try needs a connection that works.
            close_old_connections()
            raise
        self._recorded_at = time.monotonic()

    def _write(self, ended: list[Settlement]) -> None:
        waiting = {settlement.delivery.id: settlement for settlement in ended}
        for alias in records.aliases():
            rows = JobRecord.objects.using(alias)
            found = list(
                rows.filter(queue=self.queue.name, job_id__in=list(waiting), state=JobRecord.State.OPEN).values_list(
                    "pk", "job_id"
                )
            )
            # What a once-guard completed is not open any more: mostly there is nothing to write.
            if found:
                here = {pk: waiting.pop(job_id) for pk, job_id in found}
                self._end(here, alias)

    def _end(self, here: dict[int, Settlement], alias: str) -> None:
        """End open rows. A zombie, whose lease was lost, has no say in whether a job failed; work done is done."""
        failed = [s.delivery for s in here.values() if s.outcome is Outcome.FAIL]
        lost = set(self._inner.extend(failed, self._lease)) if failed else set()
        rows = JobRecord.objects.using(alias).filter(state=JobRecord.State.OPEN)
        with transaction.atomic(using=alias):
            # A row that is locked is being completed by a run that its watchdog gave up; reconcile ends it if not.
            mine = list(records.locked(rows.filter(pk__in=list(here)), skip_locked=True))
            ending = [row for row in mine if here[row.pk].delivery not in lost]
            for row in ending:
                for field, value in _values(here[row.pk]).items():
                    setattr(row, field, value)
            rows.bulk_update(ending, _FIELDS)

    def extend(self, deliveries: Sequence[Delivery], seconds: float) -> list[Delivery]:
        """Let leases end later; see the port."""
        return self._inner.extend(deliveries, seconds)

    def wake(self) -> None:
        """End a wait; see the port."""
        self._inner.wake()

    def close(self) -> None:
        """Give back connections; see the port."""
        self._inner.close()


def _values(settlement: Settlement) -> dict[str, Any]:
    completed = settlement.outcome is Outcome.COMPLETE
    return {
        "state": JobRecord.State.COMPLETED if completed else JobRecord.State.FAILED,
        "ended_at": timezone.now(),
        "attempts_made": settlement.delivery.attempt,
        "error": "" if completed else records.without_nul(settlement.error),
        "result": settlement.result.decode() if completed and settlement.result != b"null" else "",
    }
