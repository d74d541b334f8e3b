"""What the jobs of the Python peers do: nothing, or 50 ms of waiting, as threads and as coroutines."""

import asyncio
import time
from typing import Any

from benchmarks.ledger import the_ledger
from benchmarks.payload import SLEEP_SECONDS, index_of


def noop(job: dict[str, Any]) -> None:
    """Do nothing."""
    the_ledger().once(index_of(job["txId"]))


def sleep(job: dict[str, Any]) -> None:
    """Wait as I/O does."""
    ledger, index = the_ledger(), index_of(job["txId"])
    ledger.start(index)
    time.sleep(SLEEP_SECONDS)
    ledger.end(index)


async def anoop(job: dict[str, Any]) -> None:
    """Do nothing."""
    the_ledger().once(index_of(job["txId"]))


async def asleep(job: dict[str, Any]) -> None:
    """Wait as I/O does."""
    ledger, index = the_ledger(), index_of(job["txId"])
    ledger.start(index)
    await asyncio.sleep(SLEEP_SECONDS)
    ledger.end(index)
