"""Who asked for a job, on whose behalf, and which flow it belongs to.

Metadata travels with the job to the processor, the logs and the admin; a job that a
processor enqueues inherits it. Pure values: nothing here imports Django or a broker.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, Token
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final, Protocol
from uuid import uuid4

from queues.errors import InvalidMetadata

TEXT_LENGTH: Final = 255
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class UserToken:
    """A person or another system that a job acts for."""

    sub: str
    tenant: str = ""
    roles: tuple[str, ...] = ()
    display_name: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemUser(UserToken):
    """The platform itself: scheduled and background work of one tenant."""

    sub: str = "system"
    roles: tuple[str, ...] = ("system",)
    display_name: str = "System"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobMetadata:
    """What every job carries beside its payload.

    `timestamp` is when the job was made, aware and in UTC. `traceparent` is a W3C trace
    context (https://www.w3.org/TR/trace-context/). A wrong value raises InvalidMetadata.
    """

    correlation_id: str
    user: UserToken = field(default_factory=SystemUser)
    source: str = "queues"
    timestamp: datetime = field(default_factory=lambda: datetime.now(UTC))
    business_context: Mapping[str, object] = field(default_factory=dict)
    traceparent: str | None = None

    def __post_init__(self) -> None:
        """Refuse what no log or trace could use."""
        _check_text(self.correlation_id, "correlation_id", least=1)
        _check_text(self.source, "source", least=0)
        _check_kind(self.user, "user", UserToken)
        _check_kind(self.timestamp, "timestamp", datetime)
        _check_kind(self.business_context, "business_context", Mapping)
        if self.timestamp.tzinfo is None:
            raise InvalidMetadata("timestamp must be an aware datetime, in UTC.", field="timestamp")
        if self.traceparent is not None and not _TRACEPARENT.fullmatch(str(self.traceparent)):
            raise InvalidMetadata(
                "traceparent must be a W3C trace context: version-traceid-parentid-flags in lower-case hex.",
                field="traceparent",
            )


def _check_text(value: object, field: str, *, least: int) -> None:
    if not isinstance(value, str) or not least <= len(value) <= TEXT_LENGTH or "\0" in value:
        raise InvalidMetadata(
            f"{field} must be a string of {least} to {TEXT_LENGTH} characters, none of them NUL.", field=field
        )


def _check_kind(value: object, field: str, kind: type) -> None:
    if not isinstance(value, kind):
        raise InvalidMetadata(f"{field} is a {type(value).__name__}; it must be a {kind.__name__}.", field=field)


class HasMetadata(Protocol):
    """A job that runs, which builds its metadata only when somebody asks."""

    @property
    def metadata(self) -> JobMetadata:
        """Return the job's metadata."""
        ...


_current: ContextVar[HasMetadata | None] = ContextVar("queues_current_metadata", default=None)


def current_metadata() -> JobMetadata | None:
    """Return the metadata of the job that is running here, if one is."""
    owner = _current.get()
    return None if owner is None else owner.metadata


@contextmanager
def use_metadata(metadata: JobMetadata) -> Iterator[None]:
    """Let jobs that are added inside the block inherit `metadata`."""
    token = use_metadata_of(_Given(metadata))
    try:
        yield
    finally:
        forget_metadata(token)


def use_metadata_of(owner: HasMetadata) -> Token[HasMetadata | None]:
    """Let jobs that are added from here on inherit the owner's metadata, until `forget_metadata`."""
    return _current.set(owner)


def forget_metadata(token: Token[HasMetadata | None]) -> None:
    """Undo `use_metadata_of`."""
    _current.reset(token)


@dataclass(frozen=True, slots=True)
class _Given:
    metadata: JobMetadata


def new_metadata(source: str = "queues") -> JobMetadata:
    """Return metadata for a new job: the running job's flow and user, else a flow of its own."""
    parent = current_metadata()
    if parent is None:
        return JobMetadata(correlation_id=str(uuid4()), source=source)
    return replace(parent, timestamp=datetime.now(UTC))
