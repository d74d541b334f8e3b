"""What this platform has to reach beside its peers, and what a run showed of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.catalogue import OURS
from benchmarks.engine import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A bound on one of our medians, as it is or as a ratio to a peer's."""

    title: str
    section: str
    metric: str
    bound: float
    peer: str = ""
    at_least: bool = True
    unit: str = ""
    aim: bool = False

    def value(self, outcomes: Mapping[str, Outcome]) -> float | None:
        """Return what the run showed; None where it did not measure both sides."""
        outcome = outcomes.get(self.section)
        ours = outcome.median(OURS, self.metric) if outcome else None
        if outcome is None or ours is None or not self.peer:
            return ours
        theirs = outcome.median(self.peer, self.metric)
        return ours / theirs if theirs else None

    def met(self, value: float) -> bool:
        """Say whether `value` is within the bound."""
        return value >= self.bound if self.at_least else value <= self.bound

    def as_json(self, value: float) -> dict[str, Any]:
        """Return the target and what became of it."""
        return {
            "title": self.title,
            "value": value,
            "bound": self.bound,
            "at_least": self.at_least,
            "aim": self.aim,
            "met": self.met(value),
        }


TARGETS: Final = (
    Target(title="drain, of BullMQ on Node at 50", section="drain", metric="rate", peer="bullmq-node-50", bound=1.5),
    Target(
        title="drain, of BullMQ on Node at 50 (aim)",
        section="drain",
        metric="rate",
        peer="bullmq-node-50",
        bound=2,
        aim=True,
    ),
    Target(title="drain, of Dramatiq", section="drain", metric="rate", peer="dramatiq", bound=8),
    Target(title="drain, of RQ's SimpleWorker", section="drain", metric="rate", peer="rq-simple", bound=60),
    Target(title="add, of BullMQ on Node", section="add", metric="rate", peer="bullmq-node", bound=1),
    Target(title="add, of RQ", section="add", metric="rate", peer="rq-simple", bound=2.5),
    Target(title="add_bulk", section="bulk", metric="rate", bound=100_000, unit="/s"),
    Target(title="add_bulk, of BullMQ on Node", section="bulk", metric="rate", peer="bullmq-node", bound=3),
    Target(title="add to start, p50", section="latency", metric="p50", bound=1, at_least=False, unit="ms"),
    Target(title="add to start, p99", section="latency", metric="p99", bound=5, at_least=False, unit="ms"),
    Target(
        title="add to start p50, of BullMQ on Node",
        section="latency",
        metric="p50",
        peer="bullmq-node",
        bound=1,
        at_least=False,
    ),
    Target(
        title="add to start p99, of BullMQ on Node",
        section="latency",
        metric="p99",
        peer="bullmq-node",
        bound=1,
        at_least=False,
    ),
    Target(title="50 ms I/O, of the ideal", section="io", metric="share", bound=97, unit="%"),
    Target(title="drain at 1,000,000, of that at 10,000", section="backlog", metric="share", bound=90, unit="%"),
    Target(title="get_stats at 1,000,000", section="backlog", metric="stats", bound=1, at_least=False, unit="ms"),
    Target(
        title="worker growth over 1,000,000 jobs",
        section="backlog",
        metric="growth",
        bound=20,
        at_least=False,
        unit="MB",
    ),
    Target(
        title="bytes for each waiting job, of RQ",
        section="memory",
        metric="bytes",
        peer="rq-simple",
        bound=1,
        at_least=False,
    ),
    Target(
        title="bytes for each waiting job, of BullMQ (aim)",
        section="memory",
        metric="bytes",
        peer="bullmq-node",
        bound=1,
        at_least=False,
        aim=True,
    ),
)


def reached(outcomes: Mapping[str, Outcome]) -> list[tuple[Target, float]]:
    """Return each target that the run measured, with its value."""
    found = [(target, target.value(outcomes)) for target in TARGETS]
    return [(target, value) for target, value in found if value is not None]
