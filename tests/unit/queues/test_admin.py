"""The Queues pages of the admin: who sees what, what is shown, and what is done."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from msgspec.structs import replace

from queues import JobMetadata, JobOptions, QueueName, QueueUnavailable, UserToken, get_queue
from queues.adapters.memory import MemoryQueue
from queues.conf import queue_conf
from queues.registry import registry

OVERVIEW = "/admin/queues/queue/"
QUEUE = f"{OVERVIEW}data-processing/"
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("memory_queues")]


class DownQueue(MemoryQueue):
    """A queue whose provider takes no call."""

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise QueueUnavailable("redis://:password@host is down")

    get_stats = list_jobs = get_job = pause = resume = _refuse


@pytest.fixture
def down(memory_queues: None) -> Iterator[None]:
    """Let data-processing be down."""
    with registry.override({"data-processing": DownQueue(queue_conf("data-processing"))}):
        yield


def staff(*permissions: str, is_staff: bool = True) -> Client:
    """Return somebody with these permissions, logged in."""
    user = User.objects.create_user("-".join(permissions) or "plain", is_staff=is_staff)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="queues", codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def viewer() -> Client:
    """Log in who may look and not touch."""
    return staff("view_queue")


@pytest.fixture
def operator() -> Client:
    """Log in who may pause and resume."""
    return staff("view_queue", "operate_queue")


def text(response: Any) -> str:
    """Return a page's text, white space in one."""
    assert response.status_code == 200
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


def job_url(job_id: str, queue: str = "data-processing") -> str:
    """Return the page of a job."""
    return reverse("admin:queues_queue_job", args=[queue, job_id])


PAGES = [OVERVIEW, QUEUE, f"{OVERVIEW}data-processing/jobs/j1/"]


@pytest.mark.parametrize("page", PAGES)
def test_being_staff_is_not_enough(page: str) -> None:
    """Seeing needs queues.view_queue, and being staff too."""
    get_queue().add("data.load.v1", {}, JobOptions(job_id="j1"))

    assert Client().get(page).headers["Location"].startswith("/admin/login/")
    assert staff("view_queue", is_staff=False).get(page).headers["Location"].startswith("/admin/login/")
    assert staff().get(page).status_code == 403
    assert staff("operate_queue").get(page).status_code == 403
    User.objects.all().delete()
    assert staff("view_queue").get(page).status_code == 200


def test_the_admin_index_lists_queues_for_those_who_may_see_them() -> None:
    """Nobody is sent to a page that refuses them."""
    assert "/admin/queues/queue/" in staff("view_queue").get("/admin/").content.decode()
    assert "/admin/queues/queue/" not in staff().get("/admin/").content.decode()


def test_the_overview_shows_every_queue_and_the_totals(viewer: Client) -> None:
    """Each queue by name, with its counts; totals above."""
    for _ in range(1_203):
        get_queue("slack-messages").add("slack.channel.send.v1", {})
    get_queue().add("data.load.v1", {})
    page = text(viewer.get(OVERVIEW))

    for name in QueueName:
        assert name in page
    assert "Waiting 1,204" in page
    assert "slack-messages 1,203 0 0 0 0" in page


def test_queues_are_addressed_by_name(viewer: Client) -> None:
    """No position stands in any URL."""
    links = re.findall(r'href="(/admin/queues/queue/[^"]+)"', viewer.get(OVERVIEW).content.decode())

    assert {f"{OVERVIEW}{name}/" for name in QueueName} <= set(links)


def test_pause_and_resume_act_and_are_logged(operator: Client) -> None:
    """POST does it, the page says so, and the admin's log keeps who it was."""
    response = operator.post(f"{QUEUE}pause/", follow=True)

    assert get_queue().is_paused()
    assert "data-processing: paused." in text(response).lower()
    assert "data-processing is paused: nothing starts, 0 waiting. Last paused here by view_queue-operate_queue" in text(
        response
    )
    response = operator.post(f"{QUEUE}resume/", {"from_queue": "1"})
    assert response.headers["Location"] == QUEUE
    assert not get_queue().is_paused()
    entries = list(LogEntry.objects.order_by("pk").values_list("object_id", "change_message"))
    assert entries == [("data-processing", "Paused."), ("data-processing", "Resumed.")]


