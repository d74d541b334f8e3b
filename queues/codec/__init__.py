"""Payloads and metadata to JSON and back, typed, strict and limited in size.

On the wire a job is one JSON object: the payload's fields in camelCase and, last,
`metadata` beside them, as the specification's Node.js producers write it. Money keeps its
digits: a Decimal is written as a string, and a number is read by its digits.
Never pickle.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from queues.codec.metadata import WireMetadata, read_metadata, write_metadata
from queues.codec.plain import DEPTH, camel, to_json
from queues.codec.typed import METADATA_KEY, read, reader_of, write_flat
from queues.errors import InvalidPayload, PayloadTooLarge
from queues.metadata import JobMetadata

__all__ = [
    "DEPTH",
    "PAYLOAD_BYTES",
    "RESULT_BYTES",
    "Encoded",
    "WireMetadata",
    "camel",
    "decode",
    "decode_job",
    "decode_metadata",
    "decode_object",
    "encode",
    "encode_result",
]
PAYLOAD_BYTES: Final = 256 * 1024
RESULT_BYTES: Final = 64 * 1024


class Encoded(msgspec.Struct, frozen=True, kw_only=True):
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
    written = write_flat(data) or _write(data)
    head = written[:-1] + (b',"metadata":' if written != b"{}" else b'"metadata":')
    body = head + write_metadata(metadata) + b"}"
    if len(body) > limit:
        raise PayloadTooLarge(f"The payload is {len(body)} bytes as JSON; the limit is {limit}.", field="data")
    return Encoded(body=body, data_length=len(head))


def _write(data: object) -> bytes:
    """Write any payload, field by field, and read it back as its type has it."""
    if isinstance(data, Mapping):
        if METADATA_KEY in data:
            raise InvalidPayload("A payload has no field named 'metadata': pass metadata=.", field=METADATA_KEY)
        return to_json(data)
    if not dataclasses.is_dataclass(data) or isinstance(data, type):
        raise InvalidPayload(
            f"The payload is a {type(data).__name__}; it must be a frozen dataclass or a mapping.", field="data"
        )
    # The first job of a type is written as every later one, or they would not be the same job.
    reader_of(type(data))
    written = write_flat(data)
    if written is None:
        written = to_json(data)
        read(written, type(data), metadata=False)
    return written


def decode[P](body: bytes, payload_type: type[P]) -> P:
    """Read a job's JSON object as its payload type, strictly; raise InvalidPayload naming the field."""
    if payload_type is dict:
        return _object(body)  # type: ignore[return-value]
    payload: P = read(body, payload_type, metadata=False)[0]
    return payload


def decode_job[P](body: bytes, payload_type: type[P]) -> tuple[P, WireMetadata | None]:
    """Read a job's JSON object as its payload type, and its metadata, in one pass.

    Raises InvalidPayload or InvalidMetadata, naming the field.
    """
    if payload_type is dict:
        return _object(body), read_metadata(body)  # type: ignore[return-value]
    return read(body, payload_type, metadata=True)


def decode_object(body: bytes) -> tuple[dict[str, Any], JobMetadata | None]:
    """Read a job's JSON object as plain JSON values and its metadata, if it has any."""
    return _object(body), decode_metadata(body)


def decode_metadata(body: bytes) -> JobMetadata | None:
    """Read the metadata of a job's JSON object; None when it has none."""
    metadata = read_metadata(body)
    return metadata.build() if metadata is not None else None


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as exc:
        raise InvalidPayload(f"The payload cannot be decoded: {exc}.", field="data") from exc
    if not isinstance(value, dict):
        raise InvalidPayload("The payload is not a JSON object.", field="data")
    value.pop(METADATA_KEY, None)
    return value


def encode_result(result: object, *, limit: int = RESULT_BYTES) -> bytes:
    """Write what a processor returned as JSON.

    Raises InvalidPayload when JSON cannot carry it, PayloadTooLarge beyond `limit` bytes.
    """
    if result is None:
        return b"null"
    encoded = to_json(result, "result")
    if len(encoded) > limit:
        raise PayloadTooLarge(f"The result is {len(encoded)} bytes as JSON; the limit is {limit}.", field="result")
    return encoded
