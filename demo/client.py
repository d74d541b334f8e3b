"""A REST client as another system would write it: JSON, a token, an Idempotency-Key.

One kept connection for each thread. A command whose connection broke is sent once more:
its key makes that safe.
"""

import http.client
import json
import threading
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

TIMEOUT_SECONDS = 30.0
BROKEN = (http.client.HTTPException, ConnectionError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the server answered: the status, and the body read as JSON."""

    status: int
    body: Any


class UnexpectedAnswer(Exception):
    """The server's answer is not the one that the request had to get."""


class Client:
    """Talks to one server with one user's token. Safe to use from several threads."""

    def __init__(self, *, port: int, token: str) -> None:
        """Talk to 127.0.0.1 on that port."""
        self.port = port
        self._headers = {"Authorization": f"Token {token}", "Accept": "application/json"}
        self._local = threading.local()

    def get(self, path: str) -> Answer:
        """Return the answer to a GET, whatever its status."""
        return self._send("GET", path, None, self._headers)

    def post(self, path: str, body: object, *, key: str) -> Answer:
        """Return the answer to a POST, whatever its status; the same `key` is the same command."""
        # NaN goes out as Python writes it, so that the server can be seen to refuse it.
        headers = self._headers | {"Content-Type": "application/json", "Idempotency-Key": key}
        return self._send("POST", path, json.dumps(body).encode(), headers)

    def status(self, path: str) -> int:
        """Return the status of a page that need not be JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_SECONDS)
        with closing(connection):
            connection.request("GET", path, headers=self._headers)
            return connection.getresponse().status

    def _send(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        try:
            return self._once(method, path, body, headers)
        except BROKEN:
            self._forget()
            return self._once(method, path, body, headers)

    def _once(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        connection = self._connection()
        connection.request(method, path, body, dict(headers))
        response = connection.getresponse()
        text = response.read()
        try:
            return Answer(status=response.status, body=json.loads(text) if text else None)
        except ValueError:
            raise UnexpectedAnswer(f"{method} {path}: {response.status} with no JSON: {text[:200]!r}") from None

    def _connection(self) -> http.client.HTTPConnection:
        connection: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = http.client.HTTPConnection(
                "127.0.0.1", self.port, timeout=TIMEOUT_SECONDS
            )
        return connection

    def _forget(self) -> None:
        self._connection().close()
        self._local.connection = None


def expect(answer: Answer, status: int, what: str) -> Any:
    """Return the body of an answer with that status; raise UnexpectedAnswer for another."""
    if answer.status != status:
        raise UnexpectedAnswer(f"{what}: expected {status}, got {answer.status} {answer.body}")
    return answer.body
