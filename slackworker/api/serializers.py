"""The commands of Slack as JSON; their rules are in the services."""

from typing import Any

from rest_framework import serializers

from slackworker.payloads import Severity


class TextField(serializers.CharField):
    """A JSON string, kept as it is; a number or anything else is refused."""

    def __init__(self, **options: Any) -> None:
        """Trim nothing: what was sent is what is checked."""
        super().__init__(trim_whitespace=False, **options)

    def to_internal_value(self, data: Any) -> str:
        """Return the string."""
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class SlackMessageSerializer(serializers.Serializer[Any]):
    """One message to a channel."""

    channel = TextField(help_text="A channel's id or name.")
    text = TextField(help_text="Shown as it is.")
    urgent = serializers.BooleanField(default=False)
    thread_ts = TextField(required=False, allow_null=True, help_text="The ts of the message to answer.")


class SlackAlertSerializer(serializers.Serializer[Any]):
    """One alert."""

    type = TextField(help_text="The kind of alert, such as `settlement-failed`.")
    title = TextField()
    message = TextField(default="", allow_blank=True)
    severity = serializers.ChoiceField(choices=[(level.value, level.name) for level in Severity], default="warning")
    fields = serializers.DictField(  # type: ignore[assignment]  # a field's name, not the serializer's fields
        child=TextField(allow_blank=True), default=dict
    )
    channel = TextField(required=False, allow_null=True, help_text="Where to; else as the settings say.")
