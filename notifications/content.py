"""The e-mails that can be sent: what each needs to know, and how it is rendered.

A template is a folder `notifications/email/<name>/` with subject.txt, body.txt and body.html.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.template.loader import render_to_string

from notifications.headers import one_line
from queues import InvalidPayload

# The variables that a template cannot do without; it may show others when they are given.
TEMPLATES: Final[Mapping[str, frozenset[str]]] = {
    "receipt": frozenset({"name", "amount", "currency", "reference"}),
    "refund": frozenset({"name", "amount", "currency", "reference"}),
    "welcome": frozenset({"name"}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a rendered template says: the subject on one line, and the body twice."""

    subject: str
    text: str
    html: str


def check_context(template: object, context: object) -> None:
    """Raise InvalidPayload when there is no such template, or the context lacks what it shows."""
    needed = TEMPLATES.get(template) if isinstance(template, str) else None
    if needed is None:
        raise InvalidPayload(
            f"template is {template!r:.60}; it must be one of {', '.join(TEMPLATES)}.", field="template"
        )
    if not isinstance(context, Mapping):
        raise InvalidPayload("context must be an object of JSON values.", field="context")
    missing = sorted(name for name in needed if context.get(name) in (None, ""))
    if missing:
        raise InvalidPayload(
            f"context lacks {', '.join(missing)}, which the template {template!r} shows.",
            field=f"context.{missing[0]}",
        )


def render(template: str, context: Mapping[str, Any], subject: str | None = None) -> Content:
    """Return what the template says about `context`; `subject` replaces its own."""
    folder, values = f"notifications/email/{template}", dict(context)
    return Content(
        subject=one_line(subject or render_to_string(f"{folder}/subject.txt", values)),
        text=render_to_string(f"{folder}/body.txt", values),
        html=render_to_string(f"{folder}/body.html", values),
    )
