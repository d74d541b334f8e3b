"""What runs the jobs of notification-email."""

from notifications.payloads import EmailPayload
from notifications.services import EMAIL_JOB, email_send
from queues import RunningJob, processor


@processor(EMAIL_JOB)
def send_email(payload: EmailPayload, job: RunningJob) -> dict[str, str]:
    """Send one e-mail; the result is its Message-ID."""
    return {"message_id": email_send(data=payload, job=job).message_id}
