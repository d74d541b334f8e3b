"""The commands of the repository: make, the lock file, and a run in which no test may be skipped."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.support import lockfile
from tests.support.repository import ROOT


def run(*command: str, folder: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command and return what it printed and its exit code."""
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=120, check=False, env={**os.environ, **environment}
    )


def test_make_alone_lists_the_commands() -> None:
    """`make` prints each command with what it does."""
    lines = run("make").stdout
    for command in ("demo", "test", "check", "format", "bench", "run", "lock", "clean"):
        assert f"make {command} " in lines


def test_make_says_which_python_it_needs(tmp_path: Path) -> None:
    """Without a Python from 3.12 up, make ends with a sentence that says what to do."""
    for name in ("Makefile", "requirements.lock"):
        shutil.copy(ROOT / name, tmp_path)
    old = tmp_path / "old-python"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    result = run("make", "test", f"PYTHONS={old} no-such-python", folder=tmp_path)
    assert result.returncode != 0
    assert "No Python from 3.12 up was found" in result.stderr
    assert not (tmp_path / ".venv").exists()


def test_the_lock_file_has_all_that_pyproject_asks_for() -> None:
    """The lock file agrees with pyproject.toml."""
    assert lockfile.check() == []


def test_a_lock_file_that_disagrees_is_found() -> None:
    """A missing package, a version out of range and a package that nobody asks for are each reported."""
    pins = {canonicalize_name("pytest"): Version("1.0"), canonicalize_name("ruff"): Version("1.0")}
    found = lockfile.problems([Requirement("pytest>=8"), Requirement("no-such-package")], pins)
    assert any("pytest>=8, and requirements.lock has 1.0" in problem for problem in found)
    assert any("no-such-package, which requirements.lock does not have" in problem for problem in found)
    assert any("requirements.lock has ruff, which nothing asks for" in problem for problem in found)


def test_a_lock_file_without_hashes_is_refused() -> None:
    """A package without a hash could be any file."""
    with pytest.raises(ValueError, match="no hash for six"):
        lockfile.pinned("six==1.17.0\n    # via x\n")


@pytest.mark.parametrize(
    "body",
    [
        "import pytest\n\ndef test_skips():\n    pytest.skip('no Chromium here')\n",
        "import pytest\n\n@pytest.mark.skipif(True, reason='no Chromium here')\ndef test_skips():\n    pass\n",
        "import pytest\n\npytest.skip('no Chromium here', allow_module_level=True)\n",
        "from pytest import *\n@fixture\ndef chromium():\n    skip('no Chromium here')\ndef test_it(chromium): ...\n",
    ],
    ids=["in the test", "by a mark", "the whole module", "in a fixture"],
)
def test_a_run_that_requires_every_test_fails_for_a_skip(tmp_path: Path, body: str) -> None:
    """However a test skips itself, the run fails, naming it and the reason; without the plugin it does not."""
    (tmp_path / "test_one.py").write_text(body)
    arguments = ("-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", str(tmp_path))
    command = (sys.executable, "-m", "pytest", *arguments, str(tmp_path))
    alone = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    assert run(*command, **alone).returncode in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}
    required = run(*command, "-p", "tests.support.required", **alone)
    assert required.returncode not in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}
    assert "was skipped, and this run requires every test" in required.stdout
    assert "no Chromium here" in required.stdout
    assert "test_one.py" in required.stdout
