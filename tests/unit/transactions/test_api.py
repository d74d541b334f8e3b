"""Transactions over REST: what is accepted, what it becomes, and what is refused."""

import json
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from rest_framework.authtoken.models import Token

from queues import JobState, Priority, QueueName, get_queue
from tests.unit.transactions.build import known, run_next, validation
from transactions.models import Transaction
from transactions.services import transaction_validate

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("memory_queues")]

CREATE = "/api/v1/transactions/"
SETTLE = "/api/v1/transactions/settlements/"
VALIDATE = "/api/v1/transactions/validations/"
REFUND = "/api/v1/transactions/refunds/"
FACTS = {"tx_id": "tx-1", "amount": "8.20", "currency": "USD", "payment_method": "card", "merchant_id": "m-1"}
BODIES: dict[str, dict[str, Any]] = {
    CREATE: FACTS,
    SETTLE: FACTS,
    VALIDATE: {"tx_id": "tx-1", "rules": ["amount_check"], "risk_score": 0.3},
    REFUND: {"tx_id": "tx-1", "amount": "1.00", "currency": "USD"},
}


def client_with(*permissions: str) -> Client:
    """Return a client whose token belongs to somebody with these rights."""
    user = User.objects.create_user("-".join(permissions) or "nobody")
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return Client(headers={"Authorization": f"Token {Token.objects.create(user=user).key}"})


@pytest.fixture
def api() -> Client:
    """Return a client that may add and view transactions."""
    return client_with("add_transaction", "view_transaction")


def send(client: Client, path: str, body: object, **headers: str) -> Any:
    """POST a body, as JSON unless it is text already."""
    data = body if isinstance(body, str) else json.dumps(body)
    return client.post(path, data, content_type="application/json", headers=headers)


def fields(response: Any) -> set[str]:
    """Return the fields that a 400 names, each without the index of a list's item."""
    assert response.status_code == 400, response.content
    return {error["field"].partition(".")[0] for error in response.json()["errors"]}


def nothing_happened() -> bool:
    """Say whether nothing was stored and nothing enqueued."""
    return not Transaction.objects.exists() and get_queue(QueueName.TRANSACTION_PROCESSING).get_stats().waiting == 0


def test_created_transaction_can_be_read(api: Client) -> None:
    """201 answers the transaction, and its Location answers the same."""
    response = send(api, CREATE, FACTS, **{"X-Correlation-ID": "flow-1"})
    assert response.status_code == 201
    body = response.json()
    assert body | FACTS == body
    assert (body["state"], body["refunded"], body["risk_score"], body["findings"]) == ("created", "0.00", None, [])
    assert (body["correlation_id"], response["X-Correlation-ID"]) == ("flow-1", "flow-1")
    assert response["Location"] == "/api/v1/transactions/tx-1/"
    assert api.get(response["Location"]).json() == body


def test_created_again_answers_the_same_and_other_facts_are_a_conflict(api: Client) -> None:
    """A client may repeat its request; another amount under the id is 409 and names what differs."""
    first, again = (send(api, CREATE, FACTS) for _ in range(2))
    assert (again.status_code, again.json()) == (201, first.json())
    other = send(api, CREATE, FACTS | {"amount": "8.21"})
    assert (other.status_code, other.json()["code"]) == (409, "transaction_conflict")
    assert "amount 8.20, not 8.21" in other.json()["detail"]


def test_findings_and_score_are_shown(api: Client) -> None:
    """What a validation found is part of the transaction."""
    known()
    transaction_validate(data=validation(risk_score=Decimal("0.95")))
    body = api.get("/api/v1/transactions/tx-123/").json()
    assert (body["state"], body["risk_score"]) == ("declined", "0.950000")
    assert body["findings"][0] == {"rule": "risk_score", "passed": False, "reason": "the risk score is 0.8 or more"}


