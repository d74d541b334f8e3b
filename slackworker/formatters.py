"""Messages and alerts as Slack shows them, within Slack's limits.

https://docs.slack.dev/reference/block-kit/blocks has the limits; a message as a whole is
refused somewhere above 13,000 characters of blocks (Case B42), so ours end at 12,000.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import batched
from typing import Any, Final

from slackworker.payloads import Severity, SlackAlertPayload, SlackMessagePayload
from slackworker.text import ELLIPSIS, fit, width

TEXT_LENGTH: Final = 40_000
SUMMARY_LENGTH: Final = 300
HEADER_LENGTH: Final = 150
SECTION_LENGTH: Final = 3_000
FIELD_LENGTH: Final = 2_000
FIELD_NAME_LENGTH: Final = 100
FIELDS_TOTAL: Final = 8_000
FIELDS_IN_SECTION: Final = 10
CONTEXT_LENGTH: Final = 300

_SIGNS: Final[Mapping[Severity, str]] = {
    Severity.INFO: ":information_source:",
    Severity.WARNING: ":warning:",
    Severity.ERROR: ":x:",
    Severity.CRITICAL: ":rotating_light:",
}

type Block = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is posted: with blocks, `text` is what notifications show."""

    channel: str
    text: str
    blocks: tuple[Block, ...] = ()
    thread_ts: str | None = None


def format_message(data: SlackMessagePayload) -> Message:
    """Return a message as plain text."""
    return Message(channel=data.channel, text=fit(data.text, TEXT_LENGTH), thread_ts=data.thread_ts)


def format_alert(data: SlackAlertPayload, *, channel: str, correlation_id: str) -> Message:
    """Return an alert as blocks: its title with a sign of its severity, what happened, facts, origin."""
    blocks = [_header(f"{_SIGNS[data.severity]} {data.title}")]
    if data.message.strip():
        blocks.append({"type": "section", "text": _mrkdwn(fit(data.message, SECTION_LENGTH))})
    blocks += [
        {"type": "section", "fields": [_mrkdwn(fact) for fact in facts]}
        for facts in batched(_facts(data.fields), FIELDS_IN_SECTION)
    ]
    origin = f"{data.severity.upper()} · {data.type} · {correlation_id}"
    blocks.append({"type": "context", "elements": [_mrkdwn(fit(origin, CONTEXT_LENGTH))]})
    summary = fit(f"[{data.severity.upper()}] {data.title}", SUMMARY_LENGTH)
    return Message(channel=channel, text=summary, blocks=tuple(blocks))


def _header(text: str) -> Block:
    return {"type": "header", "text": {"type": "plain_text", "text": fit(text, HEADER_LENGTH), "emoji": True}}


def _mrkdwn(text: str) -> Block:
    # verbatim: Slack makes no links and mentions of its own from bare addresses and names.
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _facts(facts: Mapping[str, str]) -> Iterator[str]:
    """Yield one text for each fact, until there is no room; the last then says how many are left out."""
    used = 0
    for index, (name, value) in enumerate(facts.items()):
        head = f"*{fit(name, FIELD_NAME_LENGTH)}*\n"
        text = head + fit(value, FIELD_LENGTH - width(head))
        used += width(text)
        if used > FIELDS_TOTAL:
            yield f"{ELLIPSIS} and {len(facts) - index} more"
            return
        yield text
