"""Reading queues and jobs over REST."""

from datetime import timedelta
from typing import Any
from urllib.parse import quote, unquote

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import resolve, reverse
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.authtoken.models import Token

from queues import JobOptions, Priority, QueueName, QueueUnavailable, get_queue, new_metadata
from queues.adapters.memory import MemoryQueue
from queues.conf import queue_conf
from queues.jobs import JobState, QueueStats
from queues.registry import registry

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("memory_queues")]


class SilentQueue(MemoryQueue):
    """A queue whose provider does not answer."""

    def get_stats(self) -> QueueStats:
        """Raise."""
        raise QueueUnavailable("redis://:password@host is down")


def client_with(*permissions: str) -> Client:
    """Return a client whose user has these permissions."""
    user = User.objects.create_user("u" + "-".join(permissions))
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="queues", codename__in=permissions))
    return Client(headers={"Authorization": f"Token {Token.objects.create(user=user).key}"})


@pytest.fixture
def viewer() -> Client:
    """Somebody who may see queues."""
    return client_with("view_queue")


def test_every_queue_is_listed_with_its_counts(viewer: Client) -> None:
    """The list has all queues, each with its counts and its URL."""
    get_queue("slack-alerts").add("slack.alert.v1", {"text": "x"})
    response = viewer.get("/api/v1/queues/")

    assert response.status_code == 200
    queues = {queue["name"]: queue for queue in response.json()}
    assert list(queues) == [str(name) for name in QueueName]
    assert queues["slack-alerts"]["waiting"] == 1
    assert queues["slack-alerts"]["url"] == "http://testserver/api/v1/queues/slack-alerts/"


def test_a_queue_has_its_stats(viewer: Client) -> None:
    """Counts by state, whether it is paused, and how long its oldest job has waited."""
    queue = get_queue("file-processing")
    queue.add("file.scan.v1", {})
    queue.add("file.scan.v1", {}, JobOptions(delay=timedelta(hours=1)))
    queue.pause()

    body = viewer.get("/api/v1/queues/file-processing/").json()

    assert body.pop("oldest_waiting_ms") >= 0
    assert body == {
        "name": "file-processing", "status": "up", "error": None, "waiting": 1, "active": 0, "completed": 0,
        "failed": 0, "delayed": 1, "is_paused": True, "url": "http://testserver/api/v1/queues/file-processing/",
    }  # fmt: skip


def test_an_empty_queue_has_no_oldest_job(viewer: Client) -> None:
    """Nothing waits: null, not 0."""
    assert viewer.get("/api/v1/queues/file-processing/").json()["oldest_waiting_ms"] is None


def test_a_queue_whose_provider_is_silent_is_down(viewer: Client) -> None:
    """Alone it is 503 with Retry-After; in the list it is down and the others stand; no secret is told."""
    with registry.override({"slack-alerts": SilentQueue(queue_conf("slack-alerts"))}):
        alone, all_of_them = viewer.get("/api/v1/queues/slack-alerts/"), viewer.get("/api/v1/queues/")

    assert (alone.status_code, alone.json()["code"]) == (503, "unavailable")
    assert "Retry-After" in alone.headers
    statuses = {queue["name"]: queue["status"] for queue in all_of_them.json()}
    assert statuses.pop("slack-alerts") == "down"
    assert set(statuses.values()) == {"up"}
    assert b"password" not in alone.content + all_of_them.content


@pytest.mark.parametrize("name", ["nothing", "<script>alert(1)</script>", "default", "\u65e5\u672c", "..", "x" * 5000])
def test_an_unknown_queue_is_404(viewer: Client, name: str) -> None:
    """Case B59: unknown names are 404, in JSON."""
    for path in (f"/api/v1/queues/{quote(name, safe='')}/", f"/api/v1/queues/{quote(name, safe='')}/jobs/j/"):
        response = viewer.get(path)
        assert response.status_code == 404
        assert response.headers["Content-Type"] == "application/problem+json"


