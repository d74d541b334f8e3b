"""Health and pages over a real Valkey that goes away, hangs and comes back."""

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.test import Client

from queues import JobOptions, get_queue
from queues.registry import registry
from tests.support.valkey import Valkey
from tests.support.wait import until

pytestmark = pytest.mark.django_db


@pytest.fixture
def own_valkey(settings: Any) -> Iterator[Valkey]:
    """Start a Valkey of our own, to stop and start, under every queue."""
    server = Valkey().start()
    settings.RQ_QUEUES = {name: {**conf, "URL": server.url} for name, conf in settings.RQ_QUEUES.items()}
    with registry.override("queues.adapters.rq.RQQueue"):
        yield server
    server.kill(signal.SIGKILL)


def probe(_: object = None) -> int:
    """Ask for health."""
    return Client().get("/health/", {"format": "json"}).status_code


def test_health_follows_redis_down_and_up(own_valkey: Valkey) -> None:
    """Up is 200 with counts, down is 503, up again is 200 without a restart of ours."""
    get_queue("slack-alerts").add("slack.alert.v1", {})
    response = Client().get("/health/", {"format": "json"})
    assert (response.status_code, response.json()["queues"]["slack-alerts"]["waiting"]) == (200, 1)

    own_valkey.kill()
    assert probe() == 503

    own_valkey.start()
    until(lambda: probe() == 200, why="health is up again")


def test_health_of_a_redis_that_hangs_is_503_in_time(own_valkey: Valkey) -> None:
    """A server that takes connections and says nothing is down within the deadline, and up when it goes on."""
    assert probe() == 200
    assert own_valkey.process is not None
    own_valkey.process.send_signal(signal.SIGSTOP)
    try:
        started = time.monotonic()
        status = probe()
        took = time.monotonic() - started
    finally:
        own_valkey.process.send_signal(signal.SIGCONT)

    assert status == 503
    assert took < 20
    until(lambda: probe() == 200, why="health is up again")


def test_probes_leave_no_connection_behind(own_valkey: Valkey) -> None:
    """Case B33: many probes, many at once, up and down and up, hold no more connections than a few did."""
    server = own_valkey.client()

    def connected() -> int:
        return int(server.info("clients")["connected_clients"])

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(probe, range(16))) == {200}
        before = connected()
        assert set(pool.map(probe, range(160))) == {200}
        own_valkey.kill()
        assert set(pool.map(probe, range(16))) == {503}
        own_valkey.start()
        until(lambda: probe() == 200, why="health is up again")
        assert set(pool.map(probe, range(16))) == {200}

    until(lambda: connected() <= before + 2, why="no connection was left behind")


@pytest.mark.parametrize("page", ["", "data-processing/", "data-processing/jobs/j1/", "data-processing/?state=failed"])
def test_pages_over_redis_are_shown_up_and_down(own_valkey: Valkey, admin_client: Client, page: str) -> None:
    """The admin's pages are 200 with what Redis holds, and 200 with "down" without it."""
    get_queue().add("data.load.v1", {}, JobOptions(job_id="j1"))
    assert admin_client.get(f"/admin/queues/queue/{page}").status_code == 200

    own_valkey.kill()
    response = admin_client.get(f"/admin/queues/queue/{page}")

    assert response.status_code == 200
    assert b"does not answer" in response.content


def test_commands_and_reads_over_rest_are_503_while_redis_is_down(own_valkey: Valkey, admin_client: Client) -> None:
    """503 with Retry-After and problem details; the list stands, with every queue down."""
    own_valkey.kill()
    for path in ("data-processing/", "data-processing/jobs/j1/"):
        response = admin_client.get(f"/api/v1/queues/{path}")
        assert (response.status_code, response.json()["code"]) == (503, "unavailable")
        assert "Retry-After" in response.headers
    listed = admin_client.get("/api/v1/queues/")

    assert listed.status_code == 200
    assert {queue["status"] for queue in listed.json()} == {"down"}
