"""What a notification job carries."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailPayload:
    """One e-mail to one person.

    `to` is an address, alone or as `Name <address>`. `context` holds JSON values for the template;
    amounts belong in it as strings, so that they keep their digits. `subject` replaces the
    template's own.
    """

    to: str
    template: str
    context: dict[str, Any] = field(default_factory=dict)
    subject: str | None = None