def test_a_job_is_shown_without_its_payload(viewer: Client) -> None:
    """State, options, times with offset, metadata and what became of each run."""
    queue = get_queue()
    options = JobOptions(job_id="j1", priority=Priority.HIGH, attempts=2)
    queue.add("data.load.v1", {"secretField": "s3cret"}, options, metadata=new_metadata("tests"))
    [delivery] = queue.consumer("w").reserve(1)
    delivery.retry(timedelta(0), "ValueError: no")
    queue.consumer("w").reserve(1)[0].complete(b'{"rows": 3}')

    response = viewer.get("/api/v1/queues/data-processing/jobs/j1/")
    body = response.json()

    assert response.status_code == 200
    assert b"s3cret" not in response.content
    assert "payload" not in body
    expected = {"id": "j1", "queue": "data-processing", "name": "data.load.v1", "state": "completed", "priority": 3,
                "attempts": 2, "attempts_made": 2, "result": {"rows": 3}, "failed_reason": None}  # fmt: skip
    assert {key: body[key] for key in expected} == expected
    assert body["failures"][0]["error"] == "ValueError: no"
    assert body["metadata"]["source"] == "tests"
    for key in ("created_at", "processed_at", "finished_at"):
        assert body[key].endswith("Z")


def test_times_have_the_offset_of_the_time_zone(viewer: Client, settings: Any) -> None:
    """Case B27: a time is never without its offset."""
    settings.TIME_ZONE = "Asia/Kolkata"
    get_queue().add("data.load.v1", {}, JobOptions(job_id="j1"))

    assert viewer.get("/api/v1/queues/data-processing/jobs/j1/").json()["created_at"].endswith("+05:30")


def test_the_payload_needs_its_own_permission() -> None:
    """queues.view_payload shows what the job carries."""
    get_queue().add("data.load.v1", {"secretField": "s3cret"}, JobOptions(job_id="j1"))
    client = client_with("view_queue", "view_payload")

    assert client.get("/api/v1/queues/data-processing/jobs/j1/").json()["payload"] == {"secretField": "s3cret"}


ODD_IDS = [
    *("a:b", "123", "0", "x/y", "a.b", "../x", "..", ".", "/", "//", "a/", "a//b", "a b", " ", "a\n", "\n", "\x01"),
    *("\u65e5\u672c", "\U0001f600", "x" * 255, "%2F", "a%b", "~", "~x", "?a=1", "#a", "a\\b", "<b>", "a;b", "x/jobs/y"),
]


@pytest.mark.parametrize("job_id", ODD_IDS)
def test_any_job_id_has_a_url_that_leads_to_it(viewer: Client, job_id: str) -> None:
    """Case B13: an id that was accepted is shown with 200 under the URL that we give for it."""
    get_queue().add("data.load.v1", {}, JobOptions(job_id=job_id))
    url = reverse("job", args=["data-processing", job_id])

    response = viewer.get(url)

    assert response.status_code == 200
    assert response.json()["id"] == job_id
    assert not {"", ".", ".."} & set(url.strip("/").split("/"))


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=255))
def test_every_job_id_comes_back_from_its_url(job_id: str) -> None:
    """Case B13: for all ids, the URL's own route gives the id back."""
    assert resolve(unquote(reverse("job", args=["data-processing", job_id]))).kwargs["job_id"] == job_id


@pytest.mark.parametrize("job_id", ["unknown", "x" * 256, "~", "~%%%", "~gICA", "../x"])
def test_an_unknown_job_is_404(viewer: Client, job_id: str) -> None:
    """Whatever stands in the URL, the answer is 404."""
    assert viewer.get(f"/api/v1/queues/data-processing/jobs/{job_id}/").status_code == 404


def test_reading_needs_the_permission() -> None:
    """401 for nobody, 403 for somebody without queues.view_queue, staff included."""
    nobody, staff = client_with(), Client()
    staff.force_login(User.objects.create_user("staff", is_staff=True))
    for path in ("/api/v1/queues/", "/api/v1/queues/slack-alerts/", "/api/v1/queues/slack-alerts/jobs/j/"):
        assert [who.get(path).status_code for who in (Client(), nobody, staff)] == [401, 403, 403]


def test_a_session_may_read_too() -> None:
    """Who is logged in to the admin can use the API's pages."""
    client = Client()
    client.force_login(User.objects.create_superuser("root"))

    assert client.get("/api/v1/queues/").status_code == 200


def test_only_get_is_allowed(viewer: Client) -> None:
    """Reading views change nothing."""
    for method in (viewer.post, viewer.put, viewer.delete):
        assert method("/api/v1/queues/slack-alerts/").status_code == 405


@pytest.mark.parametrize("state", list(JobState))
def test_no_state_is_unknown_to_the_api(state: JobState) -> None:
    """The schema's list of states is the platform's."""
    from queues.api.serializers import JobSerializer

    assert str(state) in JobSerializer().fields["state"].choices
