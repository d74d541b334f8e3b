"""Jobs that somebody spoilt in Redis, that a newer release added, or that RQ itself did: none stops the others."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from rq import Queue
from rq.serializers import JSONSerializer

from queues.adapters.rq.keys import encode_id
from queues.jobs import JobOptions, JobState
from tests.support.wait import until
from tests.support.workers import Workers, add, make_queue, wait_ended

pytestmark = pytest.mark.process
QUEUE = "data-processing"
KEPT = {"remove_on_complete": None, "remove_on_fail": None}
UNREADABLE = {
    "bytes": b"\xff\x00\xfe",
    "empty": b"",
    "cut": b'["work.do.v1",null,[],{"ledger"',
    "pickled": b"\x80\x04\x95\x0f\x00\x00\x00\x00\x00\x00\x00.",
    "no-object": b'["work.do.v1",null,[],[1, 2]]',
    "wrong-type": b'["work.do.v1",null,[],{"ledger": 5}]',
    "wrong-metadata": b'["work.do.v1",null,[],{"ledger": "x", "metadata": {"correlationId": 1}}]',
    "no-name": b'["Work.Do",null,[],{}]',
    "deep": b'["work.do.v1",null,[],{"ledger": ' + b"[" * 100_000 + b"]",
}
SPOILT = {
    "options": ("mq", b"garbage"),
    "option-bytes": ("mq", b"\xff\xfe"),
    "option-range": ("mq", b"5|0|exponential:2000:3600000:0|30000|100|50"),
    "option-size": ("mq", b"5|3|exponential:" + b"9" * 30 + b":3600000:0|30000|100|50"),
    "option-level": ("mq", b"99|3|exponential:2000:3600000:0|30000|100|50"),
    "created": ("created_at", b"yesterday"),
    "entered": ("enqueued_at", b"\xff"),
    "progress": ("mq_progress", b"half"),
    "runs": ("mq_runs", b"many"),
    "stalls": ("mq_stalls", b"few"),
    "log": ("mq_log", b"nonsense\n1 [1]\n"),
    "result": ("result", b"{"),
}


def spoil(workers: Workers, job_id: str, field: str, value: bytes) -> None:
    """Write into a job's hash, as no code of ours does."""
    workers.valkey.client().hset(f"rq:job:{encode_id(QUEUE, job_id)}", field, value)


def pages(*job_ids: str) -> Callable[[str], None]:
    """Return what opens every page that shows these jobs, and asserts that each answers."""
    looker = Client()
    looker.force_login(User.objects.create_superuser("looker"))

    def look(state: str) -> None:
        urls = [reverse("admin:queues_queue_changelist")]
        urls += [f"{reverse('admin:queues_queue_change', args=[QUEUE])}?state={state}"]
        urls += [reverse("admin:queues_queue_job", args=[QUEUE, job_id]) for job_id in job_ids]
        answers = {url: looker.get(url).status_code for url in urls}
        assert answers == dict.fromkeys(urls, 200)

    return look


def test_data_that_cannot_be_read_fails_its_job_only(
    workers: Workers, rq_queues: object, transactional_db: None
) -> None:
    """Case B24: pages show it, the worker fails and keeps it with the reason and runs the next; then it can go."""
    queue = make_queue(workers.valkey)
    for job_id, data in UNREADABLE.items():
        add(queue, workers.ledger, job_id, **KEPT)
        spoil(workers, job_id, "data", data)
    add(queue, workers.ledger, "next")
    look = pages(*UNREADABLE)
    look("waiting")
    workers.start(QUEUE, "--concurrency", "1")

    wait_ended(queue)

    look("failed")
    failed = {job.id: job for job in queue.list_jobs(JobState.FAILED)}
    assert set(failed) == set(UNREADABLE)
    assert not [job_id for job_id, job in failed.items() if "cannot be decoded" not in (job.failed_reason or "")]
    assert workers.ledger.counts("finish") == {"next": 1}
    before = failed["cut"].finished_at
    queue.retry_job("cut")

    def failed_again() -> bool:
        job = queue.get_job("cut")
        return job is not None and job.state is JobState.FAILED and job.finished_at != before

    until(failed_again, why="a retry runs it again")
    for job_id in UNREADABLE:
        queue.remove_job(job_id)
    assert queue.get_stats().failed == 0


