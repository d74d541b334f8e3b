"""Messages and alerts from the service to a local Slack, and what each answer of it does to the job."""

import json
import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from pytest_django import Settings

from demo.slack_endpoint import Answer, PostedMessage, SlackEndpoint
from queues import JobMetadata, PermanentError, QueueJob, RetryLater, RunningJob, get_queue
from queues.codec import decode, decode_metadata
from queues.processors import find_processor
from slackworker.delivery import SlackUnavailable
from slackworker.models import SlackDelivery
from slackworker.payloads import Severity, SlackAlertPayload, SlackMessagePayload
from slackworker.services import send_alert, send_channel_message

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("memory_queues")]

MESSAGE = SlackMessagePayload(channel="#payments", text="Settled <tx-1> & done")
ALERT = SlackAlertPayload(type="settlement-failed", title="Settlement failed", fields={"Transaction": "tx-1"})


@pytest.fixture
def slack(settings: Settings) -> Iterator[SlackEndpoint]:
    """Run a Slack, which the settings name."""
    with SlackEndpoint() as slack:
        settings.SLACK_API_URL, settings.SLACK_TOKEN = slack.url, slack.token
        yield slack


def run(job: QueueJob[Any], attempt: int = 1) -> Any:
    """Take the next job of the job's queue and run its processor; put the job back afterwards."""
    (delivery,) = get_queue(job.queue).consumer("tests").reserve(1)
    processor, metadata = find_processor(delivery.name), decode_metadata(delivery.body)
    assert delivery.id == job.id
    assert metadata is not None
    try:
        return processor.function(
            decode(delivery.body, processor.payload_type),
            RunningJob(
                id=delivery.id,
                queue=job.queue,
                name=delivery.name,
                attempt=attempt,
                attempts=delivery.attempts,
                metadata=metadata,
                report=lambda _: None,
            ),
        )
    finally:
        delivery.release()


def only(slack: SlackEndpoint) -> PostedMessage:
    """Return the one message that was posted."""
    (posted,) = slack.messages
    return posted


def row(job: QueueJob[Any]) -> SlackDelivery:
    """Return the job's row."""
    return SlackDelivery.objects.get(queue=job.queue, job_id=job.id)


def test_message_is_posted_and_recorded(slack: SlackEndpoint) -> None:
    """The text is escaped, the thread kept, and the row has Slack's names for where it went."""
    message = replace(MESSAGE, thread_ts="1712345678.000100")
    job = send_channel_message(message, metadata=JobMetadata(correlation_id="flow-1"))

    result = run(job)

    posted = only(slack)
    assert (posted.channel, posted.text) == ("payments", "Settled &lt;tx-1&gt; &amp; done")
    assert (posted.thread_ts, posted.blocks) == ("1712345678.000100", ())
    assert result == {"channel": posted.channel_id, "ts": posted.ts}
    record = row(job)
    assert (record.state, record.channel, record.correlation_id) == ("posted", "#payments", "flow-1")
    assert (record.posted_channel, record.ts, record.error) == (posted.channel_id, posted.ts, "")
    assert record.posted_at is not None


def test_alert_is_posted_to_the_channel_of_the_settings(slack: SlackEndpoint, settings: Settings) -> None:
    """An alert that names no channel goes to the configured one, as blocks that Slack takes."""
    settings.SLACK_ALERT_CHANNEL = "general"
    job = send_alert(ALERT)

    run(job)

    posted = only(slack)
    assert posted.channel == "general"
    assert posted.text == "[WARNING] Settlement failed"
    assert [block["type"] for block in posted.blocks] == ["header", "section", "context"]
    assert row(job).channel == "general"


def test_alert_goes_to_alerts_or_to_the_channel_it_names(slack: SlackEndpoint) -> None:
    """Without a setting it is #alerts; an alert may name another."""
    first, second = send_alert(ALERT), send_alert(replace(ALERT, channel="payments", severity=Severity.INFO))

    run(first)
    get_queue(first.queue).remove_job(first.id)
    run(second)

    assert [posted.channel for posted in slack.messages] == ["alerts", "payments"]


def test_redelivered_job_posts_nothing_more(slack: SlackEndpoint) -> None:
    """A second run of a job whose message was posted finds its row, and answers as the first did."""
    job = send_channel_message(MESSAGE)

    assert run(job) == run(job, attempt=2)

    assert len(slack.messages) == 1
    assert SlackDelivery.objects.count() == 1


class CuriousSlack(SlackEndpoint):
    """A Slack that looks into the database, by a connection of its own, when it is called."""

    seen: list[str]

    def answer(self, method: str, authorization: str, content_type: str, body: bytes) -> Answer:
        """Note the states of all rows, then answer."""
        self.seen = list(SlackDelivery.objects.values_list("state", flat=True))
        # Django's close() spares a database in memory; this thread's connection to it ends here.
        connection._close()
        return super().answer(method, authorization, content_type, body)


