"""The values that describe a job: its options, its state and what a queue says of it.

Frozen, slotted, keyword-only. Durations are timedeltas, exact to the millisecond; times are
aware and in UTC. Pure values: nothing here imports Django or a broker.
"""

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Literal, Self

import msgspec

from queues.errors import InvalidOptions
from queues.metadata import JobMetadata
from queues.priorities import Priority

JOB_ID_LENGTH: Final = 255
MAX_ATTEMPTS: Final = 10_000
MAX_DELAY: Final = timedelta(days=3650)
MAX_TIMEOUT: Final = timedelta(days=7)
MILLISECOND: Final = timedelta(milliseconds=1)


class JobState(StrEnum):
    """Where a job stands; docs/state_machine.md draws the transitions."""

    WAITING = "waiting"
    ACTIVE = "active"
    DELAYED = "delayed"
    COMPLETED = "completed"
    FAILED = "failed"


def _duration(value: object, name: str, *, least: timedelta, most: timedelta) -> None:
    if not isinstance(value, timedelta) or not least <= value <= most:
        raise InvalidOptions(f"{name} is {value!r:.60}; it must be a timedelta from {least} to {most}.", field=name)


def _whole(value: object, name: str, *, least: int, most: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise InvalidOptions(f"{name} is {value!r:.60}; it must be a whole number from {least} to {most}.", field=name)


def _share(value: object, name: str) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 1:
        raise InvalidOptions(f"{name} is {value!r:.60}; it must be a number from 0 to 1.", field=name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """How long a failed job waits before its next attempt.

    `fixed` waits `base` each time; `exponential` waits base * 2^(n-1) after the n-th attempt,
    never more than `cap`. `jitter` is the share of the wait that is drawn at random:
    0 gives exactly d, 0.5 gives something within [0.5 d, d].
    """

    kind: Literal["fixed", "exponential"] = "exponential"
    base: timedelta = timedelta(seconds=2)
    cap: timedelta = timedelta(hours=1)
    jitter: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what would retry at once, never, or at a nonsense time."""
        if self.kind not in ("fixed", "exponential"):
            raise InvalidOptions(
                f"backoff.kind is {self.kind!r:.40}; it must be 'fixed' or 'exponential'.", field="backoff"
            )
        _duration(self.base, "backoff.base", least=MILLISECOND, most=MAX_DELAY)
        _duration(self.cap, "backoff.cap", least=MILLISECOND, most=MAX_DELAY)
        _share(self.jitter, "backoff.jitter")

    def wait(self, attempt: int) -> timedelta:
        """Return the wait after the `attempt`-th run (1 for the first), jitter included."""
        base, cap = self.base / MILLISECOND, self.cap / MILLISECOND
        if self.kind == "exponential":
            # Compare exponents before raising: 2 ** 1100 does not fit a float.
            doublings = attempt - 1
            base = cap if doublings > math.log2(cap / base) else base * 2**doublings
        milliseconds = min(base, cap)
        return timedelta(milliseconds=round(milliseconds * (1 - self.jitter * random.random())))  # noqa: S311 - spreads retries, guards nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How much of what has ended a queue keeps: the newest `count`, or each for its `age`.

    Neither sets no limit. A job without a count is never removed by another job's count.
    """

    count: int | None = None
    age: timedelta | None = None

    def __post_init__(self) -> None:
        """Refuse a negative count, an age that is no duration, and both at once."""
        if self.count is not None and self.age is not None:
            raise InvalidOptions("A Retention has a count or an age, not both.", field="retention")
        if self.count is not None:
            _whole(self.count, "count", least=0, most=1_000_000_000)
        if self.age is not None:
            _duration(self.age, "age", least=MILLISECOND, most=MAX_DELAY)

    @classmethod
    def parse(cls, value: object, name: str) -> "Retention":
        """Read a count, a timedelta, True (keep none), False or None (keep all), or a Retention."""
        match value:
            case Retention():
                return value
            case True:
                return cls(count=0)
            case None | False:
                return cls()
            case timedelta():
                _duration(value, name, least=MILLISECOND, most=MAX_DELAY)
                return cls(age=value)
            case int():
                _whole(value, name, least=0, most=1_000_000_000)
                return cls(count=value)
        raise InvalidOptions(
            f"{name} is {value!r:.60}; it must be a count, a timedelta, a Retention, or None to keep all.", field=name
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOptions:
    """How a job is to be run. Raises InvalidOptions, naming the field, for a wrong value.

    `attempts` counts runs, not retries. `delay` is the least time before the first run.
    `remove_on_complete` and `remove_on_fail` say how many ended jobs the queue keeps:
    0 none, None all, a timedelta or Retention by age. An option that was not given is
    taken from the queue's settings; the values here are what those start from.
    """

    attempts: int = 3
    priority: Priority = Priority.NORMAL
    backoff: Backoff = field(default_factory=Backoff)
    delay: timedelta = timedelta(0)
    timeout: timedelta = timedelta(seconds=30)
    remove_on_complete: int | timedelta | Retention | None = 100
    remove_on_fail: int | timedelta | Retention | None = 50
    job_id: str | None = None
    _given: frozenset[str] = field(init=False, repr=False, compare=False)

    def __new__(cls, **given: object) -> Self:
        """Remember which options the caller named, for `over`."""
        self = object.__new__(cls)
        object.__setattr__(self, "_given", frozenset(given))
        return self

    def __post_init__(self) -> None:
        """Refuse every value that no provider could keep."""
        _whole(self.attempts, "attempts", least=1, most=MAX_ATTEMPTS)
        object.__setattr__(self, "priority", Priority.parse(self.priority))
        if not isinstance(self.backoff, Backoff):
            raise InvalidOptions("backoff must be a Backoff.", field="backoff")
        _duration(self.delay, "delay", least=timedelta(0), most=MAX_DELAY)
        _duration(self.timeout, "timeout", least=MILLISECOND, most=MAX_TIMEOUT)
        for name in ("remove_on_complete", "remove_on_fail"):
            value = getattr(self, name)
            Retention.parse(value, name)
            if isinstance(value, bool):
                # As a count: True equals 1 for Python, and would be taken for it by any cache.
                object.__setattr__(self, name, 0 if value else None)
        if self.job_id is not None:
            check_job_id(self.job_id)

    def over(self, defaults: "JobOptions") -> "JobOptions":
        """Return these options, with each that was not given taken from `defaults`."""
        missing = {f.name: getattr(defaults, f.name) for f in fields(self) if f.init and f.name not in self._given}
        return replace(self, **missing) if missing else self


def check_job_id(job_id: object) -> str:
    """Return `job_id` when it is a string of 1 to 255 characters; raise InvalidOptions otherwise.

    The character NUL is refused: no PostgreSQL text can hold it.
    """
    if isinstance(job_id, str) and 1 <= len(job_id) <= JOB_ID_LENGTH and "\0" not in job_id and not _lone(job_id):
        return job_id
    raise InvalidOptions(
        f"job_id must be a string of 1 to {JOB_ID_LENGTH} characters, none of them NUL; it is {job_id!r:.60}.",
        field="job_id",
    )


def _lone(text: str) -> bool:
    """Say whether `text` holds half of a surrogate pair, which no encoding can carry."""
    return any("\ud800" <= character <= "\udfff" for character in text)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob[T]:
    """One job of a bulk add."""

    name: str
    data: T
    options: JobOptions | None = None
    metadata: JobMetadata | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One run of a job that did not complete: when, for how long, and why it ended."""

    number: int
    ended_at: datetime
    duration: timedelta
    error: str


class QueueJob[T](msgspec.Struct, frozen=True, kw_only=True):
    """A job as its queue knows it. A struct, since adding makes one for each job.

    `data` is the payload that was given, or, when the job was read back, its JSON object.
    `duplicate` says that `add` found the job already there. `attempts_made` counts the runs
    so far; `stalls` the leases that lapsed; `worker` is who runs it, or ran it to its end.
    """

    id: str
    name: str
    queue: str
    data: T
    options: JobOptions
    metadata: JobMetadata
    state: JobState
    created_at: datetime
    progress: float = 0
    result: Any = None
    failed_reason: str | None = None
    attempts_made: int = 0
    stalls: int = 0
    attempts: tuple[Attempt, ...] = ()
    available_at: datetime | None = None
    processed_at: datetime | None = None
    finished_at: datetime | None = None
    worker: str | None = None
    duplicate: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStats:
    """How many jobs a queue has in each state, at one instant."""

    waiting: int = 0
    active: int = 0
    completed: int = 0
    failed: int = 0
    delayed: int = 0
    is_paused: bool = False
    oldest_waiting: timedelta | None = None

    @property
    def counts(self) -> Mapping[JobState, int]:
        """Return the count of each state."""
        return {state: getattr(self, state.value) for state in JobState}
