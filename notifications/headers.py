"""What may stand in an e-mail's header: one address, one line of subject.

A line break in a header would let data add recipients (Case B45), so none gets that far.
"""

import re
from email.utils import getaddresses
from typing import Final

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from queues import InvalidPayload

ADDRESS_LENGTH: Final = 320
SUBJECT_LENGTH: Final = 998
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def check_address(value: object) -> str:
    """Return `value` when it is exactly one address; raise InvalidPayload for `to` otherwise."""
    if not isinstance(value, str) or not 0 < len(value) <= ADDRESS_LENGTH:
        raise InvalidPayload(f"to must be an e-mail address of 1 to {ADDRESS_LENGTH} characters.", field="to")
    if _CONTROL.search(value):
        raise InvalidPayload("to must be one line: it holds a line break or another control character.", field="to")
    addresses = [address for _, address in getaddresses([value])]
    try:
        # More than one is refused as a whole; it is no address of its own.
        validate_email(addresses[0] if len(addresses) == 1 else value)
    except ValidationError as exc:
        raise InvalidPayload(
            f"to is {value!r:.80}; it must be one address, such as 'ada@example.org' or 'Ada <ada@example.org>'.",
            field="to",
        ) from exc
    return value


def check_subject(value: object) -> str:
    """Return `value` when it is one line of 1 to 998 characters; raise InvalidPayload otherwise."""
    if not isinstance(value, str) or not 0 < len(value) <= SUBJECT_LENGTH or not value.strip():
        raise InvalidPayload(
            f"subject must be text of 1 to {SUBJECT_LENGTH} characters; leave it out for the template's own.",
            field="subject",
        )
    if _CONTROL.search(value):
        raise InvalidPayload(
            "subject must be one line: it holds a line break or another control character.", field="subject"
        )
    return value


def one_line(text: str) -> str:
    """Return `text` on one line: control characters and runs of spaces become one space."""
    return " ".join(_CONTROL.sub(" ", text).split())
