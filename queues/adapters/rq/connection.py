"""Redis clients: one for each server and process, none of which waits for ever.

A queue's CONNECTION has the keys of django-rq's RQ_QUEUES: URL, or HOST, PORT, DB, USERNAME,
PASSWORD, SSL; or SENTINELS, MASTER_NAME, SENTINEL_KWARGS. redis-py's own retries are off: what
may be sent twice is decided call by call.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, cast

import redis
from redis.backoff import NoBackoff
from redis.exceptions import (
    AskError,
    ClusterDownError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.retry import Retry
from redis.sentinel import Sentinel

from queues.errors import QueueFull, QueueMisconfigured, QueueUnavailable

CONNECT_SECONDS: Final = 2.0
REPLY_SECONDS: Final = 5.0
NO_EVICTION: Final = "noeviction"
GONE: Final = (redis.ConnectionError, redis.TimeoutError)
# Those whose own text is of no use, or names a host.
_UNAVAILABLE: Final = (*GONE, AskError, ClusterDownError, ReadOnlyError, TryAgainError)
_clients: dict[tuple[str, float], redis.Redis] = {}
_lock: Final = threading.Lock()


def client(connection: Mapping[str, Any], *, reply_seconds: float = REPLY_SECONDS) -> redis.Redis:
    """Return this process's client for a connection; made once, connected when first used."""
    key = (repr(sorted((name, repr(value)) for name, value in connection.items())), reply_seconds)
    with _lock:
        if key not in _clients:
            _clients[key] = _new_client(connection, reply_seconds)
        return _clients[key]


def worker_client(connection: Mapping[str, Any]) -> redis.Redis:
    """Return a client of its own for an RQ worker's record and its commands."""
    return _new_client(connection, REPLY_SECONDS)


def _new_client(connection: Mapping[str, Any], reply_seconds: float) -> redis.Redis:
    options: dict[str, Any] = {
        "socket_connect_timeout": CONNECT_SECONDS,
        "socket_timeout": reply_seconds,
        "socket_keepalive": True,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
        **connection.get("REDIS_CLIENT_KWARGS", {}),
    }
    if "SENTINELS" in connection:
        return _through_sentinel(connection, options)
    if "URL" in connection:
        return redis.Redis.from_url(connection["URL"], **options)
    if "HOST" in connection:
        return redis.Redis(
            host=connection["HOST"],
            port=int(connection.get("PORT", 6379)),
            db=int(connection.get("DB", 0)),
            username=connection.get("USERNAME"),
            password=connection.get("PASSWORD"),
            ssl=bool(connection.get("SSL", False)),
            **options,
        )
    raise QueueMisconfigured("CONNECTION names no server; write URL, HOST or SENTINELS, as in RQ_QUEUES.")


def _through_sentinel(connection: Mapping[str, Any], options: dict[str, Any]) -> redis.Redis:
    sentinel_options = {
        "socket_connect_timeout": CONNECT_SECONDS,
        "socket_timeout": CONNECT_SECONDS,
        **connection.get("SENTINEL_KWARGS", {}),
    }
    sentinel = Sentinel(connection["SENTINELS"], sentinel_kwargs=sentinel_options)
    return cast(
        redis.Redis,
        sentinel.master_for(
            connection.get("MASTER_NAME", "mymaster"),
            db=int(connection.get("DB", 0)),
            username=connection.get("USERNAME"),
            password=connection.get("PASSWORD"),
            **{**options, **connection.get("CONNECTION_KWARGS", {})},
        ),
    )


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn redis-py's errors into the platform's; the server's address and password stay out."""
    try:
        yield
    except OutOfMemoryError as exc:
        raise QueueFull(f"Redis has no memory left: {what} was not done.") from exc
    except _UNAVAILABLE as exc:
        raise QueueUnavailable(f"Redis did not answer ({type(exc).__name__}): {what} may not be done.") from exc
    except ResponseError as exc:
        if "OOM" in str(exc):
            raise QueueFull(f"Redis has no memory left: {what} was not done.") from exc
        # READONLY, NOREPLICAS, UNBLOCKED, MISCONF, BUSY, ...: whatever the reason, it may pass.
        raise QueueUnavailable(f"Redis refused ({exc!s:.60}): {what} was not done.") from exc


def twice[R](call: Callable[[], R]) -> R:
    """Make a call that is safe to send twice; send it again once when its connection is gone.

    A pooled connection that died in a restart of Redis shows it only when it is used.
    """
    try:
        return call()
    except GONE:
        return call()


def risks(server: redis.Redis) -> list[str]:
    """Return what the server's own settings put at risk, and what to set instead."""
    with translated("asking for the eviction policy"):
        policy = twice(lambda: server.info("memory")).get("maxmemory_policy", NO_EVICTION)
    if policy == NO_EVICTION:
        return []
    return [f"Redis deletes jobs when its memory is full ({policy}); set its maxmemory-policy to {NO_EVICTION}."]


def close_all() -> None:
    """Close every client of this process; they are made anew when asked for."""
    with _lock:
        clients = list(_clients.values())
        _clients.clear()
    for each in clients:
        try:
            each.close()
        except RedisError:
            continue
