"""The settings of the platform as typed, validated values.

`settings.QUEUES` maps a queue's name to its settings over a "default", as CACHES and
DATABASES do; the specification's QUEUE_* variables are settings of the same names.
Durations are timedeltas in QUEUES and whole milliseconds in QUEUE_*.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from datetime import timedelta
from functools import partial
from typing import Any, Final

from django.conf import settings
from django.utils.module_loading import import_string

from queues.codec import PAYLOAD_BYTES, RESULT_BYTES
from queues.errors import QueueError, QueueMisconfigured, UnknownQueue
from queues.jobs import JobOptions
from queues.names import QueueName, check_queue_name
from queues.ports import GenericQueue

DEFAULT: Final = "default"
DEFAULT_BACKEND: Final = "queues.adapters.rq.RQQueue"
LEASE: Final = timedelta(seconds=10)
CRASH_LIMIT: Final = 3
RECORDS: Final = ("none", "accepted")
LOWEST_FIRST_EVERY: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueConf:
    """How one queue is set up.

    `record` "accepted" keeps a row for every job, written in the caller's transaction; "none" keeps none.
    `lease` is how long a worker may be silent before its job is another's; `crash_limit` the
    stall that ends a job as failed; one reservation in `lowest_first_every` starts from the
    lowest level, so that none starves (0: strict order).
    """

    name: str
    backend: str = DEFAULT_BACKEND
    record: str = "none"
    connection: Mapping[str, Any] = field(default_factory=dict)
    options: JobOptions = field(default_factory=JobOptions)
    lease: timedelta = LEASE
    crash_limit: int = CRASH_LIMIT
    lowest_first_every: int = LOWEST_FIRST_EVERY
    payload_bytes: int = PAYLOAD_BYTES
    result_bytes: int = RESULT_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerConf:
    """How a worker process runs: its threads, how often it renews leases and sweeps, its grace."""

    concurrency: int = 10
    beat: timedelta = timedelta(seconds=3)
    grace: timedelta = timedelta(seconds=25)


_KEYS: Final[Mapping[str, tuple[str, type]]] = {
    "BACKEND": ("backend", str),
    "RECORD": ("record", str),
    "CONNECTION": ("connection", Mapping),
    "LEASE": ("lease", timedelta),
    "CRASH_LIMIT": ("crash_limit", int),
    "LOWEST_FIRST_EVERY": ("lowest_first_every", int),
    "PAYLOAD_BYTES": ("payload_bytes", int),
    "RESULT_BYTES": ("result_bytes", int),
    "OPTIONS": ("options", Mapping),
}
_OPTIONS: Final = tuple(f.name for f in fields(JobOptions) if f.init and f.name != "job_id")


def queue_names() -> list[str]:
    """Return the names of all queues: the specification's eight, then those that settings add."""
    extra = [str(name) for name in _queues() if name != DEFAULT and name not in list(QueueName)]
    return [*map(str, QueueName), *extra]


def queue_conf(name: str) -> QueueConf:
    """Return the settings of one queue.

    Raises UnknownQueue, listing those that exist, or QueueMisconfigured, saying what to write.
    """
    if name not in queue_names():
        raise UnknownQueue(f"There is no queue {str(name)!r:.80}; there are {', '.join(queue_names())}.", field="queue")
    check_queue_name(name)
    default, own = _entry(DEFAULT), _entry(name)
    values = {**default, **own}
    values["options"] = _options(name, {**default.get("options", {}), **own.get("options", {})})
    values.setdefault("connection", getattr(settings, "RQ_QUEUES", {}).get(name, {}))
    return _check_limits(QueueConf(name=name, **values))


def _queues() -> Mapping[str, Any]:
    queues: object = getattr(settings, "QUEUES", {})
    if not isinstance(queues, Mapping):
        raise QueueMisconfigured(f"QUEUES is {queues!r:.60}; write a mapping from queue names to their settings.")
    return queues


def _entry(name: str) -> dict[str, Any]:
    """Return one entry of QUEUES as arguments of QueueConf, each of its right type."""
    entry: object = _queues().get(name, {})
    if not isinstance(entry, Mapping):
        raise QueueMisconfigured(f"QUEUES[{name!r}] is {entry!r:.60}; write a mapping of settings.")
    arguments = {}
    for key, value in entry.items():
        if key not in _KEYS:
            raise QueueMisconfigured(f"QUEUES[{name!r}] has the key {key!r}; write one of {', '.join(_KEYS)}.")
        attribute, kind = _KEYS[key]
        if not isinstance(value, kind) or isinstance(value, bool):
            raise QueueMisconfigured(f"QUEUES[{name!r}][{key!r}] is {value!r:.60}; write a {kind.__name__}.")
        arguments[attribute] = value
    return arguments


