"""Processors that write one row for each effect, some of them once."""

import time
from dataclasses import dataclass

from django.db import connections

from queues import PermanentError, RunningJob, processor

ONCE = "effect.once.v1"
OFTEN = "effect.often.v1"
TABLE = "tests_effect"


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What to do beside writing the row, how long it takes, and in which database the row is."""

    action: str = "ok"
    seconds: float = 0.0
    alias: str = "default"


@processor(ONCE, once=True)
def once(effect: Effect, job: RunningJob) -> object:
    """Write the row in one transaction with the record."""
    return act(effect, job)


@processor(OFTEN)
def often(effect: Effect, job: RunningJob) -> object:
    """Write the row in a transaction of its own."""
    return act(effect, job)


def act(effect: Effect, job: RunningJob) -> object:
    """Write the row, then do as told."""
    with connections[effect.alias].cursor() as cursor:
        cursor.execute(f"INSERT INTO {TABLE} (job_id, attempt) VALUES (%s, %s)", [job.id, job.attempt])  # noqa: S608 - the name is a constant
    time.sleep(effect.seconds)
    match effect.action:
        case "fail":
            raise ValueError("as asked")
        case "permanent":
            raise PermanentError("as asked, with a NUL: \0")
        case "unwritable":
            return {1, 2, 3}
    return effect.action


def create_table(alias: str = "default") -> None:
    """Make the table; not a model's, so that nothing but the test empties it."""
    with connections[alias].cursor() as cursor:
        cursor.execute(f"CREATE TABLE IF NOT EXISTS {TABLE} (job_id varchar(255), attempt integer)")


def drop_table(alias: str = "default") -> None:
    """Remove the table with what it holds."""
    with connections[alias].cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {TABLE}")


def effects(alias: str = "default") -> list[str]:
    """Return the job of each effect, sorted; one that was had twice is there twice."""
    with connections[alias].cursor() as cursor:
        cursor.execute(f"SELECT job_id FROM {TABLE} ORDER BY job_id")  # noqa: S608 - a constant
        return [row[0] for row in cursor.fetchall()]
