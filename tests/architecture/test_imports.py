"""The import rules of ARCHITECTURE.md: they hold, and each of them bites."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.repository import PACKAGES, ROOT

# What breaks each rule: the contract, the file that an import is added to, and the import.
OFFENCES = [
    ("layers", "queues/errors.py", "import queues.ports"),
    ("layers", "queues/codec/__init__.py", "import queues.registry"),
    ("layers", "queues/registry.py", "import queues.worker"),
    ("layers", "queues/worker/__init__.py", "import queues.adapters.rq"),
    ("layers", "queues/monitoring/__init__.py", "import queues.api.commands"),
    ("layers", "queues/newcomer.py", "import json"),
    ("pure", "queues/ports.py", "import django.conf"),
    ("pure", "queues/jobs.py", "import redis"),
    ("adapters", "queues/adapters/memory/queue.py", "import queues.registry"),
    ("adapters", "queues/adapters/rq/queue.py", "import queues.worker"),
    ("brokers", "queues/api/commands.py", "import redis"),
    ("brokers", "transactions/apps.py", "import rq"),
    ("brokers", "slackworker/apps.py", "import django_rq"),
    ("brokers", "queues/registry.py", "import boto3"),
    ("domains", "transactions/apps.py", "import notifications.apps"),
    ("domains", "slackworker/apps.py", "import transactions.models"),
    ("face", "transactions/apps.py", "from queues.jobs import JobOptions"),
    ("face", "notifications/apps.py", "import queues.api.commands"),
    ("face", "slackworker/api/__init__.py", "import queues.registry"),
    ("platform", "queues/conf.py", "import transactions.models"),
    ("platform", "queues/conf.py", "import mqproject.settings"),
]


def lint_imports(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run lint-imports in a folder and return what it printed and its exit code."""
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-logo", "--no-cache", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Copy the packages and the rules, for a test to break."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__", "static"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_every_import_keeps_the_rules() -> None:
    """The code as it stands breaks no contract."""
    run = lint_imports(ROOT)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize(("contract", "file", "statement"), OFFENCES)
def test_an_import_against_a_rule_is_caught(copy: Path, contract: str, file: str, statement: str) -> None:
    """One import in the wrong place breaks the contract that forbids it."""
    with (copy / file).open("a", encoding="utf-8") as code:
        code.write(f"\n{statement}\n")
    run = lint_imports(copy, "--contract", contract)
    assert run.returncode == 1, run.stdout + run.stderr
    assert "BROKEN" in run.stdout or "not listed as layers" in run.stdout, run.stdout + run.stderr


def test_a_copy_without_an_offence_passes(copy: Path) -> None:
    """It is the added import that the other test catches, not the copying."""
    run = lint_imports(copy)
    assert run.returncode == 0, run.stdout + run.stderr


def test_every_rule_has_an_offence_that_proves_it() -> None:
    """A new contract comes with an import that it catches."""
    listed = lint_imports(ROOT, "--verbose").stdout
    assert listed
    rules = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    ids = {line.split('"')[1] for line in rules.splitlines() if line.startswith("id = ")}
    assert ids == {contract for contract, _, _ in OFFENCES}
