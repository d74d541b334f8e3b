"""E-mails over REST: what is accepted, what is refused, and who may."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from rest_framework.authtoken.models import Token

from queues import JobState, get_queue

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("memory_queues")]

URL = "/api/v1/notifications/emails/"
WELCOME = {"to": "Ada <ada@example.org>", "template": "welcome", "context": {"name": "Ada"}}


def client(*permissions: str) -> Client:
    """Return a client with the token of a user who has these permissions."""
    user = User.objects.create_user("ada")
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return Client(headers={"Authorization": f"Token {Token.objects.create(user=user).key}"})


@pytest.fixture
def api() -> Client:
    """Return a client that may send e-mails."""
    return client("add_emaildelivery")


def send(api: Client, body: Any, **headers: str) -> Any:
    """POST a body as JSON."""
    return api.post(URL, json.dumps(body), content_type="application/json", headers=headers)


def waiting() -> int:
    """Return how many e-mails are queued."""
    return get_queue("notification-email").get_stats().waiting


def test_email_is_accepted_as_a_job(api: Client) -> None:
    """202 says which job it is; the job carries the e-mail and the flow."""
    answer = send(api, {**WELCOME, "subject": "Good morning"}, **{"X-Correlation-ID": "flow-1"})

    assert answer.status_code == 202, answer.content
    body = answer.json()
    assert (body["queue"], body["name"], body["state"]) == (
        "notification-email",
        "notification.email.send.v1",
        "waiting",
    )
    assert body["correlation_id"] == "flow-1"
    job = get_queue(body["queue"]).get_job(body["id"])
    assert job is not None
    assert job.state is JobState.WAITING
    assert job.data == {**WELCOME, "subject": "Good morning"}
    assert job.metadata.correlation_id == "flow-1"


def test_same_idempotency_key_is_the_same_email(api: Client) -> None:
    """Sent twice, queued once; with another e-mail the key is refused."""
    first, second = (send(api, WELCOME, **{"Idempotency-Key": "k"}).json() for _ in range(2))

    assert first["id"] == second["id"]
    assert (first["duplicate"], second["duplicate"]) == (False, True)
    assert send(api, {**WELCOME, "to": "bob@example.org"}, **{"Idempotency-Key": "k"}).status_code == 422
    assert waiting() == 1


def test_number_in_the_context_keeps_its_digits(api: Client) -> None:
    """Case B39: a JSON number with a point is carried by its digits."""
    body = '{"to":"ada@example.org","template":"welcome","context":{"name":"Ada","amount":0.10}}'
    answer = api.post(URL, body, content_type="application/json")

    job = get_queue("notification-email").get_job(answer.json()["id"])
    assert job is not None
    assert job.data["context"]["amount"] == "0.10"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"to": '"A\nB" <a@b.example>'}, "to"),
        ({"to": "a@b.example\r\nBcc: x@evil.example"}, "to"),
        ({"to": "a@b.example "}, None),
        ({"to": 5}, "to"),
        ({"to": ["a@b.example"]}, "to"),
        ({"to": None}, "to"),
        ({"subject": "Hi\r\nBcc: x@evil.example"}, "subject"),
        ({"subject": ""}, "subject"),
        ({"subject": True}, "subject"),
        ({"subject": None}, None),
        ({"template": "invoice"}, "template"),
        ({"template": "welcome\u0000"}, "template"),
        ({"context": {}}, "context.name"),
        ({"context": []}, "context"),
        ({"context": {"name": "Ada", "deep": {"score": float("nan")}}}, "context.deep.score"),
    ],
)
def test_bad_email_is_refused_with_the_field_named(api: Client, change: dict[str, Any], field: str | None) -> None:
    """Case B45: a line break in a header gets 400, like all that cannot be sent; nothing is queued."""
    answer = send(api, {**WELCOME, **change})

    if field is None:
        assert answer.status_code == 202
        return
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert waiting() == 0


def test_missing_fields_are_all_named(api: Client) -> None:
    """An empty command says everything that it lacks."""
    assert {error["field"] for error in send(api, {}).json()["errors"]} == {"to", "template"}


def test_sending_needs_the_permission() -> None:
    """Nobody: 401; somebody without the right: 403."""
    assert send(Client(), WELCOME).status_code == 401
    assert send(client("view_emaildelivery"), WELCOME).status_code == 403
    assert waiting() == 0
