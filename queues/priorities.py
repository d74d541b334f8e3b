"""The five priority levels. A lower number runs first; equal ones run first in, first out.

Five and no more, because every provider can keep that promise for five.
"""

from enum import IntEnum

from queues.errors import InvalidOptions


class Priority(IntEnum):
    """How urgent a job is, as the specification names the levels."""

    CRITICAL = 1
    HIGH = 3
    NORMAL = 5
    LOW = 7
    BULK = 10

    @classmethod
    def parse(cls, value: object) -> "Priority":
        """Return the level of a number; raise InvalidOptions for any other value."""
        if isinstance(value, int) and not isinstance(value, bool):
            try:
                return cls(value)
            except ValueError:
                pass
        levels = ", ".join(f"{level.value} ({level.name})" for level in cls)
        raise InvalidOptions(f"priority is {value!r:.40}; it must be one of {levels}.", field="priority")
