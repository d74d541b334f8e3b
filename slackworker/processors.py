"""What runs the jobs of slack-messages and slack-alerts."""

from queues import RunningJob, processor
from slackworker.payloads import SlackAlertPayload, SlackMessagePayload
from slackworker.services import ALERT_JOB, MESSAGE_JOB, alert_post, message_post


@processor(MESSAGE_JOB)
def post_message(payload: SlackMessagePayload, job: RunningJob) -> dict[str, str]:
    """Post one message; the result is where it went."""
    delivery = message_post(data=payload, job=job)
    return {"channel": delivery.posted_channel, "ts": delivery.ts}


@processor(ALERT_JOB)
def post_alert(payload: SlackAlertPayload, job: RunningJob) -> dict[str, str]:
    """Post one alert; the result is where it went."""
    delivery = alert_post(data=payload, job=job)
    return {"channel": delivery.posted_channel, "ts": delivery.ts}
