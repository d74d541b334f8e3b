"""A job as the memory provider holds it."""

import itertools
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from queues.adapters.base import Prepared, read_body, utc
from queues.jobs import Attempt, JobState, QueueJob
from queues.priorities import Priority

_sequence = itertools.count(1)


@dataclass(slots=True)
class StoredJob:
    """What is known of one job. Times are seconds since the epoch.

    `order` sorts within a level, `sequence` what entered a state at the same time.
    """

    prepared: Prepared
    created_at: float
    state: JobState
    priority: Priority
    entered_at: float
    order: int = 0
    sequence: int = 0
    available_at: float = 0.0
    lease_until: float = 0.0
    token: str = ""
    worker: str | None = None
    runs: int = 0
    stalls: int = 0
    progress: float = 0.0
    result: Any = None
    reason: str | None = None
    started_at: float | None = None
    ended_at: float | None = None
    attempts: list[Attempt] = field(default_factory=list)

    def enter(self, state: JobState, now: float) -> None:
        """Move to another state."""
        self.state, self.entered_at, self.sequence = state, now, next(_sequence)
        if state is not JobState.ACTIVE:
            self.token = ""
        if state in {JobState.WAITING, JobState.DELAYED}:
            self.worker = None

    def note(self, error: str, ran_for: float, now: float) -> None:
        """Keep how an attempt ended that did not complete."""
        self.attempts.append(
            Attempt(number=self.runs, ended_at=utc(now), duration=timedelta(seconds=ran_for), error=error)
        )

    def view(self, queue: str) -> QueueJob[Any]:
        """Return the job as the port shows it."""
        data, metadata = read_body(self.prepared.body, self.prepared.id, utc(self.created_at))
        return QueueJob(
            id=self.prepared.id,
            name=self.prepared.name,
            queue=queue,
            data=data,
            options=self.prepared.options,
            metadata=metadata,
            state=self.state,
            created_at=utc(self.created_at),
            progress=self.progress,
            result=self.result,
            failed_reason=self.reason,
            attempts_made=self.runs,
            stalls=self.stalls,
            attempts=tuple(self.attempts),
            available_at=utc(self.available_at),
            processed_at=utc(self.started_at) if self.started_at else None,
            finished_at=utc(self.ended_at) if self.ended_at else None,
            worker=self.worker,
        )
