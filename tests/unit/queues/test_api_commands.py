"""Commands over REST: what is accepted, what it becomes, and what is refused."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client, RequestFactory, override_settings
from rest_framework.authtoken.models import Token
from rest_framework.request import Request

from queues import JobMetadata, JobOptions, get_queue
from queues.api.commands import job_id_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("memory_queues")]


@pytest.fixture(autouse=True)
def _urls() -> Any:
    with override_settings(ROOT_URLCONF="tests.unit.queues.api_urls"):
        yield


@pytest.fixture
def user() -> User:
    """Make somebody."""
    return User.objects.create_user("ada", "ada@example.com")


@pytest.fixture
def api(user: User) -> Client:
    """Return a client with that token."""
    return Client(headers={"Authorization": f"Token {Token.objects.create(user=user).key}"})


def send(client: Client, body: Any = None, path: str = "/api/v1/paint/", **headers: str) -> Any:
    """POST a body, JSON unless it is text or bytes already."""
    data = body if isinstance(body, str | bytes) else json.dumps({"amount": "1.50"} if body is None else body)
    return client.post(path, data, content_type="application/json", headers=headers)


def waiting() -> int:
    """Count what is enqueued."""
    return int(get_queue().get_stats().waiting)


def test_a_command_becomes_a_job(api: Client, user: User) -> None:
    """202 names the job and where to ask for it; the job has the caller and the flow."""
    response = send(api, **{"X-Correlation-ID": "corr-1", "traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01"})

    assert response.status_code == 202
    body = response.json()
    job = get_queue().get_job(body["id"])
    assert job is not None
    assert body == {
        "id": job.id,
        "queue": "data-processing",
        "name": "paint.wall.v1",
        "state": "waiting",
        "duplicate": False,
        "correlation_id": "corr-1",
        "url": f"http://testserver/api/v1/queues/data-processing/jobs/{job.id}/",
    }
    assert response.headers["Location"] == f"/api/v1/queues/data-processing/jobs/{job.id}/"
    assert response.headers["X-Correlation-ID"] == "corr-1"
    assert (job.metadata.user.sub, job.metadata.user.display_name) == (str(user.pk), "ada")
    assert job.metadata.traceparent is not None


@pytest.mark.parametrize("value", ["", "x", "00-" + "A" * 32 + "-" + "b" * 16 + "-01"])
def test_a_malformed_traceparent_is_ignored(api: Client, value: str) -> None:
    """W3C: what cannot be read starts a new trace and refuses nothing."""
    response = send(api, traceparent=value)

    assert response.status_code == 202
    job = get_queue().get_job(response.json()["id"])
    assert job is not None
    assert job.metadata.traceparent is None


@pytest.mark.parametrize("value", ["", "x" * 256, "a\tb", "\x7f"])
def test_a_correlation_id_that_no_log_can_carry_is_refused(api: Client, value: str) -> None:
    """400 names the header."""
    response = send(api, **{"X-Correlation-ID": value})

    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "X-Correlation-ID"
    assert waiting() == 0


@pytest.mark.parametrize("value", ["", "x" * 1000])
def test_an_idempotency_key_of_a_wrong_length_is_refused(api: Client, value: str) -> None:
    """Case B21: an empty key and one of 1 000 characters are 400."""
    response = send(api, **{"Idempotency-Key": value})

    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "Idempotency-Key"


def test_one_key_adds_one_job(api: Client) -> None:
    """Case B21: the same key and body return the first job; another body is 422."""
    first = send(api, **{"Idempotency-Key": "k"})
    second = send(api, **{"Idempotency-Key": "k"})
    other = send(api, {"amount": "2.00"}, **{"Idempotency-Key": "k"})

    assert (first.json()["duplicate"], second.json()["duplicate"]) == (False, True)
    assert first.json()["id"] == second.json()["id"]
    assert other.status_code == 422
    assert waiting() == 1


def test_a_key_belongs_to_its_user_and_its_command(api: Client) -> None:
    """Case B21: another user's, or another path's, same key is another key."""
    other = Client(headers={"Authorization": f"Token {Token.objects.create(user=User.objects.create_user('bo')).key}"})
    answers = [
        send(api, **{"Idempotency-Key": "k"}),
        send(api, path="/api/v1/varnish/", **{"Idempotency-Key": "k"}),
        send(other, **{"Idempotency-Key": "k"}),
    ]

    assert [answer.status_code for answer in answers] == [202, 202, 202]
    assert len({answer.json()["id"] for answer in answers}) == 3


@pytest.mark.parametrize(
    "amount",
    ['"NaN"', '"sNaN"', '"Infinity"', '"1e400"', "1e400", "NaN", "-Infinity", "1" + "0" * 400, '""', "true", '"1,5"',
     "1e-30", "-1", "null", "[]", "{}", '"\\ud800"'],
)  # fmt: skip
def test_an_amount_that_is_no_amount_is_refused(api: Client, amount: str) -> None:
    """Case B55: 400 names the field, nothing is enqueued, and reading goes on."""
    response = send(api, f'{{"amount": {amount}}}')

    assert response.status_code == 400
    assert [error["field"] for error in response.json()["errors"]] == ["amount"]
    assert waiting() == 0


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e400", "1" + "0" * 400])
def test_free_form_data_has_the_same_rule(api: Client, number: str) -> None:
    """Case B55: an untyped field is no way around."""
    response = send(api, f'{{"amount": 1, "data": {{"rows": [{{"x": {number}}}]}}}}')

    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "data.rows.0.x"
    assert waiting() == 0


def test_an_amount_keeps_its_digits(api: Client) -> None:
    """Case B60: a JSON number and a string are the same amount, to the cent."""
    jobs = [get_queue().get_job(send(api, f'{{"amount": {text}}}').json()["id"]) for text in ("8.20", '"8.20"')]

    assert [job.data for job in jobs if job] == [{"amount": "8.20"}] * 2


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"{", 400), (b"\xff", 400), (b"[]", 400), (b'"x"', 400), (b"", 400), (b"[" * 100_000, 400), (b" " * 2**21, 413)],
)
def test_a_body_that_is_no_command_is_refused(api: Client, body: bytes, status: int) -> None:
    """Whatever is sent, the answer is the caller's to read."""
    response = send(api, body)

    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/problem+json"


