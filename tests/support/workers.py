"""Worker processes for tests, started as an operator starts them and ended by process id."""

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from queues.adapters.rq import RQQueue
from queues.conf import QueueConf
from queues.jobs import JobOptions
from tests.support.valkey import Valkey
from tests.support.wait import until

ROOT = Path(__file__).resolve().parents[2]


class Workers:
    """Starts workers over one Valkey and ends those that are left."""

    def __init__(self, valkey: Valkey, folder: Path) -> None:
        """Take the server, and a folder for the database and the ledger."""
        self.valkey = valkey
        self.folder = folder
        self.ledger = Ledger(folder / "ledger")
        self.processes: list[subprocess.Popen[bytes]] = []
        self._logs = 0

    def start(self, *arguments: str, command: str = "rqworker", **environment: str) -> subprocess.Popen[bytes]:
        """Start one worker; it is not ready yet when this returns."""
        self._logs += 1
        log = self.folder / f"worker-{self._logs}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "manage.py", command, *arguments],
                cwd=ROOT,
                env=self.environment(**environment),
                stdout=output,
                stderr=output,
            )
        self.processes.append(process)
        return process

    def environment(self, **more: str) -> dict[str, str]:
        """Return the environment of a worker."""
        return {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.support.settings",
            "DATABASE_URL": f"sqlite:///{self.folder / 'db.sqlite3'}",
            "REDIS_URL": self.valkey.url,
            **more,
        }

    def logs(self) -> str:
        """Return what all workers have logged."""
        return "\n".join(path.read_text() for path in sorted(self.folder.glob("worker-*.log")))

    def stop(self) -> None:
        """End what is left."""
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait(30)


class Ledger:
    """What the jobs wrote when they ran."""

    def __init__(self, path: Path) -> None:
        """Read from this file."""
        self.path = path

    def lines(self, kind: str) -> list[list[str]]:
        """Return the lines of one kind: start or finish."""
        if not self.path.exists():
            return []
        rows = [line.split() for line in self.path.read_text().splitlines()]
        return [row for row in rows if row and row[0] == kind]

    def counts(self, kind: str) -> Counter[str]:
        """Return how often each job did so."""
        return Counter(row[1] for row in self.lines(kind))


def make_queue(valkey: Valkey, name: str = "data-processing", **settings: Any) -> RQQueue:
    """Return the test's own view of a queue."""
    return RQQueue(QueueConf(name=name, connection={"URL": valkey.url}, **settings))


def add(queue: RQQueue, ledger: Ledger, job_id: str, action: str = "ok", seconds: float = 0.0, **options: Any) -> None:
    """Add one job that does as it is told."""
    data = {"ledger": str(ledger.path), "action": action, "seconds": seconds}
    queue.add("work.do.v1", data, JobOptions(job_id=job_id, **options))


def wait_ended(queue: RQQueue, deadline: float = 120.0) -> None:
    """Wait until nothing waits, runs or is delayed."""

    def ended() -> bool:
        stats = queue.get_stats()
        return not (stats.waiting or stats.active or stats.delayed)

    until(ended, deadline, every=0.1, why=f"{queue.name} has ended all")
