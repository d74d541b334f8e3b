"""Payload types: how each is read from its JSON object and written as one, strictly.

Every payload type has a twin, a msgspec struct with its fields in camelCase and the job's
metadata beside them, so that one pass over the JSON reads and checks it all.
"""

import dataclasses
import re
import types
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, Final, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec

from queues.codec.metadata import WireMetadata
from queues.codec.plain import camel, check_number
from queues.errors import InvalidMetadata, InvalidPayload

METADATA_KEY: Final = "metadata"
_AWARE: Final = Annotated[datetime, msgspec.Meta(tz=True)]
_FLAT: Final = frozenset({str, int, bool, Decimal, datetime, date, UUID, type(None)})
_ENCODER: Final = msgspec.json.Encoder(order="sorted")


@dataclasses.dataclass(frozen=True, slots=True)
class Reader:
    """How to read one payload type: its wire twin, decoders without and with metadata, and the way back.

    `flat` says that every field is a plain value, which is checked and written in one step.
    """

    twin: Any
    decoder: msgspec.json.Decoder[Any]
    whole: msgspec.json.Decoder[Any]
    fields: tuple[str, ...]
    nested: bool
    flat: bool
    with_decimals: tuple[str, ...]


def read(body: bytes, payload_type: Any, *, metadata: bool) -> tuple[Any, WireMetadata | None]:
    """Read a job's JSON object as a payload and, if asked, its metadata; raise naming the field that is wrong."""
    reader: Reader = reader_of(payload_type)
    try:
        wire = (reader.whole if metadata else reader.decoder).decode(body)
        values = {name: getattr(wire, name) for name in reader.fields}
        if reader.nested:
            values = {name: _untwin(value) for name, value in values.items()}
        payload = payload_type(**values)
    except msgspec.ValidationError as exc:
        if "`$.metadata" in str(exc):
            raise InvalidMetadata(f"The metadata cannot be decoded: {exc}.", field=METADATA_KEY) from exc
        raise InvalidPayload(f"{payload_type.__name__}: {exc}.", field=_field(str(exc), reader.fields)) from exc
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as exc:
        raise InvalidPayload(f"The payload cannot be decoded: {exc}.", field="data") from exc
    except (ValueError, TypeError) as exc:
        raise InvalidPayload(f"{payload_type.__name__}: {exc}.", field="data") from exc
    for name in reader.with_decimals:
        _check_finite(getattr(payload, name), name)
    return payload, wire.metadata if metadata else None


def write_flat(data: Any) -> bytes | None:
    """Return a flat payload as JSON, checked against its type; None for any that needs a closer look.

    The closer look finds what is wrong, and says so; this is the short way for what is right.
    """
    reader = _flat_readers.get(type(data))
    if reader is None:
        return None
    try:
        wire = msgspec.convert(data, reader.twin, from_attributes=True)
        for name in reader.with_decimals:
            number = getattr(wire, name)
            if number is not None and not (isinstance(number, Decimal) and number.is_finite()):
                return None
        return _ENCODER.encode(wire)
    except (ValueError, TypeError, InvalidPayload):
        return None


def _untwin(value: Any) -> Any:
    """Return what a wire twin stands for: its dataclass, and the same inside lists and mappings."""
    if isinstance(value, msgspec.Struct):
        twin: Any = type(value)
        return twin.payload_type(**{name: _untwin(getattr(value, name)) for name in twin.__struct_fields__})
    if isinstance(value, list | tuple):
        return type(value)(map(_untwin, value))
    if isinstance(value, dict):
        return {key: _untwin(item) for key, item in value.items()}
    return value


def _check_finite(value: Any, path: str) -> None:
    if isinstance(value, Decimal):
        check_number(value, path, 0)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            _check_finite(item, f"{path}[{index}]")
    elif isinstance(value, Mapping):
        for key, item in value.items():
            _check_finite(item, f"{path}.{key}")
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            _check_finite(getattr(value, field.name), f"{path}.{field.name}")


_MESSAGE_PATH: Final = re.compile(r"at `\$\.?([^`]*)`")
_MISSING_FIELD: Final = re.compile(r"missing required field `([^`]*)`")


