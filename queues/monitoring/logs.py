"""Log lines as JSON that say which flow, queue and job they belong to."""

import logging
from typing import Any

from pythonjsonlogger.json import JsonFormatter

from queues.context import running_job
from queues.metadata import current_metadata


class JobFilter(logging.Filter):
    """Adds correlation_id, and queue, job_name and job_id while a job runs, to every record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the fields; let every record pass."""
        job, metadata = running_job.get(), current_metadata()
        if metadata is not None and not hasattr(record, "correlation_id"):
            record.correlation_id = metadata.correlation_id
        if job is not None:
            fields = {"queue": job.queue, "job_name": job.name, "job_id": job.id, "attempt": job.attempt}
            for name, value in fields.items():
                if not hasattr(record, name):
                    setattr(record, name, value)
        return True


class JSONFormatter(JsonFormatter):
    """One JSON object for each line: time, level, logger, message, and the record's extras."""

    def __init__(self, **kwargs: Any) -> None:
        """Name the fields as log stores expect them."""
        super().__init__(
            "{asctime}{levelname}{name}{message}",
            style="{",
            rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
            datefmt="%Y-%m-%dT%H:%M:%S%z",
            **kwargs,
        )
