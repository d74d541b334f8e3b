"""The once-guard: a run asks the record first, and a second delivery does nothing."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from django.db import InterfaceError, OperationalError, transaction
from django.utils import timezone

from queues.codec import encode_result
from queues.durability import records
from queues.errors import InvalidPayload, RetryLater
from queues.models import JobRecord
from queues.ports import AlreadyEnded, Delivery

# How long a job waits, at no cost to its attempts, when its record cannot be asked or another run holds it.
WAIT: Final = timedelta(seconds=5)
_AWAY: Final = (OperationalError, InterfaceError)


class RecordGuard:
    """Runs a job if its record is still open.

    With `once`, the processor's work in the record's database and the record's change to
    completed commit together, or neither does. A database that does not answer costs no attempt.
    """

    def __init__(self, queue: str, result_bytes: int) -> None:
        """Guard the jobs of one queue; a result larger than that is not kept."""
        self._queue = queue
        self._result_bytes = result_bytes

    def run(self, delivery: Delivery, call: Callable[[], Any], *, once: bool) -> Any:
        """Return what the job returned; raise AlreadyEnded when its record says how it ended.

        Raises RetryLater when the database does not answer, or when another run of the job, whose
        lease was lost, has not ended.
        """
        try:
            record = records.find(self._queue, delivery.id)
        except _AWAY as exc:
            raise _later(exc) from exc
        if record is None:
            # Another producer of this queue added it: it has no record, and gets none.
            return call()
        _refuse_ended(record)
        return self._once(record, delivery, call) if once else call()

    def _once(self, record: JobRecord, delivery: Delivery, call: Callable[[], Any]) -> Any:
        raised: Exception | None = None
        alias = records.alias_of(record)
        mine = JobRecord.objects.using(alias).filter(pk=record.pk)
        try:
            with transaction.atomic(using=alias):
                # Who would wait for a run that hangs would hang with it.
                _refuse_ended(records.locked(mine, nowait=True).get())
                try:
                    value = call()
                except Exception as exc:
                    raised = exc
                    raise
                self._complete(record, delivery, value)
        except _AWAY as exc:
            if exc is raised:
                raise
            raise _later(exc) from exc
        return value

    def _complete(self, record: JobRecord, delivery: Delivery, value: Any) -> None:
        rows = JobRecord.objects.using(records.alias_of(record)).filter(pk=record.pk, state=JobRecord.State.OPEN)
        completed = rows.update(
            state=JobRecord.State.COMPLETED,
            ended_at=timezone.now(),
            result=self._encode(value),
            attempts_made=delivery.attempt,
            error="",
        )
        if not completed:
            raise RetryLater(WAIT, "another run has ended the job meanwhile")

    def _encode(self, value: Any) -> str:
        """Return the result as JSON; one that cannot be kept must not undo the work (the worker reports it)."""
        try:
            return "" if value is None else encode_result(value, limit=self._result_bytes).decode()
        except InvalidPayload:
            return ""


def _later(exc: Exception) -> RetryLater:
    return RetryLater(WAIT, f"its record cannot be had now ({type(exc).__name__})")


def _refuse_ended(record: JobRecord) -> None:
    if record.state != JobRecord.State.OPEN:
        failed = record.state != JobRecord.State.COMPLETED
        raise AlreadyEnded(record.error or record.state if failed else None, record.result.encode() or b"null")
