"""The RQ provider: RQ's data in Redis or Valkey, with a hot path of our own in Lua."""

from queues.adapters.rq.queue import RQQueue

__all__ = ["RQQueue"]
