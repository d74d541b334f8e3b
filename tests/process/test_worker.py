"""A real worker process runs jobs, and ends as it is told to."""

import signal
import time
from datetime import timedelta

import pytest

from queues.jobs import Backoff, JobState
from tests.support.wait import until
from tests.support.workers import Workers, add, make_queue, wait_ended

pytestmark = pytest.mark.process
QUEUE = "data-processing"


def test_it_runs_every_job_once(workers: Workers) -> None:
    """Two hundred jobs on two workers: each starts once and finishes once."""
    queue = make_queue(workers.valkey)
    ids = [f"job-{number}" for number in range(200)]
    for job_id in ids:
        add(queue, workers.ledger, job_id, remove_on_complete=None)
    workers.start(QUEUE)
    workers.start(QUEUE)

    wait_ended(queue)

    assert workers.ledger.counts("start") == workers.ledger.counts("finish") == dict.fromkeys(ids, 1)
    assert queue.get_stats().completed == len(ids)


@pytest.mark.parametrize(
    ("action", "attempts", "runs", "reason"),
    [("fail", 1, 1, "ValueError: as asked"), ("fail", 3, 3, "ValueError"), ("permanent", 3, 1, "PermanentError")],
)
def test_it_runs_a_failing_job_as_often_as_it_may(
    workers: Workers, action: str, attempts: int, runs: int, reason: str
) -> None:
    """Case B06: attempts are runs; PermanentError uses none of those that are left."""
    queue = make_queue(workers.valkey)
    backoff = Backoff(kind="fixed", base=timedelta(milliseconds=20))
    add(queue, workers.ledger, "failing", action, attempts=attempts, backoff=backoff)
    workers.start(QUEUE)
    until(lambda: queue.get_stats().failed, why="the job has failed")

    job = queue.get_job("failing")

    assert job is not None
    assert (job.attempts_made, len(job.attempts)) == (runs, runs)
    assert reason in (job.failed_reason or "")
    assert workers.ledger.counts("start") == {"failing": runs}


def test_retry_later_costs_no_attempt(workers: Workers) -> None:
    """A job that asks for another time is delayed by it and keeps its attempts."""
    queue = make_queue(workers.valkey)
    add(queue, workers.ledger, "later", "later", 3600, attempts=1)
    workers.start(QUEUE)
    until(lambda: queue.get_stats().delayed, why="the job is delayed")

    job = queue.get_job("later")

    assert job is not None and job.available_at is not None
    assert job.attempts_made == 0
    assert abs((job.available_at - job.attempts[0].ended_at) - timedelta(hours=1)) < timedelta(seconds=5)


@pytest.mark.parametrize("action", ["ok", "swallow"])
def test_a_timeout_ends_the_attempt_whatever_the_job_does(workers: Workers, action: str) -> None:
    """Case B10: a sleep that C code holds and an `except BaseException` both end at the timeout."""
    queue = make_queue(workers.valkey)
    add(queue, workers.ledger, "slow", action, 8, attempts=1, timeout=timedelta(seconds=1))
    add(queue, workers.ledger, "next")
    workers.start(QUEUE, "--concurrency", "1")
    until(lambda: queue.get_stats().failed, why="the slow job has failed")

    job = queue.get_job("slow")

    assert job is not None and job.finished_at is not None and job.processed_at is not None
    assert "timeout" in (job.failed_reason or "")
    assert job.finished_at - job.processed_at < timedelta(seconds=4)
    until(lambda: workers.ledger.counts("finish")["next"], why="the next job has run")
    assert queue.get_stats().completed == 1


