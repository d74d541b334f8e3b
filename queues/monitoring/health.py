"""Health: the database, and every queue with its counts. 503 as soon as one is down.

Each check ends within two seconds; a provider that hangs holds one thread of ours, however
often the page is asked for.
"""

import asyncio
import dataclasses
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from typing import Any, Final

from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict
from health_check.base import HealthCheck, HealthCheckResult  # type: ignore[import-untyped]
from health_check.checks import Database  # type: ignore[import-untyped]
from health_check.exceptions import ServiceUnavailable  # type: ignore[import-untyped]
from health_check.views import HealthCheckView, MediaType  # type: ignore[import-untyped]

from queues.jobs import MILLISECOND, QueueStats
from queues.monitoring.overview import NO_ANSWER, ask
from queues.registry import registry

# django-health-check adds a second of its own: two in all.
TIMEOUT: Final = timedelta(seconds=1)
_database_pool: Final = ThreadPoolExecutor(max_workers=4, thread_name_prefix="health-database")


@dataclasses.dataclass
class QueueCheck(HealthCheck):  # type: ignore[misc]
    """One queue: up when its provider gives its counts."""

    timeout = TIMEOUT

    name: str
    stats: QueueStats | None = dataclasses.field(default=None, init=False, repr=False)

    async def run(self) -> None:
        """Ask for the counts; raise ServiceUnavailable, which says nothing that is secret."""
        try:
            # Shielded: the question may be another's too, and must not end with our patience.
            self.stats = await asyncio.shield(asyncio.wrap_future(ask(self.name)))
        except Exception as exc:
            raise ServiceUnavailable(NO_ANSWER) from exc

    @property
    def title(self) -> str:
        """Return what the page calls it."""
        return self.name

    @property
    def figures(self) -> dict[str, int | bool | None]:
        """Return the counts, durations in milliseconds; nothing while the queue is down."""
        if self.stats is None:
            return {}
        oldest = self.stats.oldest_waiting
        return {
            **{str(state): count for state, count in self.stats.counts.items()},
            "is_paused": self.stats.is_paused,
            "oldest_waiting_ms": None if oldest is None else round(oldest / MILLISECOND),
        }


@dataclasses.dataclass
class DatabaseCheck(Database):  # type: ignore[misc]
    """The database: up when it answers SELECT 1."""

    timeout = TIMEOUT

    @property
    def name(self) -> str:
        """Return the alias."""
        return str(self.alias)

    @property
    def title(self) -> str:
        """Return what the page calls it."""
        return f"database {self.alias}"


class HealthView(HealthCheckView):  # type: ignore[misc]
    """The answer in every format that django-health-check has; 503 in all of them when anything is down."""

    template_name = "queues/health.html"
    results: list[HealthCheckResult]

    def get_checks(self) -> Any:
        """Return the database's check and one for each queue."""
        yield DatabaseCheck()
        for name in registry:
            yield QueueCheck(name=name)

    def get_executor(self) -> AbstractContextManager[Executor | None]:
        """Return the few threads that ask the database."""
        return nullcontext(_database_pool)

    async def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Answer; an Accept header that is no such header gets JSON."""
        try:
            list(MediaType.parse_header(request.headers.get("accept", "*/*")))
        except ValueError:
            request.GET = QueryDict("format=json")
        response: HttpResponse = await super().get(request, *args, **kwargs)
        if any(result.error for result in self.results):
            response.status_code = 503
        return response

    def render_to_response_json(self, status: int) -> HttpResponse:
        """Return every check's status, and each queue's counts."""
        groups: dict[str, dict[str, Any]] = {"databases": {}, "queues": {}}
        for result in self.results:
            group = "queues" if isinstance(result.check, QueueCheck) else "databases"
            groups[group][result.check.name] = _shown(result)
        down = any(result.error for result in self.results)
        return JsonResponse({"status": "down" if down else "up", **groups}, status=status)


def _shown(result: HealthCheckResult) -> dict[str, Any]:
    if result.error:
        return {"status": "down", "error": str(result.error.message)}
    return {"status": "up", **getattr(result.check, "figures", {})}
