"""Slack messages and alerts over REST: what is accepted, what is refused, and who may."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from rest_framework.authtoken.models import Token

from queues import Priority, get_queue

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("memory_queues")]

MESSAGES, ALERTS = "/api/v1/slack/messages/", "/api/v1/slack/alerts/"
MESSAGE = {"channel": "#payments", "text": " Settled "}
ALERT = {"type": "settlement-failed", "title": "Settlement failed"}


def client(*permissions: str) -> Client:
    """Return a client with the token of a user who has these permissions."""
    user = User.objects.create_user("ada")
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return Client(headers={"Authorization": f"Token {Token.objects.create(user=user).key}"})


@pytest.fixture
def api() -> Client:
    """Return a client that may send to Slack."""
    return client("add_slackdelivery")


def send(api: Client, url: str, body: Any, **headers: str) -> Any:
    """POST a body as JSON."""
    return api.post(url, json.dumps(body), content_type="application/json", headers=headers)


def waiting() -> int:
    """Return how many Slack jobs are queued."""
    return get_queue("slack-messages").get_stats().waiting + get_queue("slack-alerts").get_stats().waiting


def test_message_is_accepted_as_a_job(api: Client) -> None:
    """202 says which job it is; the job carries the message as it was sent, and the flow."""
    answer = send(api, MESSAGES, {**MESSAGE, "urgent": True}, **{"X-Correlation-ID": "flow-1"})

    assert answer.status_code == 202, answer.content
    body = answer.json()
    assert (body["queue"], body["name"]) == ("slack-messages", "slack.channel.send.v1")
    job = get_queue(body["queue"]).get_job(body["id"])
    assert job is not None
    assert job.data == {"channel": "#payments", "text": " Settled ", "urgent": True, "threadTs": None}
    assert (job.options.priority, job.metadata.correlation_id) == (Priority.HIGH, "flow-1")


def test_alert_is_accepted_as_a_job(api: Client) -> None:
    """202 says which job it is; what was left out has its default."""
    body = send(api, ALERTS, {**ALERT, "severity": "critical", "fields": {"Transaction": "tx-1"}}).json()

    assert (body["queue"], body["name"]) == ("slack-alerts", "slack.alert.send.v1")
    job = get_queue(body["queue"]).get_job(body["id"])
    assert job is not None
    assert job.data == {
        **ALERT,
        "message": "",
        "severity": "critical",
        "fields": {"Transaction": "tx-1"},
        "channel": None,
    }


def test_same_idempotency_key_is_the_same_message(api: Client) -> None:
    """Sent twice, queued once; a key of one command is free for the other."""
    first, second = (send(api, MESSAGES, MESSAGE, **{"Idempotency-Key": "k"}).json() for _ in range(2))

    assert first["id"] == second["id"]
    assert send(api, MESSAGES, {**MESSAGE, "text": "x"}, **{"Idempotency-Key": "k"}).status_code == 422
    assert send(api, ALERTS, ALERT, **{"Idempotency-Key": "k"}).status_code == 202
    assert waiting() == 2


@pytest.mark.parametrize(
    ("url", "change", "field"),
    [
        (MESSAGES, {"channel": "two words"}, "channel"),
        (MESSAGES, {"channel": 5}, "channel"),
        (MESSAGES, {"text": "  "}, "text"),
        (MESSAGES, {"text": None}, "text"),
        (MESSAGES, {"urgent": "perhaps"}, "urgent"),
        (MESSAGES, {"thread_ts": "yesterday"}, "thread_ts"),
        (MESSAGES, {"thread_ts": 1712345678.0001}, "thread_ts"),
        (ALERTS, {"type": "two words"}, "type"),
        (ALERTS, {"title": ""}, "title"),
        (ALERTS, {"message": 5}, "message"),
        (ALERTS, {"severity": "awful"}, "severity"),
        (ALERTS, {"severity": None}, "severity"),
        (ALERTS, {"fields": [1]}, "fields"),
        (ALERTS, {"fields": {"Amount": 5}}, "fields.Amount"),
        (ALERTS, {"fields": {str(number): "x" for number in range(51)}}, "fields"),
        (ALERTS, {"channel": "<!here>"}, "channel"),
    ],
)
def test_bad_command_is_refused_with_the_field_named(api: Client, url: str, change: dict[str, Any], field: str) -> None:
    """Case B42: what Slack would refuse gets 400; nothing is queued."""
    answer = send(api, url, {**(MESSAGE if url == MESSAGES else ALERT), **change})

    assert answer.status_code == 400, answer.content
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert waiting() == 0


@pytest.mark.parametrize(("url", "missing"), [(MESSAGES, {"channel", "text"}), (ALERTS, {"type", "title"})])
def test_missing_fields_are_all_named(api: Client, url: str, missing: set[str]) -> None:
    """An empty command says everything that it lacks."""
    assert {error["field"] for error in send(api, url, {}).json()["errors"]} == missing


@pytest.mark.parametrize(("url", "body"), [(MESSAGES, MESSAGE), (ALERTS, ALERT)])
def test_sending_needs_the_permission(url: str, body: dict[str, str]) -> None:
    """Nobody: 401; somebody without the right: 403."""
    assert send(Client(), url, body).status_code == 401
    assert send(client("view_slackdelivery"), url, body).status_code == 403
    assert waiting() == 0
