"""JSON bodies, read strictly: what cannot be carried unchanged is refused with its field.

Refused are NaN and Infinity, numbers beyond a double's range, keys given twice, half a
surrogate pair, nesting deeper than 64 levels, what is not UTF-8, and bodies over 1 MiB.
A number with a point is read by its digits into Decimal, so that money keeps its cents.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import islice
from typing import IO, Any, Final

from django.conf import settings
from rest_framework.exceptions import APIException, ParseError, ValidationError
from rest_framework.parsers import BaseParser

BODY_BYTES: Final = 1024 * 1024
DEPTH: Final = 64
# Beyond these a double overflows or becomes zero, and with it the readers that use doubles.
EXPONENT: Final = 308
DIGITS: Final = 400
KEY_SHOWN: Final = 40
PATH_SHOWN: Final = 200
MOST_PROBLEMS: Final = 100

type _Path = tuple[_Path, str | int] | None


class BodyTooLarge(APIException):
    """The body is larger than a command may be."""

    status_code = 413
    default_detail = f"The body is larger than {BODY_BYTES} bytes."
    default_code = "body_too_large"


@dataclass(frozen=True, slots=True)
class _Refused:
    """Stands where a value was that is refused, until its path is known."""

    reason: str


class StrictJSONParser(BaseParser):
    """Reads application/json; raises ParseError, ValidationError naming the field, or BodyTooLarge."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,  # noqa: ARG002 - REST framework's signature
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the body's value."""
        body = stream.read(BODY_BYTES + 1)
        if len(body) > BODY_BYTES:
            raise BodyTooLarge
        encoding = (parser_context or {}).get("encoding", settings.DEFAULT_CHARSET)
        value = _decode(body, encoding)
        problems = list(islice(_problems(value), MOST_PROBLEMS))
        if problems:
            raise ValidationError({path or "non_field_errors": [reason] for path, reason in problems})
        return value


def _decode(body: bytes, encoding: str) -> Any:
    try:
        return json.loads(
            body.decode(encoding),
            parse_float=_number,
            parse_int=_integer,
            parse_constant=lambda name: _Refused(f"{name} is not a number that JSON has."),
            object_pairs_hook=_object,
        )
    except UnicodeDecodeError as exc:
        raise ParseError(f"The body is not {encoding}: byte {exc.start} cannot be read.") from exc
    except LookupError as exc:
        raise ParseError("The body's charset is unknown; write UTF-8.") from exc
    except RecursionError as exc:
        raise ParseError(f"The body is nested deeper than {DEPTH} levels.") from exc
    except ValueError as exc:
        raise ParseError(f"The body is not JSON: {exc}.") from exc


def _number(text: str) -> Decimal | _Refused:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return _Refused("The number is out of range.")
    if len(text) > DIGITS or (number and abs(number.adjusted()) > EXPONENT):
        return _Refused("The number is out of range.")
    return number


def _integer(text: str) -> int | _Refused:
    return int(text) if len(text) <= EXPONENT else _Refused("The number is out of range.")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        found[key] = _Refused("The key is given twice.") if key in found else value
    return found


def _problems(value: Any) -> Iterator[tuple[str, str]]:
    """Yield the path and the reason of each value that is refused.

    A path is a chain of parents until it is needed: long keys over many values cost nothing.
    """
    stack: list[tuple[_Path, int, Any]] = [(None, 0, value)]
    while stack:
        path, depth, item = stack.pop()
        if isinstance(item, _Refused):
            yield _dotted(path), item.reason
        elif isinstance(item, str):
            if _half(item):
                yield _dotted(path), "The text holds half of a surrogate pair."
        elif isinstance(item, dict | list):
            if depth >= DEPTH:
                raise ParseError(f"The body is nested deeper than {DEPTH} levels.")
            for key, child in item.items() if isinstance(item, dict) else enumerate(item):
                if isinstance(key, str) and _half(key):
                    yield _dotted(path), "A key holds half of a surrogate pair."
                else:
                    stack.append(((path, key), depth + 1, child))


def _dotted(path: _Path) -> str:
    keys: list[str] = []
    while path is not None:
        path, key = path
        keys.append(f"{key:.{KEY_SHOWN}}" if isinstance(key, str) else str(key))
    return ".".join(reversed(keys))[:PATH_SHOWN]


def _half(text: str) -> bool:
    return not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text)
