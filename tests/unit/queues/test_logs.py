"""Log lines are JSON and say which flow, queue and job they belong to."""

import io
import json
import logging
import logging.config
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from queues.context import running_job
from queues.metadata import JobMetadata, use_metadata
from queues.monitoring.logs import JobFilter, JSONFormatter
from queues.processors import RunningJob

METADATA = JobMetadata(correlation_id="corr-1")


@pytest.fixture
def log() -> Iterator[tuple[logging.Logger, Callable[[], list[dict[str, Any]]]]]:
    """A logger as the settings make it, and what it wrote."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JSONFormatter())
    handler.addFilter(JobFilter())
    logger = logging.getLogger("tests.logs")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    yield logger, lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logger.removeHandler(handler)


@contextmanager
def running(job_id: str = "j1") -> Iterator[None]:
    """Run a job here, as the worker does."""
    job = RunningJob(
        id=job_id,
        queue="slack-alerts",
        name="slack.alert.send.v1",
        attempt=2,
        attempts=5,
        metadata=METADATA,
        report=lambda _: None,
    )
    token = running_job.set(job)
    try:
        with use_metadata(METADATA):
            yield
    finally:
        running_job.reset(token)


type Log = tuple[logging.Logger, Callable[[], list[dict[str, Any]]]]


def test_a_line_of_a_job_names_it(log: Log) -> None:
    """Correlation id, queue, job name, job id and attempt, beside time, level, logger and message."""
    logger, lines = log

    with running():
        logger.info("Sent %s.", "it")

    (line,) = lines()
    assert {name: line[name] for name in ("correlation_id", "queue", "job_name", "job_id", "attempt")} == {
        "correlation_id": "corr-1",
        "queue": "slack-alerts",
        "job_name": "slack.alert.send.v1",
        "job_id": "j1",
        "attempt": 2,
    }
    assert (line["level"], line["logger"], line["message"]) == ("INFO", "tests.logs", "Sent it.")
    assert line["time"].startswith("20")


def test_a_line_outside_of_a_job_names_none(log: Log) -> None:
    """Before it and after it."""
    logger, lines = log

    logger.info("before")
    with running():
        logger.info("inside")
    logger.info("after")

    before, inside, after = lines()
    assert "job_id" in inside
    for line in (before, after):
        assert not {"job_id", "queue", "correlation_id"} & set(line)


def test_a_flow_without_a_job_has_its_correlation_id(log: Log) -> None:
    """A request that adds jobs is found by the same id."""
    logger, lines = log

    with use_metadata(METADATA):
        logger.info("accepted")

    (line,) = lines()
    assert line["correlation_id"] == "corr-1"
    assert "job_id" not in line


def test_what_the_caller_said_stays(log: Log) -> None:
    """Extras are carried, and are over what the filter would add."""
    logger, lines = log

    with running():
        logger.warning("x", extra={"job_id": "another", "tx_id": "tx-1"})

    (line,) = lines()
    assert (line["job_id"], line["tx_id"], line["queue"]) == ("another", "tx-1", "slack-alerts")


def test_one_record_is_one_line(log: Log) -> None:
    """Line ends, quotes and tracebacks stay inside the JSON: nobody forges a line."""
    logger, lines = log

    try:
        int('bad\n{"level":"INFO"}')
    except ValueError:
        logger.exception('message\n"quoted" \u2028 日本')

    (line,) = lines()
    assert line["message"] == 'message\n"quoted" \u2028 日本'
    assert "ValueError" in line["exc_info"]


def test_the_settings_log_so() -> None:
    """The project's own logging writes these lines, with the filter on."""
    from django.conf import settings

    config = settings.LOGGING
    configurator = logging.config.DictConfigurator(config)
    wanted = config["handlers"][config["root"]["handlers"][0]]
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(configurator.configure_formatter(config["formatters"][wanted["formatter"]]))
    handler.addFilter(configurator.configure_filter(config["filters"][wanted["filters"][0]]))

    with running("j9"):
        handler.handle(logging.makeLogRecord({"msg": "hello", "levelname": "INFO", "name": "any"}))

    line = json.loads(stream.getvalue())
    assert (line["message"], line["job_id"], line["correlation_id"]) == ("hello", "j9", "corr-1")