@pytest.mark.parametrize(
    ("path", "job_id", "options"),
    [
        (SETTLE, "settlement-tx-1", ("transaction.settlement.v1", Priority.HIGH, 5)),
        (VALIDATE, "validation-tx-1", ("transaction.validation.v1", Priority.NORMAL, 2)),
        (REFUND, "refund-tx-1", ("transaction.refund.v1", Priority.HIGH, 3)),
    ],
)
def test_command_is_accepted_as_its_job(
    api: Client, path: str, job_id: str, options: tuple[str, Priority, int]
) -> None:
    """202 names the job; it has the specification's options, and the correlation id as metadata only."""
    response = send(api, path, BODIES[path], **{"X-Correlation-ID": "flow-1"})
    assert response.status_code == 202
    assert response.json()["id"] == job_id
    job = get_queue(QueueName.TRANSACTION_PROCESSING).get_job(job_id)
    assert job is not None
    assert (job.name, job.options.priority, job.options.attempts) == options
    assert (job.metadata.correlation_id, job.metadata.source) == ("flow-1", "api")


@pytest.mark.parametrize("amount", ["8.20", "8.2", 8.2])
def test_amount_is_taken_by_its_digits(api: Client, amount: object) -> None:
    """Case B60: 8.2 as a number and as a string is exactly 8.20, to the ledger."""
    assert send(api, SETTLE, FACTS | {"amount": amount}).status_code == 202
    assert run_next().state is JobState.COMPLETED
    assert Transaction.objects.get().amount_minor == 820


@pytest.mark.parametrize("path", [CREATE, SETTLE, REFUND])
@pytest.mark.parametrize(
    "amount",
    [
        '"NaN"',
        '"sNaN"',
        '"Infinity"',
        '"-Infinity"',
        '"1e400"',
        "1e400",
        "-1e400",
        "1e-400",
        "NaN",
        "Infinity",
        "1" + "0" * 400,
        "1" + "0" * 5000,
        '""',
        '" "',
        "true",
        "false",
        "null",
        '"1,5"',
        '"1_000"',
        "1e-30",
        '"1e-30"',
        "1.005",
        '"1.005"',
        "1.0000000000000000000000000000000000000001",
        "0",
        '"0.00"',
        "-1",
        '"-0.01"',
        "[]",
        "{}",
        "[1]",
        "10000000000000.00",
    ],
    ids=lambda amount: amount[:40],
)
def test_amount_that_is_not_exact_is_refused(api: Client, path: str, amount: str) -> None:
    """Case B55: 400 with the field named, nothing stored or enqueued, and a GET after it is 200."""
    body = json.dumps(BODIES[path] | {"amount": "?"}).replace('"?"', amount)
    assert fields(send(api, path, body)) == {"amount"}
    assert nothing_happened()
    known()
    assert api.get("/api/v1/transactions/tx-123/").status_code == 200


@pytest.mark.parametrize("score", ["1.01", "-0.1", '"NaN"', "NaN", "true", '""', "null", "1e400", '"half"'])
def test_risk_score_outside_0_to_1_is_refused(api: Client, score: str) -> None:
    """Case B55: the same for the risk score."""
    body = json.dumps(BODIES[VALIDATE] | {"risk_score": "?"}).replace('"?"', score)
    assert fields(send(api, VALIDATE, body)) == {"risk_score"}
    assert nothing_happened()


@pytest.mark.parametrize(("path", "field"), [(path, field) for path, body in BODIES.items() for field in body])
def test_missing_field_is_named(api: Client, path: str, field: str) -> None:
    """A command without one of its fields is refused by that field's name."""
    body = {name: value for name, value in BODIES[path].items() if name != field}
    assert fields(send(api, path, body)) == {field}
    assert nothing_happened()


@pytest.mark.parametrize(("path", "field"), [(path, field) for path, body in BODIES.items() for field in body])
@pytest.mark.parametrize(
    "value", [None, True, {"a": 1}, [["b"]], "", "\0", pytest.param("x" * 300, id="too long"), "<script>"]
)
def test_field_of_a_wrong_type_or_form_is_named(api: Client, path: str, field: str, value: object) -> None:
    """Null, booleans, objects, lists, empty, endless and odd texts are each refused by the field's name."""
    assert fields(send(api, path, BODIES[path] | {field: value})) == {field}
    assert nothing_happened()


