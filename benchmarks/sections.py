"""The sections: what each measures of a system in one repetition, on an empty server.

Every function returns figures by the names of its section's metrics. Times come from the
process under test: the driver's own clock for adding, the worker's ledger for running.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import quantiles
from typing import Final

from benchmarks.catalogue import System
from benchmarks.lab import Lab
from benchmarks.payload import SLEEP_SECONDS
from benchmarks.process import private_memory

MEMORY_JOBS: Final = 10_000
PINGS: Final = 200
FIRST_PINGS: Final = 20
SMALL_BACKLOG: Final = 10_000
LARGE_BACKLOG: Final = 1_000_000
STATS_CALLS: Final = 200
OVERHEAD_CALLS: Final = 5_000
FEWEST: Final = 20

type Figures = Mapping[str, float]
type Measure = Callable[[Lab, System, float], Figures]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One column: its unit, and whether more is better."""

    key: str
    title: str
    unit: str
    more_is_better: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One table of the report; the first metric orders it."""

    key: str
    title: str
    metrics: tuple[Metric, ...]
    measure: Measure


def scaled(jobs: int, scale: float) -> int:
    """Return a job count at that scale, never too few to time."""
    return max(FEWEST, round(jobs * scale))


def _add(lab: Lab, system: System, scale: float) -> Figures:
    figures = lab.call(system, "add", scaled(system.add, scale))
    return {"rate": figures["jobs"] / figures["seconds"]}


def _bulk(lab: Lab, system: System, scale: float) -> Figures:
    figures = lab.call(system, "bulk", scaled(system.bulk, scale))
    return {"rate": figures["jobs"] / figures["seconds"]}


def _drain(lab: Lab, system: System, scale: float) -> Figures:
    return {"rate": _drained(lab, system, "noop", scaled(system.drain, scale))}


def _drained(lab: Lab, system: System, kind: str, jobs: int) -> float:
    """Add `jobs` jobs, let one worker run them, and return how many it ran a second."""
    ledger = lab.ledger(jobs)
    lab.call(system, "fill", kind, 0, jobs)
    with lab.worker(system, ledger) as worker:
        lab.wait(worker, ledger)
        lab.check(ledger)
    return jobs / ledger.seconds()


def _latency(lab: Lab, system: System, scale: float) -> Figures:
    pings = scaled(PINGS, scale) + FIRST_PINGS
    ledger = lab.ledger(pings)
    with lab.worker(system, ledger, write_through=True) as worker:
        sent = lab.call(system, "ping", pings, ledger=ledger)["sent"]
        lab.wait(worker, ledger)
        lab.check(ledger)
    waits = [(start - at) / 1e6 for start, at in zip(ledger.starts, sent, strict=True)][FIRST_PINGS:]
    cuts = quantiles(waits, n=100, method="inclusive")
    return {"p50": cuts[49], "p99": cuts[98]}


def _io(lab: Lab, system: System, scale: float) -> Figures:
    # Whole rounds of ten, so that the ideal is exact.
    jobs = max(2, round(system.io * scale / 10)) * 10
    rate = _drained(lab, system, "sleep", jobs)
    return {"share": 100 * rate / (10 / SLEEP_SECONDS)}


def _backlog(lab: Lab, system: System, scale: float) -> Figures:
    small = _drained(lab, system, "noop", SMALL_BACKLOG)
    lab.server.empty()
    jobs = scaled(LARGE_BACKLOG, scale)
    ledger = lab.ledger(jobs)
    lab.call(system, "fill", "noop", 0, jobs)
    stats = lab.call(system, "stats", STATS_CALLS)["seconds"]
    with lab.worker(system, ledger) as worker:
        lab.wait(worker, ledger, min(SMALL_BACKLOG, jobs // 2))
        before = private_memory(worker.pid)
        lab.wait(worker, ledger)
        growth = private_memory(worker.pid) - before
        lab.check(ledger)
    whole = jobs / ledger.seconds()
    tenth = jobs // 10
    return {
        "share": 100 * whole / small,
        "rate": whole,
        "first": tenth / ledger.seconds(tenth),
        "small": small,
        "stats": 1000 * sorted(stats)[len(stats) // 2],
        "growth": growth / 1e6,
    }


def _memory(lab: Lab, system: System, scale: float) -> Figures:
    # The first jobs bring what a queue costs once: scripts, registries, the queue's own keys.
    lab.call(system, "fill", "noop", 0, FEWEST)
    before = lab.server.used_memory()
    jobs = scaled(MEMORY_JOBS, scale)
    lab.call(system, "fill", "noop", FEWEST, FEWEST + jobs)
    return {"bytes": (lab.server.used_memory() - before) / jobs}


def _overhead(lab: Lab, system: System, scale: float) -> Figures:
    figures = lab.call(system, "overhead", scaled(OVERHEAD_CALLS, scale))
    port, raw = figures["port"], figures["raw"]
    return {"percent": 100 * (port - raw) / raw, "port": port * 1e6, "raw": raw * 1e6}


SECTIONS: Final = (
    Section(key="add", title="Add one by one", metrics=(Metric(key="rate", title="jobs/s", unit="/s"),), measure=_add),
    Section(key="bulk", title="Add in bulk", metrics=(Metric(key="rate", title="jobs/s", unit="/s"),), measure=_bulk),
    Section(
        key="drain",
        title="Drain no-op jobs, one worker process",
        metrics=(Metric(key="rate", title="jobs/s", unit="/s"),),
        measure=_drain,
    ),
    Section(
        key="latency",
        title="From add to start, worker idle",
        metrics=(
            Metric(key="p50", title="p50", unit="ms", more_is_better=False),
            Metric(key="p99", title="p99", unit="ms", more_is_better=False),
        ),
        measure=_latency,
    ),
    Section(
        key="io",
        title="Jobs of 50 ms I/O, one worker process: share of the ideal at concurrency 10",
        metrics=(Metric(key="share", title="share", unit="%"),),
        measure=_io,
    ),
    Section(
        key="backlog",
        title="Backlog of 1,000,000 jobs",
        metrics=(
            Metric(key="share", title="drain rate, of that at 10,000", unit="%"),
            Metric(key="rate", title="whole drain", unit="/s"),
            Metric(key="first", title="first tenth", unit="/s"),
            Metric(key="small", title="drain at 10,000", unit="/s"),
            Metric(key="stats", title="get_stats", unit="ms", more_is_better=False),
            Metric(key="growth", title="worker memory growth", unit="MB", more_is_better=False),
        ),
        measure=_backlog,
    ),
    Section(
        key="memory",
        title="Server memory for each waiting job",
        metrics=(Metric(key="bytes", title="bytes", unit="B", more_is_better=False),),
        measure=_memory,
    ),
    Section(
        key="overhead",
        title="Add through the port beside the bare script call",
        metrics=(
            Metric(key="percent", title="overhead", unit="%", more_is_better=False),
            Metric(key="port", title="port", unit="µs", more_is_better=False),
            Metric(key="raw", title="bare call", unit="µs", more_is_better=False),
        ),
        measure=_overhead,
    ),
)


def chosen(keys: tuple[str, ...]) -> list[Section]:
    """Return the sections of those keys, all when there are none; raise ValueError for an unknown one."""
    known = [section.key for section in SECTIONS]
    if unknown := [key for key in keys if key not in known]:
        raise ValueError(f"ONLY names {', '.join(unknown)}; there are {', '.join(known)}.")
    return [section for section in SECTIONS if not keys or section.key in keys]
