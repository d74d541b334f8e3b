"""An app that uses the database, in jobs and at its start, for tests of database connections."""
