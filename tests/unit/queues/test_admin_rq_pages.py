"""django-rq's pages: who sees them, that they open, and that nothing changes by looking."""

import pickle
import time
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import URLPattern, reverse
from django_rq.cron import DjangoCronScheduler
from rq import Queue
from rq.serializers import JSONSerializer

from queues import JobOptions, get_queue
from queues.adapters.rq import pages
from queues.adapters.rq.keys import encode_id
from queues.adapters.rq.reading import ReadOnlyRedis, read_only
from tests.support.valkey import Valkey, free_port

NAME = "data-processing"
INDEX = 0  # it comes first by name
pytestmark = [pytest.mark.django_db]


def staff(*permissions: str, is_staff: bool = True) -> Client:
    """Return somebody with these permissions, logged in."""
    user = User.objects.create_user("-".join(permissions) or "plain", is_staff=is_staff)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="queues", codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def looker() -> Client:
    """Log in who may see everything and do nothing."""
    return staff("view_queue", "view_payload")


@pytest.fixture
def server(rq_queues: Valkey) -> Iterator[redis.Redis]:
    """Fill a Valkey with all that the pages show, and with all that RQ would clean up."""
    server = rq_queues.client()
    queue = get_queue()
    for number in range(6):
        queue.add("data.load.v1", {"field": "<script>alert(1)</script>"}, JobOptions(job_id=f"job-{number}"))
    queue.add("data.load.v1", {}, JobOptions(job_id="a/b.c", delay=timedelta(hours=1)))
    completed, failed, retried, _ = queue.consumer("w").reserve(4)
    completed.complete(b'{"rows": 3}')
    failed.fail("ValueError: <script>alert(1)</script>")
    retried.retry(timedelta(hours=1), "ValueError: no")
    fill_with_what_rq_cleans_up(server)
    yield server
    server.close()


def fill_with_what_rq_cleans_up(server: redis.Redis) -> None:
    """Write lapsed runs, ids of jobs that are gone, and a worker and a scheduler that died."""
    name, past = NAME, time.time() - 10_000
    plain = Queue(name, connection=server, serializer=JSONSerializer)
    job = plain.enqueue("tests.nothing", job_id="abandoned")
    server.lrem(f"rq:queue:{name}", 0, "abandoned")
    server.hset("rq:job:abandoned", "status", "started")
    server.zadd(f"rq:wip:{name}", {f"{job.id}:run1": past, "gone:run2": past})
    run = {"id": "run1", "job_id": job.id, "created_at": past, "last_heartbeat": past, "worker_name": "w1"}
    server.hset("rq:execution:abandoned:run1", mapping=run)
    for registry in ("finished", "failed", "scheduled", "deferred"):
        server.zadd(f"rq:{registry}:{name}", {"gone": past})
    server.rpush(f"rq:queue:{name}", "gone")
    server.sadd("rq:workers", "rq:worker:w1", "rq:worker:dead")
    server.sadd(f"rq:workers:{name}", "rq:worker:w1", "rq:worker:dead")
    moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    record = {"birth": moment, "last_heartbeat": moment, "queues": name, "state": "busy", "pid": 1, "hostname": "h"}
    server.hset("rq:worker:w1", mapping=record)
    server.sadd("rq:worker:w1:executions", "abandoned:run1", "gone:run2")
    scheduler = DjangoCronScheduler(connection=server, name="nightly")
    scheduler.register_birth()
    server.zadd("rq:cron_schedulers", {"dead": past})


def contents(server: redis.Redis) -> dict[bytes, Any]:
    """Return everything that is in Redis, and which keys end."""
    return {key: (server.dump(key), server.ttl(key) >= 0) for key in server.scan_iter()}


def url(name: str, *args: object) -> str:
    """Return a page's URL."""
    return reverse(f"django_rq:{name}", args=args)


def rq_id(job_id: str) -> str:
    """Return a job's id as RQ has it."""
    return encode_id(NAME, job_id)


