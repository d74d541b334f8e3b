"""Print how many jobs and workers each queue has; see queues/adapters/rq/stats.py."""

from queues.adapters.rq.stats import Command

__all__ = ["Command"]