def test_term_lets_a_running_job_end(workers: Workers) -> None:
    """Case B31: the job completes, the exit code is 0, and no new job is taken."""
    queue = make_queue(workers.valkey)
    add(queue, workers.ledger, "running", seconds=3)
    worker = workers.start(QUEUE, "--concurrency", "1")
    until(lambda: workers.ledger.counts("start")["running"], why="the job has started")
    add(queue, workers.ledger, "new")

    worker.send_signal(signal.SIGTERM)

    assert worker.wait(60) == 0
    assert workers.ledger.counts("finish") == {"running": 1}
    stats = queue.get_stats()
    assert (stats.completed, stats.waiting, stats.active) == (1, 1, 0)


def test_term_twice_puts_a_running_job_back(workers: Workers) -> None:
    """Case B31: a second TERM ends the worker; the job waits again and has lost no attempt."""
    queue = make_queue(workers.valkey)
    add(queue, workers.ledger, "running", seconds=60)
    worker = workers.start(QUEUE)
    until(lambda: workers.ledger.counts("start")["running"], why="the job has started")

    worker.send_signal(signal.SIGTERM)
    until(lambda: "stopping" in workers.logs(), why="the worker has heard the first signal")
    worker.send_signal(signal.SIGTERM)

    assert worker.wait(60) == 0
    job = queue.get_job("running")
    assert job is not None
    assert (job.state, job.attempts_made, job.stalls) == (JobState.WAITING, 0, 0)


def test_the_grace_ends_what_runs_too_long(workers: Workers) -> None:
    """After QUEUE_GRACE the job goes back to waiting at no cost, and the exit code is 0."""
    queue = make_queue(workers.valkey)
    add(queue, workers.ledger, "long", seconds=60)
    worker = workers.start(QUEUE, QUEUE_GRACE="500")
    until(lambda: workers.ledger.counts("start")["long"], why="the job has started")

    worker.send_signal(signal.SIGTERM)

    assert worker.wait(60) == 0
    job = queue.get_job("long")
    assert job is not None
    assert (job.state, job.attempts_made) == (JobState.WAITING, 0)


def test_an_idle_worker_ends_at_once(workers: Workers) -> None:
    """Case B31: TERM to an idle worker ends it with exit code 0, without waiting for the grace."""
    worker = workers.start(QUEUE)
    client = workers.valkey.client()
    until(lambda: client.scard("rq:workers"), why="the worker is registered")

    began = time.monotonic()
    worker.send_signal(signal.SIGTERM)

    assert worker.wait(60) == 0
    assert time.monotonic() - began < 20
    assert client.scard("rq:workers") == 0


def test_a_delayed_job_starts_when_it_falls_due(workers: Workers) -> None:
    """An idle worker wakes for a delayed job by itself, with no scheduler process."""
    queue = make_queue(workers.valkey)
    workers.start(QUEUE)
    until(lambda: workers.valkey.client().scard("rq:workers"), why="the worker is registered")
    add(queue, workers.ledger, "delayed", delay=timedelta(milliseconds=700))

    until(lambda: workers.ledger.counts("finish")["delayed"], why="the delayed job has run")

    job = queue.get_job("delayed")
    assert job is not None and job.processed_at is not None
    assert job.processed_at - job.created_at >= timedelta(milliseconds=700)


def test_a_queue_that_is_paused_starts_nothing(workers: Workers) -> None:
    """Pause holds for a worker that was already waiting; resume lets it go on."""
    queue = make_queue(workers.valkey)
    workers.start(QUEUE)
    until(lambda: workers.valkey.client().scard("rq:workers"), why="the worker is registered")
    queue.pause()
    add(queue, workers.ledger, "held")
    add(queue, workers.ledger, "held-and-delayed", delay=timedelta(milliseconds=1))
    witness = make_queue(workers.valkey, "file-processing")
    add(witness, workers.ledger, "witness", delay=timedelta(milliseconds=500))
    workers.start("file-processing")
    until(lambda: workers.ledger.counts("finish")["witness"], why="time has passed for another queue")

    assert not workers.ledger.counts("start")["held"]
    queue.resume()
    wait_ended(queue)
    assert workers.ledger.counts("finish") == {"witness": 1, "held": 1, "held-and-delayed": 1}
