"""Metadata to JSON and back, in the specification's camelCase."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final

import msgspec

from queues.codec.plain import camel, plain
from queues.errors import InvalidMetadata
from queues.metadata import TEXT_LENGTH, JobMetadata, SystemUser, UserToken


class WireUser(msgspec.Struct, rename=camel):
    """A user as JSON has it; what else a token holds is not ours."""

    sub: str
    tenant: str = ""
    roles: tuple[str, ...] = ()
    display_name: str = ""
    email: str = ""


class WireMetadata(msgspec.Struct, rename=camel, omit_defaults=True):
    """Metadata as JSON has it: types are checked, values not yet."""

    correlation_id: str
    user: WireUser
    source: str
    timestamp: Annotated[datetime, msgspec.Meta(tz=True)]
    business_context: dict[str, Any] | None = None
    traceparent: str | None = None

    @property
    def plausible(self) -> bool:
        """Say whether `build` cannot fail."""
        return (
            self.traceparent is None
            and 0 < len(self.correlation_id) <= TEXT_LENGTH >= len(self.source)
            and "\0" not in self.correlation_id + self.source
        )

    def build(self) -> JobMetadata:
        """Return the metadata as the platform's value; raise InvalidMetadata naming the field."""
        user = UserToken(**msgspec.structs.asdict(self.user))
        if user.sub == "system":
            user = SystemUser(tenant=user.tenant)
        return JobMetadata(
            correlation_id=self.correlation_id,
            user=user,
            source=self.source,
            timestamp=self.timestamp.astimezone(UTC),
            business_context=self.business_context or {},
            traceparent=self.traceparent,
        )


class _WithMetadata(msgspec.Struct):
    metadata: WireMetadata | None = None


_DECODER: Final = msgspec.json.Decoder(_WithMetadata)
_ENCODER: Final = msgspec.json.Encoder()
_last: tuple[JobMetadata | None, bytes] = (None, b"")


def read_metadata(body: bytes) -> "WireMetadata | None":
    """Return the metadata in a job's JSON object, checked but not yet built; None without one."""
    try:
        return _DECODER.decode(body).metadata
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as exc:
        raise InvalidMetadata(f"The metadata cannot be decoded: {exc}.", field="metadata") from exc


def write_metadata(metadata: JobMetadata) -> bytes:
    """Return metadata as JSON. The jobs of one bulk share theirs, so the last one is kept."""
    global _last  # noqa: PLW0603 - one tuple, swapped whole
    known, written = _last
    if known is not metadata:
        written = _write(metadata)
        _last = (metadata, written)
    return written


def _write(metadata: JobMetadata) -> bytes:
    user = metadata.user
    context = metadata.business_context
    wire = WireMetadata(
        correlation_id=metadata.correlation_id,
        user=WireUser(user.sub, user.tenant, user.roles, user.display_name, user.email),
        source=metadata.source,
        timestamp=metadata.timestamp,
        business_context=plain(context, "business_context") if context else None,
        traceparent=metadata.traceparent,
    )
    try:
        return _ENCODER.encode(wire)
    except ValueError as exc:
        raise InvalidMetadata("The metadata holds half of a surrogate pair.", field="metadata") from exc
