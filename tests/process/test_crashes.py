"""Workers that are killed, frozen or crashed lose no job and finish nobody else's."""

import random
import signal
import time
from datetime import timedelta

import pytest

from queues.jobs import JobState
from tests.support.wait import until
from tests.support.workers import Workers, add, make_queue, wait_ended

pytestmark = pytest.mark.process
QUEUE = "data-processing"
KILLS = 200
POINTS = ["after_reserve", "before_run", "after_run", "before_settle", "after_settle"]
FAST = {"QUEUE_LEASE_SECONDS": "2"}


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_at_any_step_loses_no_job(workers: Workers, point: str) -> None:
    """Case B03: killed at this step for the third time it got there, the worker leaves every job to another."""
    queue = make_queue(workers.valkey)
    ids = [f"job-{number}" for number in range(60)]
    for job_id in ids:
        add(queue, workers.ledger, job_id, remove_on_complete=None)
    dying = workers.start(QUEUE, QUEUES_FAILPOINT=f"{point}:3", **FAST)

    assert dying.wait(60) == -signal.SIGKILL
    workers.start(QUEUE, **FAST)
    wait_ended(queue)

    stats = queue.get_stats()
    assert (stats.completed, stats.failed) == (len(ids), 0)
    assert set(workers.ledger.counts("finish")) == set(ids)


def test_a_killed_workers_job_waits_again_within_fifteen_seconds(workers: Workers) -> None:
    """Case B03 a: with the default lease, another queue's worker returns the job within 15 s."""
    queue = make_queue(workers.valkey)
    add(queue, workers.ledger, "orphan", seconds=600, timeout=timedelta(hours=1))
    dying = workers.start(QUEUE)
    until(lambda: workers.ledger.counts("start")["orphan"], why="the job has started")
    workers.start("file-processing")
    until(lambda: workers.valkey.client().scard("rq:workers:file-processing"), why="another worker is there")

    dying.kill()
    began = time.monotonic()
    until(lambda: queue.get_stats().waiting, why="the job waits again")

    assert time.monotonic() - began < 15
    job = queue.get_job("orphan")
    assert job is not None
    assert (job.state, job.stalls, job.attempts_made) == (JobState.WAITING, 1, 0)


def test_two_hundred_kills_under_load_lose_nothing(workers: Workers) -> None:
    """Case B03: the ledger of what was accepted and what was done agrees, whatever was killed."""
    queue = make_queue(workers.valkey)
    environment = {**FAST, "QUEUE_CRASH_LIMIT": "1000"}
    chooser = random.Random(7)
    living = [workers.start(QUEUE, **environment) for _ in range(2)]
    ids: list[str] = []
    for kill in range(KILLS):
        seen = len(workers.ledger.lines("start"))
        fresh = [f"job-{kill}-{number}" for number in range(20)]
        for job_id in fresh:
            add(queue, workers.ledger, job_id, seconds=0.005, remove_on_complete=None, remove_on_fail=None)
        ids += fresh
        until(lambda seen=seen: len(workers.ledger.lines("start")) > seen, why=f"work goes on after kill {kill}")
        victim = chooser.randrange(len(living))
        living[victim].kill()
        living[victim].wait(30)
        living[victim] = workers.start(QUEUE, **environment)

    wait_ended(queue, 240)

    stats = queue.get_stats()
    assert (stats.completed, stats.failed) == (len(ids), 0)
    assert set(workers.ledger.counts("finish")) == set(ids)


def test_a_frozen_worker_cannot_finish_its_job(workers: Workers) -> None:
    """Case B16 d: stopped past its lease and woken, the zombie's outcome is refused."""
    queue = make_queue(workers.valkey)
    add(queue, workers.ledger, "contested", seconds=1.5)
    frozen = workers.start(QUEUE, **FAST)
    until(lambda: workers.ledger.counts("start")["contested"], why="the job has started")

    frozen.send_signal(signal.SIGSTOP)
    workers.start(QUEUE, **FAST)
    until(lambda: queue.get_stats().completed, why="another worker has completed the job")
    taken_over = queue.get_job("contested")
    frozen.send_signal(signal.SIGCONT)
    until(lambda: "lease lost" in workers.logs(), why="the zombie was refused")

    after = queue.get_job("contested")
    assert taken_over is not None and after is not None
    assert (after.state, after.finished_at, after.worker) == (
        JobState.COMPLETED,
        taken_over.finished_at,
        taken_over.worker,
    )
    assert queue.get_stats().completed == 1


def test_a_job_that_kills_its_worker_ends_at_the_crash_limit(workers: Workers) -> None:
    """Case B03 b: it runs three times and fails with the reason; the others finish."""
    queue = make_queue(workers.valkey)
    add(queue, workers.ledger, "pill", "kill")
    others = [f"other-{number}" for number in range(20)]
    for job_id in others:
        add(queue, workers.ledger, job_id, remove_on_complete=None)
    worker = workers.start(QUEUE, "--concurrency", "1", **FAST)

    def supervise() -> bool:
        nonlocal worker
        if worker.poll() is not None:
            worker = workers.start(QUEUE, "--concurrency", "1", **FAST)
        stats = queue.get_stats()
        return bool(stats.failed) and stats.completed == len(others)

    until(supervise, 120, every=0.2, why="the pill has failed and the others are done")

    pill = queue.get_job("pill")
    assert pill is not None
    assert pill.state is JobState.FAILED
    assert pill.failed_reason == "stalled more often than the crash limit allows"
    assert workers.ledger.counts("start")["pill"] == 3