@pytest.mark.django_db(transaction=True)
def test_no_transaction_is_open_while_slack_is_called(settings: Settings) -> None:
    """The row is committed before the call, so that a slow Slack holds no lock."""
    with CuriousSlack() as slack:
        settings.SLACK_API_URL, settings.SLACK_TOKEN = slack.url, slack.token
        run(send_channel_message(MESSAGE))

    assert slack.seen == ["pending"]


def test_ids_of_the_two_queues_do_not_meet(slack: SlackEndpoint) -> None:
    """A message and an alert may have one id: a job's id is its queue's own."""
    run(send_channel_message(MESSAGE, job_id="one"))
    run(send_alert(ALERT, job_id="one"))

    assert len(slack.messages) == 2


def test_job_id_that_was_used_for_another_message_fails_loudly(slack: SlackEndpoint) -> None:
    """The queue has forgotten the first job; the second is not dropped as if it were the first."""
    run(send_channel_message(MESSAGE, job_id="one"))
    get_queue("slack-messages").drain()

    with pytest.raises(PermanentError, match="used for another message"):
        run(send_channel_message(replace(MESSAGE, text="Another"), job_id="one"))

    assert len(slack.messages) == 1


def test_rate_limit_puts_the_job_off_for_as_long_as_slack_says(slack: SlackEndpoint) -> None:
    """Case B15: a 429 with an empty body neither sleeps nor ends the run as failed; other channels go on."""
    slack.limit_rate(retry_after="30", channel="payments")
    limited = send_channel_message(MESSAGE)
    began = time.monotonic()

    with pytest.raises(RetryLater) as caught:
        run(limited, attempt=3)
    get_queue(limited.queue).remove_job(limited.id)
    for channel in ("general", "alerts"):
        other = send_channel_message(replace(MESSAGE, channel=channel))
        run(other)
        get_queue(other.queue).remove_job(other.id)

    assert time.monotonic() - began < 2
    assert caught.value.after == timedelta(seconds=30)
    assert [posted.channel for posted in slack.messages] == ["general", "alerts"]
    assert (row(limited).state, row(limited).rate_limits) == ("pending", 1)
    assert row(limited).error == "RetryLater: ratelimited"


def test_job_that_was_put_off_is_posted_by_a_later_run(slack: SlackEndpoint) -> None:
    """Case B15: the run after Retry-After finds the row and posts."""
    slack.limit_rate(body=b'{"ok":false,"error":"ratelimited"}')
    job = send_channel_message(MESSAGE)
    with pytest.raises(RetryLater):
        run(job)

    run(job)

    assert (row(job).state, row(job).error, row(job).rate_limits) == ("posted", "", 1)
    assert len(slack.messages) == 1


@pytest.mark.parametrize(("header", "seconds"), [("0", 1), ("1", 1), (" 7 ", 7), ("999999", 86_400)])
def test_retry_after_is_taken_within_reason(slack: SlackEndpoint, header: str, seconds: int) -> None:
    """Case B15: never at once, and never later than in a day."""
    slack.limit_rate(retry_after=header)

    with pytest.raises(RetryLater) as caught:
        run(send_channel_message(MESSAGE))

    assert caught.value.after == timedelta(seconds=seconds)


@pytest.mark.parametrize("header", [None, "", "soon", "-5", "1.5", "Wed, 21 Oct 2026 07:28:00 GMT", "9" * 30])
def test_rate_limit_without_a_usable_time_is_a_plain_retry(slack: SlackEndpoint, header: str | None) -> None:
    """Case B15: without a header that says when, the job's own backoff decides, and the reason is ratelimited."""
    slack.limit_rate(calls=2, retry_after=header)
    job = send_channel_message(MESSAGE)

    with pytest.raises(SlackUnavailable, match="ratelimited"):
        run(job)
    assert row(job).state == "pending"
    with pytest.raises(SlackUnavailable):
        run(job, attempt=3)
    assert row(job).state == "failed"


def test_job_that_is_put_off_too_often_fails_with_the_reason(slack: SlackEndpoint, settings: Settings) -> None:
    """Case B15: waiting costs no attempt, so it has an end of its own."""
    settings.SLACK_RATE_LIMITS = 2
    slack.limit_rate(calls=3)
    job = send_channel_message(MESSAGE)

    for _ in range(2):
        with pytest.raises(RetryLater):
            run(job)
    with pytest.raises(PermanentError, match="ratelimited"):
        run(job)

    assert (row(job).state, row(job).rate_limits) == ("failed", 3)


@pytest.mark.parametrize(
    "reason",
    [
        "is_archived", "not_in_channel", "restricted_action", "token_revoked", "account_inactive",
        "invalid_auth", "missing_scope", "msg_too_long", "no_text", "invalid_blocks", "msg_blocks_too_long",
    ],
)  # fmt: skip
def test_permanent_error_ends_the_job_with_slacks_reason(slack: SlackEndpoint, reason: str) -> None:
    """Case B42: what cannot succeed is not retried, and the row keeps why."""
    slack.refuse("payments", reason)
    job = send_channel_message(MESSAGE)

    with pytest.raises(PermanentError, match=reason):
        run(job)

    assert (row(job).state, row(job).error) == ("failed", f"PermanentError: {reason}")
    assert slack.calls == 1


