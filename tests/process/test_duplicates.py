"""A reply that is lost after Redis did the work doubles no job and loses none."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from queues.adapters.rq import RQQueue
from queues.conf import QueueConf
from queues.jobs import JobOptions, JobState, NewJob
from tests.support.proxy import Proxy
from tests.support.valkey import Valkey
from tests.support.wait import until
from tests.support.workers import Workers, add, make_queue, wait_ended

pytestmark = pytest.mark.process
QUEUE = "data-processing"
FAST = {"QUEUE_LEASE_SECONDS": "2"}
MARK = 0.0625


@pytest.fixture
def proxy(valkey: Valkey) -> Iterator[Proxy]:
    """A proxy in front of the run's Valkey."""
    proxy = Proxy(valkey.port)
    yield proxy
    proxy.close()


def counters(valkey: Valkey) -> dict[bytes, bytes]:
    """Return how many jobs the queue has ever completed, failed and seen stall."""
    return valkey.client().hgetall(f"rq:mq:{QUEUE}:counters")


def add_one(queue: RQQueue, data: dict[str, object]) -> list[str]:
    """Add a job whose id the platform makes."""
    return [queue.add("work.do.v1", data).id]


def add_named(queue: RQQueue, data: dict[str, object]) -> list[str]:
    """Add a job whose id the caller gives."""
    return [queue.add("work.do.v1", data, JobOptions(job_id="named")).id]


def add_delayed(queue: RQQueue, data: dict[str, object]) -> list[str]:
    """Add a job for later."""
    return [queue.add("work.do.v1", data, JobOptions(delay=timedelta(milliseconds=200))).id]


def add_bulk(queue: RQQueue, data: dict[str, object]) -> list[str]:
    """Add five in one call."""
    return [job.id for job in queue.add_bulk([NewJob(name="work.do.v1", data=data) for _ in range(5)])]


@pytest.mark.parametrize("adding", [add_one, add_named, add_delayed, add_bulk])
def test_an_add_whose_reply_is_lost_adds_once(
    workers: Workers, proxy: Proxy, adding: Callable[[RQQueue, dict[str, object]], list[str]]
) -> None:
    """Case B18: the call returns its ids, each is one job, and each runs once."""
    queue = RQQueue(QueueConf(name=QUEUE, connection={"URL": proxy.url}))
    add(queue, workers.ledger, "before")
    lost = proxy.lose_reply(to=f'"seconds":{MARK}'.encode())

    ids = adding(queue, {"ledger": str(workers.ledger.path), "seconds": MARK})

    assert lost.is_set()
    workers.start(QUEUE)
    direct = make_queue(workers.valkey)
    wait_ended(direct)
    assert workers.ledger.counts("start") == workers.ledger.counts("finish") == dict.fromkeys(["before", *ids], 1)
    assert direct.get_stats().completed == len(ids) + 1
    assert counters(workers.valkey)[b"completed"] == str(len(ids) + 1).encode()


def test_a_settlement_whose_reply_is_lost_counts_once(workers: Workers, proxy: Proxy) -> None:
    """Case B18: the job ends as completed once, is not run again, and nothing says that it failed or stalled."""
    queue = make_queue(workers.valkey)
    workers.start(QUEUE, "--name", "worker", REDIS_URL=proxy.url, **FAST)
    add(queue, workers.ledger, "before")
    until(lambda: queue.get_stats().completed, why="the worker works")
    lost = proxy.lose_reply(to=b"settled-unheard\r\n")

    add(queue, workers.ledger, "settled-unheard")
    until(lost.is_set, why="the reply to the settlement was lost")
    add(queue, workers.ledger, "after")
    until(lambda: workers.ledger.counts("finish")["after"], why="the worker goes on")
    wait_ended(queue)

    record = "rq:worker:worker"
    until(lambda: workers.valkey.client().hget(record, "successful_job_count") == b"3", why="the worker counts three")
    assert workers.valkey.client().hget(record, "failed_job_count") == b"0"
    assert workers.ledger.counts("start") == {"before": 1, "settled-unheard": 1, "after": 1}
    job = queue.get_job("settled-unheard")
    assert job is not None and (job.state, job.stalls, job.attempts_made) == (JobState.COMPLETED, 0, 1)
    assert counters(workers.valkey).items() >= {b"completed": b"3"}.items()
    assert not {b"failed", b"stalled"} & counters(workers.valkey).keys()
    assert not any(word in workers.logs() for word in ("job failed", "lease lost", "stalled"))


def test_a_reservation_whose_reply_is_lost_runs_after_its_lease(workers: Workers, proxy: Proxy) -> None:
    """Case B18: the job that went out unheard comes back by itself and runs once."""
    queue = make_queue(workers.valkey)
    workers.start(QUEUE, REDIS_URL=proxy.url, **FAST)
    add(queue, workers.ledger, "before")
    until(lambda: queue.get_stats().completed, why="the worker works")
    lost = proxy.lose_reply(having=b"reserved-unheard\r\n")

    add(queue, workers.ledger, "reserved-unheard")
    until(lost.is_set, why="the reply to the reservation was lost")
    until(lambda: workers.ledger.counts("finish")["reserved-unheard"], why="the job has run")
    wait_ended(queue)

    assert workers.ledger.counts("start") == {"before": 1, "reserved-unheard": 1}
    job = queue.get_job("reserved-unheard")
    assert job is not None and (job.state, job.stalls, job.attempts_made) == (JobState.COMPLETED, 1, 1)
    assert (queue.get_stats().completed, queue.get_stats().failed) == (2, 0)
