"""How the API describes itself (OpenAPI 3.1): what each call may answer beside its success."""

from typing import Any, Final

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse

from queues.api.errors import CONTENT_TYPE
from queues.api.serializers import AcceptedSerializer, ProblemSerializer

_MEANINGS: Final = {
    400: "The call is not valid; errors names the fields.",
    401: "Who calls is not known.",
    403: "The caller may not do this.",
    404: "There is no such queue or job.",
    503: "The provider does not answer; try again after Retry-After seconds.",
}
_COMMAND_MEANINGS: Final = {
    409: "The job id is known with other content.",
    413: "The body or the payload is too large.",
    415: "The body is not application/json.",
    422: "The Idempotency-Key was used before with another body.",
}


def _problems(meanings: dict[int, str]) -> dict[Any, Any]:
    return {
        (status, CONTENT_TYPE): OpenApiResponse(ProblemSerializer, description=meaning)
        for status, meaning in meanings.items()
    }


PROBLEMS: Final = _problems({status: meaning for status, meaning in _MEANINGS.items() if status != 400})  # noqa: PLR2004 - a GET has no body
COMMAND_PROBLEMS: Final = _problems(dict(sorted({**_MEANINGS, **_COMMAND_MEANINGS}.items())))


class CommandSchema(AutoSchema):
    """The schema of a command: its serializer in, 202 or problem details out."""

    def get_response_serializers(self) -> Any:
        """Return what a command answers."""
        return {202: AcceptedSerializer, **COMMAND_PROBLEMS}

    def get_override_parameters(self) -> list[Any]:
        """Return the headers that every command takes."""
        return [
            OpenApiParameter(
                "Idempotency-Key",
                str,
                OpenApiParameter.HEADER,
                description="1 to 255 characters. One key with one body adds one job, however often it is sent.",
            ),
            OpenApiParameter(
                "X-Correlation-ID",
                str,
                OpenApiParameter.HEADER,
                description="1 to 255 printable characters: the flow that the job belongs to; made when absent.",
            ),
            OpenApiParameter(
                "traceparent", str, OpenApiParameter.HEADER, description="W3C trace context; ignored when malformed."
            ),
        ]
