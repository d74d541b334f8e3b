"""Sends commands and follows their jobs to the end, and remembers both.

Threads share one book: what was accepted, how it ended, and what was a duplicate.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from demo.client import Client, expect
from demo.plan import Kind

ACCEPTED, OK, NOT_FOUND = 202, 200, 404
JOB_SECONDS = 45.0
FIRST_POLL_SECONDS = 0.02
SLOWEST_POLL_SECONDS = 0.25
PATHS: Mapping[Kind, str] = {
    Kind.VALIDATION: "/api/v1/transactions/validations/",
    Kind.SETTLEMENT: "/api/v1/transactions/settlements/",
    Kind.REFUND: "/api/v1/transactions/refunds/",
    Kind.EMAIL: "/api/v1/notifications/emails/",
    Kind.MESSAGE: "/api/v1/slack/messages/",
    Kind.ALERT: "/api/v1/slack/alerts/",
}


class Abandoned(Exception):
    """The run was stopped while a job was being waited for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A command that was answered with 202, and whether it is meant to succeed.

    `effect` is what its success leaves behind once: what the ledger or a sink has to show.
    """

    kind: Kind
    queue: str
    job_id: str
    effect: tuple[object, ...]
    succeeds: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command's job ended: done or failed, after how many runs that did not complete.

    A job that its queue no longer keeps was done: a queue keeps more failed jobs than fail
    here. Its failed runs are not known then, so `seen` is False.
    """

    command: Accepted
    done: bool
    retries: int
    seen: bool = True


class Book:
    """All commands of one run. Safe to use from several threads."""

    def __init__(self, client: Client, *, on_end: Callable[[], None], stop: threading.Event) -> None:
        """Send through `client`; call `on_end` after each job's end; give up when `stop` is set."""
        self.client = client
        self.accepted: list[Accepted] = []
        self.ended: list[Ended] = []
        self.duplicates: list[str] = []
        self._on_end = on_end
        self._stop = stop

    def send(
        self, kind: Kind, body: Mapping[str, Any], *, key: str, effect: tuple[object, ...], succeeds: bool = True
    ) -> Accepted:
        """Send a command that has to be accepted; a duplicate is noted apart."""
        answer = expect(self.client.post(PATHS[kind], body, key=key), ACCEPTED, f"{kind} {key}")
        command = Accepted(kind=kind, queue=answer["queue"], job_id=answer["id"], effect=effect, succeeds=succeeds)
        if answer["duplicate"]:
            self.duplicates.append(command.job_id)
        else:
            self.accepted.append(command)
        return command

    def follow(self, command: Accepted) -> Ended:
        """Wait for the end of a command's job and return how it ended. Raises TimeoutError."""
        job = self.until(command, lambda job: job is None or job["state"] in {"completed", "failed"})
        if job is None:
            ended = Ended(command=command, done=True, retries=0, seen=False)
        else:
            is_done = job["state"] == "completed"
            runs = len(job["failures"])
            ended = Ended(command=command, done=is_done, retries=runs if is_done else max(0, runs - 1))
        self.ended.append(ended)
        self._on_end()
        return ended

    def until(self, command: Accepted, condition: Callable[[dict[str, Any] | None], bool]) -> dict[str, Any] | None:
        """Ask for a job until the condition holds, and return it; None for one no longer kept."""
        deadline, pause = time.monotonic() + JOB_SECONDS, FIRST_POLL_SECONDS
        while not condition(job := self._job(command)):
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"{command.kind} {command.job_id} is still {job and job['state']} after {JOB_SECONDS:.0f} s"
                )
            if self._stop.wait(pause):
                raise Abandoned
            pause = min(pause * 2, SLOWEST_POLL_SECONDS)
        return job

    def _job(self, command: Accepted) -> dict[str, Any] | None:
        answer = self.client.get(f"/api/v1/queues/{command.queue}/jobs/{command.job_id}/")
        if answer.status == NOT_FOUND:
            return None
        job: dict[str, Any] = expect(answer, OK, f"job {command.job_id}")
        return job
