"""Identifiers and short texts that come from outside, and the rule that each must keep."""

import re
import unicodedata
from typing import Final

from queues import InvalidPayload

ID_LENGTH: Final = 100
TEXT_LENGTH: Final = 255
SEPARATOR: Final = "~"  # joins ids into one key; no id contains it, so no two keys meet
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]*")


def check_id(value: object, field: str, *, length: int = ID_LENGTH) -> str:
    """Return `value` when it can name something; raise InvalidPayload with the field otherwise.

    From 1 to `length` letters, digits and . _ : -, beginning with a letter or digit, so that it
    is safe in URLs, logs and keys.
    """
    if isinstance(value, str) and len(value) <= length and _ID.fullmatch(value):
        return value
    raise InvalidPayload(
        f"{field} is {_shown(value)}; it must be 1 to {length} letters, digits and . _ : -, "
        "beginning with a letter or digit.",
        field=field,
    )


def check_text(value: object, field: str) -> str:
    """Return `value` when it is one line of at most 255 characters; raise InvalidPayload otherwise."""
    if isinstance(value, str) and len(value) <= TEXT_LENGTH and not any(map(_is_control, value)):
        return value
    raise InvalidPayload(
        f"{field} is {_shown(value)}; it must be one line of at most {TEXT_LENGTH} characters.", field=field
    )


def join_ids(*ids: str) -> str:
    """Return a key that these ids have and no others."""
    return SEPARATOR.join(ids)


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in {"Cc", "Cs"}


def _shown(value: object) -> str:
    """Return a text cut short, and of anything else what it is."""
    return f"{value!r:.60}" if isinstance(value, str) else f"a {type(value).__name__}"
