"""RQ's and django-rq's own tools read our queues and workers, and change nothing by looking."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django_rq.contrib.prometheus import RQCollector
from django_rq.workers import get_worker_class
from rq import Queue, SimpleWorker
from rq import Worker as StockWorker
from rq.executions import Execution
from rq.job import Job, JobStatus
from rq.registry import FailedJobRegistry, FinishedJobRegistry, ScheduledJobRegistry, StartedJobRegistry
from rq.serializers import JSONSerializer

from queues.adapters.rq.keys import encode_id
from queues.jobs import JobOptions, JobState
from queues.metadata import JobMetadata
from queues.priorities import Priority
from tests.support.wait import until
from tests.support.workers import ROOT, Workers, add, make_queue

pytestmark = pytest.mark.process
NAME, OTHER = "data-processing", "file-processing"  # django-rq's first and second
RQ = str(Path(sys.executable).with_name("rq"))
LEASE = timedelta(seconds=1)
REGISTRIES = (StartedJobRegistry, FinishedJobRegistry, FailedJobRegistry, ScheduledJobRegistry)
LISTS = ("finished", "failed", "scheduled", "started", "deferred")
PAGES = ("jobs", "queue_details", "workers", *(f"{name}_jobs" for name in LISTS))


def contents(server: redis.Redis) -> dict[bytes, tuple[bytes, bytes | None, bool]]:
    """Return every key with its type, its value, and whether it expires."""
    return {key: (server.type(key), server.dump(key), server.ttl(key) >= 0) for key in server.scan_iter()}


def rq_id(job_id: str) -> str:
    """Return a job's id as RQ has it."""
    return encode_id(NAME, job_id)


def fill(workers: Workers) -> list[str]:
    """Put jobs in every state and level, under leases that lapse, and return their ids."""
    queue = make_queue(workers.valkey, lease=LEASE)
    for job_id in ("completed", "failed", "retried", "reserved", "reserved-too"):
        add(queue, workers.ledger, job_id, remove_on_complete=None, remove_on_fail=None)
    completed, failed, retried, *_ = queue.consumer("somebody").reserve(5)
    completed.complete(b'{"rows": 3}')
    failed.fail("ValueError: no")
    retried.retry(timedelta(hours=1), "ValueError: not yet")
    for level in Priority:
        add(queue, workers.ledger, f"waiting-{level.name.lower()}", priority=level)
    add(queue, workers.ledger, "delayed", delay=timedelta(hours=1))
    levels = [f"waiting-{level.name.lower()}" for level in Priority]
    return ["completed", "failed", "retried", "reserved", "reserved-too", *levels, "delayed"]


def read_pages(workers: Workers) -> None:
    """Open django-rq's pages as they are mounted."""
    looker = Client()
    looker.force_login(User.objects.create_superuser("looker"))
    urls = [reverse(f"django_rq:{page}", args=[index]) for page in PAGES for index in (0, 1)]
    urls += [reverse("django_rq:home")]
    keys = [key.decode() for key in workers.valkey.client().smembers("rq:workers")]
    urls += [reverse("django_rq:worker_details", args=[0, key]) for key in keys]
    ids = [key.decode().removeprefix("rq:job:") for key in workers.valkey.client().scan_iter("rq:job:*")]
    urls += [reverse("django_rq:job_detail", args=[0, job_id]) for job_id in ids]
    assert len(urls) > 15
    assert {url: looker.get(url).status_code for url in urls} == dict.fromkeys(urls, 200)


def run(workers: Workers, *command: str) -> str:
    """Run a tool and return what it printed."""
    environment = workers.environment(DJANGO_SETTINGS_MODULE="mqproject.settings")
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def read_stats(workers: Workers) -> None:
    """Run `manage.py rqstats` in each of its forms."""
    (counts,) = [
        queue
        for queue in json.loads(run(workers, sys.executable, "manage.py", "rqstats", "--json"))["queues"]
        if queue["name"] == NAME
    ]
    assert (counts["finished_jobs"], counts["failed_jobs"], counts["scheduled_jobs"]) == (1, 1, 2)
    assert counts["started_jobs"] >= 2
    assert NAME in run(workers, sys.executable, "manage.py", "rqstats")


