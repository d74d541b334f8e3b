"""The rules of Slack messages: what is accepted, how urgent it is, and each posted once."""

import hashlib
import json
import logging
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Final
from uuid import uuid4

from django.conf import settings
from django.utils import timezone

from queues import (
    Backoff,
    JobMetadata,
    JobOptions,
    PermanentError,
    Priority,
    QueueJob,
    QueueName,
    QueueRejected,
    RetryLater,
    RunningJob,
    get_queue,
    new_metadata,
)
from slackworker import delivery
from slackworker.formatters import Message, format_alert, format_message
from slackworker.models import SlackDelivery
from slackworker.payloads import SlackAlertPayload, SlackMessagePayload
from slackworker.rules import check_alert, check_message

MESSAGE_JOB: Final = "slack.channel.send.v1"
ALERT_JOB: Final = "slack.alert.send.v1"
MESSAGE_ATTEMPTS: Final = 3
ALERT_ATTEMPTS: Final = 5
ALERT_BACKOFF: Final = Backoff(kind="exponential", base=timedelta(seconds=1))
DEFAULT_ALERT_CHANNEL: Final = "#alerts"
RATE_LIMITS: Final = 100
ERROR_LENGTH: Final = 2000

logger = logging.getLogger(__name__)


def send_channel_message(
    data: SlackMessagePayload,
    *,
    correlation_id: str | None = None,
    job_id: str | None = None,
    metadata: JobMetadata | None = None,
) -> QueueJob[SlackMessagePayload]:
    """Queue one message, at HIGH priority when it is urgent, else NORMAL, for at most three attempts.

    The job's id is `job_id`, else the correlation id, else made of the channel and the time; an
    id that is known with another message raises JobIdConflict. To send several messages in one
    flow, pass the correlation id in `metadata` instead. Raises InvalidPayload, naming the field.
    """
    check_message(data)
    options = JobOptions(
        priority=Priority.HIGH if data.urgent else Priority.NORMAL,
        attempts=MESSAGE_ATTEMPTS,
        job_id=_job_id(job_id, correlation_id, f"slack-{data.channel}"),
    )
    queue = get_queue(QueueName.SLACK_MESSAGES)
    job = queue.add(MESSAGE_JOB, data, options, metadata=metadata or _metadata(correlation_id))
    logger.info("Slack message queued", extra={"job_id": job.id, "channel": data.channel})
    return job


def send_alert(
    data: SlackAlertPayload,
    *,
    correlation_id: str | None = None,
    job_id: str | None = None,
    metadata: JobMetadata | None = None,
) -> QueueJob[SlackAlertPayload]:
    """Queue one alert, at CRITICAL priority, for at most five attempts: one second apart, then two, four, eight.

    The job's id is `job_id`, else the correlation id, else made of the alert's type and the time;
    an id that is known with another alert raises JobIdConflict. Raises InvalidPayload, naming
    the field.
    """
    check_alert(data)
    options = JobOptions(
        priority=Priority.CRITICAL,
        attempts=ALERT_ATTEMPTS,
        backoff=ALERT_BACKOFF,
        job_id=_job_id(job_id, correlation_id, f"alert-{data.type}"),
    )
    queue = get_queue(QueueName.SLACK_ALERTS)
    job = queue.add(ALERT_JOB, data, options, metadata=metadata or _metadata(correlation_id))
    logger.info("Slack alert queued", extra={"job_id": job.id, "alert_type": data.type})
    return job


def message_post(*, data: SlackMessagePayload, job: RunningJob) -> SlackDelivery:
    """Post the message of a job and record it; a job whose message was posted posts nothing more.

    Raises RetryLater when Slack says when to try again, PermanentError with Slack's reason when
    no retry can help, and what `delivery.post` raises for what may pass. When Slack's answer is
    lost, the message may be there already, and the next run posts it again.
    """
    _final(check_message, data)
    return _post(format_message(data), _fingerprint(data), job)


def alert_post(*, data: SlackAlertPayload, job: RunningJob) -> SlackDelivery:
    """Post the alert of a job and record it, as `message_post` does."""
    _final(check_alert, data)
    channel = data.channel
    if channel is None:
        channel = getattr(settings, "SLACK_ALERT_CHANNEL", DEFAULT_ALERT_CHANNEL)
    message = format_alert(data, channel=channel, correlation_id=job.metadata.correlation_id)
    return _post(message, _fingerprint(data), job)


def _post(message: Message, fingerprint: str, job: RunningJob) -> SlackDelivery:
    record = _record_of(message, fingerprint, job)
    if record.state == SlackDelivery.State.POSTED:
        return record
    try:
        posted = delivery.post(message)
    except Exception as exc:
        fault = _give_up(exc, record)
        final = isinstance(fault, PermanentError) or (job.is_last_attempt and not isinstance(fault, RetryLater))
        record.state = SlackDelivery.State.FAILED if final else SlackDelivery.State.PENDING
        record.error = f"{type(fault).__name__}: {fault}"[:ERROR_LENGTH]
        record.save()
        if fault is exc:
            raise
        raise fault from exc
    record.state, record.error, record.posted_at = SlackDelivery.State.POSTED, "", timezone.now()
    record.posted_channel, record.ts = posted.channel, posted.ts
    record.save()
    return record


def _give_up(fault: Exception, record: SlackDelivery) -> Exception:
    """Return the fault, or a PermanentError when Slack has put the message off too often.

    Waiting costs the job no attempt, so without an end it could go on for ever.
    """
    if not isinstance(fault, RetryLater):
        return fault
    record.rate_limits += 1
    if record.rate_limits <= getattr(settings, "SLACK_RATE_LIMITS", RATE_LIMITS):
        return fault
    return PermanentError(f"ratelimited: Slack put the message off {record.rate_limits} times.")


def _record_of(message: Message, fingerprint: str, job: RunningJob) -> SlackDelivery:
    record, _ = SlackDelivery.objects.get_or_create(
        queue=job.queue,
        job_id=job.id,
        defaults={
            "correlation_id": job.metadata.correlation_id,
            "channel": message.channel,
            "text": message.text,
            "fingerprint": fingerprint,
        },
    )
    if record.fingerprint != fingerprint:
        # The queue forgets ids with its ended jobs; this row does not.
        raise PermanentError(f"The job id {job.id!r:.80} was used for another message; give this one an id of its own.")
    return record


def _fingerprint(data: SlackMessagePayload | SlackAlertPayload) -> str:
    return hashlib.sha256(json.dumps(asdict(data), sort_keys=True, default=str).encode()).hexdigest()


def _job_id(job_id: str | None, correlation_id: str | None, stem: str) -> str:
    """Return the id that was given, or one of `stem` and the time that no other job has."""
    given = correlation_id if job_id is None else job_id
    return f"{stem}-{time.time_ns() // 1_000_000}-{uuid4().hex[:12]}" if given is None else given


def _metadata(correlation_id: str | None) -> JobMetadata:
    metadata = new_metadata("slackworker")
    return metadata if correlation_id is None else replace(metadata, correlation_id=correlation_id)


def _final[P](check: Callable[[P], None], data: P) -> None:
    """Check what another producer may have written: what the check refuses, no retry mends."""
    try:
        check(data)
    except QueueRejected as exc:
        raise PermanentError(exc.message) from exc
