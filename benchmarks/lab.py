"""Runs the drivers: each command in a process of its own, each worker watched through its ledger."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from benchmarks.catalogue import System
from benchmarks.conf import ROOT
from benchmarks.ledger import Ledger
from benchmarks.server import Server

CALL_SECONDS: Final = 900
STILL_SECONDS: Final = 60
LATE_RUNS_SECONDS: Final = 0.3
STOP_SECONDS: Final = 15


class Failed(Exception):
    """A driver or a worker did not do what it was asked to."""


class Lab:
    """One server, the environments of the systems, and a folder for ledgers and logs."""

    def __init__(self, server: Server, *, peers: Path | None, node: Path | None) -> None:
        """Take what is there; `node` is None where Node is not installed."""
        self.server = server
        self.peers = peers
        self.node = node
        # Memory, where there is such a folder: no disk takes part in a measurement.
        shared = Path("/dev/shm")
        self._temporary = tempfile.TemporaryDirectory(prefix="bench-", dir=shared if shared.is_dir() else None)
        self.folder = Path(self._temporary.name)

    def prepare(self) -> None:
        """Create the project's database, which its workers use beside Redis. Raises CalledProcessError."""
        environment = {**os.environ, **self._project()}
        subprocess.run([sys.executable, "manage.py", "migrate", "-v", "0"], cwd=ROOT, env=environment, check=True)

    def close(self) -> None:
        """Remove the folder."""
        self._temporary.cleanup()

    def has(self, system: System) -> bool:
        """Say whether the system's environment is there."""
        return {"project": True, "peers": self.peers is not None, "node": self.node is not None}[system.runtime]

    def call(self, system: System, command: str, *arguments: object, ledger: Ledger | None = None) -> dict[str, Any]:
        """Run one command of a driver and return its figures; raise Failed with what it said."""
        try:
            done = subprocess.run(
                [*self._driver(system), command, *map(str, arguments)],
                cwd=ROOT,
                env=self._environment(system, ledger),
                capture_output=True,
                text=True,
                timeout=CALL_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as exc:
            raise Failed(f"{system.name} {command} did not end within {CALL_SECONDS} seconds") from exc
        if done.returncode:
            raise Failed(f"{system.name} {command} ended with {done.returncode}:\n{done.stderr[-3000:]}")
        figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return figures

    def ledger(self, jobs: int) -> Ledger:
        """Return an empty ledger for that many jobs, in place of the last one."""
        path = self.folder / "ledger"
        path.unlink(missing_ok=True)
        return Ledger.create(path, jobs)

    @contextmanager
    def worker(self, system: System, ledger: Ledger, *, write_through: bool = False) -> Iterator[subprocess.Popen[Any]]:
        """Run the system's worker, in a process group of its own, for the block."""
        log = self.folder / "worker.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*self._driver(system), "work", str(system.concurrency)],
                cwd=ROOT,
                env={**self._environment(system, ledger), "BENCH_WRITE_THROUGH": str(int(write_through))},
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            yield process
        except Failed as exc:
            raise Failed(f"{system.name}: {exc}\n{log.read_text(errors='replace')[-3000:]}") from exc
        finally:
            _stop(process)

    def wait(self, process: subprocess.Popen[Any], ledger: Ledger, jobs: int | None = None) -> None:
        """Wait until so many jobs (all, if not said) have run; raise Failed when nothing moves any more."""
        wanted, seen, moved = jobs or ledger.jobs, -1, time.monotonic()
        pause = 0.05 if ledger.jobs > 100_000 else 0.01
        while (ended := ledger.ended()) < wanted:
            if ended != seen:
                seen, moved = ended, time.monotonic()
            if process.poll() is not None or time.monotonic() - moved > STILL_SECONDS:
                raise Failed(f"the worker stands still at {ended} of {ledger.jobs} jobs")
            time.sleep(pause)

    def check(self, ledger: Ledger) -> None:
        """Give a second run of a job time to show, then raise Failed unless each job ran exactly once."""
        time.sleep(LATE_RUNS_SECONDS)
        if problem := ledger.problem():
            raise Failed(problem)

    def _driver(self, system: System) -> list[str]:
        if system.runtime == "node":
            return ["node", f"benchmarks/systems/{system.module}.mjs"]
        python = sys.executable if system.runtime == "project" else str(self.peers)
        return [python, "-m", "benchmarks.systems", system.name]

    def _environment(self, system: System, ledger: Ledger | None) -> dict[str, str]:
        environment = {**os.environ, "BENCH_REDIS_URL": self.server.url}
        if ledger is not None:
            environment |= {"BENCH_LEDGER": str(ledger.path), "BENCH_JOBS": str(ledger.jobs)}
        if system.runtime == "node":
            environment |= {"BENCH_NODE": str(self.node), "NODE_ENV": "production"}
        if system.runtime == "project":
            environment |= self._project()
        return environment

    def _project(self) -> dict[str, str]:
        return {
            "DJANGO_SETTINGS_MODULE": "benchmarks.settings",
            "DJANGO_SECRET_KEY": "only-for-measurements-" + "x" * 40,
            "REDIS_URL": self.server.url,
            "DATABASE_URL": f"sqlite:///{self.folder / 'db.sqlite3'}",
            "LOG_LEVEL": "WARNING",
        }


def _stop(process: subprocess.Popen[Any]) -> None:
    """Ask the worker to end, then end whatever is left of its group."""
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(STOP_SECONDS)
