"""README's first app, written to disk as a reader would write it, and run."""

import importlib
import re
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from queues import JobState, get_queue
from queues.worker import pipeline
from tests.support.repository import ROOT

_FILE = re.compile(r"```python\n# (orders/\w+\.py)\n(.*?)```", re.DOTALL)


@pytest.fixture
def orders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """README's `orders` package, imported; forgotten afterwards, its processor too."""
    from queues.processors import _processors

    files = dict(_FILE.findall((ROOT / "README.md").read_text(encoding="utf-8")))
    assert set(files) == {"orders/payloads.py", "orders/services.py", "orders/processors.py"}
    (tmp_path / "orders").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.import_module("orders.processors")
    yield sys.modules["orders"]
    _processors.pop("order.invoice.v1")
    for name in [name for name in sys.modules if name.partition(".")[0] == "orders"]:
        del sys.modules[name]


def run_next() -> None:
    """Run the next job as a worker would."""
    [delivery] = get_queue().consumer("reader").reserve(1)
    delivery.consumer.settle([pipeline.run(delivery, 1024)])


def test_the_readmes_first_app_runs(memory_queues: None, orders: Any) -> None:
    """Its service adds a job, its processor runs it, and the result is the invoice's number."""
    data = orders.payloads.InvoicePayload(order_id="o-1", total=Decimal("12.50"))
    added = orders.services.enqueue_invoice(data=data)
    assert orders.services.enqueue_invoice(data=data).duplicate
    run_next()
    job = get_queue().get_job(added.id)
    assert job is not None
    assert (job.state, job.result, job.attempts_made) == (JobState.COMPLETED, "INV-o-1", 1)


def test_the_readmes_permanent_error_ends_the_job(memory_queues: None, orders: Any) -> None:
    """What README raises as PermanentError fails at once, four attempts early."""
    data = orders.payloads.InvoicePayload(order_id="o-2", total=Decimal(0))
    added = orders.services.enqueue_invoice(data=data)
    run_next()
    job = get_queue().get_job(added.id)
    assert job is not None
    assert (job.state, job.attempts_made) == (JobState.FAILED, 1)
    assert "total above zero" in str(job.failed_reason)
