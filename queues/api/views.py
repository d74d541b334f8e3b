"""Reading over REST: every queue, one queue, one job."""

from typing import Any, ClassVar

from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import NotFound
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from queues.api.schema import PROBLEMS
from queues.api.serializers import JobSerializer, QueueSerializer
from queues.errors import QueueUnavailable, UnknownJob
from queues.monitoring.overview import QueueStatus, read_queues
from queues.registry import get_queue


class MayViewQueues(BasePermission):
    """Lets those pass who may see queues and their jobs."""

    message = "This needs the permission queues.view_queue."

    def has_permission(self, request: Request, view: APIView) -> bool:  # noqa: ARG002 - REST framework's signature
        """Say whether the caller may."""
        return bool(request.user.has_perm("queues.view_queue"))


class ReadView(APIView):
    """A GET for those who may see queues."""

    permission_classes: ClassVar[list[type[BasePermission]]] = [IsAuthenticated, MayViewQueues]  # type: ignore[misc]


class QueueListView(ReadView):
    """Every queue."""

    @extend_schema(operation_id="queues_list", responses={200: QueueSerializer(many=True), **PROBLEMS})
    def get(self, request: Request) -> Response:
        """Return every queue with its counts; one whose provider does not answer is down."""
        return Response([_shown(status, request) for status in read_queues()])


class QueueView(ReadView):
    """One queue."""

    @extend_schema(operation_id="queues_retrieve", responses={200: QueueSerializer, **PROBLEMS})
    def get(self, request: Request, name: str) -> Response:
        """Return a queue with its counts; 503 when its provider does not answer."""
        [status] = read_queues([name])
        if status.stats is None:
            raise QueueUnavailable(status.error)
        return Response(_shown(status, request))


class JobView(ReadView):
    """One job."""

    @extend_schema(
        operation_id="queues_jobs_retrieve",
        parameters=[OpenApiParameter("job_id", OpenApiTypes.STR, OpenApiParameter.PATH)],
        responses={200: JobSerializer, **PROBLEMS},
    )
    def get(self, request: Request, name: str, job_id: str) -> Response:
        """Return a job; its payload too for those with the permission queues.view_payload."""
        job = get_queue(name).get_job(job_id)
        if job is None:
            raise UnknownJob(f"The queue {name} has no such job.", field="job_id")
        may = request.user.has_perm("queues.view_payload")
        return Response(JobSerializer(job, context={"view_payload": may}).data)


@extend_schema(exclude=True)
class NotFoundView(APIView):
    """Whatever else is asked for under /api/: 404, by any method and for anybody."""

    authentication_classes: ClassVar[list[type[BaseAuthentication]]] = []  # type: ignore[misc]
    permission_classes: ClassVar[list[type[BasePermission]]] = []  # type: ignore[misc]

    def initial(self, *_: Any, **__: Any) -> None:
        """Raise NotFound."""
        raise NotFound("There is nothing at this URL. The URLs of this API end with a slash; see /api/schema/.")


def _shown(status: QueueStatus, request: Request) -> Any:
    url = request.build_absolute_uri(reverse("queue", args=[status.name]))
    return QueueSerializer(
        {"name": status.name, "status": status.status, "error": status.error, "stats": status.stats, "url": url}
    ).data
