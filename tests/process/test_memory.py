"""Nothing grows: not Redis by jobs that ended or workers that died, not a worker by the jobs that it ran."""

import signal
import subprocess

import psutil
import pytest
import redis

from queues.adapters.rq import RQQueue
from queues.jobs import JobOptions, NewJob
from tests.support.wait import until
from tests.support.workers import Workers, make_queue, wait_ended

pytestmark = pytest.mark.process
QUEUE = "data-processing"
SETTINGS = "tests.support.faults.settings"
MEGABYTE = 1_000_000
FORGOTTEN = JobOptions(attempts=1, remove_on_complete=0, remove_on_fail=0)


def start(workers: Workers, name: str) -> subprocess.Popen[bytes]:
    """Start a worker and wait until it is recorded."""
    process = workers.start(QUEUE, "--name", name, DJANGO_SETTINGS_MODULE=SETTINGS, QUEUE_LEASE_SECONDS="2")
    client = workers.valkey.client()
    until(lambda: client.sismember("rq:workers", f"rq:worker:{name}"), why=f"{name} is recorded")
    return process


def add_many(queue: RQQueue, count: int) -> None:
    """Add jobs that do nothing, every tenth of which fails, and none of which is kept."""
    names = ["fault.fail.v1" if number % 10 == 9 else "fault.nothing.v1" for number in range(count)]
    queue.add_bulk([NewJob(name=name, data={}, options=FORGOTTEN) for name in names])


def lasting(client: redis.Redis) -> set[bytes]:
    """Let the time of everything that has one be over; return the keys that are left."""
    keys = set(client.scan_iter())
    for key in keys:
        if client.ttl(key) >= 0:
            assert client.ttl(key) <= 60, key
            client.expire(key, 0)
    return set(client.scan_iter())


def test_jobs_that_are_not_kept_leave_nothing(workers: Workers) -> None:
    """Case B38: 5,000 jobs, a tenth failing, a worker killed among them: the keys are those of before."""
    queue = make_queue(workers.valkey)
    client = workers.valkey.client()
    first = start(workers, "first")
    add_many(queue, 10)
    wait_ended(queue)
    before = client.dbsize()
    queue.pause()
    add_many(queue, 5000)
    queue.resume()
    until(lambda: queue.get_stats().waiting < 4000, every=0.001, why="the first worker is among them")

    first.kill()
    first.wait(30)
    left = queue.get_stats()
    assert left.waiting + left.active > 0, "the worker was killed too late for this test"
    start(workers, "second")
    wait_ended(queue)

    counters = client.hgetall(f"rq:mq:{QUEUE}:counters")
    assert (int(counters[b"completed"]), int(counters[b"failed"])) == (4509, 501)
    assert list(client.scan_iter("rq:job:*")) == []
    assert abs(client.dbsize() - before) <= 10
    assert not [
        key for key in lasting(client) if b"rq:mq:" not in key and b"rq:workers" not in key and key != b"rq:queues"
    ]


def test_a_worker_does_not_grow_by_its_jobs(workers: Workers) -> None:
    """Case B38: over 20,000 jobs its memory grows by less than 20 MB."""
    queue = make_queue(workers.valkey)
    process = psutil.Process(start(workers, "steady").pid)
    add_many(queue, 5000)
    wait_ended(queue)
    before = process.memory_info().rss

    for _ in range(2):
        add_many(queue, 10_000)
        wait_ended(queue)

    assert process.memory_info().rss - before < 20 * MEGABYTE
    assert int(workers.valkey.client().hget(f"rq:mq:{QUEUE}:counters", "completed") or 0) == 22_500


def test_restarts_leave_no_keys(workers: Workers) -> None:
    """Case B57: twenty workers come and go, every second by kill -9; what lasts is what the first one left."""
    queue = make_queue(workers.valkey)
    client = workers.valkey.client()

    def come_and_go(name: str, how: signal.Signals) -> None:
        process = start(workers, name)
        add_many(queue, 1)
        wait_ended(queue)
        process.send_signal(how)
        process.wait(60)

    come_and_go("worker-first", signal.SIGTERM)
    before = lasting(client)
    for number in range(20):
        come_and_go(f"worker-{number}", signal.SIGKILL if number % 2 else signal.SIGTERM)
    assert client.dbsize() - len(before) < 60
    lasting(client)
    come_and_go("worker-last", signal.SIGTERM)

    assert lasting(client) == before
    assert not [key for key in before if b"worker-" in key]
