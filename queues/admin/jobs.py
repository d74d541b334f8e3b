"""What the pages of a queue and of a job show, in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.core.paginator import Page, Paginator

from queues.admin.words import NOTHING, ago, between, count, duration, error_line
from queues.jobs import JobState, QueueJob, QueueStats
from queues.ports import GenericQueue

PAGE_SIZE: Final = 50
# The order in which an operator looks, which is the order of the tabs.
STATES: Final = (JobState.WAITING, JobState.DELAYED, JobState.ACTIVE, JobState.COMPLETED, JobState.FAILED)
_WHEN: Final = {
    JobState.WAITING: "Waits since",
    JobState.DELAYED: "Due",
    JobState.ACTIVE: "Started",
    JobState.COMPLETED: "Completed",
    JobState.FAILED: "Failed",
}
_SAYS: Final = {JobState.ACTIVE: "Worker"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tab:
    """One state of a queue, and how many jobs are in it."""

    state: JobState
    count: str
    is_on: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    """One job of a list."""

    id: str
    name: str
    priority: str
    attempts: str
    says: str
    is_error: bool
    when: str
    ran: str
    correlation_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened to a job: `kind` is info, wait, ok or bad."""

    kind: str
    title: str
    at: datetime | None = None
    text: str = ""
    error: str = ""
    summary: str = ""


def state_of(text: str | None) -> JobState:
    """Return the state that a URL asks for; waiting for what is none."""
    return JobState(text) if text in {str(state) for state in JobState} else JobState.WAITING


def tabs(stats: QueueStats, on: JobState) -> list[Tab]:
    """Return a tab for each state."""
    return [Tab(state=state, count=count(stats.counts[state]), is_on=state is on) for state in STATES]


def job_page(
    queue: GenericQueue[Any], state: JobState, stats: QueueStats, number: str | None
) -> tuple[Page[int], list[QueueJob[Any]]]:
    """Return one page of a state's jobs, which alone are read; a number that is no page is the nearest one."""
    page = Paginator(range(stats.counts[state]), PAGE_SIZE).get_page(number)
    return page, queue.list_jobs(state, (page.number - 1) * PAGE_SIZE, PAGE_SIZE)


def job_rows(jobs: Sequence[QueueJob[Any]], now: datetime) -> list[JobRow]:
    """Return the rows of a list."""
    return [_row(job, now) for job in jobs]


def headings(state: JobState) -> tuple[str, str]:
    """Return what a list's columns are about: what a job says, and since when."""
    return _SAYS.get(state, "Error"), _WHEN[state]


def _row(job: QueueJob[Any], now: datetime) -> JobRow:
    error = job.failed_reason or (
        job.attempts[-1].error if job.attempts and job.state is not JobState.COMPLETED else ""
    )
    is_active = job.state is JobState.ACTIVE
    return JobRow(
        id=job.id,
        name=job.name,
        priority=job.options.priority.name,
        attempts=f"{job.attempts_made} of {job.options.attempts}",
        says=(job.worker or NOTHING) if is_active else error_line(error) or NOTHING,
        is_error=bool(error) and not is_active,
        when=ago(_entered(job), now),
        ran=between(job.processed_at, now if is_active else job.finished_at),
        correlation_id=job.metadata.correlation_id,
    )


def _entered(job: QueueJob[Any]) -> datetime | None:
    match job.state:
        case JobState.WAITING | JobState.DELAYED:
            return job.available_at
        case JobState.ACTIVE:
            return job.processed_at
    return job.finished_at


def timeline(job: QueueJob[Any], now: datetime) -> list[Event]:
    """Return what is known of a job's life, the earliest first."""
    user = job.metadata.user
    by = f"by {user.display_name or user.sub} · {job.metadata.source}"
    events = [Event(kind="info", title="Added", at=job.created_at, text=by)]
    events += [
        Event(
            kind="bad",
            title=f"Attempt {attempt.number} failed",
            at=attempt.ended_at,
            text=f"after {duration(attempt.duration)}",
            error=attempt.error,
            summary=error_line(attempt.error),
        )
        for attempt in job.attempts
    ]
    return [*events, _now(job, now)]


def _now(job: QueueJob[Any], now: datetime) -> Event:
    match job.state:
        case JobState.WAITING:
            return Event(kind="wait", title=f"Waiting for {duration(now - (job.available_at or now))}")
        case JobState.DELAYED:
            late = max(timedelta(0), (job.available_at or now) - now)
            return Event(kind="wait", title=f"Delayed, due in {duration(late)}", at=job.available_at)
        case JobState.ACTIVE:
            text = f"worker {job.worker}" if job.worker else ""
            return Event(kind="info", title=f"Active, {job.progress:g} %", at=job.processed_at, text=text)
        case JobState.COMPLETED:
            ran = between(job.processed_at, job.finished_at)
            return Event(kind="ok", title="Completed", at=job.finished_at, text=f"after {ran}")
    reason = job.failed_reason or ""
    if job.attempts and job.attempts[-1].error == reason:
        reason = ""  # the line above says it
    return Event(kind="bad", title="Failed for good", at=job.finished_at, error=reason, summary=error_line(reason))
