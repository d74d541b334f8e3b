"""Problem details: each error's status, code and fields."""

from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404
from django.test import Client, RequestFactory, override_settings
from rest_framework import exceptions
from rest_framework.request import Request

from queues import errors
from queues.api.errors import handle


def answer(exc: Exception, **headers: str) -> Any:
    """Handle an exception of a POST that has these headers."""
    request = Request(RequestFactory().post("/api/v1/x/", headers=headers))
    response = handle(exc, {"request": request})
    assert response is not None
    assert response.content_type == "application/problem+json"
    assert response.data["status"] == response.status_code
    assert {"type", "title", "status", "code", "detail"} <= set(response.data)
    return response


@pytest.mark.parametrize(
    ("exc", "status", "code"),
    [
        (errors.UnknownQueue(), 404, "unknown_queue"),
        (errors.UnknownJob(), 404, "unknown_job"),
        (errors.JobIdConflict(), 409, "job_id_conflict"),
        (errors.JobIsActive(), 409, "job_is_active"),
        (errors.InvalidTransition(), 409, "invalid_transition"),
        (errors.PayloadTooLarge(), 413, "payload_too_large"),
        (errors.InvalidPayload(), 400, "invalid_payload"),
        (errors.InvalidOptions(), 400, "invalid_options"),
        (errors.InvalidMetadata(), 400, "invalid_metadata"),
        (errors.InvalidJobName(), 400, "invalid_job_name"),
        (errors.QueueUnavailable(), 503, "unavailable"),
        (errors.QueueFull(), 503, "full"),
        (exceptions.ParseError(), 400, "parse_error"),
        (exceptions.NotAuthenticated(), 401, "not_authenticated"),
        (exceptions.PermissionDenied(), 403, "permission_denied"),
        (PermissionDenied(), 403, "permission_denied"),
        (Http404(), 404, "not_found"),
        (exceptions.MethodNotAllowed("PUT"), 405, "method_not_allowed"),
        (exceptions.NotAcceptable(), 406, "not_acceptable"),
        (exceptions.UnsupportedMediaType("text/plain"), 415, "unsupported_media_type"),
        (exceptions.Throttled(wait=3), 429, "throttled"),
        (SuspiciousOperation("x"), 400, "parse_error"),
        (RequestDataTooBig("x"), 413, "body_too_large"),
    ],
)
def test_each_error_has_its_status_and_code(exc: Exception, status: int, code: str) -> None:
    """What a caller did is 4xx, what a provider did is 503."""
    response = answer(exc)

    assert (response.status_code, response.data["code"]) == (status, code)


def test_a_rejected_call_names_its_field() -> None:
    """The field of a QueueRejected is in errors."""
    response = answer(errors.InvalidOptions("attempts is 0.", field="attempts"))

    assert response.data["errors"] == [{"field": "attempts", "message": "attempts is 0."}]


def test_validation_errors_are_flat() -> None:
    """Nested fields are dotted, lists count from 0, the whole is null."""
    details = {
        "non_field_errors": ["odd"],
        "a": {"b": ["bad", "worse"]},
        "items": [{}, {"c": ["no"]}],
        "tags": {2: ["x"]},
    }
    response = answer(exceptions.ValidationError(details))

    assert response.status_code == 400
    assert response.data["errors"] == [
        {"field": None, "message": "odd"},
        {"field": "a.b", "message": "bad"},
        {"field": "a.b", "message": "worse"},
        {"field": "items.1.c", "message": "no"},
        {"field": "tags.2", "message": "x"},
    ]


def test_a_conflict_under_an_idempotency_key_is_422() -> None:
    """Case B21: the same key with another body is 422, and the answer names the header."""
    response = answer(errors.JobIdConflict(), **{"Idempotency-Key": "k"})

    assert response.status_code == 422
    assert response.data["errors"][0]["field"] == "Idempotency-Key"


@pytest.mark.parametrize("exc", [errors.QueueUnavailable(), errors.QueueFull()])
def test_a_provider_that_is_down_says_when_to_come_back(exc: Exception) -> None:
    """503 has Retry-After."""
    assert int(answer(exc).headers["Retry-After"]) > 0


def test_throttling_keeps_retry_after() -> None:
    """What REST framework puts into headers stays."""
    assert answer(exceptions.Throttled(wait=3)).headers["Retry-After"] == "3"


@pytest.mark.parametrize("exc", [ValueError("x"), errors.QueueMisconfigured(), errors.LeaseLost()])
def test_a_fault_of_ours_stays_an_exception(exc: Exception) -> None:
    """A bug is not dressed up as the caller's fault: it is logged, and 500."""
    assert handle(exc, {"request": None}) is None


@pytest.mark.parametrize("method", ["get", "post", "put", "delete", "options"])
@pytest.mark.parametrize("path", ["/api/", "/api/v1/nothing/", "/api/v1/queues", "/api/%3Cscript%3E"])
def test_an_unknown_url_under_api_is_a_json_404(client: Client, method: str, path: str) -> None:
    """No page of HTML, and nothing of the URL, comes back."""
    response = getattr(client, method)(path)

    assert response.status_code == 404
    assert response.headers["Content-Type"] == "application/problem+json"
    assert b"script" not in response.content


def test_a_wrong_host_gets_a_json_400_under_api(client: Client) -> None:
    """An error before any view is problem details too."""
    response = client.get("/api/v1/queues/", headers={"Host": "elsewhere.example"})

    assert (response.status_code, response.headers["Content-Type"]) == (400, "application/problem+json")


@override_settings(ROOT_URLCONF="tests.unit.queues.api_urls")
def test_a_bug_in_a_view_is_a_json_500(client: Client) -> None:
    """A fault of ours says so, without a trace."""
    client.raise_request_exception = False
    response = client.get("/api/bug/")

    assert (response.status_code, response.json()["code"]) == (500, "error")
    assert "secret" not in response.content.decode()