def read_info(workers: Workers) -> None:
    """Run `rq info` in each of its forms."""
    assert NAME in run(workers, RQ, "info", "--url", workers.valkey.url)
    for form in ("--raw", "--by-queue", "--only-queues", "--only-workers"):
        run(workers, RQ, "info", "--url", workers.valkey.url, form)


def read_registries(workers: Workers) -> None:
    """Count and list every registry in the ways that clean up, with RQ's pickling default and without."""
    server = workers.valkey.client()
    for registry_class in REGISTRIES:
        for registry in (registry_class(NAME, server, serializer=JSONSerializer), registry_class(NAME, server)):
            assert registry.count == len(registry) == len(registry.get_job_ids())
            registry.cleanup()
    assert StartedJobRegistry(NAME, server).count >= 2


def read_queue(workers: Workers) -> None:
    """Ask RQ's queue for its jobs, and each job for its status."""
    queue = Queue(NAME, connection=workers.valkey.client(), serializer=JSONSerializer)
    assert queue.count == len(queue.get_job_ids()) == 1
    assert [job.get_status() for job in queue.get_jobs()] == [JobStatus.QUEUED]
    assert Queue.all(connection=workers.valkey.client(), serializer=JSONSerializer)


def read_workers(workers: Workers) -> None:
    """Ask RQ for its workers, in its class and in ours, and each for its job."""
    server = workers.valkey.client()
    for worker_class in (StockWorker, SimpleWorker, get_worker_class()):
        for worker in worker_class.all(server, serializer=JSONSerializer):
            assert worker.get_state()
            worker.get_current_job_id()
            worker.get_current_job()
        assert worker_class.count(server) >= 1


def scrape(workers: Workers) -> None:
    """Scrape django-rq's collector; without its client library, read what it reads and in the same way."""
    if RQCollector is not None:
        assert {family.name for family in RQCollector().collect()} >= {"rq_workers", "rq_jobs"}
    server = workers.valkey.client()
    for worker in get_worker_class().all(server):
        assert worker.name and worker.queue_names()
        assert worker.successful_job_count + worker.failed_job_count + worker.total_working_time >= 0
    queue = Queue(NAME, connection=server, serializer=JSONSerializer)
    counts = [queue.count, queue.started_job_registry.count, queue.finished_job_registry.count]
    counts += [queue.failed_job_registry.count, queue.deferred_job_registry.count, queue.scheduled_job_registry.count]
    assert min(counts) >= 0


TOOLS: list[Callable[[Workers], None]] = [
    *(read_pages, read_stats, read_info, read_registries, read_queue, read_workers, scrape),
]


@pytest.fixture
def lapsed(workers: Workers, rq_queues: object, transactional_db: None) -> Iterator[Workers]:
    """Jobs in every state, a worker frozen in its job, and leases that have all lapsed, with nobody to sweep."""
    frozen = workers.start(OTHER, "--name", "frozen", QUEUE_LEASE_SECONDS="1")
    other = make_queue(workers.valkey, OTHER, lease=LEASE)
    add(other, workers.ledger, "frozen", seconds=600)
    until(lambda: workers.ledger.counts("start")["frozen"], why="the job runs")
    server = workers.valkey.client()
    until(lambda: server.exists("rq:worker:frozen:executions"), why="the record says so")
    frozen.send_signal(signal.SIGSTOP)
    # A slow machine must not take the record's end for a change.
    for key in server.scan_iter("rq:*frozen*"):
        server.expire(key, 600)
    # Only now, for the worker would sweep these too.
    fill(workers)

    def have_lapsed() -> bool:
        now = server.time()[0]
        leases = [
            score for name in (NAME, OTHER) for _, score in server.zrange(f"rq:wip:{name}", 0, -1, withscores=True)
        ]
        # As lua/common.lua has it: RQ must not take a lease's end for an expiry of its own.
        return len(leases) == 3 and max(leases) - 3_155_760_000 < now

    until(have_lapsed, why="every lease has lapsed")
    yield workers
    frozen.send_signal(signal.SIGCONT)


