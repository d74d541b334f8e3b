"""The commands that run, hold and sweep queues, and those of RQ's tools that a worker obeys."""

import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from rq.command import send_shutdown_command, send_stop_job_command
from rq.serializers import JSONSerializer

from queues.adapters.rq.keys import encode_id
from queues.jobs import JobState
from tests.support.commands import manage, running
from tests.support.valkey import free_port
from tests.support.wait import until
from tests.support.workers import Workers, add, make_queue, wait_ended

pytestmark = pytest.mark.process
QUEUE = "data-processing"
OTHER = "file-processing"
RQ = str(Path(sys.executable).with_name("rq"))


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


def test_a_thread_that_will_not_end_ends_with_its_process(workers: Workers) -> None:
    """Case B10: under steady work the same process starts anew; Case B31: one that is told to stop meanwhile ends."""
    queues = [make_queue(workers.valkey, name) for name in (QUEUE, OTHER)]
    for queue in queues:
        add(queue, workers.ledger, f"stuck-{queue.name}", "swallow", 600, attempts=1, timeout=timedelta(seconds=1))
    replaced = workers.start(QUEUE, "--concurrency", "2", QUEUE_GRACE="2000")
    told = workers.start(OTHER, "--concurrency", "2", QUEUE_GRACE="5000")
    until(lambda: running(workers, f"stuck-{OTHER}"), why="the job runs")
    add(queues[1], workers.ledger, "long", seconds=600)

    def logged(worker: int, words: str) -> int:
        return (workers.folder / f"worker-{worker}.log").read_text().count(words)

    def fed(worker: int) -> bool:
        if not queues[0].get_stats().waiting:
            add(queues[0], workers.ledger, str(uuid4()), seconds=0.2)
        return logged(worker, "draining to be replaced") > 0

    until(lambda: fed(1) and fed(2), why="both drain")
    told.send_signal(signal.SIGTERM)
    until(lambda: logged(1, '"worker started"') == 2, why="the one has started anew")

    assert replaced.poll() is None
    add(queues[0], workers.ledger, "after")
    until(lambda: workers.ledger.counts("finish")["after"], why="the new process works")
    assert told.wait(60) == 0
    long = queues[1].get_job("long")
    assert long is not None
    assert (long.state, long.attempts_made) == (JobState.WAITING, 0)
    assert logged(2, '"worker started"') == 1
    assert workers.ledger.counts("start")[f"stuck-{QUEUE}"] == 1


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