def test_a_form_is_not_a_command(api: Client) -> None:
    """Only JSON is taken."""
    response = api.post("/api/v1/paint/", {"amount": "1"})

    assert (response.status_code, response.json()["code"]) == (415, "unsupported_media_type")


def test_nobody_in_particular_is_refused() -> None:
    """Without a token 401, with a wrong one 401, and how to call is in the header."""
    for token in ({}, {"Authorization": "Token \xff"}, {"Authorization": "Token x"}):
        response = send(Client(headers=token))
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"] == "Token"
        assert response.headers["Content-Type"] == "application/problem+json"


def test_other_methods_are_405(api: Client) -> None:
    """A command is a POST."""
    response = api.get("/api/v1/paint/")

    assert (response.status_code, response.headers["Allow"]) == (405, "POST, OPTIONS")


def test_a_payload_over_the_queue_limit_is_413(api: Client) -> None:
    """A body within the parser's limit may still be too large for its queue."""
    response = send(api, {"amount": "1", "data": {"x": "y" * 300_000}})

    assert (response.status_code, response.json()["code"]) == (413, "payload_too_large")


def test_a_duplicate_of_a_job_from_python_is_answered(api: Client) -> None:
    """What no header can carry is escaped, not a 500."""
    request = Request(RequestFactory().post("/api/v1/paint/", headers={"Idempotency-Key": "k"}))
    request.user = User.objects.get()
    metadata = JobMetadata(correlation_id="line\nbreak \u65e5")
    get_queue().add("paint.wall.v1", {"amount": "1.50"}, JobOptions(job_id=job_id_of(request)), metadata=metadata)

    response = send(api, **{"Idempotency-Key": "k"})

    assert (response.status_code, response.json()["duplicate"]) == (202, True)
    assert response.headers["X-Correlation-ID"] == "line%0Abreak %E6%97%A5"
