"""A processor that asks PostgreSQL which of its processes serves it."""

import os
import time

from django.db import connection

from queues import RunningJob, processor
from tests.support.work.processors import Work, write


@processor("database.ask.v1")
def ask(work: Work, job: RunningJob) -> None:
    """Write the process ids of this worker and of the server's side of its connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        [backend] = cursor.fetchone()
    time.sleep(work.seconds)
    write(work.ledger, f"finish {job.id} {job.attempt} {os.getpid()} {backend}")
