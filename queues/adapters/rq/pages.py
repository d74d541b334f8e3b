"""django-rq's pages, to look at: staff with queues.view_queue, GET only, nothing changes.

Its views run as they are, but on what `reading` gives them: no page cleans up, and none
unpickles. What only acts (empty, requeue, delete, stop), its JSON and its metrics are refused,
and so is rq-scheduler's page, which needs a package that is not here. The pages that show what
a job carries need queues.view_payload too.
"""

from collections.abc import Callable, Mapping
from functools import wraps
from http import HTTPStatus
from inspect import unwrap
from types import FunctionType
from typing import Any, Final

import redis
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, URLPattern
from django.views.decorators.cache import never_cache
from django_rq import cron_views, stats_views, utils, views
from django_rq.connection_utils import get_unique_connection_configs
from django_rq.settings import get_queues_list, get_queues_map
from django_rq.urls import get_admin_urlpatterns, get_api_urlpatterns
from rq.exceptions import NoSuchJobError
from rq.queue import Queue

from queues.adapters.rq.connection import translated
from queues.adapters.rq.reading import (
    ReadDeferred,
    ReadFailed,
    ReadFinished,
    ReadJob,
    ReadScheduled,
    ReadStarted,
    ReadWorkers,
    read_executions,
    read_only,
    read_queue,
)
from queues.errors import QueueMisconfigured, QueueUnavailable

VIEW: Final = "queues.view_queue"
PAYLOAD: Final = "queues.view_payload"
ACTS: Final = "django-rq's pages are here to look at. Pause, resume and retry on the Queues pages."
DOWN: Final = "The provider does not answer."


class _FoundWorkers(ReadWorkers):
    """Workers for the page of one: 404 when it is gone."""

    @classmethod
    def find_by_key(cls, worker_key: str, connection: redis.Redis, **_: Any) -> Any:  # type: ignore[override]
        """Return the worker; raise Http404."""
        found = ReadWorkers.find_by_key(worker_key, connection)
        if found is None:
            raise Http404("There is no such worker.")
        return found

    @classmethod
    def all(cls, *args: Any, **kwargs: Any) -> Any:
        """Return those that there are."""
        return ReadWorkers.all(*args, **kwargs)


def _queue_by_index(index: int) -> Queue:
    queues = get_queues_list()
    if not 0 <= index < len(queues):
        raise Http404("There is no such queue.")
    return read_queue(queues[index]["name"], queues[index]["connection_config"])


def _connection_by_index(index: int) -> redis.Redis:
    configs = get_unique_connection_configs()
    if not 0 <= index < len(configs):
        raise Http404("There is no such connection.")
    return read_only(configs[index])


def _nothing(*_: object) -> None:
    """Stand for a cleanup."""


def rebound(function: Callable[..., Any], names: Mapping[str, object]) -> Callable[..., Any]:
    """Return a function that does the same with other things under its global names.

    Nothing of django-rq itself is changed: its own functions keep their globals.
    """
    raw = unwrap(function)
    if not isinstance(raw, FunctionType):
        raise TypeError(f"{function!r} is not a plain function")
    known = {**raw.__globals__, **names}
    return FunctionType(raw.__code__, known, raw.__name__, raw.__defaults__, raw.__closure__)


_SAFE: Final[dict[str, object]] = {
    "get_queue_by_index": _queue_by_index,
    "get_connection": lambda name: _queue_by_index(get_queues_map()[name]).connection,
    "get_redis_connection": read_only,
    "get_connection_by_index": _connection_by_index,
    "get_executions": read_executions,
    "clean_registries": _nothing,
    "clean_worker_registry": _nothing,
    "DeferredJobRegistry": ReadDeferred,
    "FailedJobRegistry": ReadFailed,
    "FinishedJobRegistry": ReadFinished,
    "ScheduledJobRegistry": ReadScheduled,
    "StartedJobRegistry": ReadStarted,
    "Job": ReadJob,
    "Worker": _FoundWorkers,
}
statistics: Final = rebound(utils.get_statistics, _SAFE)
_READING: Final[dict[str, object]] = {
    **_SAFE,
    "get_jobs": rebound(utils.get_jobs, _SAFE),
    "get_statistics": statistics,
    "get_scheduler_statistics": rebound(utils.get_scheduler_statistics, _SAFE),
    "get_cron_schedulers": rebound(utils.get_cron_schedulers, _SAFE),
    "get_scheduler": rebound(cron_views.get_scheduler, _SAFE),
}
_LISTS: Final = (
    *(stats_views.stats, views.jobs, views.queue_details, views.workers, views.worker_details),
    *(views.finished_jobs, views.failed_jobs, views.scheduled_jobs, views.started_jobs, views.deferred_jobs),
    cron_views.cron_scheduler_detail,
)
_DETAILS: Final = (views.job_detail, views.result_detail, cron_views.cron_job_detail)


def _guard(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Return what is mounted in the place of one of django-rq's views."""
    reading = rebound(view, _READING) if view in _LISTS + _DETAILS else None
    permissions = (VIEW, PAYLOAD) if view in _DETAILS else (VIEW,)

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.has_perms(permissions):
            raise PermissionDenied
        if reading is None or request.method not in {"GET", "HEAD"}:
            response = _say(request, HTTPStatus.METHOD_NOT_ALLOWED, ACTS)
            response["Allow"] = "GET, HEAD" if reading else ""
            return response
        try:
            with translated("reading"):
                return reading(request, *args, **kwargs)  # type: ignore[no-any-return]
        except (QueueUnavailable, QueueMisconfigured):
            return _say(request, HTTPStatus.SERVICE_UNAVAILABLE, DOWN)
        except (NoSuchJobError, NoReverseMatch):
            raise Http404("There is no such thing.") from None

    return admin.site.admin_view(never_cache(guarded))


def _say(request: HttpRequest, status: HTTPStatus, text: str) -> HttpResponse:
    context = {**admin.site.each_context(request), "title": "Django RQ", "text": text}
    return TemplateResponse(request, "admin/queues/rq_says.html", context, status=status)


app_name = "django_rq"
urlpatterns = [
    URLPattern(pattern.pattern, _guard(pattern.callback), pattern.default_args, pattern.name)
    for pattern in get_api_urlpatterns() + get_admin_urlpatterns()
]
