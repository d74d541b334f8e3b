"""Runs sections round robin: in each repetition every system once, so that a noisy minute hits all."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from benchmarks.catalogue import System
from benchmarks.conf import Conf
from benchmarks.lab import Failed, Lab
from benchmarks.process import Others
from benchmarks.sections import Section


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """All that one system showed of one metric, in the order of the repetitions."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """Return the middle value."""
        return median(self.values)

    @property
    def low(self) -> float:
        """Return the least value."""
        return min(self.values)

    @property
    def high(self) -> float:
        """Return the greatest value."""
        return max(self.values)

    def as_json(self) -> dict[str, Any]:
        """Return the sample with its summary."""
        return {"median": self.median, "min": self.low, "max": self.high, "samples": list(self.values)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One section's samples by system and metric, and why a system has none.

    `others` is the share of the CPU, in per cent, that programs of no part in it took meanwhile.
    """

    section: Section
    systems: Sequence[System]
    samples: Mapping[str, Mapping[str, Sample]]
    others: Sample
    failures: Mapping[str, str] = field(default_factory=dict)

    def median(self, system: str, metric: str) -> float | None:
        """Return a median, None where the system was not measured."""
        sample = self.samples.get(system, {}).get(metric)
        return None if sample is None else sample.median


def measure(lab: Lab, section: Section, systems: Sequence[System], conf: Conf) -> Outcome:
    """Run a warm-up and `conf.repeats` repetitions over all systems.

    A system that fails is left out of the rest of the section, with its reason.
    """
    rows: dict[str, list[Mapping[str, float]]] = {system.name: [] for system in systems}
    failures: dict[str, str] = {}
    others: list[float] = []
    for repetition in range(conf.repeats + 1):
        for system in _turned(systems, repetition):
            if system.name in failures:
                continue
            # The warm-up fills the page cache, the compiled files and the server's allocator; a part suffices.
            scale = conf.scale if repetition else conf.scale / 4
            beside = Others(lab.server.process.pid)
            try:
                figures = _once(lab, section, system, scale)
            except Failed as exc:
                failures[system.name] = str(exc)
                print(f"  {section.key}: {exc}", file=sys.stderr)
                continue
            if repetition:
                rows[system.name].append(figures)
            others.append(beside.percent())
            _progress(section, system, repetition, figures, others[-1])
    samples = {name: _columns(found) for name, found in rows.items() if name not in failures}
    return Outcome(
        section=section,
        systems=systems,
        samples=samples,
        failures=failures,
        others=Sample(values=tuple(others) or (0.0,)),
    )


def _once(lab: Lab, section: Section, system: System, scale: float) -> Mapping[str, float]:
    lab.server.empty()
    return section.measure(lab, system, scale)


def _turned(systems: Sequence[System], repetition: int) -> Sequence[System]:
    """Start each repetition with another system: none always runs after the same one."""
    cut = repetition % len(systems)
    return [*systems[cut:], *systems[:cut]]


def _columns(rows: Sequence[Mapping[str, float]]) -> dict[str, Sample]:
    return {key: Sample(values=tuple(row[key] for row in rows)) for key in rows[0]}


def _progress(section: Section, system: System, repetition: int, figures: Mapping[str, float], others: float) -> None:
    shown = ", ".join(f"{key} {value:,.2f}" for key, value in figures.items())
    label = f"repetition {repetition}" if repetition else "warm-up"
    print(f"  {section.key} {label}: {system.name} {shown} (others {others:.0f}%)", file=sys.stderr, flush=True)