@pytest.mark.parametrize("action", ["pause", "resume"])
def test_acting_needs_its_own_permission(viewer: Client, action: str) -> None:
    """Who may look may not pause; the buttons are not there either."""
    assert viewer.post(f"{QUEUE}{action}/").status_code == 403
    assert not get_queue().is_paused()
    assert "Pause" not in text(viewer.get(OVERVIEW))


@pytest.mark.parametrize("action", ["pause", "resume"])
def test_a_link_cannot_pause(operator: Client, action: str) -> None:
    """GET is 405 and changes nothing."""
    assert operator.get(f"{QUEUE}{action}/").status_code == 405
    assert not get_queue().is_paused()


def test_another_site_cannot_pause(operator: Client) -> None:
    """A POST without our token is refused."""
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = operator.cookies

    assert strict.post(f"{QUEUE}pause/").status_code == 403
    assert not get_queue().is_paused()


def test_no_redirect_leaves_the_admin(operator: Client) -> None:
    """Case B59: where to go next is ours to say."""
    for target in ("https://evil.example/", "//evil.example", "<script>alert(1)</script>"):
        response = operator.post(f"{QUEUE}pause/?next={target}", {"next": target, "from_queue": target})
        assert response.headers["Location"] in {OVERVIEW, QUEUE}


@pytest.mark.usefixtures("down")
def test_a_provider_that_is_down_is_shown_as_down(viewer: Client) -> None:
    """Overview, queue and job page say so; none is a 500, and no address is told."""
    get_queue("slack-alerts").add("slack.alert.v1", {})
    for page in PAGES:
        response = viewer.get(page)
        assert "data-processing is down: The provider does not answer." in text(response)
        assert "password" not in response.content.decode()
    assert "slack-alerts 1 0 0 0 0" in text(viewer.get(OVERVIEW))


@pytest.mark.usefixtures("down")
def test_pausing_what_is_down_says_that_nothing_was_changed(operator: Client) -> None:
    """The operator is told, and the log does not claim it."""
    response = operator.post(f"{QUEUE}pause/", follow=True)

    assert "The provider does not answer. Nothing was changed." in text(response)
    assert not LogEntry.objects.exists()


def test_a_provider_that_goes_down_between_counts_and_list_is_down(viewer: Client) -> None:
    """The page that has counts and no list is a page still."""

    class HalfDown(DownQueue):
        get_stats = MemoryQueue.get_stats

    with registry.override({"data-processing": HalfDown(queue_conf("data-processing"))}):
        assert "is down" in text(viewer.get(QUEUE))


@pytest.mark.parametrize("path", ["{}/", "{}/jobs/j1/"])
def test_an_unknown_queue_is_404_and_echoes_nothing(viewer: Client, path: str) -> None:
    """Case B59: a name out of a URL does not come back."""
    response = viewer.get(OVERVIEW + path.format("%3Cscript%3Ealert(1)%3C%2Fscript%3E".replace("%2F", "")))

    assert response.status_code == 404
    assert b"alert(1)" not in response.content


def test_acting_on_an_unknown_queue_is_404(operator: Client) -> None:
    """Nothing is paused that there is not."""
    assert operator.post(f"{OVERVIEW}nothing/pause/").status_code == 404


def test_an_unknown_job_is_404(viewer: Client) -> None:
    """Case B23: a job that is gone is 404, not 500."""
    assert viewer.get(job_url("gone")).status_code == 404


EVIL = [
    "<script>alert(1)</script>",
    '"onmouseover="x',
    "</script><img src=x onerror=x>",
    "{{ 7|add:7 }}",
    "\u202e'><b>",
]