LISTS = [
    ("home",),
    *((name, INDEX) for name in ("jobs", "queue_details", "finished_jobs", "failed_jobs", "scheduled_jobs")),
    *((name, INDEX) for name in ("started_jobs", "deferred_jobs", "workers")),
    ("worker_details", INDEX, "rq:worker:w1"),
    ("worker_details", INDEX, "w1"),
    ("cron_scheduler_detail", 0, "nightly"),
]
DETAILS = [("job_detail", INDEX, rq_id(f"job-{number}")) for number in range(6)]
DETAILS += [("job_detail", INDEX, "abandoned"), ("job_detail", INDEX, rq_id("a/b.c"))]
ACTIONS = [
    ("home_json",),
    *((name, INDEX) for name in ("delete_failed_jobs", "clear", "requeue_all", "confirm_action", "actions")),
    *((name, INDEX, rq_id("job-0")) for name in ("delete_job", "requeue_job", "enqueue_job", "stop_job")),
    ("scheduler_jobs", 0),
]
ABSENT = [
    ("jobs", 99),
    ("worker_details", INDEX, "rq:worker:dead"),
    ("job_detail", INDEX, "gone"),
    ("job_detail", INDEX, "a.b$"),
    ("job_detail", 99, rq_id("job-0")),
    ("result_detail", INDEX, rq_id("job-0"), "1-1"),
    ("cron_scheduler_detail", 0, "none"),
    ("cron_scheduler_detail", 99, "nightly"),
    ("cron_job_detail", 0, "nightly", "none"),
]


def test_no_page_of_django_rq_is_forgotten() -> None:
    """Every route that django-rq has is here as a page or as refused."""
    named = {page[0] for page in LISTS + DETAILS + ACTIONS + ABSENT}
    routes = {pattern.name for pattern in pages.urlpatterns if isinstance(pattern, URLPattern)}

    assert routes == named


@pytest.mark.parametrize("page", LISTS + DETAILS, ids=lambda page: page[0])
def test_each_page_opens(page: tuple[Any, ...], server: redis.Redis, looker: Client) -> None:
    """200, even over what is broken; what jobs carry stays text."""
    response = looker.get(url(*page))

    assert response.status_code == 200
    assert b"<script>alert" not in response.content


@pytest.mark.parametrize("page", ABSENT, ids=lambda page: f"{page[0]}-{page[-1]}")
def test_what_is_gone_is_404(page: tuple[Any, ...], server: redis.Redis, looker: Client) -> None:
    """An index, an id or a name that there is not is no 500."""
    assert looker.get(url(*page)).status_code == 404


def test_looking_changes_nothing(server: redis.Redis, looker: Client) -> None:
    """Lapsed runs, lost ids and dead workers are still there after every page was opened."""
    before = contents(server)
    for page in LISTS + DETAILS + ACTIONS + ABSENT:
        for query in ("", "?page=2", "?page=abc&desc=0"):
            looker.get(url(*page) + query)
            looker.post(
                url(*page) + query, {"action": "delete", "job_ids": rq_id("job-0"), "_selected_action": rq_id("job-0")}
            )

    assert contents(server) == before


@pytest.mark.parametrize("page", LISTS + DETAILS + ACTIONS, ids=lambda page: page[0])
def test_every_post_is_refused(page: tuple[Any, ...], server: redis.Redis, looker: Client) -> None:
    """405, with what may be done instead."""
    response = looker.post(url(*page))

    assert response.status_code == 405
    assert b"Queues pages" in response.content


@pytest.mark.parametrize("page", ACTIONS, ids=lambda page: page[0])
def test_what_only_acts_has_no_page(page: tuple[Any, ...], server: redis.Redis, looker: Client) -> None:
    """Not even its form is shown."""
    response = looker.get(url(*page))

    assert (response.status_code, response.headers["Allow"]) == (405, "")


@pytest.mark.parametrize("page", LISTS + DETAILS + ACTIONS, ids=lambda page: page[0])
def test_being_staff_is_not_enough(page: tuple[Any, ...], server: redis.Redis) -> None:
    """The pages need queues.view_queue."""
    assert staff().get(url(*page)).status_code == 403
    for nobody in (Client(), staff("view_queue", is_staff=False)):
        assert nobody.get(url(*page)).headers["Location"].startswith("/admin/login/")
        assert nobody.post(url(*page)).headers["Location"].startswith("/admin/login/")