def test_spoilt_fields_keep_no_job_from_running(workers: Workers, rq_queues: object, transactional_db: None) -> None:
    """Case B24: what cannot be read of a job's options, times and history is as if it were not there."""
    queue = make_queue(workers.valkey)
    for job_id, (field, value) in SPOILT.items():
        add(queue, workers.ledger, job_id, **KEPT)
        spoil(workers, job_id, field, value)
    add(queue, workers.ledger, "next", **KEPT)
    look = pages(*SPOILT)
    look("waiting")
    assert queue.get_stats().waiting == len(SPOILT) + 1
    workers.start(QUEUE)

    wait_ended(queue)

    look("completed")
    assert queue.get_stats().completed == len(SPOILT) + 1
    assert workers.ledger.counts("finish") == dict.fromkeys([*SPOILT, "next"], 1)


@pytest.mark.parametrize("options", [b"garbage", b"\xff", None])
def test_a_lapsed_lease_of_a_spoilt_job_is_swept(workers: Workers, options: bytes | None) -> None:
    """Case B24: with options that cannot be read, or none, a stalled job waits again, and fails at the crash limit."""
    queue = make_queue(workers.valkey, lease=timedelta(seconds=1), crash_limit=2)
    add(queue, workers.ledger, "spoilt")
    key = f"rq:job:{encode_id(QUEUE, 'spoilt')}"
    client = workers.valkey.client()
    client.hdel(key, "mq") if options is None else client.hset(key, "mq", options)
    for state in (JobState.WAITING, JobState.FAILED):
        (delivery,) = queue.consumer("dies").reserve(1)
        queue.consumer("dies").extend([delivery], 0.001)
        until(queue.sweep, why="the lapsed lease is swept")
        job = queue.get_job("spoilt")
        assert job is not None and job.state is state

    assert queue.get_stats().failed == 1


def test_a_job_that_no_release_here_knows_waits_for_one(workers: Workers) -> None:
    """Case B24: an unknown name is logged and put off at no cost; nobody drops it, and the next job runs."""
    queue = make_queue(workers.valkey)
    queue.add("work.tomorrow.v2", {"ledger": "x"}, JobOptions(job_id="tomorrow", attempts=1))
    add(queue, workers.ledger, "next")
    workers.start(QUEUE, "--concurrency", "1")
    until(lambda: workers.ledger.counts("finish")["next"], why="the next job has run")

    until(lambda: queue.get_stats().delayed, why="the unknown one is put off")

    job = queue.get_job("tomorrow")
    assert job is not None and job.available_at is not None
    assert (job.state, job.attempts_made) == (JobState.DELAYED, 0)
    assert timedelta(0) < job.available_at - datetime.now(UTC) <= timedelta(seconds=30)
    assert '"no processor"' in workers.logs() and "tomorrow" in workers.logs()


def test_jobs_that_rq_itself_enqueued_are_not_lost(workers: Workers) -> None:
    """A scheduled one falls due, and one whose worker died waits again; each fails with its reason, and is kept."""
    theirs = Queue(QUEUE, connection=workers.valkey.client(), serializer=JSONSerializer)
    theirs.enqueue("os.getcwd", job_id="stalled")
    theirs.enqueue_in(timedelta(milliseconds=1), "os.getcwd", job_id="scheduled")
    queue = make_queue(workers.valkey, lease=timedelta(seconds=1))
    held = until(lambda: queue.consumer("dies").reserve(2), why="there are jobs")
    queue.consumer("dies").extend(held, 0.001)
    until(queue.sweep, why="the lapsed leases are swept")
    workers.start(QUEUE)

    until(lambda: queue.get_stats().failed == 2, why="both have failed")

    jobs = queue.list_jobs(JobState.FAILED)
    assert {job.id for job in jobs} == {"stalled", "scheduled"}
    assert not [job for job in jobs if "cannot be decoded" not in (job.failed_reason or "")]
