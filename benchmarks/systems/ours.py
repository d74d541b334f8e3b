"""This platform: `manage.py rqworker` with ten threads, over the RQ adapter.

Everything as by default: attempts, backoff, retention of the last hundred, leases, time-outs.
"""

import os
import time
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

import django

django.setup()

from benchmarks import payload  # noqa: E402 - needs settings
from benchmarks.catalogue import System  # noqa: E402 - as above
from benchmarks.processors import Settlement  # noqa: E402 - as above
from benchmarks.settings import QUEUE  # noqa: E402 - as above
from benchmarks.systems.driver import WARM_UP, Driver, become  # noqa: E402 - as above
from queues import JobMetadata, NewJob, UserToken, get_queue  # noqa: E402 - as above
from queues.adapters.rq.connection import client  # noqa: E402 - as above

NAMES = {"noop": payload.NOOP, "sleep": payload.SLEEP}
CHUNK = 10_000
BLOCK = 250


class Content(NamedTuple):
    """A job as a caller of the port holds it."""

    data: Settlement
    metadata: JobMetadata


class Ours(Driver):
    """One queue, through the port."""

    bulks = True

    def __init__(self, system: System) -> None:
        """Take the queue from the registry, as a service does; a variant names another queue of settings.py."""
        super().__init__(system)
        self.queue = get_queue(system.variant or QUEUE)

    def content(self, index: int) -> Content:
        """Return the settlement and its metadata as typed values."""
        fields, about = payload.settlement(index), payload.metadata(index)
        user = about["user"]
        return Content(
            Settlement(
                tx_id=fields["txId"],
                amount=Decimal(fields["amount"]),
                currency=fields["currency"],
                payment_method=fields["paymentMethod"],
                merchant_id=fields["merchantId"],
            ),
            JobMetadata(
                correlation_id=about["correlationId"],
                user=UserToken(
                    sub=user["sub"],
                    tenant=user["tenant"],
                    roles=tuple(user["roles"]),
                    display_name=user["displayName"],
                    email=user["email"],
                ),
                source=about["source"],
                timestamp=datetime.fromisoformat(about["timestamp"]),
                business_context=about["businessContext"],
            ),
        )

    def add(self, kind: str, content: Content) -> None:
        """Add one job."""
        self.queue.add(NAMES[kind], content.data, metadata=content.metadata)

    def add_bulk(self, kind: str, contents: Sequence[Content]) -> None:
        """Add jobs through `add_bulk`, as many in a call as it takes."""
        name = NAMES[kind]
        for low in range(0, len(contents), CHUNK):
            chunk = contents[low : low + CHUNK]
            self.queue.add_bulk([NewJob(name=name, data=each.data, metadata=each.metadata) for each in chunk])

    def work(self, concurrency: int) -> None:
        """Become `manage.py rqworker`."""
        os.environ["QUEUE_CONCURRENCY"] = str(concurrency)
        become("manage.py", "rqworker", self.queue.name)

    def stats(self, calls: str) -> dict[str, Any]:
        """Time `get_stats`."""
        seconds = []
        for _ in range(int(calls)):
            began = time.perf_counter()
            self.queue.get_stats()
            seconds.append(time.perf_counter() - began)
        return {"seconds": seconds}

    def overhead(self, calls: str) -> dict[str, Any]:
        """Time `add` and, with the very same arguments, the bare script call beneath it; seconds a call.

        In blocks by turns, so that both meet the same machine.
        """
        contents = self.contents(0, int(calls) + WARM_UP)
        commands = self._recorded(contents)
        self.queue.drain()
        call = client(self.queue.conf.connection).execute_command  # type: ignore[attr-defined]
        self.add_each("noop", contents[:WARM_UP])
        port = raw = 0.0
        for low in range(WARM_UP, len(contents), BLOCK):
            began = time.perf_counter()
            self.add_each("noop", contents[low : low + BLOCK])
            between = time.perf_counter()
            for command in commands[low : low + BLOCK]:
                call(*command)
            port, raw = port + between - began, raw + time.perf_counter() - between
        return {"port": port / int(calls), "raw": raw / int(calls)}

    def _recorded(self, contents: Sequence[Content]) -> list[tuple[Any, ...]]:
        """Add jobs and return the command that each add sent."""
        connected = client(self.queue.conf.connection)  # type: ignore[attr-defined]
        send, commands = connected.execute_command, []

        def note(*command: Any) -> Any:
            commands.append(command)
            return send(*command)

        self.add("noop", self.content(len(contents)))  # so that the script is there: from now on, one command an add
        connected.execute_command = note  # type: ignore[method-assign]
        self.add_each("noop", contents)
        del connected.execute_command
        if len(commands) != len(contents):
            raise ValueError(f"{len(contents)} adds sent {len(commands)} commands; each should be one round trip")
        return commands


DRIVER = Ours
