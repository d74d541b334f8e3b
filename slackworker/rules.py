"""What Slack could never take, said before it is queued. Each raises InvalidPayload, naming the field."""

import re
from typing import Final

from queues import InvalidPayload
from slackworker.payloads import Severity, SlackAlertPayload, SlackMessagePayload

MOST_FIELDS: Final = 50
TYPE_LENGTH: Final = 100
_CHANNEL: Final = re.compile(r"[^\s<>&,@\x00-\x1f\x7f]{1,81}")
_TYPE: Final = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._:-]{{0,{TYPE_LENGTH - 1}}}")
_THREAD: Final = re.compile(r"[0-9]{10}\.[0-9]{6}")


def check_message(data: SlackMessagePayload) -> None:
    """Refuse a message without a channel or text, or with a thread that is none."""
    _check_channel(data.channel)
    _check_text(data.text, "text")
    if data.thread_ts is not None and not _matches(_THREAD, data.thread_ts):
        raise InvalidPayload(
            f"thread_ts is {data.thread_ts!r:.40}; it must be a message's ts, such as '1712345678.000100'.",
            field="thread_ts",
        )


def check_alert(data: SlackAlertPayload) -> None:
    """Refuse an alert without a kind or title, of no known severity, or with facts that are no text."""
    if not _matches(_TYPE, data.type):
        raise InvalidPayload(
            f"type is {data.type!r:.60}; it must be 1 to {TYPE_LENGTH} letters, digits and . _ : -, "
            "such as 'settlement-failed'.",
            field="type",
        )
    _check_text(data.title, "title")
    if not isinstance(data.message, str):
        raise InvalidPayload("message must be text.", field="message")
    if data.severity not in list(Severity):
        raise InvalidPayload(
            f"severity is {data.severity!r:.40}; it must be one of {', '.join(Severity)}.", field="severity"
        )
    _check_fields(data.fields)
    if data.channel is not None:
        _check_channel(data.channel)


def _matches(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _check_channel(channel: object) -> None:
    if not _matches(_CHANNEL, channel):
        raise InvalidPayload(
            f"channel is {channel!r:.60}; it must be a channel's id or name, such as 'C0123456789' or '#payments'.",
            field="channel",
        )


def _check_text(text: object, field: str) -> None:
    if not isinstance(text, str) or not text.strip():
        raise InvalidPayload(f"{field} must be text that is not blank.", field=field)


def _check_fields(fields: object) -> None:
    if not isinstance(fields, dict) or len(fields) > MOST_FIELDS:
        raise InvalidPayload(f"fields must be an object of at most {MOST_FIELDS} texts by name.", field="fields")
    for name, value in fields.items():
        if not isinstance(name, str) or not name.strip() or not isinstance(value, str):
            raise InvalidPayload(f"fields has {name!r:.40}: {value!r:.40}; both must be text.", field=f"fields.{name}")
