"""Measure: `python -m benchmarks`, steered by the variables that conf.py names."""

import json
import sys
from collections.abc import Sequence
from typing import Any

from benchmarks import chart, host, install, report
from benchmarks.catalogue import SYSTEMS, System, system
from benchmarks.conf import ROOT, Conf
from benchmarks.engine import Outcome, measure
from benchmarks.lab import Lab
from benchmarks.sections import Section, chosen
from benchmarks.server import Server


def main() -> int:
    """Run what the environment asks for; return 1 when a system failed, 2 when a variable is wrong."""
    try:
        conf = Conf.read()
        sections = chosen(conf.only)
        systems = [system(name) for name in conf.systems] or list(SYSTEMS)
    except (ValueError, LookupError) as exc:
        print(exc, file=sys.stderr)
        return 2
    runtimes = {each.runtime for each in systems}
    peers = install.peers_python() if "peers" in runtimes else None
    node = install.node() if "node" in runtimes else None
    with Server() as server:
        lab = Lab(server, peers=peers, node=node)
        try:
            lab.prepare()
            facts = host.describe(server, peers)
            outcomes = [
                _measure(lab, section, takers, conf)
                for section in sections
                if (takers := _takers(lab, section, systems))
            ]
        finally:
            lab.close()
    facts["load_at_end"] = host.load()
    _publish(outcomes, facts, conf)
    return int(any(outcome.failures for outcome in outcomes))


def _takers(lab: Lab, section: Section, systems: Sequence[System]) -> list[System]:
    """Return the systems that can take part in a section."""
    takers = [each for each in systems if section.key in each.sections and lab.has(each)]
    return [each for each in takers if each.bulk or section.key != "bulk"]


def _measure(lab: Lab, section: Section, takers: Sequence[System], conf: Conf) -> Outcome:
    print(f"{section.title} ...", file=sys.stderr)
    return measure(lab, section, takers, conf)


def _publish(outcomes: Sequence[Outcome], facts: dict[str, Any], conf: Conf) -> None:
    """Print the table, and write the files that the run asked for."""
    how = {"repeats": conf.repeats, "scale": conf.scale}
    print(report.text(outcomes, facts, how))
    if conf.json is not None:
        conf.json.write_text(json.dumps(report.as_json(outcomes, facts, how), indent=2) + "\n")
    if conf.docs:
        docs = ROOT / "docs"
        docs.mkdir(exist_ok=True)
        (docs / "benchmarks.md").write_text(report.markdown(outcomes, facts, how))
        (docs / "benchmarks.svg").write_text(chart.svg(outcomes, f"{host.sentence(facts)}; {facts['started']}"))


if __name__ == "__main__":
    sys.exit(main())
