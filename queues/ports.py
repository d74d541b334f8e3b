"""The port: what every provider must do, for those who add jobs and for those who run them.

`GenericQueue` is the producer's and operator's half, `Consumer` with its deliveries the
worker's half. An adapter implements both over one provider. Only plain values cross.
Nothing here imports Django or a broker.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from typing import Any, Protocol

from asgiref.sync import sync_to_async

from queues.errors import LeaseLost
from queues.jobs import Backoff, JobOptions, JobState, NewJob, QueueJob, QueueStats
from queues.metadata import JobMetadata
from queues.priorities import Priority


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a provider can keep of the port; each missing ability has its reason in `missing`."""

    durable: bool
    priorities: bool = True
    delays: bool = True
    shared: bool = True
    missing: Mapping[str, str] = field(default_factory=dict)


class GenericQueue[T](ABC):
    """One queue, whatever its provider. Safe to use from several threads.

    Every call raises QueueUnavailable when the provider cannot be reached within its deadline,
    and a subclass of QueueRejected, naming the field, when the caller is wrong.
    """

    capabilities: Capabilities
    guard: "Guard | None" = None

    def __init__(self, name: str) -> None:
        """Name the queue, in kebab-case."""
        self.name = name

    @abstractmethod
    def add(
        self, name: str, data: T, options: JobOptions | None = None, *, metadata: JobMetadata | None = None
    ) -> QueueJob[T]:
        """Add one job in one round trip: wholly there or not at all. Safe to send twice.

        An id that is still known with the same name and data returns the job there, marked as a
        duplicate, and runs nothing more; with others it raises JobIdConflict.
        """

    @abstractmethod
    def add_bulk(self, jobs: Sequence[NewJob[T]]) -> list[QueueJob[T]]:
        """Add all of `jobs` in their order, or none: every item is validated before any is written."""

    @abstractmethod
    def get_job(self, job_id: str) -> QueueJob[T] | None:
        """Return the job of that id; None when the queue does not know it."""

    @abstractmethod
    def remove_job(self, job_id: str) -> None:
        """Forget a job; nothing happens for an unknown id. Raises JobIsActive while it runs."""

    @abstractmethod
    def pause(self) -> None:
        """Let nothing start until `resume`, due delayed jobs included. Adds go on; restarts keep it."""

    @abstractmethod
    def resume(self) -> None:
        """Let jobs start again."""

    @abstractmethod
    def is_paused(self) -> bool:
        """Say whether the queue is paused."""

    @abstractmethod
    def clean(self, grace: timedelta, state: JobState, limit: int = 0) -> list[str]:
        """Remove jobs that entered `state` at least `grace` ago, oldest first, and return their ids.

        `limit` 0 sets no limit. `active` takes only jobs whose lease has lapsed.
        """

    @abstractmethod
    def get_stats(self) -> QueueStats:
        """Return the counts at one instant, in constant time; it changes nothing."""

    @abstractmethod
    def list_jobs(self, state: JobState, offset: int = 0, limit: int = 100) -> list[QueueJob[T]]:
        """Return a page: waiting and delayed in the order they will run, the ended newest first."""

    @abstractmethod
    def retry_job(self, job_id: str) -> QueueJob[T]:
        """Put a failed job back to waiting with a fresh attempt budget.

        Raises UnknownJob, or InvalidTransition when it has not failed.
        """

    @abstractmethod
    def promote_job(self, job_id: str) -> QueueJob[T]:
        """Let a delayed job run now. Raises UnknownJob, or InvalidTransition when it is not delayed."""

    @abstractmethod
    def change_priority(self, job_id: str, priority: Priority) -> QueueJob[T]:
        """Move a waiting or delayed job to the end of another level.

        Raises UnknownJob, or InvalidTransition when it is neither.
        """

    @abstractmethod
    def drain(self, *, delayed: bool = False) -> int:
        """Remove every waiting job, and the delayed ones if asked; return how many went."""

    @abstractmethod
    def update_progress(self, job_id: str, progress: float) -> None:
        """Note how far an active job is, from 0 to 100. Raises UnknownJob."""

    @abstractmethod
    def sweep(self) -> int:
        """Return jobs whose lease has lapsed to waiting, or to failed at the crash limit.

        Removes also what has outlived its retention age. Any process may call it, at any time;
        returns how many jobs it moved or removed.
        """

    def relay(self) -> int:
        """Publish what was accepted and the provider has not confirmed; return how many.

        A queue without records owes nothing, and only asks whether its provider is there.
        """
        self.is_paused()
        return 0

    def states(self, job_ids: Sequence[str]) -> dict[str, JobState]:
        """Return the state of each of these jobs that the queue knows."""
        jobs = (self.get_job(job_id) for job_id in job_ids)
        return {job.id: job.state for job in jobs if job is not None}

    @abstractmethod
    def consumer(self, worker: str) -> "Consumer":
        """Return what the worker of that name takes jobs through."""

    def close(self) -> None:
        """Give back connections; the queue can be used again and reconnects."""

    async def aadd(
        self, name: str, data: T, options: JobOptions | None = None, *, metadata: JobMetadata | None = None
    ) -> QueueJob[T]:
        """Add one job; see `add`."""
        return await sync_to_async(self.add)(name, data, options, metadata=metadata)

    async def aadd_bulk(self, jobs: Sequence[NewJob[T]]) -> list[QueueJob[T]]:
        """Add all jobs or none; see `add_bulk`."""
        return await sync_to_async(self.add_bulk)(jobs)

    async def aget_job(self, job_id: str) -> QueueJob[T] | None:
        """Return a job; see `get_job`."""
        return await sync_to_async(self.get_job)(job_id)

    async def aremove_job(self, job_id: str) -> None:
        """Forget a job; see `remove_job`."""
        await sync_to_async(self.remove_job)(job_id)

    async def apause(self) -> None:
        """Let nothing start; see `pause`."""
        await sync_to_async(self.pause)()

    async def aresume(self) -> None:
        """Let jobs start again; see `resume`."""
        await sync_to_async(self.resume)()

    async def ais_paused(self) -> bool:
        """Say whether the queue is paused."""
        return await sync_to_async(self.is_paused)()

    async def aclean(self, grace: timedelta, state: JobState, limit: int = 0) -> list[str]:
        """Remove old jobs of one state; see `clean`."""
        return await sync_to_async(self.clean)(grace, state, limit)

    async def aget_stats(self) -> QueueStats:
        """Return the counts; see `get_stats`."""
        return await sync_to_async(self.get_stats)()

    async def alist_jobs(self, state: JobState, offset: int = 0, limit: int = 100) -> list[QueueJob[T]]:
        """Return a page of jobs; see `list_jobs`."""
        return await sync_to_async(self.list_jobs)(state, offset, limit)

    async def aretry_job(self, job_id: str) -> QueueJob[T]:
        """Retry a failed job; see `retry_job`."""
        return await sync_to_async(self.retry_job)(job_id)

    async def apromote_job(self, job_id: str) -> QueueJob[T]:
        """Let a delayed job run now; see `promote_job`."""
        return await sync_to_async(self.promote_job)(job_id)

    async def achange_priority(self, job_id: str, priority: Priority) -> QueueJob[T]:
        """Move a job to another level; see `change_priority`."""
        return await sync_to_async(self.change_priority)(job_id, priority)

    async def adrain(self, *, delayed: bool = False) -> int:
        """Remove every waiting job; see `drain`."""
        return await sync_to_async(self.drain)(delayed=delayed)

    async def aupdate_progress(self, job_id: str, progress: float) -> None:
        """Note how far a job is; see `update_progress`."""
        await sync_to_async(self.update_progress)(job_id, progress)


