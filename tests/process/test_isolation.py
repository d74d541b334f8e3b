"""`--isolation process`: what a job does to its process is done to a child, and the worker goes on."""

import json
import signal
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from queues.adapters.memory import MemoryQueue
from queues.adapters.rq import RQQueue
from queues.conf import QueueConf
from queues.jobs import Backoff, JobOptions, JobState, QueueJob
from queues.ports import Outcome, Settlement
from queues.worker.isolation import InChild
from tests.support.wait import until
from tests.support.workers import Workers, make_queue, wait_ended

pytestmark = pytest.mark.process
QUEUE = "data-processing"
SETTINGS = "tests.support.faults.settings"
CRASHES = [
    ("segfault", f"the job's process died (signal {signal.SIGSEGV})"),
    ("kill", "the job's process died (signal 9)"),
    ("leave", "the job's process died (exit code 3)"),
]


def start(workers: Workers, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
    """Start a worker that runs its jobs in children."""
    return workers.start(QUEUE, "--isolation", "process", *arguments, DJANGO_SETTINGS_MODULE=SETTINGS, **environment)


def add(
    queue: RQQueue, workers: Workers, job_id: str, action: str = "ok", seconds: float = 0.0, **options: object
) -> None:
    """Add one job that does as it is told."""
    data = {"ledger": str(workers.ledger.path), "action": action, "seconds": seconds}
    options = {"attempts": 1, "remove_on_complete": None, "remove_on_fail": None, **options}
    queue.add("fault.do.v1", data, JobOptions(job_id=job_id, **options))  # type: ignore[arg-type]


def ended(queue: RQQueue, job_id: str) -> QueueJob[object]:
    """Wait for a job's end and return it."""

    def look() -> QueueJob[object] | None:
        job = queue.get_job(job_id)
        return job if job is not None and job.state in {JobState.COMPLETED, JobState.FAILED} else None

    job = until(look, why=f"{job_id} has ended")
    assert job is not None
    return job


def children(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Return the children of a worker."""
    return psutil.Process(process.pid).children()


def ran_in(workers: Workers, job_id: str) -> list[int]:
    """Return the process of each run of a job."""
    return [int(line[3]) for line in workers.ledger.lines("start") if line[1] == job_id]


def test_a_job_that_crashes_costs_an_attempt_and_no_worker(workers: Workers) -> None:
    """Case B03 c: each crash is a failed attempt with its reason; the worker's pid stays, the others finish."""
    queue = make_queue(workers.valkey)
    backoff = Backoff(kind="fixed", base=timedelta(milliseconds=10))
    for action, _ in CRASHES:
        add(queue, workers, action, action, attempts=2, backoff=backoff)
    for number in range(20):
        add(queue, workers, f"other-{number}")
    worker = start(workers, "--concurrency", "2")

    wait_ended(queue)

    for action, reason in CRASHES:
        job = queue.get_job(action)
        assert job is not None
        assert (job.state, job.failed_reason, job.attempts_made, job.stalls) == (JobState.FAILED, reason, 2, 0)
        assert [attempt.error for attempt in job.attempts] == [reason] * 2
    assert queue.get_stats().completed == 20
    assert workers.ledger.counts("finish") == {f"other-{number}": 1 for number in range(20)}
    assert worker.poll() is None
    assert worker.pid not in {pid for job_id in workers.ledger.counts("start") for pid in ran_in(workers, job_id)}


def test_a_leak_ends_with_its_child(workers: Workers) -> None:
    """Eight jobs leak 20 MB each; the worker's own process grows by less than 10 MB."""
    queue = make_queue(workers.valkey)
    worker = start(workers, "--concurrency", "1")
    add(queue, workers, "warm")
    ended(queue, "warm")
    before = psutil.Process(worker.pid).memory_info().rss
    for number in range(8):
        add(queue, workers, f"leak-{number}", "leak")

    wait_ended(queue)

    assert queue.get_stats().completed == 9
    (child,) = children(worker)
    assert child.memory_info().rss > 160_000_000
    assert psutil.Process(worker.pid).memory_info().rss - before < 10_000_000


@pytest.mark.parametrize("action", ["spin", "hold", "program"])
def test_a_timeout_kills_whatever_runs(workers: Workers, action: str) -> None:
    """Case B10: a busy loop, a C call that keeps the interpreter's lock and a program of the job's are ended."""
    queue = make_queue(workers.valkey)
    add(queue, workers, "endless", action, 100, timeout=timedelta(seconds=1))
    add(queue, workers, "next")
    worker = start(workers, "--concurrency", "1")

    job = ended(queue, "endless")

    assert job.processed_at is not None and job.finished_at is not None
    assert (job.state, job.attempts_made) == (JobState.FAILED, 1)
    assert "timeout" in (job.failed_reason or "")
    assert ended(queue, "next").state is JobState.COMPLETED
    assert worker.poll() is None
    until(lambda: len(psutil.Process(worker.pid).children(recursive=True)) == 1, why="only the new child is left")


def test_the_time_a_child_takes_to_start_is_not_the_jobs(workers: Workers) -> None:
    """A job whose timeout is shorter than the start of its child completes at its first attempt."""
    queue = make_queue(workers.valkey)
    add(queue, workers, "quick", timeout=timedelta(seconds=1))
    start(workers, "--concurrency", "1", FAULTS_START_SECONDS="2")

    assert ended(queue, "quick").state is JobState.COMPLETED


def test_stop_job_kills_the_child(workers: Workers) -> None:
    """RQ's stop-job ends a busy loop as failed on request, and the worker runs the next job."""
    from rq.command import send_command

    queue = make_queue(workers.valkey)
    add(queue, workers, "endless", "spin")
    worker = start(workers, "--concurrency", "1", "--name", "isolated")
    until(lambda: ran_in(workers, "endless"), why="the job runs")
    client = workers.valkey.client()
    until(lambda: client.pubsub_numsub("rq:pubsub:isolated")[0][1], why="the worker listens")

    send_command(client, "isolated", "stop-job", job_id=f"{QUEUE}_xendless")

    assert ended(queue, "endless").failed_reason == "stopped on request"
    add(queue, workers, "next")
    assert ended(queue, "next").state is JobState.COMPLETED
    assert worker.poll() is None
    until(lambda: not psutil.pid_exists(ran_in(workers, "endless")[0]), why="the child is gone")


def test_term_lets_the_child_end_its_job(workers: Workers) -> None:
    """Case B31: within the grace the job completes, though the signal reached the child as well; exit code 0."""
    queue = make_queue(workers.valkey)
    add(queue, workers, "running", "ok", 2)
    worker = start(workers)
    until(lambda: ran_in(workers, "running"), why="the job runs")
    family = [psutil.Process(worker.pid), *children(worker)]

    for process in family:
        process.send_signal(signal.SIGTERM)

    assert worker.wait(60) == 0
    assert workers.ledger.counts("finish") == {"running": 1}
    assert queue.get_stats().completed == 1
    until(lambda: not any(map(psutil.Process.is_running, family[1:])), why="no child is left")


def test_term_twice_kills_the_child_and_puts_its_job_back(workers: Workers) -> None:
    """Case B31: the job waits again at no cost, and its child is gone with the worker."""
    queue = make_queue(workers.valkey)
    add(queue, workers, "running", "spin")
    worker = start(workers, "--concurrency", "1")
    until(lambda: ran_in(workers, "running"), why="the job runs")

    worker.send_signal(signal.SIGTERM)
    until(lambda: "stopping" in workers.logs(), why="the worker has heard the first signal")
    worker.send_signal(signal.SIGTERM)

    assert worker.wait(60) == 0
    job = queue.get_job("running")
    assert job is not None
    assert (job.state, job.attempts_made, job.stalls) == (JobState.WAITING, 0, 0)
    until(lambda: not psutil.pid_exists(ran_in(workers, "running")[0]), why="the child is gone")


def test_children_die_with_a_worker_that_is_killed(workers: Workers) -> None:
    """SIGKILL of the worker ends its children, idle and busy ones, at once."""
    queue = make_queue(workers.valkey)
    add(queue, workers, "endless", "spin")
    worker = start(workers, "--concurrency", "3")
    until(lambda: ran_in(workers, "endless"), why="the job runs")
    until(lambda: len(children(worker)) == 3, why="every thread has its child")
    family = children(worker)

    worker.kill()
    worker.wait(30)

    until(lambda: not any(map(psutil.Process.is_running, family)), 10, why="no child is left")


def test_what_a_job_says_reaches_the_worker_and_the_log(workers: Workers) -> None:
    """Progress, result and log lines with the job's id come through; what it prints breaks nothing."""
    queue = make_queue(workers.valkey)
    add(queue, workers, "speaker", "speak")
    start(workers, "--concurrency", "1")

    job = ended(queue, "speaker")

    assert (job.state, job.progress, job.result) == (JobState.COMPLETED, 50, ran_in(workers, "speaker")[0])
    lines = workers.logs().splitlines()
    assert {"raw words", "printed words"} <= set(lines)
    (logged,) = [json.loads(line) for line in lines if "logged words" in line]
    assert (logged["job_id"], logged["queue"], logged["level"]) == ("speaker", QUEUE, "WARNING")


class Run:
    """A thread's way to run jobs in a child, without a worker around it."""

    def __init__(self, way: InChild, ledger: Path) -> None:
        """Use a queue in memory."""
        self.way, self.ledger = way, ledger
        self.queue = MemoryQueue(QueueConf(name=QUEUE))

    def __call__(self, action: str = "ok", body: bytes | None = None, **options: Any) -> Settlement:
        """Run one job to its outcome."""
        self.queue.add("fault.do.v1", {"ledger": str(self.ledger), "action": action}, JobOptions(**options))
        (delivery,) = self.queue.consumer("test").reserve(1)
        delivery.body = delivery.body if body is None else body
        return self.way.run(delivery, 1024)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run jobs in a child of this thread that is replaced after three jobs."""
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", SETTINGS)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'db.sqlite3'}")
    way = InChild(runs=3)
    way.begin()
    yield Run(way, tmp_path / "ledger")
    way.end()


def test_a_child_is_replaced_after_so_many_jobs(run: Run) -> None:
    """Seven jobs of a child that may run three take three children, and no more than one is left."""
    pids = [int(run().result) for _ in range(7)]

    assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [3, 3, 1]
    assert [child.pid for child in psutil.Process().children() if child.pid in pids] == [pids[-1]]


@pytest.mark.parametrize(
    ("action", "outcome", "error"),
    [
        ("nonsense", Outcome.FAIL, "number from 0 to 100"),
        ("sys-exit", Outcome.FAIL, "SystemExit: no such option"),
        ("surrogates", Outcome.FAIL, "half a character"),
    ],
)
def test_an_error_in_a_child_is_an_attempt(run: Run, action: str, outcome: Outcome, error: str) -> None:
    """Refused progress, an exit and a text that cannot be encoded fail the job; the child runs the next."""
    pid = int(run().result)

    settlement = run(action, attempts=1)

    assert settlement.outcome is outcome
    assert error in settlement.error
    assert int(run().result) == pid


@pytest.mark.parametrize("body", [b"\xff\xfe", b"{", b""])
def test_garbage_reaches_the_child_and_fails_there(run: Run, body: bytes) -> None:
    """Case B24: bytes that are no text fail the job as undecodable, and the child runs the next."""
    settlement = run(body=body)

    assert settlement.outcome is Outcome.FAIL
    assert "cannot be decoded" in settlement.error
    assert run().outcome is Outcome.COMPLETE


def test_a_large_job_passes_the_pipe(run: Run) -> None:
    """A body larger than a pipe's buffer arrives whole."""
    body = json.dumps({"ledger": str(run.ledger)}).encode()

    assert run(body=body + b" " * 1_000_000).outcome is Outcome.COMPLETE


def test_a_child_that_cannot_start_costs_no_attempt(
    run: Run, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A settings error in the child puts the job off at no cost; the next child that starts runs it."""
    run()
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "tests.support.no_such_settings")
    run("kill")

    settlement = run(attempts=1)
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", SETTINGS)
    run(attempts=1)

    assert (settlement.outcome, settlement.counts) == (Outcome.RETRY, False)
    assert "did not start (exit code 1)" in settlement.error
    assert "no_such_settings" in capfd.readouterr().err
    assert run().outcome is Outcome.COMPLETE


@pytest.mark.parametrize("path", [None, "/opt/theirs"])
def test_programs_of_jobs_get_the_environment_of_the_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str | None
) -> None:
    """The path by which the child was found is not passed on to what a job starts."""
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", SETTINGS)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    if path:
        monkeypatch.setenv("PYTHONPATH", path)
    way = InChild()
    way.begin()
    settlement = Run(way, tmp_path / "ledger")("inherit", attempts=1)
    way.end()

    assert f"PYTHONPATH is {path}" in settlement.error
