"""The control: what loses jobs with RQ's stock worker loses none with ours.

Both are killed at the same moment: Redis has handed a job out, and the worker has not heard
of it yet, because a proxy holds the reply.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from rq import Queue
from rq.job import Job

from tests.support.proxy import Proxy
from tests.support.valkey import Valkey
from tests.support.wait import until
from tests.support.workers import Workers, add, make_queue, wait_ended

pytestmark = pytest.mark.process
QUEUES = ("data-processing", "file-processing", "slack-messages")
KILLS = 20


@pytest.fixture
def proxy(valkey: Valkey) -> Iterator[Proxy]:
    """A proxy in front of the run's Valkey."""
    proxy = Proxy(valkey.port)
    yield proxy
    proxy.close()


def stock_worker(url: str, log: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Start RQ's own worker on the three queues, as its documentation says."""
    command = [str(Path(sys.executable).with_name("rq")), "worker", "--url", url, *arguments, *QUEUES]
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    with log.open("ab") as output:
        return subprocess.Popen(command, env=environment, stdout=output, stderr=output)


def holders(client: redis.Redis, job_id: str) -> list[str]:
    """Return the keys of lists, sets and registries that name the job: whoever looks there can find it."""
    readers = {
        b"list": lambda key: client.lrange(key, 0, -1),
        b"zset": lambda key: client.zrange(key, 0, -1),
        b"set": client.smembers,
    }
    found = []
    for key in client.scan_iter("*"):
        reader = readers.get(client.type(key))
        if reader is not None and any(job_id.encode() in entry for entry in reader(key)):
            found.append(key.decode())
    return found


def test_rqs_stock_worker_loses_a_job(valkey: Valkey, proxy: Proxy, tmp_path: Path) -> None:
    """Killed between its pop from several queues and the next step, the job is nowhere, and nobody runs it."""
    client = valkey.client()
    log = tmp_path / "stock.log"
    dying = stock_worker(proxy.url, log, "--worker-class", "rq.SimpleWorker")
    try:
        until(lambda: b"Listening on" in log.read_bytes(), why="RQ's worker listens")
        held = proxy.hold_reply(having=b"lost-job\r\n")
        Queue(QUEUES[0], connection=client).enqueue("time.sleep", 0, job_id="lost-job")
        until(held.is_set, why="the pop's reply is held")
    finally:
        dying.kill()
        dying.wait(30)

    assert holders(client, "lost-job") == []
    assert stock_worker(valkey.url, log, "--burst").wait(60) == 0
    lost = Job.fetch("lost-job", connection=client)
    assert (lost.get_status(), lost.is_finished) == ("queued", False)
    assert holders(client, "lost-job") == []


def test_our_worker_loses_none(workers: Workers, proxy: Proxy) -> None:
    """Killed twenty times at that very moment, on three queues, every job runs and completes."""
    queues = [make_queue(workers.valkey, name) for name in QUEUES]
    environment = {"QUEUE_LEASE_SECONDS": "2", "QUEUE_CRASH_LIMIT": "1000", "REDIS_URL": proxy.url}
    ids = []
    for kill in range(KILLS):
        queue, job_id = queues[kill % len(queues)], f"job-{kill}"
        held = proxy.hold_reply(having=f"{job_id}\r\n".encode())
        add(queue, workers.ledger, job_id, remove_on_complete=None)
        dying = workers.start(*QUEUES, **environment)
        until(held.is_set, why="the reservation's reply is held")
        dying.kill()
        assert dying.wait(30) == -signal.SIGKILL
        assert not workers.ledger.counts("start")[job_id]
        assert holders(workers.valkey.client(), job_id)
        ids.append(job_id)
    workers.start(*QUEUES, "--concurrency", "1", QUEUE_LEASE_SECONDS="2", QUEUE_CRASH_LIMIT="1000")

    for queue in queues:
        wait_ended(queue)

    assert set(workers.ledger.counts("finish")) == set(ids)
    assert sum(queue.get_stats().completed for queue in queues) == KILLS
    assert sum(queue.get_stats().failed for queue in queues) == 0