@pytest.mark.parametrize("page", DETAILS[:1], ids=lambda page: page[0])
def test_what_a_job_carries_needs_its_own_permission(page: tuple[Any, ...], server: redis.Redis) -> None:
    """django-rq shows arguments and results on a job's page; the lists do not."""
    viewer = staff("view_queue")

    assert viewer.get(url(*page)).status_code == 403
    assert viewer.get(url("jobs", INDEX)).status_code == 200


def test_a_token_in_a_url_opens_nothing(server: redis.Redis, settings: Any) -> None:
    """Django-rq's API token, in the URL or a header, is no way in."""
    settings.RQ_API_TOKEN = "token"
    for path in ("stats.json/token/", "stats.json/"):
        response = Client().get(f"/admin/django-rq/{path}", headers={"Authorization": "Bearer token"})
        assert response.headers["Location"].startswith("/admin/login/")


class Bomb:
    """What pickle would run."""

    exploded = False

    def __reduce__(self) -> Any:
        """Say what to call."""
        return (setattr, (Bomb, "exploded", True))


def test_no_page_unpickles(server: redis.Redis, looker: Client, settings: Any) -> None:
    """Whoever can write to Redis cannot make a page run code, whatever RQ_QUEUES says."""
    settings.RQ_QUEUES = {name: {"URL": conf["URL"]} for name, conf in settings.RQ_QUEUES.items()}
    bomb = pickle.dumps(Bomb())
    for job_id in ("abandoned", rq_id("job-0"), rq_id("job-5")):
        server.hset(f"rq:job:{job_id}", mapping={"data": bomb, "result": bomb, "meta": bomb})
        server.xadd(f"rq:results:{job_id}", {"type": "1", "return_value": b64encode(bomb)})
    statuses = {looker.get(url(*page)).status_code for page in LISTS + DETAILS}

    assert Bomb.exploded is False
    assert statuses == {200}


@pytest.mark.parametrize("garbage", [b"", b"{", b"\xff", b'"x"', b"{}", b"[1]"])
def test_a_job_that_cannot_be_read_breaks_no_page(server: redis.Redis, looker: Client, garbage: bytes) -> None:
    """Case B24: lists and details are shown with what can be read."""
    for job_id in ("abandoned", rq_id("job-0"), rq_id("job-5")):
        server.hset(f"rq:job:{job_id}", mapping={"data": garbage, "result": garbage})
        server.xadd(f"rq:results:{job_id}", {"type": "1", "return_value": garbage})

    assert {looker.get(url(*page)).status_code for page in LISTS + DETAILS} == {200}


@pytest.mark.parametrize("page", [("home",), ("jobs", INDEX), ("job_detail", INDEX, "x")], ids=lambda page: page[0])
def test_a_redis_that_is_down_is_503(page: tuple[Any, ...], looker: Client, settings: Any) -> None:
    """The page says so and tells no address."""
    address = f"redis://:p4ssw0rd@127.0.0.1:{free_port()}/0"
    settings.RQ_QUEUES = {name: {**conf, "URL": address} for name, conf in settings.RQ_QUEUES.items()}
    response = looker.get(url(*page))

    assert response.status_code == 503
    assert b"does not answer" in response.content
    assert b"p4ssw0rd" not in response.content


def test_a_client_that_reads_sends_no_other_command(valkey: Valkey) -> None:
    """Whatever is called, nothing is written: alone, in a pipeline, in a script."""
    server, reader = valkey.client(), read_only({"URL": valkey.url})
    server.set("key", "value")
    before = contents(server)
    reader.set("key", "other")
    reader.delete("key")
    reader.flushall()
    reader.publish("channel", "x")
    reader.register_script("return redis.call('DEL', KEYS[1])")(keys=["key"])
    with reader.pipeline() as pipeline:
        answers = pipeline.get("key").delete("key").hset("h", "a", "b").get("key").execute()

    assert isinstance(reader, ReadOnlyRedis)
    assert answers == [b"value", 0, 0, b"value"]
    assert contents(server) == before


def test_pages_share_one_pool(server: redis.Redis, looker: Client) -> None:
    """Opening pages again and again opens no more connections."""
    looker.get(url("home"))
    before = server.info("clients")["connected_clients"]
    for _ in range(20):
        looker.get(url("home"))

    assert server.info("clients")["connected_clients"] <= before + 1
