"""The once-guard: a run asks the record first, and a second delivery does nothing."""

from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.utils import timezone

from queues.codec import encode_result
from queues.durability import records
from queues.models import JobRecord
from queues.ports import AlreadyEnded, Delivery


class RecordGuard:
    """Runs a job if its record is still open.

    With `once`, the processor's work in the record's database and the record's change to
    completed commit together, or neither does.
    """

    def __init__(self, queue: str) -> None:
        """Guard the jobs of one queue."""
        self._queue = queue

    def run(self, delivery: Delivery, call: Callable[[], Any], *, once: bool) -> Any:
        """Return what the job returned; raise AlreadyEnded when its record says how it ended."""
        record = records.find(self._queue, delivery.id)
        if record is None:
            # Another producer of this queue added it: it has no record, and gets none.
            return call()
        _refuse_ended(record)
        if not once:
            return call()
        alias = str(record._state.db)  # noqa: SLF001 - Django's documented place for it
        with transaction.atomic(using=alias):
            locked = JobRecord.objects.using(alias).select_for_update().get(pk=record.pk)
            _refuse_ended(locked)
            value = call()
            locked.state, locked.ended_at = JobRecord.State.COMPLETED, timezone.now()
            locked.result = "" if value is None else encode_result(value).decode()
            locked.attempts_made, locked.error = delivery.attempt, ""
            locked.save(using=alias)
        return value


def _refuse_ended(record: JobRecord) -> None:
    if record.state != JobRecord.State.OPEN:
        failed = record.state != JobRecord.State.COMPLETED
        raise AlreadyEnded(record.error or record.state if failed else None, record.result.encode() or b"null")
