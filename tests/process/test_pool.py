"""django-rq's rqworker-pool runs our workers."""

import signal
import subprocess

import psutil
import pytest

from tests.support.commands import SETTINGS
from tests.support.wait import until
from tests.support.workers import Workers, add, make_queue, wait_ended

pytestmark = pytest.mark.process
QUEUE = "data-processing"


def pool(workers: Workers, *arguments: str) -> subprocess.Popen[bytes]:
    """Start two workers under django-rq's pool."""
    environment = {"DJANGO_SETTINGS_MODULE": SETTINGS, "QUEUE_LEASE_SECONDS": "2"}
    return workers.start(QUEUE, "--num-workers", "2", *arguments, command="rqworker-pool", **environment)


def members(workers: Workers, process: subprocess.Popen[bytes], count: int = 2) -> list[psutil.Process]:
    """Wait until all workers of a pool hear commands, and return them."""
    client = workers.valkey.client()
    until(lambda: len(client.pubsub_channels("rq:pubsub:*")) == count, why=f"{count} workers listen")
    return psutil.Process(process.pid).children()


def test_a_pool_runs_jobs_and_replaces_a_worker_that_was_killed(workers: Workers) -> None:
    """Case B03 c: both run jobs; after kill -9 of one there are two again, and its job runs to its end."""
    queue = make_queue(workers.valkey)
    process = pool(workers)
    before = members(workers, process)
    for number in range(40):
        add(queue, workers.ledger, f"job-{number}", seconds=0.2, remove_on_complete=None)
    until(lambda: workers.ledger.lines("start"), why="jobs run")

    before[0].kill()

    wait_ended(queue)
    stats = queue.get_stats()
    assert (stats.completed, stats.failed) == (40, 0)
    after = members(workers, process)
    assert len(after) == 2
    assert before[0].pid not in {worker.pid for worker in after}
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0


def test_a_pool_ends_on_term_and_its_jobs_end_first(workers: Workers) -> None:
    """Case B31: though each worker gets two signals, the system's and the pool's, running jobs complete."""
    queue = make_queue(workers.valkey)
    process = pool(workers)
    family = [psutil.Process(process.pid), *members(workers, process)]
    for number in range(4):
        add(queue, workers.ledger, f"job-{number}", seconds=2)
    until(lambda: len(workers.ledger.lines("start")) == 4, why="the jobs run")

    for member in family:
        member.send_signal(signal.SIGTERM)

    assert process.wait(60) == 0
    assert not any(map(psutil.Process.is_running, family[1:]))
    assert sorted(workers.ledger.counts("finish")) == [f"job-{number}" for number in range(4)]
    stats = queue.get_stats()
    assert (stats.completed, stats.waiting, stats.active) == (4, 0, 0)


def test_workers_of_a_pool_that_was_killed_end_by_themselves(workers: Workers) -> None:
    """Case B03 c: they take nothing more, for the next pool has its own; what runs completes."""
    queue = make_queue(workers.valkey)
    process = pool(workers)
    family = members(workers, process)
    for number in range(2):
        add(queue, workers.ledger, f"job-{number}", seconds=2)
    until(lambda: len(workers.ledger.lines("start")) == 2, why="the jobs run")

    process.kill()
    process.wait(30)

    until(lambda: not any(map(psutil.Process.is_running, family)), why="the workers have ended")
    stats = queue.get_stats()
    assert (stats.completed, stats.waiting, stats.active) == (2, 0, 0)


def test_a_pool_in_burst_mode_ends_with_the_queues(workers: Workers) -> None:
    """Every job runs once; exit code 0."""
    queue = make_queue(workers.valkey)
    for number in range(40):
        add(queue, workers.ledger, f"job-{number}")

    assert pool(workers, "--burst").wait(60) == 0
    assert workers.ledger.counts("start") == {f"job-{number}": 1 for number in range(40)}
