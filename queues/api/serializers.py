"""What the API shows of queues and jobs."""

from datetime import timedelta
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from queues.jobs import MILLISECOND, JobState


@extend_schema_field(OpenApiTypes.INT)
class Milliseconds(serializers.Field[timedelta, Any, int, Any]):
    """A timedelta, shown in whole milliseconds."""

    def to_representation(self, value: timedelta) -> int:
        """Return the milliseconds."""
        return round(value / MILLISECOND)


class QueueSerializer(serializers.Serializer[Any]):
    """A queue: whether its provider answers, and the counts when it does."""

    name = serializers.CharField()
    status = serializers.ChoiceField(choices=["up", "down"])
    error = serializers.CharField(allow_null=True)
    waiting = serializers.IntegerField(source="stats.waiting", default=None, allow_null=True)
    active = serializers.IntegerField(source="stats.active", default=None, allow_null=True)
    completed = serializers.IntegerField(source="stats.completed", default=None, allow_null=True)
    failed = serializers.IntegerField(source="stats.failed", default=None, allow_null=True)
    delayed = serializers.IntegerField(source="stats.delayed", default=None, allow_null=True)
    is_paused = serializers.BooleanField(source="stats.is_paused", default=None, allow_null=True)
    oldest_waiting_ms = Milliseconds(source="stats.oldest_waiting", default=None, allow_null=True)
    url = serializers.CharField()


class UserSerializer(serializers.Serializer[Any]):
    """Whom a job acts for."""

    sub = serializers.CharField()
    tenant = serializers.CharField()
    roles = serializers.ListField(child=serializers.CharField())
    display_name = serializers.CharField()
    email = serializers.CharField()


class MetadataSerializer(serializers.Serializer[Any]):
    """What a job carries beside its payload."""

    correlation_id = serializers.CharField()
    user = UserSerializer()
    source = serializers.CharField()  # type: ignore[assignment]
    timestamp = serializers.DateTimeField()
    business_context = serializers.DictField()
    traceparent = serializers.CharField(allow_null=True)


class AttemptSerializer(serializers.Serializer[Any]):
    """One run that did not complete."""

    number = serializers.IntegerField()
    ended_at = serializers.DateTimeField()
    duration_ms = Milliseconds(source="duration")
    error = serializers.CharField()


class JobSerializer(serializers.Serializer[Any]):
    """A job. `payload` is there for those who may see what jobs carry."""

    id = serializers.CharField()
    queue = serializers.CharField()
    name = serializers.CharField()
    state = serializers.ChoiceField(choices=[str(state) for state in JobState])
    priority = serializers.IntegerField(source="options.priority")
    attempts = serializers.IntegerField(source="options.attempts")
    attempts_made = serializers.IntegerField()
    stalls = serializers.IntegerField()
    failures = AttemptSerializer(source="attempts", many=True)
    progress = serializers.FloatField()
    result = serializers.JSONField(allow_null=True)
    failed_reason = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()
    available_at = serializers.DateTimeField(allow_null=True)
    processed_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    worker = serializers.CharField(allow_null=True)
    metadata = MetadataSerializer()
    payload = serializers.JSONField(source="data", required=False)

    def to_representation(self, instance: Any) -> dict[str, Any]:
        """Return the job, with its payload only where the view says that it may be seen."""
        shown: dict[str, Any] = super().to_representation(instance)
        if not self.context.get("view_payload"):
            del shown["payload"]
        return shown


class AcceptedSerializer(serializers.Serializer[Any]):
    """What an accepted command answers: the job, where it is queued, and where to ask for it."""

    id = serializers.CharField()
    queue = serializers.CharField()
    name = serializers.CharField()
    state = serializers.CharField()
    duplicate = serializers.BooleanField()
    correlation_id = serializers.CharField(source="metadata.correlation_id")
    url = serializers.SerializerMethodField()

    def get_url(self, _: Any) -> str:
        """Return the URL that the view gave."""
        return str(self.context["url"])


class ProblemErrorSerializer(serializers.Serializer[Any]):
    """One thing that is wrong; field is null when it is the whole."""

    field = serializers.CharField(allow_null=True)
    message = serializers.CharField()


class ProblemSerializer(serializers.Serializer[Any]):
    """Problem details (RFC 9457): why a call was refused."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    code = serializers.CharField()
    detail = serializers.CharField()
    errors = ProblemErrorSerializer(many=True, required=False)  # type: ignore[assignment]