class AlreadyEnded(Exception):
    """The job has ended in an earlier run: as failed with `error`, or as completed with `result` as JSON."""

    def __init__(self, error: str | None, result: bytes) -> None:
        """Hold how it ended."""
        super().__init__(error)
        self.error = error
        self.result = result


class Guard(Protocol):
    """Stands between a delivery and its run, for queues that keep records."""

    def run(self, delivery: "Delivery", call: Callable[[], Any], *, once: bool) -> Any:
        """Return what `call` returns; raise AlreadyEnded instead of calling when the job has ended."""
        ...


class Outcome(Enum):
    """How a run ended, as far as the queue is concerned."""

    COMPLETE = "complete"
    RETRY = "retry"
    FAIL = "fail"
    RELEASE = "release"


class Settlement:
    """What is to become of one delivery. Plain and slotted: workers make one for every run.

    `after` is the wait before a retry; `error` is kept as the attempt's error; `counts` is
    False when the run must not cost an attempt.
    """

    __slots__ = ("after", "counts", "delivery", "error", "outcome", "ran_for", "result")

    def __init__(
        self,
        delivery: "Delivery",
        outcome: Outcome,
        *,
        result: bytes = b"null",
        error: str = "",
        after: timedelta = timedelta(0),
        counts: bool = True,
        ran_for: float = 0.0,
    ) -> None:
        """Take the delivery, its outcome, and what the outcome needs; `ran_for` is in seconds."""
        self.delivery = delivery
        self.outcome = outcome
        self.result = result
        self.error = error
        self.after = after
        self.counts = counts
        self.ran_for = ran_for


