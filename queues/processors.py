"""Processors: the functions that run jobs, found by job name.

`<app>/processors.py` of every installed app is imported when Django is ready. A processor
takes its payload, a frozen dataclass named by its annotation, and the running job if it
declares a second parameter; what it returns becomes the job's result.
"""

import dataclasses
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_type_hints

from django.utils.module_loading import autodiscover_modules

from queues.errors import QueueMisconfigured, UnknownProcessor
from queues.metadata import JobMetadata
from queues.names import check_job_name


class RunningJob:
    """The job that a processor is running, for those that ask for it.

    `attempt` is 1 for the first run. The metadata is built when it is first asked for, since
    most jobs never do.
    """

    __slots__ = ("_metadata", "attempt", "attempts", "id", "name", "queue", "report")

    def __init__(
        self,
        *,
        id: str,  # noqa: A002 - the field's name in the port
        queue: str,
        name: str,
        attempt: int,
        attempts: int,
        metadata: JobMetadata | Callable[[], JobMetadata],
        report: Callable[[float], None],
    ) -> None:
        """Hold what the worker knows; `report` takes the progress."""
        self.id = id
        self.queue = queue
        self.name = name
        self.attempt = attempt
        self.attempts = attempts
        self.report = report
        self._metadata = metadata

    @property
    def metadata(self) -> JobMetadata:
        """Return who asked for the job, on whose behalf, and which flow it belongs to."""
        if not isinstance(self._metadata, JobMetadata):
            self._metadata = self._metadata()
        return self._metadata

    @property
    def idempotency_key(self) -> str:
        """Return a key for calls to outside systems: every run of this job shares it, and no other job has it."""
        return f"{self.queue}:{self.id}"

    @property
    def is_last_attempt(self) -> bool:
        """Say whether a failure now would be final."""
        return self.attempt >= self.attempts

    def progress(self, value: float) -> None:
        """Note how far the run is, from 0 to 100."""
        self.report(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Processor:
    """A function that runs the jobs of one name, and the payload type that it takes."""

    name: str
    function: Callable[..., Any]
    payload_type: type
    wants_job: bool
    is_async: bool
    once: bool


_processors: dict[str, Processor] = {}


def processor[F: Callable[..., Any]](name: str, *, once: bool = False) -> Callable[[F], F]:
    """Register the decorated function for the jobs of that name and return it unchanged.

    With `once`, on a queue whose RECORD is "accepted", the function's work in the database and the
    record's change to completed commit in one transaction, so that a second delivery does nothing.

    Raises InvalidJobName for a name that is not domain.action.vN, and QueueMisconfigured when
    the name is taken or the first parameter is no frozen dataclass (or dict).
    """
    check_job_name(name)

    def register(function: F) -> F:
        known = _processors.get(name)
        if known is not None and _path(known.function) != _path(function):
            raise QueueMisconfigured(f"{name} has two processors: {_path(known.function)} and {_path(function)}.")
        _processors[name] = _describe(name, function, once=once)
        return function

    return register


def find_processor(name: str) -> Processor:
    """Return the processor of a job name; raise UnknownProcessor."""
    try:
        return _processors[name]
    except KeyError:
        raise UnknownProcessor(f"No processor is registered for {name!r:.80}.", field="name") from None


def processor_names() -> list[str]:
    """Return the job names that this process can run, sorted."""
    return sorted(_processors)


def autodiscover() -> None:
    """Import `processors` of every installed app."""
    autodiscover_modules("processors")


def _describe(name: str, function: Callable[..., Any], *, once: bool) -> Processor:
    parameters = list(inspect.signature(function).parameters.values())
    by_position = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}
    if not 1 <= len(parameters) <= 2 or not {p.kind for p in parameters} <= by_position:  # noqa: PLR2004 - the payload, and the job
        raise QueueMisconfigured(f"{_path(function)} must take a payload and, at most, the running job.")
    payload_type: Any = get_type_hints(function).get(parameters[0].name)
    if payload_type is not dict and not _is_frozen_dataclass(payload_type):
        raise QueueMisconfigured(f"{_path(function)} must annotate its first parameter with a frozen dataclass.")
    if once and inspect.iscoroutinefunction(function):
        raise QueueMisconfigured(f"{_path(function)} is async: what it writes is not part of the record's transaction.")
    return Processor(
        name=name,
        function=function,
        payload_type=payload_type,
        wants_job=len(parameters) == 2,  # noqa: PLR2004 - as above
        is_async=inspect.iscoroutinefunction(function),
        once=once,
    )


def _is_frozen_dataclass(annotation: object) -> bool:
    return (
        isinstance(annotation, type) and dataclasses.is_dataclass(annotation) and annotation.__dataclass_params__.frozen  # type: ignore[attr-defined]
    )


def _path(function: Callable[..., Any]) -> str:
    return f"{function.__module__}.{function.__qualname__}"
