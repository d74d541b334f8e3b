"""Which messages and alerts are accepted, and with which options they are queued."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from queues import InvalidPayload, JobIdConflict, JobMetadata, Priority, QueueName, get_queue
from slackworker.payloads import Severity, SlackAlertPayload, SlackMessagePayload
from slackworker.services import send_alert, send_channel_message

pytestmark = pytest.mark.usefixtures("memory_queues")

MESSAGE = SlackMessagePayload(channel="#payments", text="Settled")
ALERT = SlackAlertPayload(type="settlement-failed", title="Settlement failed", severity=Severity.ERROR)


def waiting() -> int:
    """Return how many Slack jobs are queued."""
    return sum(get_queue(name).get_stats().waiting for name in (QueueName.SLACK_MESSAGES, QueueName.SLACK_ALERTS))


@pytest.mark.parametrize(("urgent", "priority"), [(False, Priority.NORMAL), (True, Priority.HIGH)])
def test_message_is_queued_for_three_attempts_by_its_urgency(urgent: bool, priority: Priority) -> None:  # noqa: FBT001 - a field of the payload
    """HIGH when it is urgent, else NORMAL, as the specification has it."""
    job = send_channel_message(replace(MESSAGE, urgent=urgent))

    assert (job.queue, job.name) == ("slack-messages", "slack.channel.send.v1")
    assert (job.options.priority, job.options.attempts) == (priority, 3)


def test_alert_is_queued_as_critical_for_five_attempts_from_one_second() -> None:
    """The specification's options for alerts."""
    job = send_alert(ALERT)

    assert (job.queue, job.name) == ("slack-alerts", "slack.alert.send.v1")
    assert (job.options.priority, job.options.attempts) == (Priority.CRITICAL, 5)
    assert [job.options.backoff.wait(attempt) for attempt in (1, 2, 3, 4)] == [
        timedelta(seconds=seconds) for seconds in (1, 2, 4, 8)
    ]


def test_made_ids_name_the_channel_or_type_and_never_collide() -> None:
    """A thousand messages of the same millisecond are a thousand jobs."""
    messages = {send_channel_message(MESSAGE).id for _ in range(1000)}
    alert = send_alert(ALERT)

    assert len(messages) == waiting() - 1 == 1000
    assert all(job_id.startswith("slack-#payments-1") for job_id in messages)
    assert alert.id.startswith("alert-settlement-failed-1")


def test_correlation_id_is_the_job_id_unless_one_is_given() -> None:
    """As the other services do; an explicit job id wins, and the metadata has the flow."""
    by_flow = send_channel_message(MESSAGE, correlation_id="flow-1")
    by_id = send_alert(ALERT, correlation_id="flow-1", job_id="alert-1")

    assert (by_flow.id, by_id.id) == ("flow-1", "alert-1")
    assert by_flow.metadata.correlation_id == by_id.metadata.correlation_id == "flow-1"
    assert by_flow.metadata.source == "slackworker"


def test_metadata_leaves_the_job_id_free() -> None:
    """Several messages of one flow each get an id of their own."""
    metadata = JobMetadata(correlation_id="flow-1", source="tests")

    first, second = (send_channel_message(MESSAGE, metadata=metadata) for _ in range(2))

    assert first.id != second.id
    assert first.metadata == second.metadata == metadata


def test_same_id_with_another_message_is_a_conflict() -> None:
    """Nothing is dropped in silence."""
    send_channel_message(MESSAGE, job_id="message-1")

    assert send_channel_message(MESSAGE, job_id="message-1").duplicate
    with pytest.raises(JobIdConflict):
        send_channel_message(replace(MESSAGE, text="Another"), job_id="message-1")
    assert waiting() == 1


def test_alert_is_carried_in_camel_case_and_its_facts_as_they_are() -> None:
    """What the queue holds is what another language's worker would read."""
    job = send_alert(replace(ALERT, fields={"tx_id": "tx-1"}, channel="#alerts"))

    stored = get_queue(job.queue).get_job(job.id)
    assert stored is not None
    assert stored.data == {
        "type": "settlement-failed",
        "title": "Settlement failed",
        "message": "",
        "severity": "error",
        "fields": {"tx_id": "tx-1"},
        "channel": "#alerts",
    }


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"channel": ""}, "channel"),
        ({"channel": "two words"}, "channel"),
        ({"channel": "<!here>"}, "channel"),
        ({"channel": "x" * 82}, "channel"),
        ({"channel": None}, "channel"),
        ({"text": ""}, "text"),
        ({"text": " \n "}, "text"),
        ({"text": 5}, "text"),
        ({"thread_ts": "yesterday"}, "thread_ts"),
        ({"thread_ts": 1712345678.0001}, "thread_ts"),
        ({"urgent": "yes"}, "urgent"),
    ],
)
def test_bad_message_is_refused_with_the_field_named(change: dict[str, Any], field: str) -> None:
    """Case B42: what Slack would refuse is refused before it is queued."""
    with pytest.raises(InvalidPayload) as caught:
        send_channel_message(replace(MESSAGE, **change))

    assert caught.value.field == field
    assert waiting() == 0


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"type": ""}, "type"),
        ({"type": "settlement failed"}, "type"),
        ({"type": "x" * 101}, "type"),
        ({"type": 1}, "type"),
        ({"title": "  "}, "title"),
        ({"title": None}, "title"),
        ({"message": None}, "message"),
        ({"severity": "awful"}, "severity"),
        ({"severity": ["error"]}, "severity"),
        ({"fields": None}, "fields"),
        ({"fields": {str(number): "x" for number in range(51)}}, "fields"),
        ({"fields": {"Amount": 5}}, "fields.Amount"),
        ({"fields": {" ": "x"}}, "fields. "),
        ({"channel": ""}, "channel"),
    ],
)
def test_bad_alert_is_refused_with_the_field_named(change: dict[str, Any], field: str) -> None:
    """Case B42: what Slack would refuse is refused before it is queued."""
    with pytest.raises(InvalidPayload) as caught:
        send_alert(replace(ALERT, **change))

    assert caught.value.field == field
    assert waiting() == 0


@pytest.mark.parametrize("channel", ["#payments", "payments", "C0123456789", "#größe-1_a.b"])
def test_channel_is_taken_by_name_or_id(channel: str) -> None:
    """Ids and names, with or without the sign, in any script."""
    assert send_channel_message(replace(MESSAGE, channel=channel)).data.channel == channel
