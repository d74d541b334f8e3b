"""Any history of calls has the same answers on every provider, and no job is ever nowhere."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from queues.adapters.base import AdapterQueue
from queues.errors import QueueRejected
from queues.jobs import JobState, QueueJob
from queues.ports import Consumer, Delivery, Outcome, Settlement
from queues.priorities import Priority
from tests.contract.providers import PROVIDERS, Provider
from tests.contract.steps import ids, new

LONG = timedelta(hours=1)
SHORT = 0.02
ALL = 10_000
ENDED = (JobState.COMPLETED, JobState.FAILED)

priorities = st.sampled_from(Priority)
keeps = st.sampled_from([None, None, 0, 1, 2])
items = st.fixed_dictionaries({"priority": priorities, "delayed": st.booleans(), "keep": keeps})
_runs = count()


@dataclass(slots=True)
class Twin:
    """One run of a job, on each provider."""

    job_id: str
    deliveries: Sequence[Delivery]


def answer(call: Callable[[], Any]) -> Any:
    """Return what a call answers, or the kind of its refusal."""
    try:
        return call()
    except QueueRejected as exc:
        return type(exc)


def seen(job: QueueJob[Any] | None) -> Any:
    """Return all of a job that does not depend on the clock or on chance."""
    if job is None:
        return None
    attempts = [(attempt.number, attempt.error) for attempt in job.attempts]
    ended = (job.failed_reason, job.result, job.finished_at is not None, job.worker, attempts)
    return (
        job.id,
        job.name,
        job.data,
        job.state,
        job.options.priority,
        job.attempts_made,
        job.stalls,
        job.progress,
        ended,
    )


class Agreement(RuleBasedStateMachine):
    """Does the same to a queue of each provider and compares every answer."""

    def __init__(self, providers: Sequence[Provider]) -> None:
        """Take the providers that must agree."""
        super().__init__()
        self.providers = providers
        self.run = next(_runs)
        self.added = 0
        self.removed: set[str] = set()
        self.keeps: dict[str, int | None] = {}
        self.ended: dict[JobState, list[str]] = {state: [] for state in ENDED}
        self.active: list[Twin] = []
        self.over: list[Twin] = []

    @initialize(guard=st.sampled_from([0, 3]), crash_limit=st.sampled_from([1, 2]))
    def open(self, guard: int, crash_limit: int) -> None:
        """Open a queue of each provider with the same settings."""
        conf = {"lease": timedelta(hours=1), "lowest_first_every": guard, "crash_limit": crash_limit}
        self.crash_limit = crash_limit
        self.queues: list[AdapterQueue] = [provider.make(**conf) for provider in self.providers]
        self.consumers: list[Consumer] = [queue.consumer("worker") for queue in self.queues]

    # Helpers

    def all(self, call: Callable[[AdapterQueue], Any]) -> Any:
        """Return the answer of every queue, which must be one."""
        answers = [answer(lambda queue=queue: call(queue)) for queue in self.queues]
        assert all(each == answers[0] for each in answers), answers
        return answers[0]

    def known(self, data: st.DataObject) -> str:
        """Draw the id of a job that was added once."""
        return data.draw(st.sampled_from(sorted(self.keeps)), label="id")

    def item(self, options: dict[str, Any], at: int = 0) -> Any:
        """Return a new job."""
        self.added += 1
        job_id = f"{self.run}_{(self.added * 7919) % 1000}.{self.added}"
        self.keeps[job_id] = options["keep"]
        delay = LONG + at * timedelta(minutes=1) if options["delayed"] else timedelta(0)
        keep = {"remove_on_complete": options["keep"], "remove_on_fail": options["keep"]}
        return new(job_id, priority=options["priority"], delay=delay, **keep)

    def gone(self, job_ids: Sequence[str]) -> None:
        """Note that jobs were removed."""
        assert self.removed.isdisjoint(job_ids)
        self.removed.update(job_ids)
        for state in ENDED:
            self.ended[state] = [job_id for job_id in self.ended[state] if job_id not in job_ids]

    def end(self, job_id: str, state: JobState) -> None:
        """Note that a job ended, and what its retention forgets."""
        keep = self.keeps[job_id]
        if keep == 0:
            self.gone([job_id])
            return
        self.ended[state].append(job_id)
        if keep is not None:
            counted = [each for each in self.ended[state] if self.keeps[each] is not None]
            self.gone(counted[: max(0, len(counted) - keep)])

    def took(self, taken: Sequence[Sequence[Delivery]]) -> None:
        """Note the runs that began, which must be the same everywhere."""
        facts = [[(d.id, d.name, d.attempt, d.attempts, d.timeout) for d in each] for each in taken]
        assert all(each == facts[0] for each in facts), facts
        self.active += [Twin(together[0].id, together) for together in zip(*taken, strict=True)]

    # Adding

    @rule(options=items)
    def add(self, options: dict[str, Any]) -> None:
        """Add one job."""
        item = self.item(options)
        assert self.all(lambda queue: queue.add(item.name, item.data, item.options).duplicate) is False

    @rule(many=st.lists(items, min_size=1, max_size=5))
    def add_bulk(self, many: list[dict[str, Any]]) -> None:
        """Add several jobs in one call."""
        jobs = [self.item(options, at) for at, options in enumerate(many)]
        assert self.all(lambda queue: ids(queue.add_bulk(jobs))) == [job.options.job_id for job in jobs]

    @precondition(lambda self: self.keeps.keys() - self.removed)
    @rule(data=st.data(), same=st.booleans(), bulk=st.booleans())
    def add_again(self, data: st.DataObject, *, same: bool, bulk: bool) -> None:
        """Add the id of a job that is there, as the same job or another."""
        job_id = data.draw(st.sampled_from(sorted(self.keeps.keys() - self.removed)))
        again = new(job_id, None if same else {"other": True})
        jobs = [again, again] if bulk else [again]
        answered = self.all(lambda queue: [(each.id, each.duplicate) for each in queue.add_bulk(jobs)])
        assert (answered == [(job_id, True)] * len(jobs)) is same

    # Running

    @rule(limit=st.integers(0, 4))
    def reserve(self, limit: int) -> None:
        """Take jobs."""
        self.took([consumer.reserve(limit) for consumer in self.consumers])

    @precondition(lambda self: self.active)
    @rule(
        at=st.integers(0, 9),
        outcome=st.sampled_from(Outcome),
        after=st.sampled_from([timedelta(0), LONG]),
        counts=st.booleans(),
        reserve=st.integers(0, 2),
    )
    def settle(self, at: int, outcome: Outcome, after: timedelta, reserve: int, *, counts: bool) -> None:
        """End one run, and perhaps take others in the same call."""
        twin = self.active.pop(at % len(self.active))
        self.over.append(twin)
        answers = [
            consumer.settle([self.settlement(delivery, outcome, after, counts=counts)], reserve=reserve)
            for consumer, delivery in zip(self.consumers, twin.deliveries, strict=True)
        ]
        assert [each.refused for each in answers] == [[] for _ in answers]
        if outcome is Outcome.COMPLETE:
            self.end(twin.job_id, JobState.COMPLETED)
        elif outcome is Outcome.FAIL:
            self.end(twin.job_id, JobState.FAILED)
        self.took([each.reserved for each in answers])

    @staticmethod
    def settlement(delivery: Delivery, outcome: Outcome, after: timedelta, *, counts: bool) -> Settlement:
        """Return how a run ends."""
        error = f"error {delivery.attempt}" if outcome in {Outcome.FAIL, Outcome.RETRY} else ""
        counts = counts if outcome is Outcome.RETRY else outcome is not Outcome.RELEASE
        return Settlement(delivery, outcome, result=b'{"done":1}', error=error, after=after, counts=counts)

    @precondition(lambda self: self.active)
    @rule(at=st.integers(0, 9))
    def stall(self, at: int) -> None:
        """Let one lease lapse, and sweep."""
        twin = self.active.pop(at % len(self.active))
        self.over.append(twin)
        for delivery in twin.deliveries:
            delivery.extend(SHORT)
        for provider in self.providers:
            provider.advance(SHORT * 1.5)
        assert self.all(lambda queue: queue.sweep()) == 1
        job = self.queues[0].get_job(twin.job_id)
        if job is None or job.state is JobState.FAILED:
            self.end(twin.job_id, JobState.FAILED)

    @precondition(lambda self: self.over)
    @rule(at=st.integers(0, 99), outcome=st.sampled_from(Outcome))
    def zombie(self, at: int, outcome: Outcome) -> None:
        """End a run that is over: it is refused."""
        twin = self.over[at % len(self.over)]
        for consumer, delivery in zip(self.consumers, twin.deliveries, strict=True):
            settlement = self.settlement(delivery, outcome, LONG, counts=True)
            assert consumer.settle([settlement]).refused == [delivery]
            assert consumer.extend([delivery], 60) == [delivery]

    @precondition(lambda self: self.active)
    @rule(at=st.integers(0, 9), value=st.integers(0, 100))
    def progress(self, at: int, value: int) -> None:
        """Report progress of a run."""
        for delivery in self.active[at % len(self.active)].deliveries:
            delivery.progress(value)

    # Operating

    @rule()
    def pause(self) -> None:
        """Pause."""
        self.all(lambda queue: queue.pause())

    @rule()
    def resume(self) -> None:
        """Resume."""
        self.all(lambda queue: queue.resume())

    @rule()
    def sweep(self) -> None:
        """Sweep when nothing has lapsed."""
        assert self.all(lambda queue: queue.sweep()) == 0

    @precondition(lambda self: self.keeps)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        """Remove any job."""
        job_id = self.known(data)
        if self.all(lambda queue: queue.remove_job(job_id)) is None and job_id not in self.removed:
            self.gone([job_id])

    @precondition(lambda self: self.keeps)
    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        """Retry any job by hand."""
        job_id = self.known(data)
        failed = job_id in self.ended[JobState.FAILED]
        answered = self.all(lambda queue: seen(queue.retry_job(job_id)))
        assert isinstance(answered, tuple) is failed
        if failed:
            self.ended[JobState.FAILED].remove(job_id)

    @precondition(lambda self: self.keeps)
    @rule(data=st.data())
    def promote(self, data: st.DataObject) -> None:
        """Promote any job."""
        job_id = self.known(data)
        self.all(lambda queue: seen(queue.promote_job(job_id)))

    @precondition(lambda self: self.keeps)
    @rule(data=st.data(), priority=priorities)
    def change_priority(self, data: st.DataObject, priority: Priority) -> None:
        """Change the priority of any job."""
        job_id = self.known(data)
        self.all(lambda queue: seen(queue.change_priority(job_id, priority)))

    @rule(state=st.sampled_from(JobState), limit=st.integers(0, 2))
    def clean(self, state: JobState, limit: int) -> None:
        """Clean a state; no lease has lapsed, so active jobs stay."""
        if state in {JobState.WAITING, JobState.DELAYED}:
            # Which is the older of two jobs of one bulk call, over levels, is nobody's promise.
            self.gone(self.all(lambda queue: sorted(queue.clean(timedelta(0), state))))
        else:
            self.gone(self.all(lambda queue: queue.clean(timedelta(0), state, limit)))

    @rule(delayed=st.booleans())
    def drain(self, *, delayed: bool) -> None:
        """Drain the queue."""
        states = [JobState.WAITING, JobState.DELAYED] if delayed else [JobState.WAITING]
        there = [job_id for state in states for job_id in ids(self.queues[0].list_jobs(state, 0, ALL))]
        assert self.all(lambda queue: queue.drain(delayed=delayed)) == len(there)
        self.gone(there)

    # What always holds

    @invariant()
    def every_job_is_somewhere(self) -> None:
        """What was added is waiting, delayed, active, completed, failed or removed."""
        if not hasattr(self, "queues"):
            return
        counts = self.all(lambda queue: dict(queue.get_stats().counts))
        assert self.added == sum(counts.values()) + len(self.removed)
        for state in ENDED:
            assert counts[state] == len(self.ended[state])
        assert counts[JobState.ACTIVE] == len(self.active)

    @invariant()
    def every_list_is_the_same(self) -> None:
        """Each state lists the same jobs in the same order, alike in all that can be seen."""
        if not hasattr(self, "queues"):
            return
        for state in JobState:
            listed = self.all(lambda queue, state=state: self.listed(queue, state))
            assert len(listed) == self.queues[0].get_stats().counts[state]
        for state in ENDED:
            assert ids(self.queues[-1].list_jobs(state, 0, ALL)) == self.ended[state][::-1]

    @staticmethod
    def listed(queue: AdapterQueue, state: JobState) -> list[Any]:
        """Return what a queue lists; active jobs are in no promised order."""
        jobs = [seen(job) for job in queue.list_jobs(state, 0, ALL)]
        return sorted(jobs, key=lambda job: str(job[0])) if state is JobState.ACTIVE else jobs


def test_memory_and_rq_agree(request: pytest.FixtureRequest) -> None:
    """Add, bulk, delay, priority, pause, reserve, settle, stall, clean, remove, retry: the same answers."""
    with PROVIDERS["memory"](request) as memory, PROVIDERS["rq"](request) as rq:
        run_state_machine_as_test(
            lambda: Agreement([memory, rq]),
            settings=settings(
                max_examples=120,
                stateful_step_count=40,
                deadline=None,
                database=None,
                phases=[Phase.generate, Phase.shrink],
                suppress_health_check=list(HealthCheck),
            ),
        )