@pytest.mark.parametrize("evil", EVIL)
def test_what_jobs_carry_is_only_ever_text(evil: str) -> None:
    """Case B59: data, ids, errors, results and metadata come out escaped, on every page."""
    queue = get_queue()
    user = UserToken(sub=evil, display_name=evil, tenant=evil, roles=(evil,))
    metadata = JobMetadata(correlation_id=evil, user=user, source=evil, business_context={evil: evil})
    for job_id in (evil, f"{evil}2"):
        queue.add("data.load.v1", {"field": evil, evil: 1}, JobOptions(job_id=job_id, attempts=2), metadata=metadata)
    consumer = queue.consumer(evil)
    consumer.reserve(1)[0].retry(timedelta(hours=1), evil)
    consumer.reserve(1)[0].complete(b'{"a": "<script>alert(1)</script>"}')
    client = staff("view_queue", "view_payload")

    for page in (
        QUEUE,
        f"{QUEUE}?state=delayed",
        f"{QUEUE}?state=completed&page={evil}",
        job_url(evil),
        job_url(f"{evil}2"),
    ):
        content = client.get(page).content.decode()
        assert "<script>alert" not in content
        assert "<img src=x" not in content
        assert '"onmouseover="x' not in content
        assert "'><b>" not in content


def test_pages_have_no_inline_script_or_style(operator: Client) -> None:
    """A strict Content-Security-Policy breaks nothing."""
    get_queue().add("data.load.v1", {}, JobOptions(job_id="j1"))
    for page in PAGES:
        content = operator.get(page).content.decode()
        assert not re.search(r"<script(?![^>]*\bsrc=)", content)
        assert not re.search(r"<style|\sstyle=|\son\w+=", content)
        assert "https://" not in content
        assert "http://" not in content.replace("http://www.w3.org/2000/svg", "")


@pytest.mark.parametrize(
    "job_id", ["a:b", "123", "x/y", "../x", "a b", "a\n", "\u65e5\u672c", "x" * 255, "~", "?a=1", "..", "%2F"]
)
def test_any_job_id_is_listed_and_has_its_page(viewer: Client, job_id: str) -> None:
    """Case B13: what was accepted is listed and shown."""
    get_queue().add("data.load.v1", {}, JobOptions(job_id=job_id))

    assert job_url(job_id) in viewer.get(QUEUE).content.decode()
    assert "data.load.v1" in text(viewer.get(job_url(job_id)))


@pytest.mark.parametrize(
    ("page", "first", "last"),
    [
        *(("1", 0, 49), ("2", 50, 99), ("3", 100, 119)),
        *(("", 0, 49), ("abc", 0, 49), ("0", 100, 119), ("-1", 100, 119), ("99", 100, 119)),
    ],
)
def test_lists_are_paged(viewer: Client, page: str, first: int, last: int) -> None:
    """Case B48: fifty a page; a page that there is not is the nearest, never a 500."""
    for number in range(120):
        get_queue().add("data.load.v1", {}, JobOptions(job_id=f"job-{number:03}"))

    shown = re.findall(r"job-\d{3}(?=</span>)", viewer.get(QUEUE, {"page": page}).content.decode())

    assert (shown[0], shown[-1], len(shown)) == (f"job-{first:03}", f"job-{last:03}", last - first + 1)


@pytest.mark.parametrize("state", ["waiting", "delayed", "active", "completed", "failed"])
def test_each_state_has_its_list(viewer: Client, state: str) -> None:
    """A tab for each state, with its count, and its own jobs."""
    queue = get_queue()
    for job_id in ("completed", "failed", "active", "waiting"):
        queue.add("data.load.v1", {}, JobOptions(job_id=f"id-{job_id}"))
    queue.add("data.load.v1", {}, JobOptions(job_id="id-delayed", delay=timedelta(hours=1)))
    consumer = queue.consumer("worker-7")
    completed, failed, _ = consumer.reserve(3)
    completed.complete()
    failed.fail("Traceback (most recent call last):\n  File x\nValueError: no")

    page = text(viewer.get(QUEUE, {"state": state}))

    assert re.findall(r"id-\w+", page) == [f"id-{state}"]
    assert "Waiting 1 Delayed 1 Active 1 Completed 1 Failed 1" in page
    assert ("ValueError: no" in page) == (state == "failed")
    assert ("worker-7" in page) == (state == "active")


