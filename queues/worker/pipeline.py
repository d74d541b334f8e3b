"""One run of a job, a step at a time: decode, resolve, read the payload, run, decide.

The outcomes are a closed set, and each branch says what becomes of the job:

    returned            complete with the result
    ended before        complete or fail, as its record says; nothing runs
    PermanentError      fail: no retry can help
    cannot be decoded   fail: it will not get better by itself, and it is kept for a retry by hand
    RetryLater          retry after the time it asks for, at no cost
    no processor        retry after a while at no cost (a newer release enqueued it); fail after a day
    timed out, raised   retry by backoff while attempts are left, else fail
"""

import asyncio
import logging
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

from queues.codec import WireMetadata, decode_job, decode_metadata, encode_result
from queues.context import running_job
from queues.errors import (
    InvalidJobName,
    InvalidMetadata,
    InvalidPayload,
    PayloadTooLarge,
    PermanentError,
    RetryLater,
    UnknownProcessor,
)
from queues.metadata import JobMetadata, forget_metadata, use_metadata_of
from queues.names import check_job_name
from queues.ports import AlreadyEnded, Delivery, Outcome, Settlement
from queues.processors import Processor, RunningJob, find_processor

UNKNOWN_WAIT: Final = timedelta(seconds=30)
UNKNOWN_PATIENCE: Final = timedelta(days=1)
ERROR_CHARACTERS: Final = 8000
log: Final = logging.getLogger("queues.worker")


def run(delivery: Delivery, result_bytes: int) -> Settlement:
    """Run one delivery to its outcome. Only what ends the thread itself escapes."""
    started = time.monotonic()
    try:
        settlement = _run(delivery, result_bytes)
    except AlreadyEnded as exc:
        settlement = _ended(delivery, exc)
    except PermanentError as exc:
        settlement = _failed(delivery, f"PermanentError: {exc.message}")
    except RetryLater as exc:
        error = _written(f"RetryLater: {exc}")
        settlement = Settlement(delivery, Outcome.RETRY, after=exc.after, error=error, counts=False)
    except UnknownProcessor as exc:
        settlement = _unknown(delivery, exc)
    except (Exception, SystemExit, KeyboardInterrupt, asyncio.CancelledError):  # noqa: BLE001 - as below
        # Whatever a processor raises is an attempt that failed; the worker's own interruption passes.
        settlement = again(delivery, traceback.format_exc(limit=-20)[-ERROR_CHARACTERS:])
    settlement.ran_for = time.monotonic() - started
    return settlement


def _run(delivery: Delivery, result_bytes: int) -> Settlement:
    try:
        processor = _resolve(delivery.name)
        decoded: tuple[Any, WireMetadata | None] = decode_job(delivery.body, processor.payload_type)
        payload, job = decoded[0], _running(delivery, decoded[1])
    except (InvalidJobName, InvalidPayload, InvalidMetadata) as exc:
        return _failed(delivery, f"cannot be decoded: {exc.message}")
    guard = delivery.consumer.queue.guard
    if guard is None:
        value = _call(processor, payload, job)
    else:
        value = guard.run(delivery, partial(_call, processor, payload, job), once=processor.once)
    result = b"null" if value is None else _encode(delivery, value, result_bytes)
    return Settlement(delivery, Outcome.COMPLETE, result=result)


def _resolve(name: str) -> Processor:
    try:
        return find_processor(name)
    except UnknownProcessor:
        # A name that no job can have never gets a processor.
        check_job_name(name)
        raise


def _running(delivery: Delivery, metadata: WireMetadata | None) -> RunningJob:
    if metadata is None:
        build: JobMetadata | Callable[[], JobMetadata] = JobMetadata(correlation_id=delivery.id, source="unknown")
    else:
        # What may be wrong is built now, while it can still fail the job as undecodable.
        build = metadata.build if metadata.plausible else metadata.build()
    return RunningJob(
        id=delivery.id,
        queue=delivery.consumer.queue.name,
        name=delivery.name,
        attempt=delivery.attempt,
        attempts=delivery.attempts,
        metadata=build,
        report=delivery.progress,
    )


def _call(processor: Processor, payload: Any, job: RunningJob) -> Any:
    function: Callable[..., Any] = processor.function
    token, inherited = running_job.set(job), use_metadata_of(job)
    try:
        value = function(payload, job) if processor.wants_job else function(payload)
        return asyncio.run(value) if processor.is_async else value
    finally:
        forget_metadata(inherited)
        running_job.reset(token)


def _encode(delivery: Delivery, value: Any, result_bytes: int) -> bytes:
    """Return the result as JSON. The work is done: a result that cannot be kept must not undo it."""
    try:
        return encode_result(value, limit=result_bytes)
    except (InvalidPayload, PayloadTooLarge) as exc:
        log.warning("result not kept", extra={"job_id": delivery.id, "job_name": delivery.name, "error": exc.message})
        return b"null"


def _ended(delivery: Delivery, exc: AlreadyEnded) -> Settlement:
    """Tell the provider how the job ended in an earlier run, of which it had no word."""
    if exc.error is not None:
        return _failed(delivery, exc.error)
    return Settlement(delivery, Outcome.COMPLETE, result=exc.result)


def _failed(delivery: Delivery, error: str) -> Settlement:
    return Settlement(delivery, Outcome.FAIL, error=_written(error))


def _written(error: str) -> str:
    """Return an error as every provider can keep it: half a character becomes its escape."""
    return error.encode(errors="backslashreplace").decode()


def _unknown(delivery: Delivery, exc: UnknownProcessor) -> Settlement:
    """Wait for a release that knows the job; give up after a day."""
    try:
        metadata = decode_metadata(delivery.body)
    except InvalidMetadata as invalid:
        return _failed(delivery, f"cannot be decoded: {invalid.message}")
    log.warning("no processor", extra={"job_id": delivery.id, "job_name": delivery.name})
    if metadata is not None and datetime.now(UTC) - metadata.timestamp > UNKNOWN_PATIENCE:
        return _failed(delivery, f"UnknownProcessor: {exc.message}")
    return Settlement(
        delivery, Outcome.RETRY, after=UNKNOWN_WAIT, error=f"UnknownProcessor: {exc.message}", counts=False
    )


def again(delivery: Delivery, error: str) -> Settlement:
    """Return the outcome of an attempt that failed: another after backoff, or the end."""
    if delivery.attempt >= delivery.attempts:
        return _failed(delivery, error)
    return Settlement(delivery, Outcome.RETRY, after=delivery.backoff.wait(delivery.attempt), error=_written(error))


def timed_out(delivery: Delivery) -> Settlement:
    """Return the outcome of an attempt that ran past its timeout."""
    settlement = again(delivery, f"JobTimeout: the job ran longer than its timeout of {delivery.timeout:g} s")
    settlement.ran_for = delivery.timeout
    return settlement