class Delivery:
    """One run of a job that a worker has reserved, with the lease's token.

    `body` is the job's JSON object; `attempt` the number of this run, 1 for the first;
    `timeout` in seconds. The methods settle this delivery alone and raise LeaseLost when
    another run may have the job by now; a worker settles in batches through `Consumer.settle`.
    """

    __slots__ = ("attempt", "attempts", "backoff", "body", "consumer", "id", "name", "timeout", "token", "waited")

    def __init__(
        self,
        *,
        consumer: "Consumer",
        id: str,  # noqa: A002 - the field's name in the port
        name: str,
        body: bytes,
        token: str,
        attempt: int,
        attempts: int,
        timeout: float,
        backoff: Backoff,
        waited: float,
    ) -> None:
        """Hold what the provider said of the job when it was reserved; `waited` is in seconds."""
        self.consumer = consumer
        self.id = id
        self.name = name
        self.body = body
        self.token = token
        self.attempt = attempt
        self.attempts = attempts
        self.timeout = timeout
        self.backoff = backoff
        self.waited = waited

    def complete(self, result: bytes = b"null") -> None:
        """End the job as completed, with its result as JSON."""
        self.consumer.settle_one(Settlement(self, Outcome.COMPLETE, result=result))

    def retry(self, after: timedelta, error: str = "", *, counts: bool = True) -> None:
        """Run the job again `after` from now, by the provider's clock."""
        self.consumer.settle_one(Settlement(self, Outcome.RETRY, after=after, error=error, counts=counts))

    def fail(self, reason: str) -> None:
        """End the job as failed."""
        self.consumer.settle_one(Settlement(self, Outcome.FAIL, error=reason))

    def release(self) -> None:
        """Put the job back to the front of its level, at no cost to its attempts."""
        self.consumer.settle_one(Settlement(self, Outcome.RELEASE, counts=False))

    def extend(self, seconds: float) -> None:
        """Let the lease end `seconds` from now. Raises LeaseLost."""
        if self.consumer.extend([self], seconds):
            self.consumer.lost()

    def progress(self, value: float) -> None:
        """Note how far the run is, from 0 to 100."""
        self.consumer.queue.update_progress(self.id, value)


class Consumer(ABC):
    """What one worker takes the jobs of one queue through.

    One thread at a time reserves, settles and extends; another may be in `wait` meanwhile.
    """

    def __init__(self, queue: GenericQueue[object], worker: str) -> None:
        """Take jobs of `queue` in the name of `worker`."""
        self.queue = queue
        self.worker = worker

    def reserve(self, limit: int, wait: float = 0.0) -> list[Delivery]:
        """Take up to `limit` jobs, most urgent first, waiting at most `wait` seconds for the first.

        Each is leased to this worker in the same instant in which it leaves waiting.
        """
        until = time.monotonic() + wait
        while not (deliveries := self._take(limit)) and (left := until - time.monotonic()) > 0:
            self.wait(left)
        return deliveries

    @abstractmethod
    def _take(self, limit: int) -> list[Delivery]:
        """Take up to `limit` jobs without waiting."""

    @abstractmethod
    def wait(self, seconds: float) -> None:
        """Block until `reserve` may find a job, a delayed one falling due included, or `seconds` pass."""

    @abstractmethod
    def settle(self, settlements: Sequence[Settlement], *, reserve: int = 0) -> "Settled":
        """End runs, and take up to `reserve` jobs in the same call.

        A run whose lease was lost is refused: nothing of it is written. Safe to send twice.
        """

    @abstractmethod
    def extend(self, deliveries: Sequence[Delivery], seconds: float) -> list[Delivery]:
        """Let the leases end `seconds` from now; return those that were already lost."""

    @abstractmethod
    def wake(self) -> None:
        """End a `wait` that is going on in another thread."""

    def close(self) -> None:
        """Give back connections."""

    def settle_one(self, settlement: Settlement) -> None:
        """End one run. Raises LeaseLost when it was refused."""
        if self.settle([settlement]).refused:
            self.lost()

    @staticmethod
    def lost() -> None:
        """Raise LeaseLost."""
        raise LeaseLost


@dataclass(frozen=True, slots=True)
class Settled:
    """What `settle` did: the deliveries it refused, and those it reserved."""

    refused: list[Delivery]
    reserved: list[Delivery]
