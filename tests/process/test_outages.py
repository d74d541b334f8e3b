"""Redis restarts, fails over, hangs and is cut off: workers live on, and resume by themselves."""

import subprocess
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
import rq
from rq.command import send_stop_job_command
from rq.serializers import JSONSerializer

from queues.adapters.rq import RQQueue
from queues.adapters.rq.keys import encode_id
from queues.conf import QueueConf
from queues.errors import QueueUnavailable
from queues.jobs import JobState
from tests.support.proxy import Proxy
from tests.support.valkey import Valkey, free_port
from tests.support.wait import until
from tests.support.workers import Workers, add, make_queue, wait_ended

pytestmark = pytest.mark.process
QUEUE = "data-processing"
PASSWORD = "correct-horse-battery"
# Each outage is longer than the lease.
FAST = {"QUEUE_LEASE_SECONDS": "3"}
OUTAGE_SECONDS = 4
RESUME_SECONDS = 30
# As Redis' own tests load slowly: half a second for each hundred keys, and an ear for clients meanwhile.
SLOW_LOADING = ("--key-load-delay", "5000", "--loading-process-events-interval-bytes", "1024")


@pytest.fixture
def server() -> Iterator[Valkey]:
    """A Valkey of the test's own that keeps its data and asks for a password."""
    server = Valkey("--appendonly", "yes", "--requirepass", PASSWORD)
    server.url = server.url.replace("//", f"//:{PASSWORD}@")
    yield server.start()
    server.kill()


@pytest.fixture
def workers(server: Valkey, tmp_path: Path) -> Iterator[Workers]:
    """Worker processes over that server."""
    started = Workers(server, tmp_path)
    yield started
    started.stop()
    print(started.logs())


@pytest.fixture
def proxy(server: Valkey) -> Iterator[Proxy]:
    """A proxy in front of that server."""
    proxy = Proxy(server.port)
    proxy.url = proxy.url.replace("//", f"//:{PASSWORD}@")
    yield proxy
    proxy.close()


