"""What Slack refuses in a message: the limits that it publishes, and its errors for them.

https://docs.slack.dev/reference/methods/chat.postMessage has the errors and the limit of the
text, https://docs.slack.dev/reference/block-kit/blocks the limits of blocks. The limit of all
blocks together is in neither; it is what senders met (Case B42).
"""

import json
from typing import Any, Final

TEXT_LENGTH: Final = 40_000
MOST_BLOCKS: Final = 50
BLOCKS_LENGTH: Final = 13_200
SECTION_LENGTH: Final = 3_000
FIELD_LENGTH: Final = 2_000
MOST_FIELDS: Final = 10
HEADER_LENGTH: Final = 150
MOST_ELEMENTS: Final = 10

type JSON = dict[str, Any]


def problem_of(call: JSON) -> tuple[str, ...]:
    """Return Slack's error for a call's text and blocks, with its details; nothing when they are right."""
    text, blocks = call.get("text") or "", blocks_of(call)
    if blocks is None or not isinstance(text, str):
        return ("invalid_blocks_format",) if blocks is None else ("invalid_arguments",)
    if not text.strip() and not blocks:
        return ("no_text",)
    if len(text) > TEXT_LENGTH:
        return ("msg_too_long",)
    details = _count(blocks, MOST_BLOCKS, "/blocks")
    for index, block in enumerate(blocks):
        details += _block_problems(block, f"/blocks/{index}")
    if details:
        return ("invalid_blocks", *details)
    return ("msg_blocks_too_long",) if sum(map(_length, blocks)) > BLOCKS_LENGTH else ()


def blocks_of(call: JSON) -> list[Any] | None:
    """Return the blocks, [] without any, None when they are no list; a form carries them as JSON."""
    blocks = call.get("blocks") or []
    if isinstance(blocks, str):
        try:
            blocks = json.loads(blocks)
        except ValueError:
            return None
    return blocks if isinstance(blocks, list) else None


def _block_problems(block: Any, path: str) -> list[str]:
    match block:
        case {"type": "section"}:
            return _section_problems(block, path)
        case {"type": "header", "text": {"type": "plain_text"} as text}:
            return _text_problems(text, f"{path}/text", HEADER_LENGTH)
        case {"type": "context", "elements": [*elements]}:
            problems = _count(elements, MOST_ELEMENTS, f"{path}/elements", least=1)
            for index, element in enumerate(elements):
                problems += _text_problems(element, f"{path}/elements/{index}", SECTION_LENGTH)
            return problems
        case {"type": "divider"}:
            return []
    return [f"unsupported block or wrong fields [json-pointer:{path}]"]


def _section_problems(block: JSON, path: str) -> list[str]:
    if "text" not in block and "fields" not in block:
        return [f"must define `text` or `fields` [json-pointer:{path}]"]
    problems = _text_problems(block["text"], f"{path}/text", SECTION_LENGTH) if "text" in block else []
    if "fields" not in block:
        return problems
    if not isinstance(block["fields"], list):
        return [*problems, f"must be an array [json-pointer:{path}/fields]"]
    problems += _count(block["fields"], MOST_FIELDS, f"{path}/fields", least=1)
    for index, text in enumerate(block["fields"]):
        problems += _text_problems(text, f"{path}/fields/{index}", FIELD_LENGTH)
    return problems


def _text_problems(text: Any, path: str, limit: int) -> list[str]:
    match text:
        case {"type": "plain_text" | "mrkdwn", "text": str(value)} if 1 <= len(value) <= limit:
            return []
        case {"type": "plain_text" | "mrkdwn", "text": str()}:
            return [f"must have 1 to {limit} characters [json-pointer:{path}/text]"]
    return [f"is no text object [json-pointer:{path}]"]


def _count(items: list[Any], most: int, path: str, *, least: int = 0) -> list[str]:
    return [] if least <= len(items) <= most else [f"must have {least} to {most} items [json-pointer:{path}]"]


def _length(value: Any) -> int:
    """Return how many characters of text a block holds."""
    if isinstance(value, dict):
        here = len(value["text"]) if isinstance(value.get("text"), str) else 0
        return here + sum(map(_length, value.values()))
    return sum(map(_length, value)) if isinstance(value, list) else 0
