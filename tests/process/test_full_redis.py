"""A Redis without memory left: adds are refused whole, workers go on, and nothing needs a restart."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from queues.adapters.rq import RQQueue
from queues.adapters.rq.keys import JOB, level_keys
from queues.errors import PayloadTooLarge, QueueFull
from queues.jobs import Backoff, JobOptions, NewJob
from queues.priorities import Priority
from tests.support.valkey import Valkey
from tests.support.wait import until
from tests.support.workers import Workers, add, make_queue, wait_ended

pytestmark = pytest.mark.process
QUEUE = "data-processing"
FAST = {"QUEUE_LEASE_SECONDS": "2"}
MEGABYTE = 1 << 20


@pytest.fixture
def server() -> Iterator[Valkey]:
    """A Valkey of the test's own, to fill."""
    server = Valkey("--maxmemory-policy", "noeviction").start()
    yield server
    server.kill()


@pytest.fixture
def workers(server: Valkey, tmp_path: Path) -> Iterator[Workers]:
    """Worker processes over that server."""
    started = Workers(server, tmp_path)
    yield started
    started.stop()
    print(started.logs())


def leave(server: Valkey, room: int) -> None:
    """Let the server have so many bytes more than it uses now; less than none keeps it full while jobs leave it."""
    client = server.client()
    used = client.info("memory")["used_memory"]
    client.config_set("maxmemory", max(1, used + room))


def stored(server: Valkey) -> tuple[list[str], list[str]]:
    """Return the ids of all job hashes, and the ids in the queue's lists and its schedule, each sorted."""
    client = server.client()
    hashes = [key.decode().removeprefix(JOB) for key in client.scan_iter(f"{JOB}*", count=1000)]
    listed = [entry.decode() for key in level_keys(QUEUE) for entry in client.lrange(key, 0, -1)]
    listed += [entry.decode() for entry in client.zrange(f"rq:scheduled:{QUEUE}", 0, -1)]
    return sorted(hashes), sorted(listed)


def test_single_adds_are_refused_whole(server: Valkey) -> None:
    """Case B46: every add that did not raise QueueFull is there; of those that did, neither hash nor list entry is."""
    queue = make_queue(server)
    choices = [JobOptions(), JobOptions(priority=Priority.BULK), JobOptions(delay=timedelta(hours=1))]
    queue.add("work.do.v1", {})
    leave(server, MEGABYTE)

    accepted, refused = 1, 0
    while refused < 50:
        try:
            queue.add("work.do.v1", {"ledger": "x" * 5000}, choices[(accepted + refused) % 3])
            accepted += 1
        except QueueFull:
            refused += 1

    hashes, listed = stored(server)
    assert hashes == listed
    assert len(hashes) == accepted > 50


def test_bulk_adds_are_refused_whole(server: Valkey) -> None:
    """Case B46: all or none, also when the memory ends during a call."""
    queue = make_queue(server)
    jobs = [NewJob(name="work.do.v1", data={"ledger": "x" * 1000}) for _ in range(500)]
    assert len(queue.add_bulk(jobs)) == 500
    leave(server, 3 * MEGABYTE)

    accepted, refused = 1, 0
    while refused < 5:
        try:
            queue.add_bulk(jobs)
            accepted += 1
        except QueueFull:
            refused += 1

    hashes, listed = stored(server)
    assert hashes == listed
    assert len(hashes) == 500 * accepted > 500


@pytest.mark.parametrize("started", ["before", "while"])
def test_workers_drain_a_full_redis(workers: Workers, started: str) -> None:
    """Case B46: reserving, settling, retries, delays and sweeping need no new memory; adds are taken again later."""
    queue, server = make_queue(workers.valkey), workers.valkey
    queue.pause()
    ids = [f"job-{number}" for number in range(200)]
    for job_id in ids:
        add(queue, workers.ledger, job_id, remove_on_complete=None)
    add(queue, workers.ledger, "delayed", delay=timedelta(seconds=1))
    add(queue, workers.ledger, "fails", "fail", attempts=2, backoff=Backoff(kind="fixed", base=timedelta(seconds=1)))
    if started == "before":
        workers.start(QUEUE, **FAST)
        until(lambda: server.client().scard("rq:workers"), why="the worker is registered")
    leave(server, -server.client().info("memory")["used_memory"])
    with pytest.raises(QueueFull):
        add(queue, workers.ledger, "refused")

    workers.start(QUEUE, **FAST)
    queue.resume()
    wait_ended(queue)

    with pytest.raises(QueueFull):
        add(queue, workers.ledger, "refused")
    assert workers.ledger.counts("finish") == dict.fromkeys([*ids, "delayed"], 1)
    assert workers.ledger.counts("start")["fails"] == 2
    stats = queue.get_stats()
    assert (stats.completed, stats.failed) == (len(ids) + 1, 1)
    check_recovery(workers, queue)


