"""The commands that run, hold and sweep queues, and those of RQ's tools that a worker obeys."""

import json
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
from rq.command import send_shutdown_command, send_stop_job_command
from rq.serializers import JSONSerializer

from queues.adapters.rq.keys import encode_id
from queues.jobs import JobState
from tests.support.valkey import free_port
from tests.support.wait import until
from tests.support.workers import ROOT, Workers, add, make_queue, wait_ended

pytestmark = pytest.mark.process
QUEUE = "data-processing"
OTHER = "file-processing"
SETTINGS = "tests.support.faults.settings"
RQ = str(Path(sys.executable).with_name("rq"))


def manage(workers: Workers, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a management command to its end."""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=workers.environment(**{"DJANGO_SETTINGS_MODULE": SETTINGS, **environment}),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def running(workers: Workers, job_id: str) -> bool:
    """Say whether a job has started."""
    return bool(workers.ledger.counts("start")[job_id])


def up(workers: Workers, name: str) -> None:
    """Wait until a worker of that name hears commands."""
    client = workers.valkey.client()
    until(lambda: client.pubsub_numsub(f"rq:pubsub:{name}")[0][1], why=f"{name} listens")


# How a worker ends


def test_burst_ends_with_the_queues(workers: Workers) -> None:
    """Every waiting job runs, a delayed one is left, and the exit code is 0."""
    queue = make_queue(workers.valkey)
    for number in range(30):
        add(queue, workers.ledger, f"job-{number}", remove_on_complete=None)
    add(queue, workers.ledger, "delayed", delay=timedelta(hours=1))

    assert workers.start(QUEUE, "--burst").wait(60) == 0
    stats = queue.get_stats()
    assert (stats.completed, stats.delayed, stats.waiting) == (30, 1, 0)


def test_max_jobs_is_exact(workers: Workers) -> None:
    """Of ten jobs three are taken, whatever the threads could run; exit code 0."""
    queue = make_queue(workers.valkey)
    for number in range(10):
        add(queue, workers.ledger, f"job-{number}")

    assert workers.start(QUEUE, "--max-jobs", "3").wait(60) == 0
    stats = queue.get_stats()
    assert (stats.completed, stats.waiting, stats.active) == (3, 7, 0)
    assert len(workers.ledger.lines("start")) == 3


def test_max_idle_time_ends_an_idle_worker_only(workers: Workers) -> None:
    """A job that takes longer than the idle time is not idleness; afterwards the worker ends with exit code 0."""
    queue = make_queue(workers.valkey)
    add(queue, workers.ledger, "long", seconds=2.5)

    assert workers.start(QUEUE, "--max-idle-time", "1").wait(60) == 0
    assert workers.ledger.counts("finish") == {"long": 1}


def test_name_and_pid_are_what_was_asked_for(workers: Workers, tmp_path: Path) -> None:
    """The record has the name, and the file the process id."""
    worker = workers.start(QUEUE, "--name", "front-1", "--pid", str(tmp_path / "pid"))
    up(workers, "front-1")

    assert (tmp_path / "pid").read_text() == str(worker.pid)
    assert workers.valkey.client().hget("rq:worker:front-1", "pid") == str(worker.pid).encode()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("no-such-queue",), ("no-such-queue", "there are", QUEUE, OTHER)),
        ((QUEUE, "--concurrency", "0"), ("--concurrency", "'0'", "at least 1")),
        ((QUEUE, "--max-jobs", "-1"), ("--max-jobs", "at least 1")),
        ((QUEUE, "--isolation", "fork"), ("--isolation", "thread", "process")),
        ((QUEUE, "--pid", "/no/such/folder/pid"), ("--pid", "/no/such/folder/pid", "cannot be written")),
    ],
)
def test_a_wrong_argument_is_named(workers: Workers, arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    """The error says what would be right, without a traceback, and the exit code is not 0."""
    result = manage(workers, "rqworker", *arguments)

    assert result.returncode != 0
    assert not [word for word in words if word not in result.stderr]
    assert "Traceback" not in result.stderr


def test_django_rqs_options_are_taken(workers: Workers) -> None:
    """A command line that django-rq's rqworker takes starts ours; jobs stay JSON whatever it asks for."""
    queue = make_queue(workers.valkey)
    add(queue, workers.ledger, "job")
    theirs = ("--serializer", "rq.serializers.DefaultSerializer", "--worker-ttl", "420", "--with-scheduler")
    theirs += ("--queue-class", "django_rq.queues.DjangoRQ", "--job-class", "rq.job.Job")

    assert manage(workers, "rqworker", QUEUE, "--burst", *theirs).returncode == 0
    assert workers.ledger.counts("finish") == {"job": 1}


def test_a_thread_that_will_not_end_is_replaced_with_its_process(workers: Workers) -> None:
    """Case B10: the same process starts anew, though other jobs never let the worker be idle, and goes on."""
    queue = make_queue(workers.valkey)
    add(queue, workers.ledger, "stuck", "swallow", 600, attempts=1, timeout=timedelta(seconds=1))
    worker = workers.start(QUEUE, "--concurrency", "2", QUEUE_GRACE="2000")

    def feed() -> bool:
        if not queue.get_stats().waiting:
            queue.add("work.do.v1", {"ledger": str(workers.ledger.path), "action": "ok", "seconds": 0.2})
        return workers.logs().count('"worker started"') > 1

    until(feed, why="the process has started anew")

    assert worker.poll() is None
    add(queue, workers.ledger, "after")
    until(lambda: workers.ledger.counts("finish")["after"], why="the new process works")
    assert workers.ledger.counts("start")["stuck"] == 1


def test_a_worker_that_is_to_be_replaced_still_obeys_term(workers: Workers) -> None:
    """Case B31: TERM while it drains for a thread that will not end gives the grace and starts nothing anew."""
    queue = make_queue(workers.valkey)
    add(queue, workers.ledger, "stuck", "swallow", 600, attempts=1, timeout=timedelta(seconds=1))
    worker = workers.start(QUEUE, "--concurrency", "2")
    until(lambda: running(workers, "stuck"), why="the job runs")
    add(queue, workers.ledger, "last", seconds=20)
    until(lambda: "draining to be replaced" in workers.logs(), why="the worker drains")

    worker.send_signal(signal.SIGTERM)

    assert worker.wait(60) == 0
    assert workers.ledger.counts("finish") == {"last": 1}
    assert workers.logs().count('"worker started"') == 1


# RQ's commands


@pytest.mark.parametrize("tool", ["rq", "django-rq"])
def test_suspend_holds_every_queue_until_resume(workers: Workers, tool: str) -> None:
    """A worker that was waiting for jobs takes none of two queues, delayed ones neither; after resume all run."""
    queues = [make_queue(workers.valkey, name) for name in (QUEUE, OTHER)]
    workers.start(QUEUE, OTHER, "--name", "held")
    up(workers, "held")
    client = workers.valkey.client()

    def command(word: str) -> None:
        if tool == "rq":
            subprocess.run([RQ, word, "--url", workers.valkey.url], check=True, capture_output=True, timeout=60)
        else:
            result = manage(workers, f"rq{word}")
            assert result.returncode == 0, result.stderr

    command("suspend")
    for queue in queues:
        add(queue, workers.ledger, f"{queue.name}-now")
        add(queue, workers.ledger, f"{queue.name}-soon", delay=timedelta(milliseconds=1))
    beats = client.hget("rq:worker:held", "last_heartbeat")
    until(lambda: client.hget("rq:worker:held", "last_heartbeat") != beats, why="the held worker lives on")

    assert workers.ledger.lines("start") == []
    command("resume")
    for queue in queues:
        wait_ended(queue)
    assert set(workers.ledger.counts("finish").values()) == {1}
    assert len(workers.ledger.counts("finish")) == 4


def test_suspend_may_end_by_itself(workers: Workers) -> None:
    """With --duration jobs start again after so many seconds, without resume."""
    assert manage(workers, "rqsuspend", "--duration", "1").returncode == 0
    queue = make_queue(workers.valkey)
    add(queue, workers.ledger, "held")
    workers.start(QUEUE)

    wait_ended(queue)

    assert workers.ledger.counts("finish") == {"held": 1}
    assert manage(workers, "rqsuspend", "--duration", "0").returncode != 0


def test_each_command_says_that_redis_is_away(workers: Workers) -> None:
    """One sentence, no traceback, exit code 1."""
    for command in ("rqsuspend", "rqresume", "rqstats", "sweep"):
        away = {"REDIS_URL": f"redis://:p4ss@127.0.0.1:{free_port()}/0", "DJANGO_SETTINGS_MODULE": "mqproject.settings"}
        result = manage(workers, command, **away)
        assert result.returncode == 1
        assert "did not answer" in result.stderr
        assert "Traceback" not in result.stderr and "p4ss" not in result.stderr


def test_stop_job_ends_a_running_job_and_not_the_worker(workers: Workers) -> None:
    """RQ's stop-job fails the job with the reason, attempts left or not; the worker runs the next."""
    queue = make_queue(workers.valkey)
    add(queue, workers.ledger, "endless", "swallow", 4, attempts=5)
    worker = workers.start(QUEUE, "--concurrency", "1", "--name", "stopper")
    up(workers, "stopper")
    until(lambda: running(workers, "endless"), why="the job runs")

    send_stop_job_command(workers.valkey.client(), encode_id(QUEUE, "endless"), serializer=JSONSerializer)

    until(lambda: queue.get_stats().failed, why="the job has failed")
    job = queue.get_job("endless")
    assert job is not None
    assert (job.failed_reason, job.attempts_made) == ("stopped on request", 1)
    add(queue, workers.ledger, "next")
    until(lambda: workers.ledger.counts("finish")["next"], why="the next job has run")
    assert worker.poll() is None


def test_the_shutdown_command_is_a_term(workers: Workers) -> None:
    """RQ's shutdown lets the running job end; exit code 0."""
    queue = make_queue(workers.valkey)
    add(queue, workers.ledger, "running", seconds=1)
    worker = workers.start(QUEUE, "--name", "leaver")
    up(workers, "leaver")
    until(lambda: running(workers, "running"), why="the job runs")

    send_shutdown_command(workers.valkey.client(), "leaver")

    assert worker.wait(60) == 0
    assert workers.ledger.counts("finish") == {"running": 1}


def test_an_unreadable_command_ends_nothing(workers: Workers) -> None:
    """Whoever publishes nonsense to a worker's channel is logged, and the worker obeys the next command."""
    worker = workers.start(QUEUE, "--name", "listener")
    up(workers, "listener")
    client = workers.valkey.client()
    for nonsense in (b"\xff", b"{", b"[]", b'"x"', b"null", b'{"command": 1}', b'{"command": "kill-horse"}'):
        client.publish("rq:pubsub:listener", nonsense)

    send_shutdown_command(client, "listener")

    assert worker.wait(60) == 0
    assert "Traceback" not in workers.logs()


# rqworker-pool


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


def test_a_pool_ends_on_term_and_its_jobs_end_first(workers: Workers) -> None:
    """Case B31: though each worker gets two signals, the system's and the pool's, running jobs complete."""
    queue = make_queue(workers.valkey)
    process = pool(workers)
    family = [psutil.Process(process.pid), *members(workers, process)]
    for number in range(4):
        add(queue, workers.ledger, f"job-{number}", seconds=3)
    until(lambda: len(workers.ledger.lines("start")) == 4, why="the jobs run")

    for member in family:
        member.send_signal(signal.SIGTERM)

    assert process.wait(60) == 0
    assert not any(map(psutil.Process.is_running, family[1:]))
    assert sorted(workers.ledger.counts("finish")) == [f"job-{number}" for number in range(4)]
    stats = queue.get_stats()
    assert (stats.completed, stats.waiting, stats.active) == (4, 0, 0)


def test_a_pool_in_burst_mode_ends_with_the_queues(workers: Workers) -> None:
    """Every job runs once; exit code 0."""
    queue = make_queue(workers.valkey)
    for number in range(40):
        add(queue, workers.ledger, f"job-{number}")

    assert pool(workers, "--burst").wait(60) == 0
    assert workers.ledger.counts("start") == {f"job-{number}": 1 for number in range(40)}


# sweep


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
