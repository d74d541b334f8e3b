"""The host that a run was on, for the report."""

import json
import os
import platform
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.install import NODE
from benchmarks.server import Server

PACKAGES = ("rq", "dramatiq", "celery", "huey", "saq", "bullmq", "redis", "hiredis")


def describe(server: Server, peers: Path | None) -> dict[str, Any]:
    """Return what a reader needs to judge the figures; values are text, numbers or lists of them."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "kernel": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
        "node": _output("node", "--version").lstrip("v"),
        "valkey": server.version(),
        "load_at_start": load(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "packages": _packages(peers),
    }


def load() -> list[float]:
    """Return the load averages of the last 1, 5 and 15 minutes."""
    return [round(value, 2) for value in os.getloadavg()]


def sentence(host: dict[str, Any]) -> str:
    """Return the host in one line."""
    return (
        f"{host['cpu']}, {host['cores']} cores, {host['kernel']}, Python {host['python']}, "
        f"Node {host['node'] or 'absent'}, Valkey {host['valkey']}"
    )


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def _packages(peers: Path | None) -> dict[str, str]:
    """Return the versions of what was measured."""
    versions = {}
    if peers is not None:
        code = f"from importlib.metadata import version as v; [print(p, v(p)) for p in {PACKAGES!r}]"
        versions = dict(line.split() for line in _output(str(peers), "-c", code).splitlines())
    package = NODE / "node_modules" / "bullmq" / "package.json"
    if package.exists():
        versions["bullmq (Node)"] = str(json.loads(package.read_text())["version"])
    return versions


def _output(program: str, *arguments: str) -> str:
    if not shutil.which(program):
        return ""
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=True).stdout.strip()
