"""A look at Redis that cannot change anything, for pages that were not written with that in mind.

RQ's classes clean up while they are read: counting a registry retries or fails jobs, fetching
one that is gone removes its id. Here they read through a client that sends no command but
reading ones, without cleanup, and decode JSON only: never pickle.
"""

import json
import zlib
from collections.abc import Mapping
from typing import Any, Final

import redis
from redis.client import Pipeline
from rq.exceptions import DeserializationError, NoSuchJobError
from rq.executions import Execution
from rq.job import Job
from rq.queue import Queue
from rq.registry import (
    BaseRegistry,
    DeferredJobRegistry,
    FailedJobRegistry,
    FinishedJobRegistry,
    ScheduledJobRegistry,
    StartedJobRegistry,
)
from rq.serializers import JSONSerializer
from rq.worker import Worker

from queues.adapters.rq.connection import client

# Pages give up sooner than jobs do; this also makes their client one of their own.
REPLY_SECONDS: Final = 2.5
UNREADABLE: Final = "cannot be decoded"
READING: Final = frozenset(
    {
        *("EXEC", "MULTI", "DISCARD", "WATCH", "UNWATCH", "PING", "TIME", "INFO"),
        *("EXISTS", "TYPE", "TTL", "PTTL", "GET", "MGET", "STRLEN", "SCAN"),
        *("HGET", "HGETALL", "HMGET", "HEXISTS", "HLEN", "HKEYS", "HVALS", "HSCAN"),
        *("LRANGE", "LLEN", "LINDEX", "LPOS", "SMEMBERS", "SISMEMBER", "SMISMEMBER", "SCARD", "SSCAN"),
        *("ZRANGE", "ZRANGEBYSCORE", "ZREVRANGE", "ZREVRANGEBYSCORE", "ZSCORE", "ZMSCORE", "ZCARD", "ZCOUNT"),
        *("ZRANK", "ZREVRANK", "ZSCAN", "XRANGE", "XREVRANGE", "XLEN"),
    }
)


class ReadOnlyRedis(redis.Redis):
    """Sends reading commands; any other is not sent, and answered as if it had met nothing."""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send the command if it reads; else return 0."""
        return super().execute_command(*args, **options) if _reads(args) else 0  # type: ignore[no-untyped-call]

    def pipeline(self, transaction: bool = True, shard_hint: Any = None) -> "ReadOnlyPipeline":  # noqa: FBT001, FBT002 - redis-py's signature
        """Return a pipeline that keeps the same promise."""
        return ReadOnlyPipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)


class ReadOnlyPipeline(Pipeline):
    """A pipeline in which a command that does not read is a question for a key that there is not."""

    def execute_command(self, *args: Any, **kwargs: Any) -> Any:
        """Stage the command if it reads; else one that answers 0, for callers count their answers."""
        if _reads(args):
            return super().execute_command(*args, **kwargs)  # type: ignore[no-untyped-call]
        return super().execute_command("EXISTS", "rq:mq:nothing")  # type: ignore[no-untyped-call]


def _reads(args: tuple[Any, ...]) -> bool:
    return str(args[0]).partition(" ")[0].upper() in READING


class ReadJSON(JSONSerializer):
    """Reads JSON, and says of anything else that it is none (Case B24)."""

    @staticmethod
    def loads(s: bytes, *_: Any, **__: Any) -> Any:
        """Return the value; never pickle, never raise."""
        try:
            return json.loads(s)
        except (ValueError, RecursionError):
            return UNREADABLE


class ReadJob(Job):
    """A job read as JSON; an id that RQ cannot have is one that there is not."""

    def restore(self, raw_data: Any) -> Any:
        """Read the hash. django-rq asks every job when it was enqueued; ours that never waited do not say."""
        super().restore(raw_data)
        self.enqueued_at = self.enqueued_at or self.created_at

    def _deserialize_data(self) -> None:
        try:
            super()._deserialize_data()  # type: ignore[no-untyped-call]
        except DeserializationError:
            self._func_name, self._instance, self._args, self._kwargs = UNREADABLE, None, (), {}

    def results(self) -> list[Any]:
        """Return what RQ kept of each run; nothing when it cannot be read."""
        try:
            return super().results()
        except (ValueError, zlib.error):
            return []

    @classmethod
    def fetch(cls, id: str, connection: redis.Redis | None = None, serializer: object = None) -> Job:  # noqa: A002, ARG003 - RQ's signature
        """Return the job; raise NoSuchJobError."""
        try:
            return super().fetch(id, connection=connection, serializer=ReadJSON)
        except ValueError as exc:
            raise NoSuchJobError from exc

    @classmethod
    def fetch_many(cls, job_ids: Any, connection: redis.Redis, serializer: object = None) -> list[Job | None]:  # noqa: ARG003 - as above
        """Return the jobs, None for each that there is not."""
        return super().fetch_many(job_ids, connection=connection, serializer=ReadJSON)

    @property
    def result(self) -> Any:
        """Return what the job's hash says that it returned; RQ would warn, and ask its results too."""
        return getattr(self, "legacy_result", None)


class ReadWorkers(Worker):
    """Workers as their records tell them, found by name or key."""

    @classmethod
    def find_by_key(cls, worker_key: str, connection: redis.Redis, **_: Any) -> Any:  # type: ignore[override]
        """Return the worker; None when there is none."""
        prefix = cls.redis_worker_namespace_prefix
        key = worker_key if worker_key.startswith(prefix) else prefix + worker_key
        return super().find_by_key(key, connection=connection, job_class=ReadJob, serializer=ReadJSON)

    def _set_connection(self, connection: redis.Redis) -> redis.Redis:
        # RQ would let every reader of this client wait as long as a worker does.
        return connection


class _Quiet(BaseRegistry):
    """What no registry does while it is read."""

    def cleanup(self, *_: Any, **__: Any) -> None:
        """Do nothing."""

    def remove(self, *_: Any, **__: Any) -> None:
        """Do nothing."""


class ReadStarted(_Quiet, StartedJobRegistry):
    """The started registry, without cleanup."""


class ReadFinished(_Quiet, FinishedJobRegistry):
    """The finished registry, without cleanup."""


class ReadFailed(_Quiet, FailedJobRegistry):
    """The failed registry, without cleanup."""


class ReadScheduled(_Quiet, ScheduledJobRegistry):
    """The scheduled registry, without cleanup."""


class ReadDeferred(_Quiet, DeferredJobRegistry):
    """The deferred registry, without cleanup."""


def read_only(connection: Mapping[str, Any]) -> ReadOnlyRedis:
    """Return a client for a connection as RQ_QUEUES has it; the pages share one pool for each."""
    return ReadOnlyRedis(connection_pool=client(connection, reply_seconds=REPLY_SECONDS).connection_pool)


def read_queue(name: str, connection: Mapping[str, Any]) -> Queue:
    """Return RQ's queue of that name, to read."""
    return Queue(name, connection=read_only(connection), job_class=ReadJob, serializer=ReadJSON)


def read_executions(queue: Queue, keys: list[tuple[str, str]]) -> list[Execution]:
    """Return the runs that go on, each with its job."""
    found = []
    for job_id, execution_id in keys:
        try:
            execution = Execution.fetch(id=execution_id, job_id=job_id, connection=queue.connection)
            execution._job = ReadJob.fetch(job_id, connection=queue.connection)  # noqa: SLF001 - RQ would read it with pickle
        except (ValueError, KeyError, NoSuchJobError):
            continue
        found.append(execution)
    return found
