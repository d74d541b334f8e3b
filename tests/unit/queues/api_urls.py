"""URLs for tests: a view with a bug, and a command of a domain that does not exist."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from rest_framework import serializers

from queues import JobMetadata, JobOptions, QueueJob, get_queue
from queues.api.commands import CommandView


class PaintSerializer(serializers.Serializer[Any]):
    """What the paint command takes."""

    amount = serializers.DecimalField(max_digits=12, decimal_places=2, min_value=0)
    data = serializers.DictField(required=False)


class PaintView(CommandView):
    """Paint something."""

    serializer_class = PaintSerializer

    def command(self, data: dict[str, Any], *, job_id: str | None, metadata: JobMetadata) -> QueueJob[Any]:
        """Add the job."""
        return get_queue().add("paint.wall.v1", data, JobOptions(job_id=job_id), metadata=metadata)


def bug(request: HttpRequest) -> HttpResponse:
    """Fail."""
    raise RuntimeError("secret")


urlpatterns = [
    path("api/bug/", bug),
    path("api/v1/", include("queues.api.urls")),
    path("api/v1/paint/", PaintView.as_view(), name="paint"),
    path("api/v1/varnish/", PaintView.as_view(), name="varnish"),
]
handler400 = "queues.api.errors.bad_request"
handler500 = "queues.api.errors.server_error"