@pytest.mark.parametrize(
    ("path", "field", "value"),
    [
        (CREATE, "tx_id", 123),
        (SETTLE, "tx_id", "a/b"),
        (SETTLE, "tx_id", "settlements"),
        (CREATE, "tx_id", "refunds"),
        (SETTLE, "currency", "usd"),
        (SETTLE, "currency", "ZZZ"),
        (CREATE, "currency", "XXX"),
        (REFUND, "currency", "BTC"),
        (REFUND, "refund_id", "a b"),
        (REFUND, "refund_id", ""),
        (REFUND, "reason", "a\nb"),
        (REFUND, "reason", 5),
        (VALIDATE, "rules", []),
        (VALIDATE, "rules", "amount_check"),
        (VALIDATE, "rules", ["amount_check", "no_such_rule"]),
        (VALIDATE, "rules", [1]),
    ],
)
def test_value_that_no_job_could_carry_is_named(api: Client, path: str, field: str, value: object) -> None:
    """Foreign currencies, unknown rules and ids that name nothing are 400, not a job that fails later."""
    assert fields(send(api, path, BODIES[path] | {field: value})) == {field}
    assert nothing_happened()


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize("body", ["", "{", "[]", "null", '"a"', "5"])
def test_body_that_is_no_object_is_refused(api: Client, path: str, body: str) -> None:
    """A body that is not a JSON object is 400."""
    assert send(api, path, body).status_code == 400
    assert nothing_happened()


def test_several_wrong_fields_are_named_at_once(api: Client) -> None:
    """The caller learns of every wrong type in one answer."""
    assert fields(send(api, SETTLE, {"tx_id": 1, "amount": "x", "currency": "US"})) == {
        "tx_id",
        "amount",
        "currency",
        "payment_method",
        "merchant_id",
    }


@pytest.mark.parametrize("path", BODIES)
def test_caller_without_the_right_is_turned_away(path: str) -> None:
    """401 without a token, 403 with one that may only view; nothing happens."""
    assert send(Client(), path, BODIES[path]).status_code == 401
    refused = send(client_with("view_transaction"), path, BODIES[path])
    assert refused.status_code == 403
    assert "transactions.add_transaction" in refused.json()["detail"]
    assert nothing_happened()


def test_transaction_is_shown_to_those_who_may_view_it() -> None:
    """401 without a token, 403 without the right to view, 404 for an unknown id."""
    known()
    path = "/api/v1/transactions/tx-123/"
    assert Client().get(path).status_code == 401
    assert client_with("add_transaction").get(path).status_code == 403
    viewer = client_with("view_transaction")
    assert viewer.get(path).status_code == 200
    assert viewer.get("/api/v1/transactions/tx-124/").status_code == 404


def test_idempotency_key_makes_one_job_of_two_requests(api: Client) -> None:
    """The same key and body is the same job; the same command under another key is another job."""
    first, again, other = (send(api, SETTLE, FACTS, **{"Idempotency-Key": key}) for key in ("k-1", "k-1", "k-2"))
    assert (first.json()["duplicate"], again.json()["duplicate"], other.json()["duplicate"]) == (False, True, False)
    assert first.json()["id"] == again.json()["id"] != other.json()["id"]
    assert [run_next().result["duplicate"] for _ in range(2)] == [False, True]


def test_other_body_under_the_same_job_id_is_a_conflict(api: Client) -> None:
    """A second settlement of the transaction with another amount is 409, not dropped in silence."""
    assert send(api, SETTLE, FACTS).status_code == 202
    assert send(api, SETTLE, FACTS | {"amount": "9.00"}).status_code == 409


def test_parts_of_a_refund_are_accepted_one_by_one(api: Client) -> None:
    """Two refunds with ids of their own are two jobs."""
    bodies = [BODIES[REFUND] | {"refund_id": name, "reason": "late"} for name in ("r-1", "r-2")]
    answers = [send(api, REFUND, body).json() for body in bodies]
    assert [answer["id"] for answer in answers] == ["refund-tx-1~r-1", "refund-tx-1~r-2"]
    assert all(api.get(answer["url"]).status_code in {200, 403} for answer in answers)