def test_unknown_channel_and_wrong_token_are_permanent(slack: SlackEndpoint, settings: Settings) -> None:
    """Case B42: Slack's own refusals, as the endpoint gives them unasked."""
    with pytest.raises(PermanentError, match="channel_not_found"):
        run(send_channel_message(replace(MESSAGE, channel="#nowhere"), job_id="a"))
    get_queue("slack-messages").drain()
    settings.SLACK_TOKEN = "xoxb-another"
    with pytest.raises(PermanentError, match="invalid_auth"):
        run(send_channel_message(MESSAGE, job_id="b"))
    settings.SLACK_TOKEN = ""
    with pytest.raises(PermanentError, match="not_authed"):
        run(send_channel_message(MESSAGE, job_id="b"))


def test_permanent_error_has_slacks_details(slack: SlackEndpoint, settings: Settings) -> None:
    """What Slack says of the place is kept with the reason."""
    settings.SLACK_ALERT_CHANNEL = "alerts"
    answer = {"ok": False, "error": "invalid_blocks", "response_metadata": {"messages": ["at /blocks/1"]}}
    slack.fail(status=400, body=json.dumps(answer).encode())

    with pytest.raises(PermanentError, match="invalid_blocks: at /blocks/1"):
        run(send_alert(ALERT))


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b""),
        (503, b"<html>unavailable</html>"),
        (500, b'{"ok":false,"error":"invalid_auth"}'),
        (200, b'{"ok":false,"error":"internal_error"}'),
        (200, b'{"ok":false,"error":"a_reason_of_tomorrow"}'),
        (200, b"<html>a proxy</html>"),
        (200, b"[]"),
        (404, b""),
    ],
)
def test_fault_that_may_pass_is_tried_again(slack: SlackEndpoint, status: int, body: bytes) -> None:
    """Whatever else Slack or a proxy answers: the job raises, and a later run posts."""
    slack.fail(status=status, body=body)
    job = send_channel_message(MESSAGE)

    with pytest.raises(Exception) as caught:  # noqa: PT011 - any kind but the two that would end or delay the job
        run(job)
    assert not isinstance(caught.value, PermanentError | RetryLater)
    assert row(job).state == "pending"

    run(job, attempt=2)
    assert row(job).state == "posted"


def test_lost_reply_is_not_repeated_behind_our_back(slack: SlackEndpoint) -> None:
    """Case B15: the SDK's own retries are off, so that each call is a run of the job; the row stays pending."""
    slack.lose_replies()
    job = send_channel_message(MESSAGE)

    with pytest.raises(ConnectionError):
        run(job)

    assert slack.calls == len(slack.messages) == 1
    assert row(job).state == "pending"


def test_slack_that_does_not_answer_is_tried_again(settings: Settings) -> None:
    """A closed port is a fault that may pass."""
    slack = SlackEndpoint().start()
    settings.SLACK_API_URL, settings.SLACK_TOKEN = slack.url, slack.token
    slack.stop()
    job = send_channel_message(MESSAGE)

    with pytest.raises(OSError, match="refused"):
        run(job)

    assert row(job).state == "pending"


@pytest.mark.parametrize(
    "payload",
    [
        replace(MESSAGE, text="  "),
        replace(MESSAGE, channel="two words"),
        replace(MESSAGE, thread_ts="yesterday"),
    ],
)
def test_message_that_another_producer_wrote_wrongly_fails_for_good(
    slack: SlackEndpoint, payload: SlackMessagePayload
) -> None:
    """A job that no service checked ends at its first run, without a call."""
    job = get_queue("slack-messages").add("slack.channel.send.v1", payload)

    with pytest.raises(PermanentError):
        run(job)

    assert slack.calls == 0


def test_token_is_in_no_log_line_and_no_record(
    slack: SlackEndpoint, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """Success, refusal, rate limit, failure, a closed port and a broken token say nothing of the token."""
    settings.SLACK_TOKEN = secret = "xoxb-0123456789-secret"
    slack.token = secret
    caplog.set_level(logging.DEBUG)
    slack.limit_rate(channel="general")
    slack.fail(channel="alerts")
    slack.refuse("payments", "is_archived")
    channels = ("general", "alerts", "payments", "nowhere", "general")

    said = [_run_quietly(send_channel_message(replace(MESSAGE, channel=channel))) for channel in channels]
    slack.stop()
    said.append(_run_quietly(send_channel_message(MESSAGE)))
    settings.SLACK_TOKEN = f"{secret}\n"
    said.append(_run_quietly(send_channel_message(MESSAGE)))

    errors = list(SlackDelivery.objects.values_list("error", flat=True))
    assert "SLACK_TOKEN holds a character that no token has" in said[-1]
    assert len(caplog.records) > 10
    assert secret not in caplog.text + "".join(said) + "".join(errors)


def _run_quietly(job: QueueJob[Any]) -> str:
    """Run a job, forget it, and return what its error said."""
    try:
        run(job)
    except Exception as exc:  # noqa: BLE001 - whatever it says is looked at
        return f"{exc!r} {exc}"
    finally:
        get_queue(job.queue).remove_job(job.id)
    return ""