def _check_limits(conf: QueueConf) -> QueueConf:
    where = f"QUEUES[{conf.name!r}]"
    if conf.record not in RECORDS:
        raise QueueMisconfigured(f"{where}['RECORD'] is {conf.record!r:.40}; write one of {', '.join(RECORDS)}.")
    if not timedelta(seconds=1) <= conf.lease <= timedelta(hours=12):
        raise QueueMisconfigured(f"{where}['LEASE'] is {conf.lease}; write a timedelta from 1 second to 12 hours.")
    for key, value, least in (
        ("CRASH_LIMIT", conf.crash_limit, 1),
        ("LOWEST_FIRST_EVERY", conf.lowest_first_every, 0),
        ("PAYLOAD_BYTES", conf.payload_bytes, 1024),
        ("RESULT_BYTES", conf.result_bytes, 16),
    ):
        if value < least:
            raise QueueMisconfigured(f"{where}[{key!r}] is {value}; write a whole number of at least {least}.")
    return conf


def _options(name: str, values: Mapping[str, Any]) -> JobOptions:
    """Return a queue's default options: its own, over QUEUE_RETRY_ATTEMPTS and QUEUE_DEFAULT_TIMEOUT."""
    defaults = {
        "attempts": number("QUEUE_RETRY_ATTEMPTS", 3, least=1, most=10_000),
        "timeout": timedelta(milliseconds=number("QUEUE_DEFAULT_TIMEOUT", 30_000, least=1, most=7 * 86_400_000)),
    }
    where = f"QUEUES[{name!r}]['OPTIONS']"
    for option in values:
        if option not in _OPTIONS:
            raise QueueMisconfigured(f"{where} has the key {option!r}; write one of {', '.join(_OPTIONS)}.")
    try:
        return JobOptions(**{**defaults, **values})
    except QueueError as exc:
        raise QueueMisconfigured(f"{where}: {exc.message}") from exc


def worker_conf() -> WorkerConf:
    """Return how worker processes run, from QUEUE_CONCURRENCY and QUEUE_GRACE."""
    return WorkerConf(
        concurrency=number("QUEUE_CONCURRENCY", 10, least=1, most=1000),
        grace=timedelta(milliseconds=number("QUEUE_GRACE", 25_000, least=0, most=3_600_000)),
    )


def health_interval() -> timedelta:
    """Return QUEUE_HEALTH_CHECK_INTERVAL, which is checked; health asks anew each time and reuses no answer."""
    return timedelta(milliseconds=number("QUEUE_HEALTH_CHECK_INTERVAL", 30_000, least=0, most=3_600_000))


def number(setting: str, default: int, *, least: int, most: int) -> int:
    """Return a whole-number setting, which the environment may have given as text."""
    value = getattr(settings, setting, default)
    text = str(value).strip()
    if isinstance(value, bool) or not text.isdecimal() or not least <= int(text) <= most:
        raise QueueMisconfigured(f"{setting} is {value!r:.60}; write a whole number from {least} to {most}.")
    return int(text)


def problems() -> list[str]:
    """Return what is wrong in the settings, a sentence each; nothing is connected to."""
    found = []
    reads: list[Callable[[], object]] = [worker_conf, health_interval, queue_names]
    with suppress(QueueMisconfigured):
        reads += [partial(_load, name) for name in queue_names()]
    for read in reads:
        try:
            read()
        except QueueError as exc:
            found.append(exc.message)
    return list(dict.fromkeys(found))


def _load(name: str) -> None:
    backend = queue_conf(name).backend
    right = f"write the dotted path of a queue class, such as {DEFAULT_BACKEND!r}"
    try:
        queue_class = import_string(backend)
    except ImportError as exc:
        message = f"BACKEND {backend!r} of the queue {name!r} cannot be imported ({exc}); {right}."
        raise QueueMisconfigured(message) from exc
    if not (isinstance(queue_class, type) and issubclass(queue_class, GenericQueue)):
        raise QueueMisconfigured(f"BACKEND {backend!r} of the queue {name!r} is no queue class; {right}.")
