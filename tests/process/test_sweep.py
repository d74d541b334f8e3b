"""`manage.py sweep` brings dead workers' jobs back by itself."""

import json
from datetime import timedelta

import pytest

from queues.jobs import JobState
from tests.support.commands import manage, running
from tests.support.wait import until
from tests.support.workers import Workers, add, make_queue, wait_ended

pytestmark = pytest.mark.process
QUEUE = "data-processing"
OTHER = "file-processing"


def test_sweep_alone_brings_a_dead_workers_job_back(workers: Workers) -> None:
    """Case B03 a: with no worker running; a second sweep finds nothing, and both print a line for each queue."""
    queue = make_queue(workers.valkey)
    add(queue, workers.ledger, "orphan", seconds=600)
    worker = workers.start(QUEUE, QUEUE_LEASE_SECONDS="1")
    until(lambda: running(workers, "orphan"), why="the job runs")
    worker.kill()
    worker.wait(30)

    def swept() -> str:
        result = manage(workers, "sweep")
        assert result.returncode == 0
        return result.stdout if queue.get_stats().waiting else ""

    lines = {line.split()[0]: line for line in until(swept, why="the job waits again").splitlines()}

    assert len(lines) == 8
    assert lines[QUEUE].split(maxsplit=1)[1].startswith("swept 1  waiting 1  active 0")
    assert lines[OTHER].split(maxsplit=1)[1].startswith("swept 0  waiting 0")
    job = queue.get_job("orphan")
    assert job is not None
    assert (job.state, job.stalls, job.attempts_made) == (JobState.WAITING, 1, 0)
    assert "swept 0" in manage(workers, "sweep", QUEUE).stdout


def test_sweep_forgets_what_outlived_its_age(workers: Workers) -> None:
    """Case B11: in silence, with no worker; --json gives the counts as a list."""
    from queues.jobs import JobOptions, Retention

    queue = make_queue(workers.valkey)
    keep = JobOptions(job_id="old", remove_on_complete=Retention(age=timedelta(milliseconds=50)))
    queue.add("work.do.v1", {}, keep)
    (delivery,) = queue.consumer("test").reserve(1)
    delivery.complete()

    def gone() -> bool:
        result = manage(workers, "sweep", QUEUE, "--json")
        (counts,) = json.loads(result.stdout)
        assert (result.returncode, counts["queue"]) == (0, QUEUE)
        return bool(counts["completed"] == 0)

    until(gone, why="the job is forgotten")

    assert queue.get_job("old") is None


def test_sweep_refuses_a_queue_that_there_is_not(workers: Workers) -> None:
    """The error lists those that exist, and nothing is swept."""
    result = manage(workers, "sweep", QUEUE, "no-such-queue")

    assert (result.returncode, result.stdout) == (1, "")
    assert "no-such-queue" in result.stderr and OTHER in result.stderr


def test_sweeping_turns_no_completed_job_into_a_failed_one(workers: Workers) -> None:
    """Case B58: 200 jobs of 1 ms on four workers, swept from a fifth process meanwhile and after their leases."""
    queue = make_queue(workers.valkey, lease=timedelta(seconds=1))
    for _ in range(4):
        workers.start(QUEUE, QUEUE_LEASE_SECONDS="1")
    until(lambda: workers.valkey.client().scard("rq:workers") == 4, why="four workers are there")
    ids = [f"job-{number}" for number in range(200)]
    for job_id in ids:
        add(queue, workers.ledger, job_id, seconds=0.001, remove_on_complete=None)
    assert "swept 0" in manage(workers, "sweep", QUEUE).stdout
    wait_ended(queue)
    witness = make_queue(workers.valkey, OTHER, lease=timedelta(seconds=1))
    add(witness, workers.ledger, "witness", delay=timedelta(seconds=2))
    until(lambda: witness.consumer("w").reserve(1), why="more than a lease has passed")

    assert "swept 0" in manage(workers, "sweep", QUEUE).stdout

    stats = queue.get_stats()
    assert (stats.completed, stats.failed, stats.waiting, stats.active) == (200, 0, 0, 0)
    assert workers.ledger.counts("start") == workers.ledger.counts("finish") == dict.fromkeys(ids, 1)
