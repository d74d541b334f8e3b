"""One run on a started system: wrong commands first, then the payments, then the comparison."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from demo import agreement, database, traffic
from demo.agreement import Check
from demo.client import Client, expect
from demo.commands import Book
from demo.plan import Kind, Payment, Receipt, payments
from demo.refusals import wrong_requests
from demo.report import Progress
from demo.services import WORKERS, Services

OK = 200
RATE_LIMITED, RETRY_AFTER_SECONDS = 2, 2
MAIL_PUT_OFF = 2
PAGES = ("/admin/login/", "/api/schema/", "/health/?format=json")
PROCESSES = 2 + WORKERS  # Valkey and the web server beside them


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run came to: everything that was accepted and how it ended, and the comparison."""

    book: Book
    checks: tuple[Check, ...]

    @property
    def agrees(self) -> bool:
        """Say whether everything is as it had to be."""
        return all(check.agrees for check in self.checks)


def run(services: Services, client: Client) -> Outcome:
    """Carry the plan out. Raises ProcessDied, UnexpectedAnswer, TimeoutError or OSError."""
    refused = _refuse(services, client)
    plan = payments()
    _prepare_sinks(services, plan)
    stop = threading.Event()
    progress = Progress(sum(payment.commands for payment in plan))
    book = Book(client, on_end=progress.advance, stop=stop)
    try:
        traffic.run(book, plan, watch=services.processes.check, stop=stop)
    except OSError:
        # A broken connection is how the end of a process is seen from here.
        services.processes.check()
        raise
    return Outcome(book=book, checks=(*refused, *_compare(services, client, book, plan)))


def _refuse(services: Services, client: Client) -> list[Check]:
    wrong = list(wrong_requests())
    problems = [problem for request in wrong if (problem := request.problem(client))]
    jobs = sum(
        queue[state] for queue in _queues(client) for state in ("waiting", "active", "delayed", "completed", "failed")
    )
    return [
        Check(
            what="wrong commands refused, with the field named",
            expected=len(wrong),
            found=len(wrong) - len(problems),
            details=tuple(problems),
        ),
        Check(what="jobs that the wrong commands left", expected=0, found=jobs),
        Check(what="rows that the wrong commands left", expected=0, found=database.read(services.database).rows),
    ]


def _prepare_sinks(services: Services, plan: Sequence[Payment]) -> None:
    """Let faults come that pass: Slack's rate limit, a Slack that is down, a mail server that is busy."""
    services.slack.limit_rate(RATE_LIMITED, retry_after=str(RETRY_AFTER_SECONDS), channel="payments")
    services.slack.fail(channel="alerts")
    services.smtp.fail_next(MAIL_PUT_OFF)
    for payment in plan:
        if payment.receipt is Receipt.REFUSED:
            services.smtp.refuse(payment.recipient)


def _compare(services: Services, client: Client, book: Book, plan: Sequence[Payment]) -> list[Check]:
    facts = database.read(services.database)
    mails = [(to,) for received in services.smtp.messages for to in received.recipients]
    due_mails = agreement.effects_of(book.accepted, Kind.EMAIL)
    due_posts = agreement.effects_of(book.accepted, Kind.MESSAGE, Kind.ALERT)
    twice = sum(payment.sent_twice for payment in plan)
    return [
        Check(what="commands sent twice that were known", expected=twice, found=len(book.duplicates)),
        *agreement.check_endings(book.accepted, book.ended),
        *agreement.check_transactions(book.accepted, plan, facts.states, validated=facts.validated),
        *agreement.check_ledger(book.accepted, facts.ledger),
        *agreement.check_deliveries("e-mails", due_mails, mails, recorded=facts.emails.get("sent", 0)),
        *agreement.check_deliveries("Slack", due_posts, _posts(services), recorded=facts.slack.get("posted", 0)),
        *agreement.check_waits(RATE_LIMITED, RETRY_AFTER_SECONDS, facts.waits),
        *agreement.check_queues(book.ended, _queues(client)),
        *_check_system(services, client),
    ]


def _check_system(services: Services, client: Client) -> list[Check]:
    bad = [f"{path}: {status}" for path in PAGES if (status := client.status(path)) != OK]
    running = [child for child in services.processes.children if child.process.poll() is None]
    return [
        Check(what="pages that answer", expected=len(PAGES), found=len(PAGES) - len(bad), details=tuple(bad)),
        Check(what="processes that are up", expected=PROCESSES, found=len(running)),
    ]


def _posts(services: Services) -> list[tuple[str]]:
    """Return the text of every message, and the title of every alert, which Slack shows after a sign."""
    return [
        (posted.blocks[0]["text"]["text"].partition(" ")[2] if posted.blocks else posted.text,)
        for posted in services.slack.messages
    ]


def _queues(client: Client) -> list[dict[str, Any]]:
    queues: list[dict[str, Any]] = expect(client.get("/api/v1/queues/"), OK, "queues")
    return queues
