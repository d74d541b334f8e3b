"""A run as one SVG: a panel of bars for each section that counts jobs a second, and one for latency."""

from collections.abc import Sequence
from html import escape
from typing import Final

from benchmarks.catalogue import OURS
from benchmarks.engine import Outcome, Sample
from benchmarks.report import number

WIDTH: Final = 860
LABELS: Final = 250
BAR: Final = 20
ROW: Final = 28
VALUES: Final = 150
SECTIONS: Final = ("drain", "add", "bulk", "latency", "memory")
STYLE: Final = """
  text { font: 13px system-ui, sans-serif; fill: #1f2933 }
  .title { font-size: 15px; font-weight: 600 } .note { font-size: 12px; fill: #52606d }
  .bar { fill: #9fb3c8 } .ours { fill: #2563eb } .range { stroke: #52606d; stroke-width: 1.5 }
  .page { fill: #ffffff }
  @media (prefers-color-scheme: dark) {
    text { fill: #e4e7eb } .note { fill: #9aa5b1 } .bar { fill: #52606d } .ours { fill: #60a5fa }
    .range { stroke: #cbd2d9 } .page { fill: #0f172a }
  }"""


def svg(outcomes: Sequence[Outcome], note: str) -> str:
    """Return the chart; `note` says on what host and when."""
    parts: list[str] = []
    top = 20
    for outcome in outcomes:
        if outcome.section.key in SECTIONS and outcome.samples:
            panel, height = _panel(outcome, top)
            parts += panel
            top += height
    parts.append(f'<text class="note" x="20" y="{top + 10}">{escape(note)}</text>')
    height = top + 30
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="Benchmarks: this platform beside its peers">\n<style>{STYLE}\n</style>\n'
        f'<rect class="page" width="{WIDTH}" height="{height}"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _panel(outcome: Outcome, top: int) -> tuple[list[str], int]:
    """Return the drawing of one section and its height."""
    metric = outcome.section.metrics[0]
    systems = [system for system in outcome.systems if system.name in outcome.samples]
    samples = {system.name: outcome.samples[system.name][metric.key] for system in systems}
    systems.sort(key=lambda system: samples[system.name].median, reverse=metric.more_is_better)
    most = max(sample.high for sample in samples.values())
    direction = "more is better" if metric.more_is_better else "less is better"
    title = f"{outcome.section.title}: {metric.title}, {direction}"
    parts = [f'<text class="title" x="20" y="{top + 14}">{escape(title)}</text>']
    for row, system in enumerate(systems):
        y = top + 28 + row * ROW
        parts += _bar(system.label, samples[system.name], y, most, metric.unit, ours=system.name == OURS)
    return parts, 28 + len(systems) * ROW + 26


def _bar(label: str, sample: Sample, y: int, most: float, unit: str, *, ours: bool) -> list[str]:
    """Return one bar at its median, with a line over its range."""
    scale = (WIDTH - LABELS - VALUES) / most
    middle, end = y + BAR / 2, LABELS + sample.high * scale
    space = "" if unit == "/s" else " "
    kind, length = "ours" if ours else "bar", max(1.0, sample.median * scale)
    return [
        f'<text x="{LABELS - 10}" y="{y + 15}" text-anchor="end">{escape(label)}</text>',
        f'<rect class="{kind}" x="{LABELS}" y="{y}" width="{length:.1f}" height="{BAR}" rx="3"/>',
        f'<line class="range" x1="{LABELS + sample.low * scale:.1f}" x2="{end:.1f}" y1="{middle}" y2="{middle}"/>',
        f'<text x="{end + 8:.1f}" y="{y + 15}">{number(sample.median)}{space}{escape(unit)}</text>',
    ]
