"""An app whose processors write one row for each effect, on a queue that keeps records."""