def test_looking_changes_nothing(lapsed: Workers) -> None:
    """No lapsed lease is failed or retried, no job forgotten, no key written by a tool that reads."""
    server = lapsed.valkey.client()
    before = contents(server)

    for tool in TOOLS:
        tool(lapsed)

        assert contents(server) == before, f"{tool.__name__} changed something"


def test_looking_while_leases_lapse_fails_no_job(workers: Workers, rq_queues: object, transactional_db: None) -> None:
    """Tools that clean up read again and again until the leases held at first have lapsed."""
    frozen = workers.start(OTHER, "--name", "idle")
    until(lambda: workers.valkey.client().scard("rq:workers"), why="a worker is there to be looked at")
    # It would sweep these queues too.
    frozen.send_signal(signal.SIGSTOP)
    fill(workers)
    queue = make_queue(workers.valkey, lease=LEASE)
    queue.consumer("holder").reserve(5)
    server = workers.valkey.client()
    ends = server.time()[0] + LEASE.total_seconds() + 1

    def read_beyond_the_end() -> bool:
        over: bool = server.time()[0] > ends
        for tool in (read_registries, read_workers, scrape):
            tool(workers)
        return over

    until(read_beyond_the_end, why="the leases have lapsed")

    assert queue.get_stats().active == queue.sweep() == 7

    stats = queue.get_stats()
    assert (stats.waiting, stats.active, stats.completed, stats.failed, stats.delayed) == (7, 0, 1, 1, 2)


def test_a_job_is_what_rq_shows(workers: Workers) -> None:
    """RQ's Job has the name, the payload with its metadata, the queue, the status, times, error and result."""
    queue = make_queue(workers.valkey)
    server = workers.valkey.client()
    metadata = JobMetadata(correlation_id="flow-1", source="test")
    options = JobOptions(job_id="shown", timeout=timedelta(seconds=90), attempts=1)
    added = queue.add("work.do.v1", {"ledger": "x", "seconds": 1.5}, options, metadata=metadata)

    def job() -> Job:
        return Job.fetch(rq_id("shown"), connection=server, serializer=JSONSerializer)

    waiting = job()
    assert (waiting.func_name, waiting.args, waiting.instance) == ("work.do.v1", [], None)
    payload: Any = waiting.kwargs
    assert (payload["ledger"], payload["seconds"], payload["metadata"]["correlationId"]) == ("x", 1.5, "flow-1")
    assert (waiting.origin, waiting.timeout, waiting.get_status()) == (NAME, 90, JobStatus.QUEUED)
    assert waiting.created_at.astimezone(UTC) == added.created_at
    (delivery,) = queue.consumer("w1").reserve(1)
    started = job()
    assert (started.get_status(), started.worker_name) == (JobStatus.STARTED, "w1")
    assert started.started_at is not None
    delivery.fail("ValueError: no")
    failed = job()
    with pytest.warns(DeprecationWarning, match="latest_result|return_value"):
        assert (failed.get_status(), failed.exc_info) == (JobStatus.FAILED, "ValueError: no")
    assert failed.ended_at is not None and abs(failed.ended_at - datetime.now(UTC)) < timedelta(minutes=1)
    queue.retry_job("shown")
    (delivery,) = queue.consumer("w1").reserve(1)
    delivery.complete(b'{"rows": 3}')
    finished = job()
    with pytest.warns(DeprecationWarning, match="latest_result|return_value"):
        assert (finished.get_status(), finished.exc_info or None, finished.result) == (
            JobStatus.FINISHED,
            None,
            {"rows": 3},
        )


