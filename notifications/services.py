"""The rules of notifications: which e-mails are accepted, and each sent once."""

import hashlib
import json
import logging
from dataclasses import asdict, replace
from typing import Final

from django.utils import timezone

from notifications import delivery
from notifications.content import check_context, render
from notifications.headers import check_address, check_subject
from notifications.models import EmailDelivery
from notifications.payloads import EmailPayload
from queues import (
    JobMetadata,
    JobOptions,
    PermanentError,
    Priority,
    QueueJob,
    QueueName,
    QueueRejected,
    RunningJob,
    get_queue,
    new_metadata,
)

EMAIL_JOB: Final = "notification.email.send.v1"
EMAIL_ATTEMPTS: Final = 3
ERROR_LENGTH: Final = 2000

logger = logging.getLogger(__name__)


def enqueue_email(
    data: EmailPayload,
    *,
    correlation_id: str | None = None,
    job_id: str | None = None,
    metadata: JobMetadata | None = None,
) -> QueueJob[EmailPayload]:
    """Queue one e-mail, at HIGH priority because a person waits for it, for at most three attempts.

    The job's id is `job_id`, else the correlation id, else made; an id that is known with
    another e-mail raises JobIdConflict. To send several e-mails in one flow, pass the
    correlation id in `metadata` instead. Raises InvalidPayload, naming the field, for an address
    that is not one, a line break in a header, an unknown template, or a context that lacks
    what the template shows or that JSON cannot carry.
    """
    email_check(data)
    if metadata is None:
        metadata = new_metadata("notifications")
        if correlation_id is not None:
            metadata = replace(metadata, correlation_id=correlation_id)
    options = JobOptions(
        priority=Priority.HIGH,
        attempts=EMAIL_ATTEMPTS,
        job_id=correlation_id if job_id is None else job_id,
    )
    job = get_queue(QueueName.NOTIFICATION_EMAIL).add(EMAIL_JOB, data, options, metadata=metadata)
    logger.info("e-mail queued", extra={"job_id": job.id, "template": data.template})
    return job


def email_check(data: EmailPayload) -> None:
    """Raise InvalidPayload, naming the field, for an e-mail that cannot be sent as it is."""
    check_address(data.to)
    if data.subject is not None:
        check_subject(data.subject)
    check_context(data.template, data.context)


def email_send(*, data: EmailPayload, job: RunningJob) -> EmailDelivery:
    """Send the e-mail of a job and record it; a job whose e-mail was sent sends nothing more.

    Raises PermanentError for what no retry can help, and the mail server's own error for
    what may pass. If the process dies between the server's yes and the record of it, the
    next run sends again, under the same Message-ID.
    """
    try:
        email_check(data)
    except QueueRejected as exc:
        raise PermanentError(exc.message) from exc
    record = _record_of(data, job)
    if record.state == EmailDelivery.State.SENT:
        return record
    try:
        content = render(data.template, data.context, data.subject)
        record.subject = content.subject
        delivery.send(content, to=data.to, message_id=record.message_id)
    except Exception as exc:
        final = isinstance(exc, PermanentError) or job.is_last_attempt
        record.state = EmailDelivery.State.FAILED if final else EmailDelivery.State.PENDING
        record.error = f"{type(exc).__name__}: {exc}"[:ERROR_LENGTH]
        record.save()
        raise
    record.state, record.error, record.sent_at = EmailDelivery.State.SENT, "", timezone.now()
    record.save()
    return record


def _record_of(data: EmailPayload, job: RunningJob) -> EmailDelivery:
    fingerprint = _fingerprint(data)
    record, _ = EmailDelivery.objects.get_or_create(
        job_id=job.id,
        defaults={
            "correlation_id": job.metadata.correlation_id,
            "to": data.to,
            "template": data.template,
            "message_id": delivery.message_id_of(job.idempotency_key),
            "fingerprint": fingerprint,
        },
    )
    if record.fingerprint != fingerprint:
        # The queue forgets ids with its ended jobs; this row does not.
        raise PermanentError(f"The job id {job.id!r:.80} was used for another e-mail; give this one an id of its own.")
    return record


def _fingerprint(data: EmailPayload) -> str:
    return hashlib.sha256(json.dumps(asdict(data), sort_keys=True, default=str).encode()).hexdigest()
