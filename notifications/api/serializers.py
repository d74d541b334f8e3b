"""The commands of notifications as JSON; their rules are in the services."""

from typing import Any

from rest_framework import serializers

from notifications.content import TEMPLATES


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


class EmailSerializer(serializers.Serializer[Any]):
    """One e-mail to one person."""

    to = TextField(help_text="An address, alone or as `Name <address>`.")
    template = TextField(help_text=f"One of {', '.join(TEMPLATES)}.")
    context = serializers.DictField(  # type: ignore[assignment]  # a field's name, not the serializer's context
        default=dict, help_text="What the template shows, as JSON values; amounts as strings."
    )
    subject = TextField(required=False, allow_null=True, help_text="In place of the template's own; one line.")
