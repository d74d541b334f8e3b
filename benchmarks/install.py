"""The environments of the peers: .bench-venv for Python, and .bench-venv/node when Node is there.

Each is built when it is missing or when its list of packages has changed since.
"""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

from benchmarks.conf import ROOT

VENV: Final = ROOT / ".bench-venv"
NODE: Final = VENV / "node"
HERE: Final = Path(__file__).parent


def peers_python() -> Path:
    """Return the peers' Python, installing them first if need be. Raises CalledProcessError."""
    python = VENV / "bin" / "python"
    peers: list[str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["bench"]
    if _stale(VENV, "\n".join(peers)):
        print("Installing the Python peers into .bench-venv ...", file=sys.stderr)
        _run([sys.executable, "-m", "venv", str(VENV)])
        _run([str(python), "-m", "pip", "install", "--quiet", "--upgrade", *peers])
        _mark(VENV, "\n".join(peers))
    return python


def node() -> Path | None:
    """Return the folder with BullMQ for Node, installing it if need be; None without node or npm."""
    if not (shutil.which("node") and shutil.which("npm")):
        return None
    package = HERE / "package.json"
    if _stale(NODE, package.read_text()):
        print("Installing BullMQ for Node into .bench-venv/node ...", file=sys.stderr)
        NODE.mkdir(parents=True, exist_ok=True)
        shutil.copy(package, NODE / "package.json")
        _run(["npm", "install", "--prefix", str(NODE), "--no-audit", "--no-fund", "--loglevel", "error"])
        _mark(NODE, package.read_text())
    return NODE


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)


def _stale(folder: Path, wanted: str) -> bool:
    built = folder / ".built"
    return not built.exists() or built.read_text() != wanted


def _mark(folder: Path, wanted: str) -> None:
    (folder / ".built").write_text(wanted)
