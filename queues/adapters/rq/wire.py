"""A job as RQ's hash holds it: RQ's own fields, and ours packed into few.

A hash of many or long fields leaves Redis' compact encoding, and then each field costs an
allocation; so the options are one short text in the field `mq` (`queues.packed`).
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final

import msgspec

from queues.adapters.base import Prepared, read_body, utc
from queues.adapters.rq.keys import decode_id
from queues.errors import QueueRejected
from queues.jobs import Attempt, JobOptions, JobState, QueueJob
from queues.packed import unpack

STATES: Final[Mapping[bytes, JobState]] = {
    b"queued": JobState.WAITING,
    b"started": JobState.ACTIVE,
    b"scheduled": JobState.DELAYED,
    b"finished": JobState.COMPLETED,
    b"failed": JobState.FAILED,
}
STATUSES: Final[Mapping[JobState, str]] = {state: status.decode() for status, state in STATES.items()}


def write_data(job: Prepared) -> tuple[bytes, int]:
    """Return RQ's `data` of a job, and how much of it says what the job does.

    RQ's JSON form of a call: function name, instance, arguments, keyword arguments.
    """
    head = _head(job.name)
    return head + job.body + b"]", len(head) + job.data_length


@lru_cache(maxsize=1024)
def _head(name: str) -> bytes:
    return b'["' + name.encode() + b'",null,[],'


def read_data(data: bytes) -> tuple[str, bytes]:
    """Return the job name and the JSON object of RQ's `data`; both empty when it is not one of ours."""
    head, separator, rest = data.partition(b'",null,[],')
    if not separator or not head.startswith(b'["') or not rest.endswith(b"]"):
        return "", data
    return head[2:].decode(errors="replace"), rest[:-1]


def read_time(text: bytes | None) -> datetime | None:
    """Return a time as RQ writes it; None when there is none, or none that can be read (Case B24)."""
    try:
        return datetime.fromisoformat(text.decode()) if text else None
    except ValueError:
        return None


def read_options(packed: bytes) -> JobOptions | None:
    """Return the options of a job; None when they cannot be read (Case B24)."""
    try:
        return unpack(packed.decode())
    except (ValueError, KeyError, OverflowError, QueueRejected):
        return None


def _number(text: bytes | None) -> float:
    try:
        return float(text or 0)
    except ValueError:
        return 0.0


def read_job(
    queue: str, encoded_id: str, fields: Mapping[bytes, bytes], available_at: float | None = None
) -> QueueJob[Any]:
    """Return a job as the port shows it, from its hash and, when delayed, its due time."""
    job_id = decode_id(encoded_id)
    created_at = read_time(fields.get(b"created_at")) or utc(0)
    entered_at = read_time(fields.get(b"enqueued_at")) or created_at
    name, body = read_data(fields.get(b"data", b""))
    data, metadata = read_body(body, job_id, created_at)
    options = read_options(fields.get(b"mq", b"")) or JobOptions()
    state = STATES.get(fields.get(b"status", b""), JobState.FAILED)
    ended_at = read_time(fields.get(b"ended_at"))
    return QueueJob(
        id=job_id,
        name=name or "unknown",
        queue=queue,
        data=data,
        options=options,
        metadata=metadata,
        state=state,
        created_at=created_at,
        progress=_number(fields.get(b"mq_progress")),
        result=_read_result(fields.get(b"result")),
        failed_reason=fields.get(b"exc_info", b"").decode(errors="replace") or None,
        attempts_made=int(_number(fields.get(b"mq_runs"))),
        stalls=int(_number(fields.get(b"mq_stalls"))),
        attempts=_read_log(fields.get(b"mq_log", b"")),
        available_at=utc(available_at) if available_at is not None else entered_at,
        processed_at=read_time(fields.get(b"started_at")),
        finished_at=ended_at if state in {JobState.COMPLETED, JobState.FAILED} else None,
        worker=fields.get(b"worker_name", b"").decode(errors="replace") or None,
    )


def _read_result(result: bytes | None) -> Any:
    try:
        return msgspec.json.decode(result) if result else None
    except msgspec.DecodeError:
        return {"cannot_be_decoded": result.decode(errors="replace")} if result else None


class LogEntry(msgspec.Struct, array_like=True):
    """What is kept of an attempt that did not complete: its number, its milliseconds, its error."""

    number: int
    ran_for_ms: int
    error: str


_LOG_ENTRY: Final = msgspec.json.Decoder(LogEntry)


def _read_log(log: bytes) -> tuple[Attempt, ...]:
    attempts = []
    for line in log.splitlines():
        ended_ms, _, entry = line.partition(b" ")
        try:
            read, ended_at = _LOG_ENTRY.decode(entry), utc(int(ended_ms) / 1000)
        except (msgspec.DecodeError, ValueError):
            continue
        attempts.append(
            Attempt(
                number=read.number,
                ended_at=ended_at,
                duration=timedelta(milliseconds=read.ran_for_ms),
                error=read.error,
            )
        )
    return tuple(attempts)
