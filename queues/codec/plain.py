"""Python values as JSON values, refusing what JSON would change on the way."""

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any, Final
from uuid import UUID

import msgspec

from queues.errors import InvalidPayload

DEPTH: Final = 64


def to_json(value: Any, path: str = "") -> bytes:
    """Write a value as JSON, its mappings' keys in one order, so that equal values are equal bytes.

    Raises InvalidPayload, naming the field under `path`, for what JSON cannot carry unchanged.
    """
    try:
        return msgspec.json.encode(plain(value, path), order="deterministic")
    except ValueError as exc:
        field = _culprit(value, path) or "data"
        message = f"{field} holds half of a surrogate pair, or too many digits for JSON."
        raise InvalidPayload(message, field=field) from exc


def _culprit(value: Any, path: str) -> str:
    """Return the path of the first text or number that does not encode; "" when it is a key."""
    try:
        msgspec.json.encode(plain(value, path))
    except ValueError:
        return next((found for name, item in _items(value, path) if (found := _culprit(item, name))), path)
    return ""


def _items(value: Any, path: str) -> Iterable[tuple[str, Any]]:
    if isinstance(value, list | tuple):
        return [(f"{path}[{index}]", item) for index, item in enumerate(value)]
    if dataclasses.is_dataclass(value):
        value = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    named = value.items() if isinstance(value, Mapping) else ()
    return [(f"{path}.{key}" if path else key, item) for key, item in named]


def camel(name: str) -> str:
    """Return a snake_case name in camelCase, as the wire has it."""
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)


_camel = cache(camel)


def plain(value: Any, path: str = "", depth: int = 0) -> Any:
    """Return `value` as JSON values with camelCase fields; refuse what would change on the way."""
    kind = type(value)
    if kind in _AS_THEY_ARE:
        return value
    if depth > DEPTH:
        raise InvalidPayload(f"{path} is nested deeper than {DEPTH} levels.", field=path)
    convert = _CONVERTERS.get(kind)
    if convert is not None:
        return convert(value, path, depth)
    if isinstance(value, Enum):
        return plain(value.value, path, depth + 1)
    if isinstance(value, str | int):
        return str.__str__(value) if isinstance(value, str) else int(value)
    if isinstance(value, Mapping):
        return _mapping(value, path, depth)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            _camel(f.name): plain(getattr(value, f.name), f"{path}.{f.name}" if path else f.name, depth + 1)
            for f in dataclasses.fields(value)
        }
    field = path or "data"
    raise InvalidPayload(f"{field} is a {type(value).__name__}, which JSON cannot carry.", field=field)


def _mapping(value: Mapping[Any, Any], path: str, depth: int) -> dict[str, Any]:
    for key in value:
        if not isinstance(key, str):
            field = path or "data"
            raise InvalidPayload(f"{field} has the key {key!r:.40}; keys must be strings.", field=field)
    return {str.__str__(key): plain(item, f"{path}.{key}" if path else key, depth + 1) for key, item in value.items()}


def _list(value: Any, path: str, depth: int) -> list[Any]:
    return [plain(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(value)]


def check_number(value: Any, path: str, _depth: int = 0) -> Any:
    """Return a float or Decimal that is finite; raise InvalidPayload naming the field otherwise."""
    # Not math.isfinite for both: it fails for a signalling NaN, and calls Decimal("1e400") infinite.
    if value.is_finite() if isinstance(value, Decimal) else math.isfinite(value):
        return value
    raise InvalidPayload(f"{path} is {value}; it must be a finite number.", field=path)


def _datetime(value: datetime, path: str, _depth: int) -> datetime:
    if value.tzinfo is None:
        raise InvalidPayload(f"{path} is a naive datetime; it must have a time zone.", field=path)
    return value


_AS_THEY_ARE: Final = frozenset({type(None), bool, str, int, UUID, date})
_CONVERTERS: Final[Mapping[type, Callable[[Any, str, int], Any]]] = {
    float: check_number,
    Decimal: check_number,
    datetime: _datetime,
    list: _list,
    tuple: _list,
    dict: _mapping,
}
