"""The memory provider's queue: the port over one dictionary and one lock."""

import time
from bisect import insort
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from threading import Condition
from typing import Any

import msgspec

from queues.adapters.base import STALLED, AdapterQueue, Prepared, check_clean, check_page, check_progress, utc
from queues.adapters.memory.consumer import MemoryConsumer
from queues.adapters.memory.job import StoredJob
from queues.conf import QueueConf
from queues.errors import InvalidTransition, JobIdConflict, JobIsActive, UnknownJob
from queues.jobs import JobState, QueueJob, QueueStats, Retention
from queues.ports import Capabilities
from queues.priorities import Priority


class MemoryQueue(AdapterQueue):
    """Jobs in this process's memory; they end with it.

    `clock` returns seconds since the epoch; tests that must not wait give their own.
    """

    capabilities = Capabilities(
        durable=False,
        shared=False,
        missing={
            "durable": "jobs end with the process that holds them",
            "shared": "no other process sees the jobs of this one",
        },
    )

    def __init__(self, conf: QueueConf, clock: Callable[[], float] = time.time) -> None:
        """Start empty."""
        super().__init__(conf)
        self.clock = clock
        self.changed = Condition()
        self.jobs: dict[str, StoredJob] = {}
        self.lists: dict[Priority, list[tuple[int, str]]] = {level: [] for level in Priority}
        self._paused = False
        self._order = 0
        self.taken = 0

    # Adding

    def store(self, jobs: Sequence[Prepared]) -> list[QueueJob[Any]]:
        """Write all jobs or none; see `queues.prepared`."""
        with self.changed:
            first: dict[str, Prepared] = {}
            for job in jobs:
                stored = self.jobs.get(job.id)
                known = first.setdefault(job.id, stored.prepared if stored else job)
                if (known.name, known.content) != (job.name, job.content):
                    raise JobIdConflict(f"The job {job.id!r:.80} is known with other content.", field="job_id")
            added = [self._store_one(job) for job in jobs]
            self.changed.notify_all()
            return added

    def _store_one(self, job: Prepared) -> QueueJob[Any]:
        there = self.jobs.get(job.id)
        if there is not None:
            return msgspec.structs.replace(there.view(self.name), data=job.data, duplicate=True)
        now = self.clock()
        stored = StoredJob(job, now, JobState.WAITING, job.options.priority, now)
        self.jobs[job.id] = stored
        if job.options.delay:
            self.delay(stored, job.options.delay, now)
        else:
            self.push(stored, now)
        return self.added(job, stored.state, utc(stored.available_at), utc(now))

    def push(self, job: StoredJob, now: float, *, front: bool = False) -> None:
        """Put a job into its level's list; at the front it goes on with the wait that it had begun."""
        self._order += 1
        job.enter(JobState.WAITING, now)
        if not front:
            job.available_at = now
        job.order = -self._order if front else self._order
        insort(self.lists[job.priority], (job.order, job.prepared.id))

    def delay(self, job: StoredJob, wait: timedelta, now: float) -> None:
        """Let a job wait for its time."""
        job.enter(JobState.DELAYED, now)
        job.available_at = now + wait.total_seconds()

    def _leave_list(self, job: StoredJob) -> None:
        self.lists[job.priority].remove((job.order, job.prepared.id))

    # Reading

    def get_job(self, job_id: str) -> QueueJob[Any] | None:
        """Return a job; see the port."""
        with self.changed:
            job = self.jobs.get(job_id)
            return job.view(self.name) if job else None

    def list_jobs(self, state: JobState, offset: int = 0, limit: int = 100) -> list[QueueJob[Any]]:
        """Return a page of jobs; see the port."""
        check_page(offset, limit)
        with self.changed:
            page = self._sorted(state)[offset : offset + limit]
            return [job.view(self.name) for job in page]

    def _sorted(self, state: JobState) -> list[StoredJob]:
        jobs = [job for job in self.jobs.values() if job.state == state]
        match state:
            case JobState.WAITING:
                return sorted(jobs, key=lambda job: (job.priority, job.order))
            case JobState.DELAYED:
                return sorted(jobs, key=lambda job: (job.available_at, job.sequence))
        return sorted(jobs, key=lambda job: job.sequence, reverse=True)

    def get_stats(self) -> QueueStats:
        """Return the counts; see the port."""
        with self.changed:
            counts = dict.fromkeys(map(str, JobState), 0)
            for job in self.jobs.values():
                counts[job.state] += 1
            heads = [self.jobs[jobs[0][1]].available_at for jobs in self.lists.values() if jobs]
            oldest = timedelta(seconds=max(0.0, self.clock() - min(heads))) if heads else None
            return QueueStats(is_paused=self._paused, oldest_waiting=oldest, **counts)

    # Operating

    def pause(self) -> None:
        """Let nothing start; see the port."""
        self._paused = True

    def resume(self) -> None:
        """Let jobs start again; see the port."""
        with self.changed:
            self._paused = False
            self.changed.notify_all()

    def is_paused(self) -> bool:
        """Say whether the queue is paused."""
        return self._paused

    def remove_job(self, job_id: str) -> None:
        """Forget a job; see the port."""
        with self.changed:
            job = self.jobs.get(job_id)
            if job is None:
                return
            if job.state is JobState.ACTIVE:
                raise JobIsActive(f"The job {job_id!r:.80} is running.", field="job_id")
            self.forget(job)

    def forget(self, job: StoredJob) -> None:
        """Remove a job, wherever it stands."""
        if job.state is JobState.WAITING:
            self._leave_list(job)
        del self.jobs[job.prepared.id]

    def clean(self, grace: timedelta, state: JobState, limit: int = 0) -> list[str]:
        """Remove old jobs of one state; see the port."""
        state = check_clean(grace, state, limit)
        with self.changed:
            now = self.clock()
            before = now - grace.total_seconds()
            old = [
                job
                for job in sorted(self._sorted(state), key=lambda job: job.sequence)
                if job.entered_at <= before and (state is not JobState.ACTIVE or job.lease_until <= now)
            ]
            gone = old[:limit] if limit else old
            for job in gone:
                self.forget(job)
            return [job.prepared.id for job in gone]

    def retry_job(self, job_id: str) -> QueueJob[Any]:
        """Retry a failed job; see the port."""
        with self.changed:
            job = self._in_state(job_id, JobState.FAILED)
            job.runs = job.stalls = 0
            job.reason = job.ended_at = None
            self.push(job, self.clock())
            self.changed.notify_all()
            return job.view(self.name)

    def promote_job(self, job_id: str) -> QueueJob[Any]:
        """Let a delayed job run now; see the port."""
        with self.changed:
            job = self._in_state(job_id, JobState.DELAYED)
            self.push(job, self.clock())
            self.changed.notify_all()
            return job.view(self.name)

    def change_priority(self, job_id: str, priority: Priority) -> QueueJob[Any]:
        """Move a job to another level; see the port."""
        priority = Priority.parse(priority)
        with self.changed:
            job = self._in_state(job_id, JobState.WAITING, JobState.DELAYED)
            if job.priority is not priority:
                if job.state is JobState.WAITING:
                    self._leave_list(job)
                    job.priority = priority
                    self._order += 1
                    job.order = self._order
                    insort(self.lists[priority], (job.order, job_id))
                job.priority = priority
                job.prepared = msgspec.structs.replace(
                    job.prepared, options=replace(job.prepared.options, priority=priority)
                )
            return job.view(self.name)

    def drain(self, *, delayed: bool = False) -> int:
        """Remove every waiting job; see the port."""
        states = {JobState.WAITING, JobState.DELAYED} if delayed else {JobState.WAITING}
        with self.changed:
            gone = [job for job in self.jobs.values() if job.state in states]
            for job in gone:
                self.forget(job)
            return len(gone)

    def update_progress(self, job_id: str, progress: float) -> None:
        """Note how far an active job is; see the port."""
        with self.changed:
            self._in_state(job_id, JobState.ACTIVE).progress = check_progress(progress)

    def _in_state(self, job_id: str, *states: JobState) -> StoredJob:
        job = self.jobs.get(job_id)
        if job is None:
            raise UnknownJob(f"The queue {self.name} has no job {job_id!r:.80}.", field="job_id")
        if job.state not in states:
            raise InvalidTransition(
                f"The job is {job.state}; this needs it to be {' or '.join(states)}.", field="state"
            )
        return job

    # Ending

    def sweep(self) -> int:
        """Return lapsed leases to waiting; see the port."""
        with self.changed:
            now = self.clock()
            lapsed = [j for j in self._sorted(JobState.ACTIVE) if j.lease_until <= now]
            for job in lapsed:
                self._stall(job, now)
            old = [job for job in self.jobs.values() if self._outlived(job, now)]
            for job in old:
                self.forget(job)
            self.changed.notify_all()
            return len(lapsed) + len(old)

    def _stall(self, job: StoredJob, now: float) -> None:
        job.stalls += 1
        job.note("stalled: the worker's lease lapsed", max(0.0, now - (job.started_at or now)), now)
        job.runs -= 1
        if job.stalls >= self.conf.crash_limit:
            self.end(job, JobState.FAILED, now, reason=STALLED)
        else:
            self.push(job, now, front=True)

    def _outlived(self, job: StoredJob, now: float) -> bool:
        if job.state not in {JobState.COMPLETED, JobState.FAILED}:
            return False
        age = retention(job).age
        return age is not None and job.entered_at + age.total_seconds() <= now

    def end(self, job: StoredJob, state: JobState, now: float, *, reason: str | None = None) -> None:
        """End a job, and forget those of its state beyond its retention."""
        job.enter(state, now)
        job.reason, job.ended_at = reason, now
        count = retention(job).count
        if count == 0:
            # It alone is not kept; how many others are is for them to say.
            self.forget(job)
        if not count:
            return
        counted = [j for j in self._sorted(state) if retention(j).count is not None]
        for extra in counted[count:]:
            self.forget(extra)

    def consumer(self, worker: str) -> MemoryConsumer:
        """Return what a worker takes jobs through."""
        return MemoryConsumer(self, worker)


def retention(job: StoredJob) -> Retention:
    """Return how long the job is kept in the state that it ended in."""
    options = job.prepared.options
    if job.state is JobState.COMPLETED:
        return Retention.parse(options.remove_on_complete, "remove_on_complete")
    return Retention.parse(options.remove_on_fail, "remove_on_fail")
