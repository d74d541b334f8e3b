"""A local mail server that keeps what it gets and delivers nothing.

It speaks real SMTP, can refuse a recipient for good or for now, and is safe to ask from
other threads.
"""

import asyncio
import logging
from collections import deque
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from threading import Lock
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

ACCEPTED = "250 OK"
NO_SUCH_USER = "550 5.1.1 No such user here"
TRY_LATER = "451 4.3.0 Try again later"


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One message as the server took it: the envelope, and the parsed message."""

    sender: str
    recipients: tuple[str, ...]
    message: EmailMessage


# aiosmtpd writes a line for each step of each connection.
logging.getLogger("mail.log").setLevel(logging.WARNING)


class SmtpSink:
    """A mail server on this machine, on a free port unless one is given."""

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0) -> None:
        """Prepare the server; `start` opens its port."""
        self.host = host
        self._controller = _Controller(self, hostname=host, port=port)
        self._lock = Lock()
        self._received: list[Received] = []
        self._refused: dict[str, str] = {}
        self._next_replies: deque[str] = deque()

    @property
    def port(self) -> int:
        """Return the port that the server listens on, once it has started."""
        return self._controller.port

    @property
    def messages(self) -> tuple[Received, ...]:
        """Return what was accepted so far, in its order."""
        with self._lock:
            return tuple(self._received)

    def start(self) -> Self:
        """Open the port; it answers when this returns."""
        self._controller.start()
        return self

    def stop(self) -> None:
        """Close the port."""
        self._controller.stop()

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    def refuse(self, address: str, reply: str = NO_SUCH_USER) -> None:
        """Answer every message to `address`, or from it, with `reply` from now on."""
        with self._lock:
            self._refused[address.lower()] = reply

    def accept(self, address: str) -> None:
        """Take messages to and from `address` again."""
        with self._lock:
            self._refused.pop(address.lower(), None)

    def fail_next(self, calls: int = 1, reply: str = TRY_LATER) -> None:
        """Answer the next `calls` messages with `reply` after their data, and keep none of them."""
        with self._lock:
            self._next_replies.extend([reply] * calls)

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self,
        server: SMTP,  # noqa: ARG002 - aiosmtpd's signature
        session: Session,  # noqa: ARG002 - aiosmtpd's signature
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        """Take or refuse the sender."""
        reply = self._reply_to(address)
        if reply == ACCEPTED:
            envelope.mail_from = address
            envelope.mail_options.extend(options)
        return reply

    async def handle_RCPT(  # noqa: N802 - as above
        self,
        server: SMTP,  # noqa: ARG002 - aiosmtpd's signature
        session: Session,  # noqa: ARG002 - aiosmtpd's signature
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        """Take or refuse one recipient."""
        reply = self._reply_to(address)
        if reply == ACCEPTED:
            envelope.rcpt_tos.append(address)
            envelope.rcpt_options.extend(options)
        return reply

    def _reply_to(self, address: str) -> str:
        with self._lock:
            return self._refused.get(address.lower(), ACCEPTED)

    async def handle_DATA(  # noqa: N802 - as above
        self,
        server: SMTP,  # noqa: ARG002 - aiosmtpd's signature
        session: Session,  # noqa: ARG002 - aiosmtpd's signature
        envelope: Envelope,
    ) -> str:
        """Keep one message, or answer what `fail_next` asked for."""
        content = envelope.content
        message = message_from_bytes(content if isinstance(content, bytes) else b"", policy=policy.default)
        received = Received(sender=envelope.mail_from or "", recipients=tuple(envelope.rcpt_tos), message=message)
        with self._lock:
            if self._next_replies:
                return self._next_replies.popleft()
            self._received.append(received)
        return ACCEPTED


class _Controller(Controller):
    """A controller that learns its port from the system when it asked for any."""

    def __init__(self, handler: Any, *, hostname: str, port: int) -> None:
        super().__init__(handler, hostname=hostname, port=port)

    def _trigger_server(self) -> None:
        if isinstance(self.server, asyncio.Server):
            self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]
