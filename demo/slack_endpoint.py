"""A local Slack: answers chat.postMessage and refuses what Slack refuses.

It checks the token, the channel and the message, keeps what it accepts, and can be told to
limit the rate, to fail, to lose a reply, or to refuse a channel.
"""

import json
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any, Final, Self
from urllib.parse import parse_qsl

from demo.slack_rules import JSON, blocks_of, problem_of

TOKEN: Final = "xoxb-local-endpoint"
CHANNELS: Final = ("general", "alerts", "payments")
MOST_BYTES: Final = 2_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PostedMessage:
    """One message as the endpoint took it; `channel` is the channel's name, `at` its monotonic time."""

    channel: str
    channel_id: str
    ts: str
    text: str
    blocks: tuple[JSON, ...]
    thread_ts: str | None
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is sent back: a status, headers and a body; one that is lost breaks the connection."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    is_lost: bool = False


@dataclass(slots=True, kw_only=True)
class _Fault:
    """An answer for the next calls to one channel, or to any; None loses the right one."""

    answer: Answer | None
    calls: int
    channel: str | None


class SlackEndpoint:
    """A Slack on this machine, on a free port unless one is given. `url` is what SLACK_API_URL takes."""

    def __init__(
        self, *, token: str = TOKEN, channels: Iterable[str] = CHANNELS, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        """Take the one token that is valid and the names of the channels that exist."""
        self.token = token
        self.channels = {name: f"C{number:010d}" for number, name in enumerate(channels, start=1)}
        self._lock = Lock()
        self._posted: list[PostedMessage] = []
        self._faults: list[_Fault] = []
        self._refused: dict[str, str] = {}
        self._calls = 0
        self._server = _Server((host, port), endpoint=self)
        self._thread: Thread | None = None

    @property
    def url(self) -> str:
        """Return the base of the API."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}/api/"

    @property
    def messages(self) -> tuple[PostedMessage, ...]:
        """Return what was accepted so far, in its order."""
        with self._lock:
            return tuple(self._posted)

    @property
    def calls(self) -> int:
        """Return how many requests came, accepted or not."""
        with self._lock:
            return self._calls

    def start(self) -> Self:
        """Answer from now on."""
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Close the port."""
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._thread = None
        self._server.server_close()

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    def limit_rate(
        self, calls: int = 1, *, retry_after: str | None = "30", body: bytes = b"", channel: str | None = None
    ) -> None:
        """Answer 429 to the next `calls` messages, with Retry-After unless it is None."""
        headers = {} if retry_after is None else {"Retry-After": retry_after}
        self._add(Answer(status=429, headers=headers, body=body), calls, channel)

    def fail(self, calls: int = 1, *, status: int = 500, body: bytes = b"", channel: str | None = None) -> None:
        """Answer the next `calls` messages with a status and nothing that can be read."""
        self._add(Answer(status=status, body=body), calls, channel)

    def lose_replies(self, calls: int = 1, *, channel: str | None = None) -> None:
        """Take the next `calls` messages as usual, and break the connection in place of the answer."""
        self._add(None, calls, channel)

    def refuse(self, channel: str, error: str) -> None:
        """Answer every message to a channel with an error, such as is_archived, from now on."""
        with self._lock:
            self._refused[channel] = error

    def _add(self, answer: Answer | None, calls: int, channel: str | None) -> None:
        with self._lock:
            self._faults.append(_Fault(answer=answer, calls=calls, channel=channel))

    def answer(self, method: str, authorization: str, content_type: str, body: bytes) -> Answer:
        """Answer one request as Slack does, and keep the message when it is accepted."""
        with self._lock:
            self._calls += 1
        if method != "chat.postMessage":
            return _refusal("unknown_method")
        call = _read(content_type, body)
        scheme, _, token = authorization.partition(" ")
        if scheme != "Bearer" or not token:
            return _refusal("not_authed")
        if token != self.token:
            return _refusal("invalid_auth")
        if call is None:
            return _refusal("invalid_json")
        return self._post(call)

    def _post(self, call: JSON) -> Answer:
        channel = self._channel(call.get("channel"))
        if channel is None:
            return _refusal("channel_not_found")
        with self._lock:
            fault = self._fault(channel)
            error = self._refused.get(channel)
        if fault is not None and fault.answer is not None:
            return fault.answer
        problem = (error,) if error else problem_of(call)
        answer = _refusal(*problem) if problem else self._keep(channel, call)
        return answer if fault is None else replace(answer, is_lost=True)

    def _channel(self, given: object) -> str | None:
        """Return the name of the channel that is meant, by name, #name or id."""
        for name, identifier in self.channels.items():
            if given in (name, f"#{name}", identifier):
                return name
        return None

    def _fault(self, channel: str) -> _Fault | None:
        for fault in self._faults:
            if fault.channel in (None, channel):
                fault.calls -= 1
                if not fault.calls:
                    self._faults.remove(fault)
                return fault
        return None

    def _keep(self, channel: str, call: JSON) -> Answer:
        with self._lock:
            posted = PostedMessage(
                channel=channel,
                channel_id=self.channels[channel],
                ts=f"{int(time.time())}.{len(self._posted) + 1:06d}",
                text=call.get("text") or "",
                blocks=tuple(blocks_of(call) or ()),
                thread_ts=call.get("thread_ts"),
                at=time.monotonic(),
            )
            self._posted.append(posted)
        message = {"type": "message", "text": posted.text, "ts": posted.ts}
        return _json({"ok": True, "channel": posted.channel_id, "ts": posted.ts, "message": message})


def _read(content_type: str, body: bytes) -> JSON | None:
    if "json" not in content_type:
        return dict(parse_qsl(body.decode("utf-8", "replace")))
    try:
        call = json.loads(body)
    except ValueError:
        return None
    return call if isinstance(call, dict) else None


def _json(value: JSON) -> Answer:
    return Answer(headers={"Content-Type": "application/json; charset=utf-8"}, body=json.dumps(value).encode())


def _refusal(error: str, *details: str) -> Answer:
    metadata = {"response_metadata": {"messages": [f"[ERROR] {detail}" for detail in details]}} if details else {}
    return _json({"ok": False, "error": error, **metadata})


class _Server(ThreadingHTTPServer):
    """The HTTP server, which knows whose it is."""

    # Of more callers at once than the default five, some would have to dial again a second later.
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], *, endpoint: SlackEndpoint) -> None:
        super().__init__(address, _Handler)
        self.endpoint = endpoint


class _Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        """Hand the request to the endpoint."""
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > MOST_BYTES:
            self.close_connection = True
            self._send(Answer(status=413))
            return
        body = self.rfile.read(int(length))
        method = re.sub(r"^/api/|\?.*$", "", self.path)
        authorization = self.headers.get("Authorization", "")
        content_type = self.headers.get("Content-Type", "")
        self._send(self.server.endpoint.answer(method, authorization, content_type, body))

    def _send(self, answer: Answer) -> None:
        if answer.is_lost:
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in http.server
        """Stay silent: what came is in `messages`."""
