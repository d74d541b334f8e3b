"""Messages and alerts as they are posted, held against the local Slack's own rules."""

from dataclasses import replace
from typing import Any

import pytest

from demo.slack_rules import problem_of
from slackworker.formatters import Message, format_alert, format_message
from slackworker.payloads import Severity, SlackAlertPayload, SlackMessagePayload

ALERT = SlackAlertPayload(
    type="settlement-failed",
    title="Settlement failed",
    message="The gateway refused <tx-1>.",
    severity=Severity.CRITICAL,
    fields={"Transaction": "tx-1", "Amount": "19.99 EUR"},
)


def formatted(alert: SlackAlertPayload) -> Message:
    """Return an alert as it is posted."""
    return format_alert(alert, channel="#alerts", correlation_id="flow-1")


def problem(message: Message) -> tuple[str, ...]:
    """Return what Slack would say against it."""
    return problem_of({"text": message.text, "blocks": list(message.blocks)})


def texts(value: Any) -> list[str]:
    """Return every text in blocks."""
    if isinstance(value, dict):
        own = [value["text"]] if isinstance(value.get("text"), str) else []
        return own + [text for item in value.values() for text in texts(item)]
    return [text for item in value for text in texts(item)] if isinstance(value, list | tuple) else []


def test_message_is_its_text_escaped() -> None:
    """A message has no blocks; its thread is kept."""
    message = format_message(SlackMessagePayload(channel="C1", text="a < b", thread_ts="1712345678.000100"))

    assert message == Message(channel="C1", text="a &lt; b", thread_ts="1712345678.000100")


def test_long_message_is_cut_at_slacks_limit() -> None:
    """Case B42: Slack takes 40,000 characters; the cut is shown."""
    message = format_message(SlackMessagePayload(channel="C1", text="x" * 40_001))

    assert message.text == "x" * 39_999 + "…"
    assert problem(message) == ()


def test_alert_says_what_how_bad_and_where_from() -> None:
    """Header with a sign, the message, the facts, and a line with severity, type and flow."""
    message = formatted(ALERT)

    assert message.channel == "#alerts"
    assert message.text == "[CRITICAL] Settlement failed"
    header, section, facts, context = message.blocks
    assert header["text"]["text"] == ":rotating_light: Settlement failed"
    assert section["text"]["text"] == "The gateway refused &lt;tx-1&gt;."
    assert [fact["text"] for fact in facts["fields"]] == ["*Transaction*\ntx-1", "*Amount*\n19.99 EUR"]
    assert context["elements"][0]["text"] == "CRITICAL · settlement-failed · flow-1"
    assert problem(message) == ()


@pytest.mark.parametrize("severity", Severity)
def test_every_severity_has_its_sign(severity: Severity) -> None:
    """No severity is without one, and no two share one."""
    sign = formatted(replace(ALERT, severity=severity)).blocks[0]["text"]["text"].split()[0]

    others = [formatted(replace(ALERT, severity=other)).blocks[0]["text"]["text"] for other in Severity]
    assert sum(other.startswith(sign) for other in others) == 1


def test_alert_without_message_and_facts_has_neither_section() -> None:
    """An empty section would be refused."""
    message = formatted(replace(ALERT, message="  ", fields={}))

    assert [block["type"] for block in message.blocks] == ["header", "context"]
    assert problem(message) == ()


def test_data_in_an_alert_neither_mentions_nor_links() -> None:
    """Every part is escaped, and Slack is told to make no links of its own."""
    evil = "<!channel> <https://evil.example|bank>"
    message = format_alert(
        replace(ALERT, title=evil, message=evil, fields={evil: evil}), channel="#alerts", correlation_id=evil
    )

    assert not [text for text in [*texts(message.blocks), message.text] if "<" in text or ">" in text]
    rich = [fact for block in message.blocks for fact in block.get("fields", block.get("elements", []))]
    assert rich
    assert all(fact["verbatim"] is True for fact in rich)


@pytest.mark.parametrize("character", ["x", "&", "🎉", "👩‍🚀"])
def test_largest_alert_is_within_every_limit(character: str) -> None:
    """Case B42: too long titles, messages, names and values are cut; too many facts are counted; all under 12,000."""
    alert = replace(
        ALERT,
        title=character * 200,
        message=character * 4_000,
        fields={f"{number} {character * 150}": character * 3_000 for number in range(50)},
    )
    message = formatted(alert)

    assert problem(message) == ()
    assert sum(map(len, texts(message.blocks))) <= 12_000
    facts = [fact["text"] for block in message.blocks for fact in block.get("fields", [])]
    shown = len(facts) - 1
    assert facts[-1] == f"… and {50 - shown} more"
    assert 3 <= shown < 50


def test_many_short_facts_are_all_shown() -> None:
    """Case B42: fifty facts take five sections of ten."""
    message = formatted(replace(ALERT, fields={f"name {number}": str(number) for number in range(50)}))

    assert [len(block["fields"]) for block in message.blocks if "fields" in block] == [10] * 5
    assert problem(message) == ()


def test_empty_value_is_shown_as_empty() -> None:
    """A fact without a value is still a text that Slack takes."""
    assert problem(formatted(replace(ALERT, fields={"Reason": ""}))) == ()