def start_ready(workers: Workers, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
    """Start a worker and wait until it works."""
    before = workers.valkey.client().scard("rq:workers")
    worker = workers.start(*(arguments or (QUEUE,)), **{**FAST, **environment})
    until(lambda: workers.valkey.client().scard("rq:workers") > before, why="the worker is registered")
    return worker


def pass_time(worker: subprocess.Popen[bytes], workers: Workers, seconds: int = OUTAGE_SECONDS) -> None:
    """Let the seconds pass; Case B57: meanwhile the worker lives, uses little CPU and logs a line a second at most."""
    said = workers.logs().count("\n")
    cpu = psutil.Process(worker.pid).cpu_percent(interval=seconds)
    assert worker.poll() is None
    assert cpu < 20
    assert workers.logs().count("\n") - said <= seconds * sum(each.poll() is None for each in workers.processes)


def check_logs(workers: Workers) -> None:
    """Case B57: logs hold neither the password nor payloads (each has the ledger's path), and no traceback."""
    logs = workers.logs()
    assert "provider unavailable" in logs
    assert not any(secret in logs for secret in (PASSWORD, str(workers.ledger.path), "Traceback"))


def state_of(queue: RQQueue, job_id: str) -> JobState | None:
    """Return a job's state."""
    job = queue.get_job(job_id)
    return job and job.state


def test_an_idle_worker_outlives_a_restart(workers: Workers) -> None:
    """Case B51: idle while Redis is down and then loads its data, it takes the next job and is seen again."""
    queue, server = make_queue(workers.valkey), workers.valkey
    worker = start_ready(workers)
    server.client().mset({f"key-{number}": number for number in range(300)})

    server.kill()
    pass_time(worker, workers)
    server.arguments += SLOW_LOADING
    server.start()
    add(queue, workers.ledger, "after")

    until(lambda: workers.ledger.counts("finish")["after"], RESUME_SECONDS, why="the worker has resumed")
    until(lambda: "provider available again" in workers.logs(), RESUME_SECONDS, why="it says so")
    assert worker.poll() is None
    check_logs(workers)


def test_a_job_that_runs_through_a_restart_ends_once(workers: Workers) -> None:
    """Case B51: away for longer than its lease, with two workers there to take it, the job runs once and completes."""
    queue, server = make_queue(workers.valkey), workers.valkey
    worker = start_ready(workers)
    add(queue, workers.ledger, "running", seconds=OUTAGE_SECONDS + 5)
    until(lambda: workers.ledger.counts("start")["running"], why="the job has started")
    for _ in range(2):
        start_ready(workers)

    server.kill()
    pass_time(worker, workers)
    server.start()
    until(lambda: workers.ledger.counts("finish")["running"], why="the job has ended")
    until(lambda: queue.get_stats().completed, RESUME_SECONDS, why="the job is completed")

    job = queue.get_job("running")
    assert job is not None and (job.state, job.stalls, job.attempts_made) == (JobState.COMPLETED, 0, 1)
    assert workers.ledger.counts("start") == {"running": 1}
    check_logs(workers)


def test_a_job_that_ends_during_a_restart_is_completed_after_it(workers: Workers) -> None:
    """Case B51: an outcome that cannot be told is kept and told later, and the job does not run again."""
    queue, server = make_queue(workers.valkey), workers.valkey
    worker = start_ready(workers)
    add(queue, workers.ledger, "running", seconds=1)
    until(lambda: workers.ledger.counts("start")["running"], why="the job has started")

    server.kill()
    pass_time(worker, workers)
    assert workers.ledger.counts("finish") == {"running": 1}
    server.start()
    until(lambda: queue.get_stats().completed, RESUME_SECONDS, why="the job is completed")

    assert state_of(queue, "running") is JobState.COMPLETED
    assert workers.ledger.counts("start") == {"running": 1}


def test_delayed_jobs_that_fall_due_during_a_restart_run_after_it(workers: Workers) -> None:
    """Case B51: the promotion of delayed jobs needs nobody who survived the restart."""
    queue, server = make_queue(workers.valkey), workers.valkey
    worker = start_ready(workers)
    due = [f"due-{number}" for number in range(3)]
    for number, job_id in enumerate(due):
        add(queue, workers.ledger, job_id, delay=timedelta(seconds=2 + number / 2))

    server.kill()
    pass_time(worker, workers)
    assert not workers.ledger.counts("start")
    server.start()

    until(lambda: set(workers.ledger.counts("finish")) == set(due), RESUME_SECONDS, why="the due jobs have run")
    assert workers.ledger.counts("start") == dict.fromkeys(due, 1)


def test_workers_sit_out_a_failover(workers: Workers) -> None:
    """Case B51: READONLY and UNBLOCKED replies end no worker, busy or idle; due and running jobs end once."""
    queue, server = make_queue(workers.valkey), workers.valkey
    idle = make_queue(server, "file-processing")
    worker = start_ready(workers)
    for _ in range(2):
        start_ready(workers, idle.name)
    add(queue, workers.ledger, "running", seconds=OUTAGE_SECONDS + 4)
    until(lambda: workers.ledger.counts("start")["running"], why="the job has started")
    add(queue, workers.ledger, "due", delay=timedelta(seconds=1))

    server.client().replicaof("127.0.0.1", free_port())
    pass_time(worker, workers)
    server.client().replicaof("NO", "ONE")
    add(idle, workers.ledger, "elsewhere")
    for job_id in ("due", "elsewhere"):
        until(lambda job_id=job_id: workers.ledger.counts("finish")[job_id], RESUME_SECONDS, why=f"{job_id} has run")
    wait_ended(queue)

    assert workers.ledger.counts("start") == {"running": 1, "due": 1, "elsewhere": 1}
    assert (queue.get_stats().completed, queue.get_stats().failed) == (2, 0)
    assert all(process.poll() is None for process in workers.processes)
    check_logs(workers)


def stop_job(workers: Workers, queue: RQQueue, job_id: str) -> None:
    """Send RQ's stop-job until it is heard: Redis keeps no message for a channel that nobody listens on."""

    def stopped() -> bool:
        if state_of(queue, job_id) is JobState.FAILED:
            return True
        send_stop_job_command(workers.valkey.client(), encode_id(QUEUE, job_id), serializer=JSONSerializer)
        return False

    until(stopped, RESUME_SECONDS, every=0.5, why="the job was stopped")


def test_commands_are_heard_after_a_restart(workers: Workers) -> None:
    """Case B51: RQ's stop-job still reaches a worker whose Redis was restarted."""
    queue, server = make_queue(workers.valkey), workers.valkey
    start_ready(workers)
    add(queue, workers.ledger, "endless", seconds=600, timeout=timedelta(hours=1))
    until(lambda: workers.ledger.counts("start")["endless"], why="the job has started")

    server.kill()
    until(lambda: "provider unavailable" in workers.logs(), why="the worker has seen it")
    server.start()

    stop_job(workers, queue, "endless")


@pytest.mark.parametrize("fault", ["freeze", "silence"])
def test_connections_that_hang_are_made_anew(workers: Workers, proxy: Proxy, fault: str) -> None:
    """Case B51: half-open connections, and a network that swallows all: the next job runs and commands are heard."""
    queue = make_queue(workers.valkey)
    worker = start_ready(workers, REDIS_URL=proxy.url)
    add(queue, workers.ledger, "before")
    wait_ended(queue)

    getattr(proxy, fault)()
    add(queue, workers.ledger, "endless", seconds=600, timeout=timedelta(hours=1))
    pass_time(worker, workers, 8)
    if fault == "silence":
        assert not workers.ledger.counts("start")["endless"]
        proxy.mend()

    until(lambda: workers.ledger.counts("start")["endless"], RESUME_SECONDS, why="the worker has resumed")
    stop_job(workers, queue, "endless")
    check_logs(workers)


def test_a_network_that_flaps_floods_no_log(workers: Workers, proxy: Proxy) -> None:
    """Case B57: connections cut twenty times a second mean a line a second at most, and every job ends."""
    queue = make_queue(workers.valkey)
    start_ready(workers, REDIS_URL=proxy.url, QUEUE_CRASH_LIMIT="1000")
    ids = [f"job-{number}" for number in range(20)]
    said, end = workers.logs().count("\n"), time.monotonic() + OUTAGE_SECONDS

    def flap() -> bool:
        proxy.freeze()
        proxy.mend()
        return time.monotonic() > end

    for number, job_id in enumerate(ids):
        delay = timedelta(seconds=number / len(ids) * OUTAGE_SECONDS)
        add(queue, workers.ledger, job_id, seconds=0.2, delay=delay, remove_on_complete=None)
    until(flap, every=0.05, why="the time is over")
    assert workers.logs().count("\n") - said <= OUTAGE_SECONDS + 1
    wait_ended(queue)

    assert (queue.get_stats().completed, queue.get_stats().failed) == (len(ids), 0)
    assert set(workers.ledger.counts("finish")) == set(ids)


def test_a_worker_may_start_before_redis(workers: Workers) -> None:
    """Case B51: started while Redis is down, it waits, and works when Redis is there."""
    queue, server = make_queue(workers.valkey), workers.valkey
    server.kill()
    worker = workers.start(QUEUE, **FAST)
    until(lambda: "provider unavailable" in workers.logs(), why="the worker misses Redis")
    pass_time(worker, workers, 3)
    server.start()
    add(queue, workers.ledger, "first")

    until(lambda: workers.ledger.counts("finish")["first"], RESUME_SECONDS, why="the worker works")


def test_an_idle_wait_is_no_outage(workers: Workers) -> None:
    """Case B49: idle for longer than redis-py's 5 s, it logs nothing and takes the next job within two seconds."""
    queue = make_queue(workers.valkey)
    worker = start_ready(workers)
    said = workers.logs()

    psutil.Process(worker.pid).cpu_percent(interval=12)
    assert workers.logs() == said
    add(queue, workers.ledger, "next")
    until(lambda: state_of(queue, "next") is JobState.COMPLETED, why="the job has run")

    job = queue.get_job("next")
    assert job is not None and job.processed_at is not None
    assert job.processed_at - job.created_at < timedelta(seconds=2)


def test_term_twice_ends_a_worker_without_redis(workers: Workers) -> None:
    """Case B51: what cannot be settled is left to its lease; after the restart the job runs again and completes."""
    queue, server = make_queue(workers.valkey), workers.valkey
    worker = start_ready(workers, QUEUE_GRACE="60000")
    add(queue, workers.ledger, "unsettled", seconds=1)
    until(lambda: workers.ledger.counts("start")["unsettled"], why="the job has started")
    server.kill()
    until(lambda: workers.ledger.counts("finish")["unsettled"], why="the job has ended")

    worker.terminate()
    pass_time(worker, workers, 2)
    worker.terminate()
    assert worker.wait(15) == 0
    server.start()
    workers.start(QUEUE, **FAST)
    wait_ended(queue)

    assert (queue.get_stats().completed, queue.get_stats().failed) == (1, 0)


def test_term_ends_an_idle_worker_whose_redis_hangs(workers: Workers, proxy: Proxy) -> None:
    """Case B51: the time-outs of a worker's eight queues do not add up beyond what a supervisor waits."""
    worker = start_ready(workers, "--name", "all-queues", REDIS_URL=proxy.url)
    proxy.silence()

    worker.terminate()

    assert worker.wait(28) == 0


def registered(workers: Workers) -> set[int]:
    """Return the process ids of the workers that RQ's tools see."""
    return {worker.pid for worker in rq.Worker.all(connection=workers.valkey.client())}


def test_killed_workers_leave_the_registry(workers: Workers) -> None:
    """Case B37: kill -9 all and start as many; within a minute RQ's tools see those that live, and no others."""
    for _ in range(3):
        start_ready(workers)
    for worker in workers.processes:
        worker.kill()
        worker.wait(30)
    living = {workers.start(QUEUE).pid for _ in range(3)}

    until(lambda: registered(workers) == living, 60, every=0.2, why="the living workers are registered, and only they")


def test_workers_outlive_the_loss_of_all_data(workers: Workers) -> None:
    """Case B37: after FLUSHALL, with the scripts gone too, the workers are seen again and take jobs."""
    queue, client = make_queue(workers.valkey), workers.valkey.client()
    for _ in range(2):
        start_ready(workers, QUEUE, "--concurrency", "1")
    add(queue, workers.ledger, "running", seconds=2)
    until(lambda: workers.ledger.counts("start")["running"], why="the job has started")

    client.flushall()
    client.script_flush()
    for job_id in ("first", "second"):
        add(queue, workers.ledger, job_id)

    living = {worker.pid for worker in workers.processes}
    until(lambda: registered(workers) == living, 60, why="the workers are registered again")
    until(lambda: workers.ledger.counts("finish")["running"], why="what ran has ended")
    add(queue, workers.ledger, "third")
    wait_ended(queue)
    assert workers.ledger.counts("start") == dict.fromkeys(["running", "first", "second", "third"], 1)
    assert queue.get_stats().completed == 3
    assert all(worker.poll() is None for worker in workers.processes)


@pytest.mark.parametrize("fault", ["refused", "password", "readonly", "hostname", "down"])
def test_errors_name_neither_host_nor_password(server: Valkey, fault: str) -> None:
    """Case B57: whatever is wrong with Redis, QueueUnavailable's text is safe to show."""
    url = {
        "refused": f"redis://:{PASSWORD}@127.0.0.1:{free_port()}/0",
        "password": server.url.replace(PASSWORD, "secret-but-wrong"),
        "hostname": f"redis://:{PASSWORD}@redis.invalid:6379/0",
    }.get(fault, server.url)
    queue = RQQueue(QueueConf(name=QUEUE, connection={"URL": url}))
    if fault == "readonly":
        server.client().replicaof("127.0.0.1", free_port())
    if fault == "down":
        assert queue.get_stats().waiting == 0
        server.kill()

    with pytest.raises(QueueUnavailable) as raised:
        queue.add("work.do.v1", {})

    text = f"{raised.value} {raised.value.message}"
    assert not any(word in text for word in (PASSWORD, "secret-but-wrong", "127.0.0.1", "redis.invalid", "6379"))
