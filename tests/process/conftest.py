"""Workers for process tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.valkey import Valkey
from tests.support.workers import Workers


@pytest.fixture
def workers(valkey: Valkey, tmp_path: Path) -> Iterator[Workers]:
    """Worker processes that end with the test."""
    started = Workers(valkey, tmp_path)
    yield started
    started.stop()
    # pytest shows it when the test fails.
    print(started.logs())