def _field(message: str, fields: tuple[str, ...]) -> str:
    """Return where msgspec's message points, in the payload's own names: `lines[0].unit_price`."""
    found = (_MESSAGE_PATH.search(message), _MISSING_FIELD.search(message))
    first, _, rest = ".".join(match[1] for match in found if match).partition(".")
    word, bracket, index = first.partition("[")
    own = {camel(name): name for name in fields}.get(word, word)
    return own + bracket + index + (f".{_SNAKE.sub(_lower, rest)}" if rest else "") or "data"


_SNAKE: Final = re.compile(r"(?<=[a-z0-9])[A-Z]")


def _lower(match: re.Match[str]) -> str:
    return f"_{match[0].lower()}"


_flat_readers: dict[type, Reader] = {}


@cache
def reader_of(payload_type: Any) -> Reader:
    """Return how to read a payload type; raise InvalidPayload when JSON cannot carry it."""
    hints = get_type_hints(payload_type)
    fields = tuple(f.name for f in dataclasses.fields(payload_type) if f.init)
    if METADATA_KEY in fields:
        raise InvalidPayload("A payload has no field named 'metadata': pass metadata=.", field=METADATA_KEY)
    leaves = {name: set(_leaves(hints[name])) for name in fields}
    nested = {name for name in fields if any(map(dataclasses.is_dataclass, leaves[name]))}
    try:
        twin = _twin(payload_type)
        top = msgspec.defstruct(
            twin.__name__, [(METADATA_KEY, WireMetadata | None, None)], bases=(twin,), kw_only=True, rename=camel
        )
        reader = Reader(
            twin=twin,
            decoder=msgspec.json.Decoder(twin),
            whole=msgspec.json.Decoder(top),
            fields=fields,
            nested=bool(nested),
            flat=all(_is_flat(hints[name]) for name in fields) and len(fields) == len(dataclasses.fields(payload_type)),
            with_decimals=tuple(name for name in fields if name in nested or Decimal in leaves[name]),
        )
    except (TypeError, ValueError) as exc:
        raise InvalidPayload(f"{payload_type.__name__} cannot be read from JSON: {exc}.", field="data") from exc
    if reader.flat:
        _flat_readers[payload_type] = reader
    return reader


def _is_flat(hint: Any) -> bool:
    """Say whether a field holds one plain value, or none."""
    return hint in _FLAT or (get_origin(hint) in {types.UnionType, Union} and all(map(_is_flat, get_args(hint))))


def _leaves(annotation: Any) -> Iterator[Any]:
    """Yield the types that a generic one is made of."""
    arguments = get_args(annotation)
    if not arguments:
        yield annotation
    for argument in arguments:
        yield from _leaves(argument)


@cache
def _twin(annotation: Any) -> Any:
    """Return the struct that reads a dataclass from camelCase, and the same inside generic types."""
    if annotation in {set, frozenset, bytes, bytearray} or get_origin(annotation) in {set, frozenset}:
        raise InvalidPayload(f"A payload field is a {annotation}, which JSON cannot carry unchanged.", field="data")
    if annotation is datetime:
        return _AWARE
    if dataclasses.is_dataclass(annotation) and isinstance(annotation, type):
        hints = get_type_hints(annotation)
        return msgspec.defstruct(
            f"{annotation.__name__}Wire",
            [_wire_field(f, hints[f.name]) for f in dataclasses.fields(annotation) if f.init],
            namespace={"payload_type": annotation},
            rename=camel,
            kw_only=True,
        )
    arguments = get_args(annotation)
    twins = tuple(_twin(a) if a is not Ellipsis else a for a in arguments) if arguments else ()
    if all(new is old for new, old in zip(twins, arguments, strict=True)):
        return annotation
    origin = get_origin(annotation)
    return Union[twins] if origin in {types.UnionType, Union} else origin[twins]  # noqa: UP007 - built at run time


def _wire_field(field: dataclasses.Field[Any], hint: Any) -> tuple[Any, ...]:
    if field.default is not dataclasses.MISSING:
        return field.name, _twin(hint), field.default
    if field.default_factory is not dataclasses.MISSING:
        return field.name, _twin(hint), msgspec.field(default_factory=field.default_factory)
    return field.name, _twin(hint)