def check_recovery(workers: Workers, queue: RQQueue) -> None:
    """Check that the workers that lived through it go on when there is memory again."""
    client = workers.valkey.client()
    client.config_set("maxmemory", 0)
    add(queue, workers.ledger, "after")
    until(lambda: workers.ledger.counts("finish")["after"], why="the next job has run")
    until(lambda: client.scard("rq:workers") == len(workers.processes), why="the workers are registered")
    assert all(worker.poll() is None for worker in workers.processes)
    assert "provider unavailable" not in workers.logs()


def test_a_dead_workers_job_comes_back_in_a_full_redis(workers: Workers) -> None:
    """Case B46: the sweep and the new run need no new memory either."""
    queue = make_queue(workers.valkey)
    add(queue, workers.ledger, "orphan", seconds=5)
    dying = workers.start(QUEUE, **FAST)
    until(lambda: workers.ledger.counts("start")["orphan"], why="the job has started")
    leave(workers.valkey, -workers.valkey.client().info("memory")["used_memory"])

    dying.kill()
    workers.start(QUEUE, **FAST)
    until(lambda: queue.get_stats().completed, why="the job is completed")

    job = queue.get_job("orphan")
    assert job is not None and job.stalls == 1


def test_a_workers_record_outlives_a_full_redis(workers: Workers) -> None:
    """Case B46: what cannot be written anew is kept, so that the worker is not taken for dead."""
    client = workers.valkey.client()
    workers.start(QUEUE, "--name", "worker", **FAST)
    until(lambda: client.exists("rq:worker:worker"), why="the worker is registered")
    leave(workers.valkey, -client.info("memory")["used_memory"])

    client.expire("rq:worker:worker", 15)
    until(lambda: client.ttl("rq:worker:worker") > 20, 12, why="the record is prolonged")

    assert client.sismember("rq:workers", "rq:worker:worker")
    assert "provider unavailable" not in workers.logs()


@pytest.mark.parametrize(("count", "taken"), [(10_000, 10_000), (10_001, 0), (100_001, 0)])
def test_a_call_takes_as_many_jobs_as_documented(server: Valkey, count: int, taken: int) -> None:
    """Case B46: 10 000 jobs are one call; beyond that the limit is named and nothing is written."""
    queue = make_queue(server)
    jobs = [NewJob(name="work.do.v1", data={})] * count

    if taken:
        ids = [job.id for job in queue.add_bulk(jobs)]
        assert len(set(ids)) == queue.get_stats().waiting == taken
    else:
        with pytest.raises(PayloadTooLarge, match="limit is 10000"):
            queue.add_bulk(jobs)
        assert server.client().dbsize() == 0


@pytest.mark.parametrize(("policy", "warns"), [("allkeys-lru", True), ("noeviction", False)])
def test_a_worker_warns_of_an_evicting_redis(workers: Workers, policy: str, *, warns: bool) -> None:
    """Case B46: at its start it says that jobs would be deleted, and what to set; then it works."""
    workers.valkey.client().config_set("maxmemory-policy", policy)
    queue = make_queue(workers.valkey)
    add(queue, workers.ledger, "job")

    workers.start(QUEUE, "--burst")
    wait_ended(queue)
    until(lambda: "worker ended" in workers.logs(), why="the worker has ended")

    assert ("maxmemory-policy" in workers.logs() and policy in workers.logs()) is warns
    assert queue.get_stats().completed == 1
