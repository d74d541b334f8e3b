"""The health page: what it says, in every format, and how soon."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from threading import Event, active_count
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import connections
from django.test import Client

from queues import QueueName, QueueUnavailable, get_queue
from queues.adapters.memory import MemoryQueue
from queues.conf import queue_conf
from queues.jobs import QueueStats
from queues.monitoring.health import DatabaseCheck, QueueCheck
from queues.registry import registry

FORMATS = ["html", "json", "text", "atom", "rss", "openmetrics"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("memory_queues")]


class SilentQueue(MemoryQueue):
    """A queue whose provider does not answer."""

    def get_stats(self) -> QueueStats:
        """Raise."""
        raise QueueUnavailable("redis://:password@host is down")


class BrokenQueue(MemoryQueue):
    """A queue with a bug."""

    def get_stats(self) -> QueueStats:
        """Raise."""
        raise ZeroDivisionError("password")


class HangingQueue(MemoryQueue):
    """A queue whose provider takes the question and says nothing."""

    def __init__(self, release: Event) -> None:
        """Answer only after `release`."""
        super().__init__(queue_conf("slack-alerts"))
        self.release = release
        self.asked = 0

    def get_stats(self) -> QueueStats:
        """Wait."""
        self.asked += 1
        self.release.wait(60)
        return super().get_stats()


@contextmanager
def hanging() -> Iterator[HangingQueue]:
    """Put a hanging queue in the place of slack-alerts."""
    release = Event()
    queue = HangingQueue(release)
    with registry.override({"slack-alerts": queue}):
        try:
            yield queue
        finally:
            release.set()


def as_json(client: Client) -> Any:
    """Ask for JSON."""
    return client.get("/health/", headers={"Accept": "application/json"})


def test_health_shows_each_queue_with_its_counts(client: Client) -> None:
    """Up: 200, the database and every queue, each with what it holds."""
    get_queue("slack-alerts").add("slack.alert.v1", {})
    get_queue("slack-alerts").pause()

    response = as_json(client)

    assert response.status_code == 200
    body = response.json()
    assert (body["status"], body["databases"]) == ("up", {"default": {"status": "up"}})
    assert list(body["queues"]) == [str(name) for name in QueueName]
    alerts = body["queues"]["slack-alerts"]
    assert alerts.pop("oldest_waiting_ms") >= 0
    assert alerts == {
        "status": "up", "waiting": 1, "active": 0, "delayed": 0, "completed": 0, "failed": 0, "is_paused": True,
    }  # fmt: skip


@pytest.mark.parametrize("form", FORMATS)
def test_health_is_200_in_every_format_while_all_is_well(client: Client, form: str) -> None:
    """Each format that django-health-check has is served to anybody."""
    response = client.get("/health/", {"format": form} if form != "html" else {})

    assert response.status_code == 200
    assert b"slack-alerts" in response.content


@pytest.mark.parametrize("kind", [SilentQueue, BrokenQueue])
@pytest.mark.parametrize("form", FORMATS)
def test_health_is_503_in_every_format_when_a_provider_is_down(
    client: Client, form: str, kind: type[MemoryQueue]
) -> None:
    """One silent provider is enough; nothing secret is told."""
    with registry.override({"slack-alerts": kind(queue_conf("slack-alerts"))}):
        response = client.get("/health/", {"format": form} if form != "html" else {})

    assert response.status_code == 503
    assert b"password" not in response.content


def test_a_queue_that_is_down_leaves_the_others_up(client: Client) -> None:
    """The answer says which one it is."""
    with registry.override({"slack-alerts": SilentQueue(queue_conf("slack-alerts"))}):
        body = as_json(client).json()

    assert body["status"] == "down"
    assert body["queues"].pop("slack-alerts") == {"status": "down", "error": "The provider does not answer."}
    assert {queue["status"] for queue in body["queues"].values()} == {"up"}


def test_a_queue_that_is_misconfigured_is_down(client: Client, settings: Any) -> None:
    """A wrong setting is not a 500."""
    settings.QUEUES = {**settings.QUEUES, "slack-alerts": {"LEASE": "soon"}}
    with registry.override({}):
        response = as_json(client)

    assert response.status_code == 503
    assert response.json()["queues"]["slack-alerts"]["status"] == "down"


def test_a_provider_that_hangs_is_down_within_the_deadline(client: Client) -> None:
    """About two seconds, whatever the provider does; the other queues are up."""
    with hanging():
        started = time.monotonic()
        response = as_json(client)
        took = time.monotonic() - started

    assert response.status_code == 503
    assert [name for name, queue in response.json()["queues"].items() if queue["status"] == "down"] == ["slack-alerts"]
    assert 1.5 < took < 20


def test_probes_of_a_provider_that_hangs_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Case B33: however many ask, one question is on its way, and no thread is left behind for each."""
    monkeypatch.setattr(QueueCheck, "timeout", timedelta(0))
    with hanging() as queue:
        as_json(Client())
        before = active_count()
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: as_json(Client()).status_code, range(16)))
        after = active_count()

    assert answers == [503] * 16
    assert queue.asked == 1
    assert after <= before + 8


def test_a_queue_that_hung_is_up_once_it_answers(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was late is not what is told for ever."""
    monkeypatch.setattr(QueueCheck, "timeout", timedelta(0))
    with hanging() as queue:
        as_json(client)
        queue.release.set()
        assert as_json(client).status_code == 200


def test_a_database_that_cannot_be_opened_is_down() -> None:
    """The check names the trouble and not the address."""
    connections.settings["broken"] = {**connections.settings["default"], "NAME": "/nowhere/at/all.sqlite3"}
    try:
        result = async_to_sync(DatabaseCheck(alias="broken").get_result)()
    finally:
        del connections.settings["broken"]

    assert result.error is not None
    assert "nowhere" not in str(result.error)


@pytest.mark.parametrize("accept", ["text/html; q=0,4", "nonsense", "*", ";", "application/json, \xff"])
def test_an_accept_header_that_cannot_be_read_gets_json(client: Client, accept: str) -> None:
    """A probe's odd header is not a 500."""
    response = client.get("/health/", headers={"Accept": accept})

    assert (response.status_code, response.headers["Content-Type"]) == (200, "application/json")


def test_health_is_never_cached_and_only_read(client: Client) -> None:
    """A proxy must not answer for us; POST is refused; HEAD is enough for a probe."""
    assert "no-store" in client.get("/health/").headers["Cache-Control"]
    assert client.post("/health/").status_code == 405
    assert client.head("/health/").status_code == 200
