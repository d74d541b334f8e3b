"""What the jobs of this platform do when measured; the peers' twins are in systems/jobs.py."""

import time
from dataclasses import dataclass
from decimal import Decimal

from benchmarks.ledger import the_ledger
from benchmarks.payload import NOOP, SLEEP, SLEEP_SECONDS, index_of
from queues import processor


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """The specification's settlement."""

    tx_id: str
    amount: Decimal
    currency: str
    payment_method: str
    merchant_id: str


@processor(NOOP)
def noop(settlement: Settlement) -> None:
    """Do nothing."""
    the_ledger().once(index_of(settlement.tx_id))


@processor(SLEEP)
def sleep(settlement: Settlement) -> None:
    """Wait as I/O does."""
    ledger, index = the_ledger(), index_of(settlement.tx_id)
    ledger.start(index)
    time.sleep(SLEEP_SECONDS)
    ledger.end(index)
