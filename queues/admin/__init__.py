"""The admin's pages about queues and jobs; Django finds them by this package's name."""

from queues.admin.queues import QueueAdmin

__all__ = ["QueueAdmin"]
