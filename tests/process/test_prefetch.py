"""What a worker holds beyond its threads waits behind no slow job while another worker is idle."""

import pytest

from queues.jobs import JobOptions, NewJob
from tests.support.wait import until
from tests.support.workers import Workers, add, make_queue, wait_ended

pytestmark = pytest.mark.process
QUEUE = "data-processing"


def test_held_jobs_go_back_when_slow_ones_are_in_front(workers: Workers) -> None:
    """Two workers hold many since jobs were short; two slow jobs come first, and forty short ones end before them."""
    queue = make_queue(workers.valkey)
    for _ in range(2):
        workers.start(QUEUE, "--concurrency", "2")
    until(lambda: workers.valkey.client().scard("rq:workers") == 2, why="both workers are registered")
    short = {"ledger": str(workers.ledger.path), "action": "ok", "seconds": 0}
    queue.add_bulk([NewJob(name="work.do.v1", data=short) for _ in range(6000)])
    wait_ended(queue)
    queue.pause()
    for number in range(2):
        add(queue, workers.ledger, f"slow-{number}", seconds=4)
    quick = [NewJob(name="work.do.v1", data=short, options=JobOptions(job_id=f"quick-{n}")) for n in range(40)]
    queue.add_bulk(quick)

    queue.resume()
    wait_ended(queue)

    ended = [row[1] for row in workers.ledger.lines("finish") if row[1].startswith(("slow", "quick"))]
    assert sorted(ended[:40]) == sorted(f"quick-{n}" for n in range(40))
    assert len(ended) == 42
