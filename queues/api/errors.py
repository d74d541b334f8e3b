"""Every error of the API as problem details (RFC 9457): what is wrong, in which field.

The caller's faults are 4xx, a provider that does not take the call is 503 with Retry-After;
only a fault of ours is 500.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from itertools import islice
from typing import Any, Final

from django.core.exceptions import BadRequest, RequestDataTooBig, SuspiciousOperation
from django.http import HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.views import defaults
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import exception_handler, set_rollback

from queues.errors import (
    InvalidTransition,
    JobIdConflict,
    JobIsActive,
    PayloadTooLarge,
    QueueError,
    QueueRejected,
    QueueUnavailable,
    UnknownJob,
    UnknownQueue,
)

CONTENT_TYPE: Final = "application/problem+json"
API_PREFIX: Final = "/api/"
RETRY_AFTER_SECONDS: Final = 5
MOST_ERRORS: Final = 100
_STATUSES: Final[tuple[tuple[type[QueueError], int], ...]] = (
    (UnknownQueue, 404),
    (UnknownJob, 404),
    (JobIdConflict, 409),
    (JobIsActive, 409),
    (InvalidTransition, 409),
    (PayloadTooLarge, 413),
    (QueueRejected, 400),
    (QueueUnavailable, 503),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One error as the API tells it; `errors` are pairs of a field (None: the whole) and what is wrong."""

    status: int
    code: str
    detail: str
    errors: tuple[tuple[str | None, str], ...] = ()

    def body(self) -> dict[str, Any]:
        """Return the JSON object."""
        body: dict[str, Any] = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
        }
        if self.errors:
            body["errors"] = [{"field": field, "message": message} for field, message in self.errors]
        return body


def handle(exc: Exception, context: Mapping[str, Any]) -> Response | None:
    """Answer an exception of a view; None for what is a fault of ours."""
    problem = _of_queue(exc, context.get("request"))
    if problem is not None:
        set_rollback()
        headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if problem.status == HTTPStatus.SERVICE_UNAVAILABLE else {}
        return Response(problem.body(), status=problem.status, headers=headers, content_type=CONTENT_TYPE)
    error = _as_rest(exc)
    response = exception_handler(error, dict(context))
    if response is not None:
        response.data = _of_rest(error, response).body()
        response.content_type = CONTENT_TYPE
    return response


def _of_queue(exc: Exception, request: Request | None) -> Problem | None:
    status = next((status for kind, status in _STATUSES if isinstance(exc, kind)), None)
    if status is None or not isinstance(exc, QueueError):
        return None
    if isinstance(exc, JobIdConflict) and request is not None and "Idempotency-Key" in request.headers:
        return Problem(
            status=422,
            code=exc.code,
            detail="This Idempotency-Key was used before with another body.",
            errors=(("Idempotency-Key", "Use a new key for another command."),),
        )
    errors = ((exc.field, exc.message),) if exc.field else ()
    return Problem(status=status, code=exc.code, detail=exc.message, errors=errors)


def _as_rest(exc: Exception) -> Exception:
    """Return what a caller did, as REST framework has it; anything else as it is."""
    match exc:
        case RequestDataTooBig():
            error = exceptions.APIException("The body is larger than the server takes.", "body_too_large")
            error.status_code = 413
            return error
        case SuspiciousOperation() | BadRequest() | UnreadablePostError():
            return exceptions.ParseError("The request cannot be read.")
    return exc


def _of_rest(error: Exception, response: Response) -> Problem:
    if isinstance(error, exceptions.ValidationError):
        return _of_fields(error.detail)
    detail = response.data["detail"]
    return Problem(status=response.status_code, code=getattr(detail, "code", "error"), detail=str(detail))


def _of_fields(details: object) -> Problem:
    errors = tuple(islice(_flat(details, ""), MOST_ERRORS))
    fields = ", ".join(dict.fromkeys(field for field, _ in errors if field))
    detail = f"The command is not valid: {fields}." if fields else errors[0][1]
    return Problem(status=400, code="invalid", detail=detail, errors=errors)


def _flat(detail: Any, path: str) -> Iterator[tuple[str | None, str]]:
    """Yield each message of a nested detail with the dotted path of its field."""
    if isinstance(detail, Mapping):
        for key, value in detail.items():
            name = "" if key == "non_field_errors" else str(key)
            yield from _flat(value, f"{path}.{name}".strip("."))
    elif isinstance(detail, list | tuple):
        for index, item in enumerate(detail):
            nested = isinstance(item, Mapping | list | tuple)
            yield from _flat(item, f"{path}.{index}".strip(".") if nested else path)
    else:
        yield path or None, str(detail)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 400 outside of a view: problem details under /api/, Django's page elsewhere."""
    if not request.path_info.startswith(API_PREFIX):
        return defaults.bad_request(request, exception)
    return _plain(Problem(status=400, code="parse_error", detail="The request cannot be read."))


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer 500: problem details under /api/, Django's page elsewhere."""
    if not request.path_info.startswith(API_PREFIX):
        return defaults.server_error(request)
    return _plain(Problem(status=500, code="error", detail="This is a fault of ours; it was logged."))


def _plain(problem: Problem) -> JsonResponse:
    return JsonResponse(problem.body(), status=problem.status, content_type=CONTENT_TYPE)