@pytest.mark.parametrize("state", ["", "nothing", "<script>alert(1)</script>"])
def test_a_state_that_there_is_not_is_waiting(viewer: Client, state: str) -> None:
    """Case B59: a filter's value is not echoed."""
    page = text(viewer.get(QUEUE, {"state": state}))

    assert "No job is waiting." in page
    assert "alert(1)" not in page


def test_a_job_page_tells_its_life(viewer: Client) -> None:
    """Who added it, each attempt and its error, how it ended."""
    queue = get_queue()
    metadata = JobMetadata(correlation_id="corr-1", user=UserToken(sub="7", display_name="Ada"), source="billing")
    queue.add("data.load.v1", {}, JobOptions(job_id="j1", attempts=2), metadata=metadata)
    consumer = queue.consumer("w")
    consumer.reserve(1)[0].retry(timedelta(0), "ValueError: first")
    consumer.reserve(1)[0].fail("ValueError: last")

    page = text(viewer.get(job_url("j1")))

    for words in ("by Ada · billing", "Attempt 1 failed", "ValueError: first", "Failed for good", "ValueError: last",
                  "2 of 2 attempts", "corr-1", "priority NORMAL"):  # fmt: skip
        assert words in page


def test_the_payload_needs_its_own_permission(viewer: Client) -> None:
    """queues.view_payload shows what the job carries; without it the page says what is missing."""
    get_queue().add("data.load.v1", {"field": "s3cret"}, JobOptions(job_id="j1"))

    assert "s3cret" not in text(viewer.get(job_url("j1")))
    assert "queues.view_payload" in text(viewer.get(job_url("j1")))
    assert "s3cret" in text(staff("view_queue", "view_payload").get(job_url("j1")))


def test_a_large_payload_is_cut_until_asked_for() -> None:
    """Case B48: a few kilobytes at first, all of it on demand."""
    get_queue().add("data.load.v1", {"field": "x" * 200_000 + "END"}, JobOptions(job_id="j1"))
    client = staff("view_queue", "view_payload")
    cut, whole = client.get(job_url("j1")).content, client.get(job_url("j1") + "?whole").content

    assert len(cut) < 40_000
    assert b"Show all" in cut
    assert b"END" in whole


def test_a_job_that_cannot_be_read_does_not_break_its_list() -> None:
    """Case B24: the broken job is shown as such, beside the others."""
    queue: Any = get_queue()
    for job_id in ("good", "bad"):
        queue.add("data.load.v1", {}, JobOptions(job_id=job_id))
    queue.jobs["bad"].prepared = replace(queue.jobs["bad"].prepared, body=b"\xff{")
    client = staff("view_queue", "view_payload")

    assert {"good", "bad"} <= set(text(client.get(QUEUE)).split())
    assert "cannot be decoded" in text(client.get(job_url("bad"))).replace("_", " ")


def test_times_are_local_and_name_their_zone(viewer: Client, settings: Any) -> None:
    """Case B27: TIME_ZONE decides what pages show, and they say which it is."""
    settings.TIME_ZONE = "Asia/Kolkata"
    moment = datetime(2026, 1, 1, tzinfo=ZoneInfo("UTC"))
    get_queue().add(
        "data.load.v1", {}, JobOptions(job_id="j1"), metadata=JobMetadata(correlation_id="c", timestamp=moment)
    )

    assert "1 Jan 2026, 05:30:00 IST" in text(viewer.get(job_url("j1")))


def test_only_reading_methods_reach_the_pages(operator: Client) -> None:
    """A POST to a page that shows is 405."""
    for page in PAGES:
        assert operator.post(page).status_code == 405


def test_nothing_is_added_or_edited_here(operator: Client) -> None:
    """Queues come from settings: the stock add and delete pages are not there."""
    for page in ("add", "data-processing/change", "data-processing/delete", "data-processing/history"):
        assert operator.get(f"{OVERVIEW}{page}/").status_code == 404
