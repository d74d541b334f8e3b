"""The contract when all happens at once, and what a provider says of itself."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from datetime import timedelta

from queues.adapters.base import AdapterQueue
from queues.jobs import JobState
from queues.ports import Capabilities, Consumer, Delivery, Outcome, Settlement
from tests.contract.conftest import MakeQueue
from tests.contract.steps import add, counts, new, order
from tests.support.wait import until

JOBS = 240
WAYS = (Outcome.COMPLETE, Outcome.RETRY, Outcome.RELEASE, Outcome.FAIL, Outcome.COMPLETE, None)


def end(consumer: Consumer, delivery: Delivery, tries: Counter[str]) -> Outcome | None:
    """End a run in the job's own way on its first try, completed on its second; None when it was lost."""
    tries[delivery.id] += 1
    way = WAYS[int(delivery.id) % len(WAYS)] if tries[delivery.id] == 1 else Outcome.COMPLETE
    if way is None:
        # Die: the lease ends soon and nobody renews it.
        delivery.extend(0.01)
        return None
    settlement = Settlement(delivery, way, error="e", after=timedelta(0), counts=way is not Outcome.RELEASE)
    return None if consumer.settle([settlement]).refused else way


def test_every_job_ends_once_while_all_happens_at_once(make_queue: MakeQueue) -> None:
    """Adders, workers that complete, retry, release, fail and die, and sweeps: each job ends, and once."""
    queue: AdapterQueue = make_queue(crash_limit=100)
    tries: Counter[str] = Counter()
    ended: list[tuple[str, Outcome]] = []
    stop = threading.Event()

    def work(name: str) -> None:
        consumer = queue.consumer(name)
        while not stop.is_set():
            for delivery in consumer.reserve(3, wait=0.05):
                way = end(consumer, delivery, tries)
                if way in {Outcome.COMPLETE, Outcome.FAIL}:
                    ended.append((delivery.id, way))

    def sweep() -> None:
        while not stop.wait(0.01):
            queue.sweep()

    with ThreadPoolExecutor(8) as pool:
        others = [pool.submit(sweep), *(pool.submit(work, f"worker-{n}") for n in range(4))]
        try:
            for start in (0, JOBS // 3):
                pool.submit(lambda start=start: [add(queue, str(n)) for n in range(start, start + JOBS // 3)])
            queue.add_bulk([new(str(n)) for n in range(JOBS * 2 // 3, JOBS)])
            until(lambda: len(ended) >= JOBS or any(other.done() for other in others), why="every job ends")
        finally:
            stop.set()
        for other in others:
            other.result(60)

    failed = sorted(job_id for job_id, way in ended if way is Outcome.FAIL)
    assert Counter(job_id for job_id, _ in ended) == Counter(map(str, range(JOBS)))
    assert failed == sorted(str(n) for n in range(JOBS) if WAYS[n % len(WAYS)] is Outcome.FAIL)
    assert counts(queue) == {"completed": 100, "failed": len(failed)}
    assert sum(len(queue.list_jobs(state)) for state in JobState) == 100 + len(failed)


def test_a_closed_queue_can_be_used_again(queue: AdapterQueue) -> None:
    """`close` gives back what it holds; the next call takes it anew."""
    add(queue, "j1")
    queue.consumer("w").close()
    queue.close()
    queue.close()

    add(queue, "j2")

    assert order(queue)[-1] == "j2"


def test_what_a_provider_cannot_keep_has_its_reason(queue: AdapterQueue) -> None:
    """Each missing ability is a flag, and says why."""
    capabilities = queue.capabilities
    flags = {each.name for each in fields(Capabilities)} - {"missing"}
    absent = {flag for flag in flags if not getattr(capabilities, flag)}

    assert absent == set(capabilities.missing)
    assert all(len(reason) > 20 for reason in capabilities.missing.values())
