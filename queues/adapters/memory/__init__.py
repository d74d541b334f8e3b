"""The memory provider: the same contract within one process, for tests and first steps."""

from queues.adapters.memory.queue import MemoryQueue

__all__ = ["MemoryQueue"]
