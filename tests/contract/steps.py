"""What the contract's tests do with a queue, in a word each."""

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import Any

from queues.adapters.base import AdapterQueue
from queues.jobs import JobOptions, JobState, NewJob, QueueJob
from queues.ports import Delivery
from queues.priorities import Priority

NAME = "contract.test.v1"
MS = timedelta(milliseconds=1)
SECOND = timedelta(seconds=1)
WORKER = "worker-1"
HOUR = timedelta(hours=1)


def add(queue: AdapterQueue, job_id: str, data: object = None, **options: Any) -> QueueJob[Any]:
    """Add a job of that id; the data names it unless given."""
    return queue.add(NAME, {"n": job_id} if data is None else data, JobOptions(job_id=job_id, **options))


def new(job_id: str | None, data: object = None, name: str = NAME, **options: Any) -> NewJob[Any]:
    """Return one item of a bulk add."""
    return NewJob(name=name, data={"n": job_id} if data is None else data, options=JobOptions(job_id=job_id, **options))


def take(queue: AdapterQueue, limit: int = 1, wait: float = 0.0) -> list[Delivery]:
    """Reserve up to `limit` jobs."""
    return queue.consumer(WORKER).reserve(limit, wait)


def take_one(queue: AdapterQueue) -> Delivery:
    """Reserve the one job that must be there."""
    (delivery,) = take(queue)
    return delivery


def order(queue: AdapterQueue, count: int = 100) -> list[str]:
    """Return the ids in the order in which a worker gets them, one by one."""
    ids = []
    while len(ids) < count and (taken := take(queue)):
        ids += [delivery.id for delivery in taken]
        taken[0].complete()
    return ids


def ids(jobs: Iterable[QueueJob[Any] | Delivery]) -> list[str]:
    """Return the ids of jobs or deliveries."""
    return [job.id for job in jobs]


def listed(queue: AdapterQueue, state: JobState) -> list[str]:
    """Return the ids that the queue lists in a state."""
    return ids(queue.list_jobs(state))


def job(queue: AdapterQueue, job_id: str) -> QueueJob[Any]:
    """Return the job of that id, which must be known."""
    found = queue.get_job(job_id)
    assert found is not None, f"{job_id!r} is not known"
    return found


def state(queue: AdapterQueue, job_id: str) -> JobState | None:
    """Return a job's state; None when it is not known."""
    found = queue.get_job(job_id)
    return found.state if found else None


def counts(queue: AdapterQueue) -> dict[str, int]:
    """Return the counts that are not 0."""
    return {str(state): count for state, count in queue.get_stats().counts.items() if count}


def lapse(queue: AdapterQueue, advance: Callable[[float], None], *soon: Delivery) -> int:
    """Let leases end unrenewed, and sweep: those of `soon` at once, or all in their own time."""
    for delivery in soon:
        delivery.extend(0.02)
    advance(0.03 if soon else queue.conf.lease.total_seconds() + 0.05)
    return queue.sweep()


def fail(queue: AdapterQueue, *job_ids: str, reason: str = "it broke") -> None:
    """Add jobs and end each as failed."""
    for job_id in job_ids:
        add(queue, job_id)
        take_one(queue).fail(reason)


def complete(queue: AdapterQueue, *job_ids: str, **options: Any) -> None:
    """Add jobs and end each as completed."""
    for job_id in job_ids:
        add(queue, job_id, **options)
        take_one(queue).complete()


def every_level(prefix: str = "") -> Sequence[NewJob[Any]]:
    """Return one job of each level, the least urgent first."""
    return [new(f"{prefix}{level.name}", priority=level) for level in sorted(Priority, reverse=True)]


def one_of_each(queue: AdapterQueue) -> None:
    """Bring a job into each state, named by it."""
    complete(queue, "completed")
    fail(queue, "failed")
    add(queue, "active")
    take(queue)
    add(queue, "waiting")
    add(queue, "delayed", delay=HOUR)
