"""A run as text: tables for the terminal, Markdown for the docs, JSON for other programs."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.engine import Outcome, Sample
from benchmarks.host import sentence
from benchmarks.sections import Metric
from benchmarks.targets import reached

type Table = Sequence[Sequence[str]]


def number(value: float) -> str:
    """Return a figure with three significant digits at least, and thousands apart."""
    size = abs(value)
    return f"{value:,.0f}" if size >= 100 else f"{value:,.1f}" if size >= 10 else f"{value:,.2f}"


def text(outcomes: Sequence[Outcome], host: Mapping[str, Any], conf: Mapping[str, Any]) -> str:
    """Return the whole report for the terminal."""
    parts = [sentence(dict(host)), _method(host, conf), ""]
    for outcome in outcomes:
        parts += [outcome.section.title, _aligned(rows(outcome)), f"  {_others(outcome)}", ""]
    if goals := _goals(outcomes):
        parts += ["Targets", _aligned(goals)]
    return "\n".join(parts)


def markdown(outcomes: Sequence[Outcome], host: Mapping[str, Any], conf: Mapping[str, Any]) -> str:
    """Return the whole report as a page of the docs."""
    parts = ["# Benchmarks", "", "`make bench` measured this; `benchmarks/` says how.", ""]
    parts += ["![Jobs a second, this platform and its peers](benchmarks.svg)", ""]
    parts += [f"{sentence(dict(host))}.", _method(host, conf), ""]
    for outcome in outcomes:
        parts += [f"## {outcome.section.title}", "", _piped(rows(outcome)), "", f"{_others(outcome)}", ""]
    if goals := _goals(outcomes):
        parts += ["## Targets", "", _piped(goals), ""]
    versions = ", ".join(f"{name} {version}" for name, version in host["packages"].items())
    return "\n".join([*parts, f"Versions: {versions}.", ""])


def as_json(outcomes: Sequence[Outcome], host: Mapping[str, Any], conf: Mapping[str, Any]) -> dict[str, Any]:
    """Return every sample, median, ratio and failure."""
    return {
        "host": dict(host),
        "run": dict(conf),
        "sections": {outcome.section.key: _section_json(outcome) for outcome in outcomes},
        "targets": [target.as_json(value) for target, value in reached(_by_key(outcomes))],
    }


def rows(outcome: Outcome) -> Table:
    """Return one section's table, best first, with a header."""
    metrics = outcome.section.metrics
    first = metrics[0]
    measured = [system for system in outcome.systems if system.name in outcome.samples]
    measured.sort(key=lambda s: outcome.samples[s.name][first.key].median, reverse=first.more_is_better)
    table = [["", *(f"{metric.title} (least to most)" for metric in metrics)]]
    table += [[s.label, *_cells(metrics, outcome.samples[s.name])] for s in measured]
    failed = [s for s in outcome.systems if s.name in outcome.failures]
    return table + [[s.label, *("failed" for _ in metrics)] for s in failed]


def _cells(metrics: Sequence[Metric], samples: Mapping[str, Sample]) -> Iterator[str]:
    for metric in metrics:
        sample = samples[metric.key]
        unit = metric.unit if metric.unit in {"/s", "%"} else f" {metric.unit}"
        yield f"{number(sample.median)}{unit} ({number(sample.low)} to {number(sample.high)})"


def _others(outcome: Outcome) -> str:
    return (
        f"Meanwhile other programs took {outcome.others.median:.0f} % of the CPU (up to {outcome.others.high:.0f} %)."
    )


def _method(host: Mapping[str, Any], conf: Mapping[str, Any]) -> str:
    return (
        f"Medians of {conf['repeats']} repetitions after a warm-up, systems taking turns, job counts times "
        f"{conf['scale']}; load average {host['load_at_start']} at the start, {host['load_at_end']} at the end; "
        f"{host['started']}."
    )


def _goals(outcomes: Sequence[Outcome]) -> list[list[str]]:
    table = [["", "measured", "wanted", ""]]
    for target, value in reached(_by_key(outcomes)):
        unit = target.unit or ("x" if target.peer else "")
        sign = "at least" if target.at_least else "at most"
        verdict = "met" if target.met(value) else "not met"
        table.append([target.title, f"{number(value)}{unit}", f"{sign} {number(target.bound)}{unit}", verdict])
    return table if len(table) > 1 else []


def _by_key(outcomes: Sequence[Outcome]) -> dict[str, Outcome]:
    return {outcome.section.key: outcome for outcome in outcomes}


def _section_json(outcome: Outcome) -> dict[str, Any]:
    return {
        "title": outcome.section.title,
        "labels": {system.name: system.label for system in outcome.systems},
        "concurrency": {system.name: system.concurrency for system in outcome.systems},
        "units": {metric.key: metric.unit for metric in outcome.section.metrics},
        "systems": {
            name: {key: sample.as_json() for key, sample in samples.items()}
            for name, samples in outcome.samples.items()
        },
        "failures": dict(outcome.failures),
        "cpu_percent_of_others": outcome.others.as_json(),
    }


def _aligned(table: Table) -> str:
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    return "\n".join(_line(row, widths) for row in table)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    """Return the name to the left and the figures to the right of their columns."""
    figures = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
    return "  ".join(["", row[0].ljust(widths[0]), *figures]).rstrip()


def _piped(table: Table) -> str:
    header, *body = table
    lines = [header, ["---", *("---:" for _ in header[1:])], *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
