"""What says how the queues are doing: logs, health, and what later issues add."""
