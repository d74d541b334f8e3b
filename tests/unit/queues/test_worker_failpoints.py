"""Fail points kill the process where and when they are told, and are not there otherwise."""

import os
import signal
import subprocess
import sys

import pytest

PROGRAM = "from queues.worker.failpoints import reached\nfor name in 'abab': reached(name); print(name, flush=True)"


@pytest.mark.parametrize(
    ("point", "code", "passed"),
    [
        ("", 0, "abab"),
        ("c", 0, "abab"),
        ("a", -signal.SIGKILL, ""),
        ("b", -signal.SIGKILL, "a"),
        ("a:2", -signal.SIGKILL, "ab"),
        ("b:2", -signal.SIGKILL, "aba"),
        ("b:3", 0, "abab"),
    ],
)
def test_the_process_dies_at_the_point_that_was_named(point: str, code: int, passed: str) -> None:
    """By SIGKILL, the given time it gets there; unset or never reached, it goes on."""
    environment = {**os.environ, "QUEUES_FAILPOINT": point}
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, timeout=60, check=False
    )

    assert (result.returncode, "".join(result.stdout.split())) == (code, passed)


def test_unset_it_costs_one_empty_call() -> None:
    """Without the variable there is nothing to look up."""
    from queues.worker import failpoints

    assert failpoints.reached is failpoints._pass
