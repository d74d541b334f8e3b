"""Which job is running here."""

import threading

from queues.context import running_job
from queues.metadata import JobMetadata
from queues.processors import RunningJob


def test_no_job_runs_outside_of_one() -> None:
    """Neither here nor in a thread that a job starts by itself."""
    seen = []
    job = RunningJob(
        id="j1",
        queue="q",
        name="a.b.v1",
        attempt=1,
        attempts=3,
        metadata=JobMetadata(correlation_id="c"),
        report=lambda _: None,
    )
    assert running_job.get() is None

    token = running_job.set(job)
    thread = threading.Thread(target=lambda: seen.append(running_job.get()))
    thread.start()
    thread.join()

    assert (running_job.get(), seen) == (job, [None])
    running_job.reset(token)
    assert running_job.get() is None