def test_a_job_in_each_state_is_where_rq_looks(workers: Workers) -> None:
    """The registries have the ids of the jobs in their state, and the queue those that wait at the normal level."""
    fill(workers)
    server = workers.valkey.client()

    assert Queue(NAME, connection=server).get_job_ids() == [rq_id("waiting-normal")]
    expected = (["reserved", "reserved-too"], ["completed"], ["failed"], ["delayed", "retried"])
    for registry_class, ids in zip(REGISTRIES, expected, strict=True):
        assert sorted(registry_class(NAME, server).get_job_ids()) == sorted(map(rq_id, ids))


def test_a_worker_is_what_rq_shows(workers: Workers) -> None:
    """Its record has pid, host, queues, state, counts and current job; at its end it is gone."""
    queue = make_queue(workers.valkey)
    add(queue, workers.ledger, "fails", "permanent")
    add(queue, workers.ledger, "passes")
    process = workers.start(NAME, OTHER, "--name", "shown")
    server = workers.valkey.client()

    def record(condition: Callable[[StockWorker], bool]) -> StockWorker:
        def look() -> StockWorker | None:
            found = StockWorker.all(server, serializer=JSONSerializer)
            return found[0] if found and condition(found[0]) else None

        worker = until(look, why="the record says so")
        assert worker is not None
        return worker

    idle = record(lambda worker: worker.successful_job_count == 1)
    assert (idle.name, idle.pid, idle.failed_job_count, idle.get_state()) == ("shown", process.pid, 1, "idle")
    assert idle.queue_names() == [NAME, OTHER]
    assert idle.birth_date is not None and idle.last_heartbeat is not None and idle.hostname
    assert idle.birth_date <= idle.last_heartbeat
    add(queue, workers.ledger, "current", seconds=5)
    busy = record(lambda worker: worker.get_state() == "busy")
    assert busy.get_current_job_id() == rq_id("current")
    current = busy.get_current_job()
    assert current is not None and current.func_name == "work.do.v1"
    (execution,) = busy.get_current_executions()
    assert Execution.fetch(execution.id, execution.job_id, server).worker_name == "shown"
    assert StartedJobRegistry(NAME, server).get_job_and_execution_ids() == [(rq_id("current"), execution.id)]
    done = record(lambda worker: worker.successful_job_count == 2)
    assert (done.get_state(), done.get_current_job_id() or None) == ("idle", None)
    assert done.total_working_time >= 5
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert StockWorker.all(server) == []
    assert server.scard("rq:workers") == server.scard(f"rq:workers:{NAME}") == 0
    assert not list(server.scan_iter("rq:execution*")) and not server.exists("rq:worker:shown:executions")
    assert 0 < server.ttl("rq:worker:shown") <= 60


def test_the_record_of_a_killed_worker_ends_by_itself(workers: Workers) -> None:
    """Case B37: after kill -9 it is on no list once its time is over, and a live worker's stays."""
    process = workers.start(NAME, "--name", "killed")
    server = workers.valkey.client()
    until(lambda: server.exists("rq:worker:killed"), why="it is recorded")
    process.kill()
    process.wait(30)

    assert 0 < server.ttl("rq:worker:killed") <= 30
    server.expire("rq:worker:killed", 0)
    workers.start(NAME, "--name", "living")
    until(lambda: server.smembers("rq:workers") == {b"rq:worker:living"}, why="only the living one is listed")

    assert server.smembers(f"rq:workers:{NAME}") == {b"rq:worker:living"}


def test_a_job_that_rq_enqueued_fails_with_the_reason(workers: Workers) -> None:
    """A function that RQ would import is no job name of ours: the job is kept, failed, and nothing is imported."""
    server = workers.valkey.client()
    job = Queue(NAME, connection=server, serializer=JSONSerializer).enqueue("os.getcwd", job_id="theirs")
    queue = make_queue(workers.valkey)
    workers.start(NAME)

    until(lambda: queue.get_stats().failed, why="it has failed")

    failed = queue.list_jobs(JobState.FAILED)[0]
    assert "cannot be decoded" in (failed.failed_reason or "")
    assert job.get_status() == JobStatus.FAILED
