"""Commands over REST: validate, add a job through a domain's service, answer 202.

The one module beside the face that a domain app's `api` package may import.
"""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, ClassVar, Final
from urllib.parse import quote

from django.urls import reverse
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from queues.api.schema import CommandSchema
from queues.api.serializers import AcceptedSerializer
from queues.errors import InvalidMetadata, InvalidOptions
from queues.jobs import QueueJob
from queues.metadata import JobMetadata, UserToken, new_metadata

KEY_LENGTH: Final = 255
# A duplicate's correlation id may have come from Python, with characters that no header can carry.
_PRINTABLE: Final = "".join(map(chr, range(32, 127)))


class CommandView(APIView):
    """POST of one command. A subclass names its serializer and hands the data to its service."""

    serializer_class: ClassVar[type[serializers.Serializer[Any]]]
    schema = CommandSchema()

    def command(self, data: dict[str, Any], *, job_id: str | None, metadata: JobMetadata) -> QueueJob[Any]:
        """Call the domain's service with valid data and return the job that it added."""
        raise NotImplementedError

    def post(self, request: Request) -> Response:
        """Validate, add the job, answer 202 with its id, queue, state and URL."""
        serializer = self.serializer_class(data=request.data)
        serializer.is_valid(raise_exception=True)
        job = self.command(serializer.validated_data, job_id=job_id_of(request), metadata=metadata_of(request))
        url = reverse("job", args=[job.queue, job.id])
        accepted = AcceptedSerializer(job, context={"url": request.build_absolute_uri(url)})
        headers = {"Location": url, "X-Correlation-ID": quote(job.metadata.correlation_id, safe=_PRINTABLE)}
        return Response(accepted.data, status=status.HTTP_202_ACCEPTED, headers=headers)


def job_id_of(request: Request) -> str | None:
    """Return the job id that the Idempotency-Key header stands for; None without one.

    The id is one user's and one command's own, so that nobody's key meets another's.
    """
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not 0 < len(key) <= KEY_LENGTH:
        raise InvalidOptions(f"Idempotency-Key must have 1 to {KEY_LENGTH} characters.", field="Idempotency-Key")
    scope = f"{request.user.pk}\n{request.path}\n{key}"
    return "key-" + hashlib.sha256(scope.encode("utf-8", "surrogatepass")).hexdigest()


def metadata_of(request: Request) -> JobMetadata:
    """Return a job's metadata as the request has it: its user, correlation id and trace context.

    Raises InvalidMetadata, naming the header, for a correlation id that no log could carry. A
    malformed traceparent is as good as none, as W3C wants it.
    """
    user = request.user
    metadata = JobMetadata(
        correlation_id=_correlation_id(request),
        user=UserToken(sub=str(user.pk), display_name=user.get_username(), email=getattr(user, "email", "")),
        source="api",
        timestamp=datetime.now(UTC),
    )
    try:
        return replace(metadata, traceparent=request.headers.get("traceparent"))
    except InvalidMetadata:
        return metadata


def _correlation_id(request: Request) -> str:
    correlation_id = request.headers.get("X-Correlation-ID")
    if correlation_id is None:
        return new_metadata().correlation_id
    if 0 < len(correlation_id) <= KEY_LENGTH and correlation_id.isprintable():
        return correlation_id
    raise InvalidMetadata(
        f"X-Correlation-ID must have 1 to {KEY_LENGTH} printable characters.", field="X-Correlation-ID"
    )
