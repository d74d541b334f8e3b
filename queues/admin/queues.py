"""The Queues pages inside Django's admin: overview, one queue, one job, pause and resume.

Every URL names its queue. Seeing needs queues.view_queue, acting queues.operate_queue; being
staff is not enough. A provider that is down is shown as down.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, Final

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path, reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

import queues.job_urls  # noqa: F401 - registers <job_id:...>
from queues.admin.jobs import headings, job_page, job_rows, state_of, tabs, timeline
from queues.admin.overview import PAUSED, RESUMED, attention, row, tiles
from queues.admin.words import as_json
from queues.errors import QueueUnavailable, UnknownQueue
from queues.models import Queue
from queues.monitoring.overview import NO_ANSWER, read_queues
from queues.registry import get_queue

VIEW: Final = "queues.view_queue"
OPERATE: Final = "queues.operate_queue"
PAYLOAD: Final = "queues.view_payload"


def _needs[**P](
    *permissions: str,
) -> Callable[[Callable[Concatenate[Any, HttpRequest, P], HttpResponse]], Callable[..., HttpResponse]]:
    """Refuse with 403 whoever lacks one of the permissions, and with 404 a queue that there is not."""

    def decorate(view: Callable[Concatenate[Any, HttpRequest, P], HttpResponse]) -> Callable[..., HttpResponse]:
        @wraps(view)
        def checked(self: Any, request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            if not request.user.has_perms(permissions):
                raise PermissionDenied
            try:
                return view(self, request, *args, **kwargs)
            except UnknownQueue:
                raise Http404("There is no such queue.") from None

        return checked

    return decorate


@admin.register(Queue)
class QueueAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """The pages. There is no table behind: each asks the queues themselves."""

    def get_urls(self) -> list[URLResolver | URLPattern]:  # type: ignore[override]
        """Return our pages in the place of the stock ones."""

        def page(route: str, view: Callable[..., HttpResponse], name: str) -> URLPattern:
            return path(route, self.admin_site.admin_view(never_cache(view)), name=f"queues_queue_{name}")

        return [
            page("", require_safe(self.overview), "changelist"),
            page("<str:name>/", require_safe(self.queue), "change"),
            page("<str:name>/pause/", require_POST(self.pause), "pause"),
            page("<str:name>/resume/", require_POST(self.resume), "resume"),
            page("<str:name>/jobs/<job_id:job_id>/", require_safe(self.job), "job"),
        ]

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 - Django's signature
        """Say that queues come from settings."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:  # noqa: ARG002 - as above
        """Say that nothing of a queue is edited here."""
        return False

    @_needs(VIEW)
    def overview(self, request: HttpRequest) -> HttpResponse:
        """Show every queue."""
        statuses, now = read_queues(), timezone.now()
        context = {
            "attention": attention(statuses, now),
            "tiles": tiles(statuses),
            "rows": [row(status) for status in statuses],
        }
        return self._page(request, "overview", "Queues", context)

    @_needs(VIEW)
    def queue(self, request: HttpRequest, name: str) -> HttpResponse:
        """Show one queue and the jobs in one of its states."""
        queue, now = get_queue(name), timezone.now()
        [status] = read_queues([name])
        state = state_of(request.GET.get("state"))
        context: dict[str, Any] = {"queue": row(status), "backend": type(queue).__name__, "error": status.error}
        if status.stats is not None:
            try:
                page, jobs = job_page(queue, state, status.stats, request.GET.get("page"))
            except QueueUnavailable:
                context["error"] = NO_ANSWER
            else:
                context |= {
                    "page": page,
                    "pages": page.paginator.get_elided_page_range(page.number),
                    "jobs": job_rows(jobs, now),
                    "headings": headings(state),
                    "state": state,
                    "tabs": tabs(status.stats, state),
                }
        return self._page(request, "queue", name, context)

    @_needs(VIEW)
    def job(self, request: HttpRequest, name: str, job_id: str) -> HttpResponse:
        """Show one job; what it carries only to those who may see that."""
        job, error = None, None
        try:
            job = get_queue(name).get_job(job_id)
        except QueueUnavailable:
            error = NO_ANSWER
        if job is None and error is None:
            raise Http404("There is no such job.")
        context: dict[str, Any] = {"queue_name": name, "job": job, "error": error}
        if job is not None:
            whole = "whole" in request.GET
            context |= {
                "events": timeline(job, timezone.now()),
                "payload": as_json(job.data, whole=whole) if request.user.has_perm(PAYLOAD) else None,
                "result": as_json(job.result, whole=whole) if job.result is not None else None,
            }
        return self._page(request, "job", job_id, context)

    @_needs(VIEW, OPERATE)
    def pause(self, request: HttpRequest, name: str) -> HttpResponse:
        """Let nothing start."""
        return self._operate(request, name, get_queue(name).pause, PAUSED)

    @_needs(VIEW, OPERATE)
    def resume(self, request: HttpRequest, name: str) -> HttpResponse:
        """Let jobs start again."""
        return self._operate(request, name, get_queue(name).resume, RESUMED)

    def _operate(self, request: HttpRequest, name: str, act: Callable[[], None], done: str) -> HttpResponse:
        try:
            act()
        except QueueUnavailable:
            messages.error(request, f"{name}: {NO_ANSWER} Nothing was changed.")
        else:
            self.log_change(request, Queue(name=name), done)
            messages.success(request, f"{name}: {done.lower()}")
        page, args = ("change", [name]) if "from_queue" in request.POST else ("changelist", [])
        return HttpResponseRedirect(reverse(f"admin:queues_queue_{page}", args=args, current_app=self.admin_site.name))

    def _page(self, request: HttpRequest, template: str, title: str, context: dict[str, Any]) -> HttpResponse:
        request.current_app = self.admin_site.name
        return TemplateResponse(
            request,
            f"admin/queues/{template}.html",
            {
                **self.admin_site.each_context(request),
                "title": title,
                "opts": self.opts,
                "now": timezone.now(),
                "may_operate": request.user.has_perm(OPERATE),
                **context,
            },
        )
