"""Payloads and metadata to JSON and back, typed, strict and limited in size.

On the wire a job is one JSON object: the payload's fields in camelCase and, last,
`metadata` beside them, as the specification's Node.js producers write it. Money keeps its
digits: a Decimal is written as a string, and a number is read by its digits.
Never pickle.
"""

import dataclasses
import math
import re
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Annotated, Any, Final, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec

from queues.errors import InvalidMetadata, InvalidPayload, PayloadTooLarge
from queues.metadata import JobMetadata, SystemUser, UserToken

PAYLOAD_BYTES: Final = 256 * 1024
RESULT_BYTES: Final = 64 * 1024
DEPTH: Final = 64
_METADATA_KEY: Final = "metadata"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """A job's JSON object, and how many of its bytes say what the job is to do.

    Two jobs whose first `data_length` bytes agree have the same payload; what follows is
    metadata, which differs from one call to the next.
    """

    body: bytes
    data_length: int


def encode(data: object, metadata: JobMetadata, *, limit: int = PAYLOAD_BYTES) -> Encoded:
    """Write a payload (a dataclass, or a mapping with string keys) as a job's JSON object.

    Raises InvalidPayload, naming the field, for what JSON cannot carry unchanged (sets, bytes,
    NaN, naive datetimes, models) or what the payload's own type does not allow;
    PayloadTooLarge beyond `limit` bytes.
    """
    if not isinstance(data, Mapping) and (not dataclasses.is_dataclass(data) or isinstance(data, type)):
        raise InvalidPayload(
            f"The payload is a {type(data).__name__}; it must be a frozen dataclass or a mapping.", field="data"
        )
    plain = _plain(data, "", 0)
    if _METADATA_KEY in plain:
        raise InvalidPayload("A payload has no field named 'metadata': pass metadata=.", field=_METADATA_KEY)
    head = _json(plain, data, "")[:-1] + (b',"metadata":' if plain else b'"metadata":')
    body = head + _encode_metadata(metadata) + b"}"
    if len(body) > limit:
        raise PayloadTooLarge(f"The payload is {len(body)} bytes as JSON; the limit is {limit}.", field="data")
    if not isinstance(data, Mapping):
        _read(body, type(data))
    return Encoded(body=body, data_length=len(head))


def decode[P](body: bytes, payload_type: type[P]) -> P:
    """Read a job's JSON object as its payload type, strictly; raise InvalidPayload naming the field."""
    if payload_type is dict:
        return decode_object(body)[0]  # type: ignore[return-value]
    payload: P = _read(body, payload_type)
    return payload


def decode_object(body: bytes) -> tuple[dict[str, Any], JobMetadata | None]:
    """Read a job's JSON object as plain JSON values and its metadata, if it has any."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as exc:
        raise InvalidPayload(f"The payload cannot be decoded: {exc}.", field="data") from exc
    if not isinstance(value, dict):
        raise InvalidPayload("The payload is not a JSON object.", field="data")
    value.pop(_METADATA_KEY, None)
    return value, decode_metadata(body)


def decode_metadata(body: bytes) -> JobMetadata | None:
    """Read the metadata of a job's JSON object; None when it has none."""
    try:
        wire = _METADATA_DECODER.decode(body).metadata
        if wire is None:
            return None
        user = UserToken(**msgspec.structs.asdict(wire.user))
        if user.sub == "system":
            user = SystemUser(tenant=user.tenant)
        return JobMetadata(
            correlation_id=wire.correlation_id,
            user=user,
            source=wire.source,
            timestamp=wire.timestamp.astimezone(UTC),
            business_context=wire.business_context or {},
            traceparent=wire.traceparent,
        )
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as exc:
        raise InvalidMetadata(f"The metadata cannot be decoded: {exc}.", field="metadata") from exc


def encode_result(result: object, *, limit: int = RESULT_BYTES) -> bytes:
    """Write what a processor returned as JSON.

    Raises InvalidPayload when JSON cannot carry it, PayloadTooLarge beyond `limit` bytes.
    """
    if result is None:
        return b"null"
    encoded = _json(_plain(result, "result", 0), result, "result")
    if len(encoded) > limit:
        raise PayloadTooLarge(f"The result is {len(encoded)} bytes as JSON; the limit is {limit}.", field="result")
    return encoded


def _json(plain: Any, value: Any, path: str) -> bytes:
    # In one order, so that two mappings that are equal are the same bytes.
    try:
        return msgspec.json.encode(plain, order="deterministic")
    except ValueError as exc:
        field = _culprit(value, path) or "data"
        message = f"{field} holds half of a surrogate pair, or too many digits for JSON."
        raise InvalidPayload(message, field=field) from exc


def _culprit(value: Any, path: str) -> str:
    """Return the path of the first text or number that does not encode; "" when it is a key."""
    try:
        msgspec.json.encode(_plain(value, path, 0))
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


