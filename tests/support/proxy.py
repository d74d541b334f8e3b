"""A TCP proxy in front of Redis that loses, holds or silences what goes through it.

For Redis' request and reply on one connection: a rule is looked at when a reply comes, with
the request that it answers.
"""

import socket
import threading
from dataclasses import dataclass, field
from typing import Final

CHUNK: Final = 1 << 20


@dataclass(slots=True, kw_only=True)
class Rule:
    """One reply to lose, with its connection, or to hold back. `met` is set when it came."""

    request: bytes
    reply: bytes
    holds: bool
    met: threading.Event = field(default_factory=threading.Event)


@dataclass(slots=True, eq=False)
class Link:
    """One connection of a client, and ours to the server on its behalf."""

    client: socket.socket
    server: socket.socket
    request: bytes = b""
    silent: bool = False

    def close(self) -> None:
        """Close both ends at once, so that whoever waits on one is told."""
        for end in (self.client, self.server):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it was closed by its other end
            end.close()


class Proxy:
    """Listens on a free port and passes everything to a port of this machine."""

    def __init__(self, port: int) -> None:
        """Take the server's port; pass everything until told otherwise."""
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._lock = threading.Lock()
        self._links: set[Link] = set()
        self._rules: list[Rule] = []
        self._silent = False
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()

    def lose_reply(self, *, to: bytes = b"", having: bytes = b"") -> threading.Event:
        """Close the connection in place of the next reply that has `having`, or to a request that has `to`."""
        return self._rule(Rule(request=to, reply=having, holds=False))

    def hold_reply(self, *, to: bytes = b"", having: bytes = b"") -> threading.Event:
        """Keep that reply back for good; the connection stays open."""
        return self._rule(Rule(request=to, reply=having, holds=True))

    def _rule(self, rule: Rule) -> threading.Event:
        with self._lock:
            self._rules.append(rule)
        return rule.met

    def freeze(self) -> None:
        """Pass nothing more on the connections that are open: they are half-open, as after a router's restart."""
        with self._lock:
            for link in self._links:
                link.silent = True

    def silence(self) -> None:
        """Be a black hole: take connections, and pass nothing on old ones and new ones."""
        self.freeze()
        self._silent = True

    def mend(self) -> None:
        """Pass new connections again, and close those that were silent."""
        self._silent = False
        with self._lock:
            silent = [link for link in self._links if link.silent]
        for link in silent:
            self._end(link)

    def close(self) -> None:
        """Close everything."""
        self._listener.close()
        with self._lock:
            links = list(self._links)
        for link in links:
            self._end(link)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                client.close()
                continue
            link = Link(client, server, silent=self._silent)
            with self._lock:
                self._links.add(link)
            for pump in (self._requests, self._replies):
                threading.Thread(target=pump, args=(link,), name="proxy", daemon=True).start()

    def _requests(self, link: Link) -> None:
        while data := _read(link.client):
            link.request = data
            if not link.silent and not _write(link.server, data):
                break
        self._end(link)

    def _replies(self, link: Link) -> None:
        while data := _read(link.server):
            rule = self._met(link.request, data)
            if rule is not None and not rule.holds:
                break
            if rule is not None:
                link.silent = True
            if not link.silent and not _write(link.client, data):
                break
        self._end(link)

    def _met(self, request: bytes, reply: bytes) -> Rule | None:
        with self._lock:
            for rule in self._rules:
                if rule.request in request and rule.reply in reply:
                    self._rules.remove(rule)
                    rule.met.set()
                    return rule
        return None

    def _end(self, link: Link) -> None:
        with self._lock:
            self._links.discard(link)
        link.close()


def _read(end: socket.socket) -> bytes:
    try:
        return end.recv(CHUNK)
    except OSError:
        return b""


def _write(end: socket.socket, data: bytes) -> bool:
    try:
        end.sendall(data)
    except OSError:
        return False
    return True
