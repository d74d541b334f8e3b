"""The systems that are measured, and how many jobs each gets for about two seconds of work.

Only the standard library, because each peer's environment imports it.
"""

from dataclasses import dataclass
from typing import Final, Literal

OURS: Final = "ours"
EVERYTHING: Final = frozenset({"add", "bulk", "drain", "latency", "io", "memory"})


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """One line of the table.

    `module` is its driver in benchmarks/systems, `runtime` the environment that this runs in,
    `variant` what the driver is told beside. `add`, `bulk` and `drain` are job counts; a system
    without `bulk` has no call that adds many jobs.
    """

    name: str
    label: str
    module: str
    runtime: Literal["project", "peers", "node"] = "peers"
    variant: str = ""
    concurrency: int = 10
    add: int
    bulk: int = 0
    drain: int
    io: int = 400
    sections: frozenset[str] = EVERYTHING


SYSTEMS: Final = (
    System(
        name=OURS,
        label="this platform (RQ adapter)",
        module="ours",
        runtime="project",
        add=10_000,
        bulk=100_000,
        drain=50_000,
        sections=EVERYTHING | {"backlog", "overhead"},
    ),
    System(
        name="bullmq-node",
        label="BullMQ on Node",
        module="bullmq_node",
        runtime="node",
        add=10_000,
        bulk=50_000,
        drain=40_000,
    ),
    System(
        name="bullmq-node-50",
        label="BullMQ on Node, concurrency 50",
        module="bullmq_node",
        runtime="node",
        concurrency=50,
        add=0,
        drain=40_000,
        sections=frozenset({"drain"}),
    ),
    System(name="bullmq", label="BullMQ on Python", module="bullmq", add=5_000, bulk=20_000, drain=6_000),
    System(name="dramatiq", label="Dramatiq", module="dramatiq", add=8_000, drain=6_000),
    System(
        name="dramatiq-prefetch",
        label="Dramatiq, prefetch 200",
        module="dramatiq",
        variant="200",
        add=0,
        drain=15_000,
        sections=frozenset({"drain"}),
    ),
    System(name="huey", label="Huey", module="huey", add=10_000, drain=6_000),
    System(name="saq", label="SAQ", module="saq", add=5_000, drain=4_000),
    System(name="celery", label="Celery", module="celery", add=3_000, drain=3_000),
    System(
        name="rq-simple",
        label="RQ, SimpleWorker",
        module="rq",
        variant="rq.worker.SimpleWorker",
        concurrency=1,
        add=5_000,
        bulk=10_000,
        drain=1_000,
        io=40,
    ),
    System(
        name="rq",
        label="RQ, Worker",
        module="rq",
        variant="rq.worker.Worker",
        concurrency=1,
        add=0,
        drain=250,
        io=40,
        sections=frozenset({"drain", "latency", "io"}),
    ),
)


def system(name: str) -> System:
    """Return the system of that name; raise LookupError that lists those that exist."""
    for candidate in SYSTEMS:
        if candidate.name == name:
            return candidate
    raise LookupError(f"There is no system {name!r}; there are {', '.join(s.name for s in SYSTEMS)}.")