def _plain(value: Any, path: str, depth: int) -> Any:
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
        return _plain(value.value, path, depth + 1)
    if isinstance(value, str | int):
        return str.__str__(value) if isinstance(value, str) else int(value)
    if isinstance(value, Mapping):
        return _plain_mapping(value, path, depth)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            _camel(f.name): _plain(getattr(value, f.name), f"{path}.{f.name}" if path else f.name, depth + 1)
            for f in dataclasses.fields(value)
        }
    field = path or "data"
    raise InvalidPayload(f"{field} is a {type(value).__name__}, which JSON cannot carry.", field=field)


def _plain_mapping(value: Mapping[Any, Any], path: str, depth: int) -> dict[str, Any]:
    for key in value:
        if not isinstance(key, str):
            field = path or "data"
            raise InvalidPayload(f"{field} has the key {key!r:.40}; keys must be strings.", field=field)
    return {str.__str__(key): _plain(item, f"{path}.{key}" if path else key, depth + 1) for key, item in value.items()}


def _plain_list(value: Any, path: str, depth: int) -> list[Any]:
    return [_plain(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(value)]


def _plain_number(value: Any, path: str, _depth: int) -> Any:
    # Not math.isfinite for both: it fails for a signalling NaN, and calls Decimal("1e400") infinite.
    if value.is_finite() if isinstance(value, Decimal) else math.isfinite(value):
        return value
    raise InvalidPayload(f"{path} is {value}; it must be a finite number.", field=path)


def _plain_datetime(value: datetime, path: str, _depth: int) -> datetime:
    if value.tzinfo is None:
        raise InvalidPayload(f"{path} is a naive datetime; it must have a time zone.", field=path)
    return value


_AS_THEY_ARE: Final = frozenset({type(None), bool, str, int, UUID, date})
_CONVERTERS: Final[Mapping[type, Callable[[Any, str, int], Any]]] = {
    float: _plain_number,
    Decimal: _plain_number,
    datetime: _plain_datetime,
    list: _plain_list,
    tuple: _plain_list,
    dict: _plain_mapping,
}


_AWARE: Final = Annotated[datetime, msgspec.Meta(tz=True)]


class _WireUser(msgspec.Struct, rename=camel):
    sub: str
    tenant: str = ""
    roles: tuple[str, ...] = ()
    display_name: str = ""
    email: str = ""


class _WireMetadata(msgspec.Struct, rename=camel, omit_defaults=True):
    correlation_id: str
    user: _WireUser
    source: str
    timestamp: Annotated[datetime, msgspec.Meta(tz=True)]
    business_context: dict[str, Any] | None = None
    traceparent: str | None = None


class _WithMetadata(msgspec.Struct):
    metadata: _WireMetadata | None = None


_METADATA_DECODER: Final = msgspec.json.Decoder(_WithMetadata)


def _encode_metadata(metadata: JobMetadata) -> bytes:
    user = metadata.user
    context = metadata.business_context
    wire = _WireMetadata(
        correlation_id=metadata.correlation_id,
        user=_WireUser(user.sub, user.tenant, user.roles, user.display_name, user.email),
        source=metadata.source,
        timestamp=metadata.timestamp,
        business_context=_plain(context, "business_context", 0) if context else None,
        traceparent=metadata.traceparent,
    )
    try:
        return msgspec.json.encode(wire)
    except ValueError as exc:
        raise InvalidMetadata("The metadata holds half of a surrogate pair.", field="metadata") from exc


@dataclasses.dataclass(frozen=True, slots=True)
class _Reader:
    """How to read one payload type: a decoder for its wire twin, and the way back."""

    decoder: msgspec.json.Decoder[Any]
    fields: tuple[str, ...]
    nested: bool
    with_decimals: tuple[str, ...]


def _read(body: bytes, payload_type: Any) -> Any:
    reader: _Reader = _reader(payload_type)
    try:
        wire = reader.decoder.decode(body)
        if reader.nested:
            payload = _untwin(wire)
        else:
            payload = payload_type(**{name: getattr(wire, name) for name in reader.fields})
    except msgspec.ValidationError as exc:
        raise InvalidPayload(f"{payload_type.__name__}: {exc}.", field=_field(str(exc), reader.fields)) from exc
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as exc:
        raise InvalidPayload(f"The payload cannot be decoded: {exc}.", field="data") from exc
    except (ValueError, TypeError) as exc:
        raise InvalidPayload(f"{payload_type.__name__}: {exc}.", field="data") from exc
    for name in reader.with_decimals:
        _check_finite(getattr(payload, name), name)
    return payload


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
        _plain_number(value, path, 0)
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


@cache
def _reader(payload_type: Any) -> _Reader:
    hints = get_type_hints(payload_type)
    fields = tuple(f.name for f in dataclasses.fields(payload_type) if f.init)
    leaves = {name: set(_leaves(hints[name])) for name in fields}
    nested = {name for name in fields if any(map(dataclasses.is_dataclass, leaves[name]))}
    with_decimals = tuple(name for name in fields if name in nested or Decimal in leaves[name])
    try:
        decoder = msgspec.json.Decoder(_twin(payload_type))
    except (TypeError, ValueError) as exc:
        raise InvalidPayload(f"{payload_type.__name__} cannot be read from JSON: {exc}.", field="data") from exc
    return _Reader(decoder, fields, bool(nested), with_decimals)


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
