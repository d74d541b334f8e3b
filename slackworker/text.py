"""Text as Slack takes it: escaped, and cut to a length without a broken end.

Lengths count UTF-16 units, of which an emoji has two: no way of counting characters gives
more, so what fits here fits Slack.
"""

import html
import unicodedata
from typing import Final

ELLIPSIS: Final = "…"
_JOINER: Final = "\u200d"


def escape(text: str) -> str:
    """Return `text` with the three characters that Slack gives a meaning written as entities.

    NUL is left out: neither Slack nor a database can hold it.
    """
    return html.escape(text.replace("\x00", ""), quote=False)


def width(text: str) -> int:
    """Return the length of `text` in UTF-16 units."""
    return len(text) + sum(character > "\uffff" for character in text)


def fit(text: str, limit: int) -> str:
    """Return `text` escaped, and cut to `limit` units with an ellipsis when it is longer.

    The cut is never inside an entity, nor inside what a reader sees as one character.
    """
    escaped = escape(text)
    if width(escaped) <= limit:
        return escaped
    used, end = width(ELLIPSIS), 0
    for end, character in enumerate(text):  # noqa: B007 - the index is what is wanted
        used += width(escape(character))
        if used > limit:
            break
    while end and _joined(text, end):
        end -= 1
    return escape(text[:end]) + ELLIPSIS


def _joined(text: str, at: int) -> bool:
    """Say whether the characters before and after `at` are seen as one."""
    before, after = text[at - 1], text[at]
    if _JOINER in {before, after} or _is_modifier(after):
        return True
    if not _is_flag(before) or not _is_flag(after):
        return False
    start = at
    while start and _is_flag(text[start - 1]):
        start -= 1
    return (at - start) % 2 == 1


def _is_modifier(character: str) -> bool:
    """Say whether it changes the look of the one before: accents, variants, keycaps, skin tones, tags."""
    return (
        unicodedata.category(character).startswith("M")
        or "\U0001f3fb" <= character <= "\U0001f3ff"
        or "\U000e0020" <= character <= "\U000e007f"
    )


def _is_flag(character: str) -> bool:
    """Say whether it is one of the letters, two of which are seen as a flag."""
    return "\U0001f1e6" <= character <= "\U0001f1ff"
