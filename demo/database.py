"""What the system wrote to its database, read as it is stored and not through the system's code."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row of the ledger, in minor units: above zero captured, below refunded."""

    tx_id: str
    kind: str
    currency: str
    minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the database holds at one moment.

    `waits` has, for each message that Slack put off, how often that was and the seconds from the
    first attempt to the post.
    """

    states: dict[str, str]
    validated: int
    ledger: tuple[Entry, ...]
    emails: dict[str, int]
    slack: dict[str, int]
    waits: tuple[tuple[int, float], ...]

    @property
    def rows(self) -> int:
        """Return how many rows the commands have left in all."""
        return len(self.states) + len(self.ledger) + sum(self.emails.values()) + sum(self.slack.values())


def read(path: Path) -> Facts:
    """Return the facts, all of the same moment."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None)) as database:
        database.execute("BEGIN")
        return Facts(
            states=dict(_rows(database, "SELECT tx_id, state FROM transactions_transaction")),
            validated=_rows(database, "SELECT count(validated_at) FROM transactions_transaction")[0][0],
            ledger=tuple(_ledger(database)),
            emails=dict(_rows(database, "SELECT state, count(*) FROM notifications_emaildelivery GROUP BY state")),
            slack=dict(_rows(database, "SELECT state, count(*) FROM slackworker_slackdelivery GROUP BY state")),
            waits=tuple(_waits(database)),
        )


def _rows(database: sqlite3.Connection, query: str) -> list[Any]:
    return database.execute(query).fetchall()


def _ledger(database: sqlite3.Connection) -> list[Entry]:
    query = """
        SELECT tx_id, kind, ledger.currency, ledger.amount_minor
        FROM transactions_ledgerentry AS ledger JOIN transactions_transaction AS tx ON tx.id = ledger.transaction_id
    """
    return [Entry(tx_id=tx, kind=kind, currency=code, minor=minor) for tx, kind, code, minor in _rows(database, query)]


def _waits(database: sqlite3.Connection) -> list[tuple[int, float]]:
    query = """
        SELECT rate_limits, created_at, posted_at FROM slackworker_slackdelivery
        WHERE rate_limits > 0 AND state = 'posted'
    """
    return [(times, _seconds(start, end)) for times, start, end in _rows(database, query)]


def _seconds(start: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
