"""Job records: what was accepted is in the database, so that no broker can lose it."""
