"""What a Slack job carries."""

from dataclasses import dataclass, field
from enum import StrEnum


class Severity(StrEnum):
    """How bad it is, that an alert tells of."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackMessagePayload:
    """One message to a channel, given by its id or name, or to a thread in it.

    `text` is shown as it is: it can neither mention anybody nor hide a link.
    """

    channel: str
    text: str
    urgent: bool = False
    thread_ts: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackAlertPayload:
    """One alert: its kind, what happened, how bad it is, and facts by their names.

    Without a channel it goes to the one that the settings name.
    """

    type: str
    title: str
    message: str = ""
    severity: Severity = Severity.WARNING
    fields: dict[str, str] = field(default_factory=dict)
    channel: str | None = None
