"""Management commands run to their end, as an operator runs them."""

import subprocess
import sys

from tests.support.workers import ROOT, Workers

SETTINGS = "tests.support.faults.settings"


def manage(workers: Workers, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a management command to its end."""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=workers.environment(**{"DJANGO_SETTINGS_MODULE": SETTINGS, **environment}),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def running(workers: Workers, job_id: str) -> bool:
    """Say whether a job has started."""
    return bool(workers.ledger.counts("start")[job_id])
