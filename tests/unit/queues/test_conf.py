"""Settings as typed values: what each means, what is over what, and what a wrong one is told."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import Error
from pytest_django.fixtures import Settings

from queues.checks import check_settings
from queues.conf import health_interval, problems, queue_conf, queue_names, worker_conf
from queues.errors import QueueMisconfigured, UnknownQueue
from queues.jobs import Backoff
from queues.names import QueueName
from queues.priorities import Priority

MEMORY = "queues.adapters.memory.MemoryQueue"
VARIABLES = {
    "QUEUE_CONCURRENCY": "10",
    "QUEUE_RETRY_ATTEMPTS": "3",
    "QUEUE_DEFAULT_TIMEOUT": "30000",
    "QUEUE_GRACE": "25000",
    "QUEUE_HEALTH_CHECK_INTERVAL": "30000",
}


@pytest.fixture(autouse=True)
def plain_settings(settings: Settings) -> None:
    """Settings that are right, whatever this machine's environment says."""
    settings.QUEUES = {"default": {"BACKEND": MEMORY}}
    for name, value in VARIABLES.items():
        setattr(settings, name, value)


# What is read


def test_the_eight_queues_exist_without_any_setting(settings: Settings) -> None:
    """A project that configures nothing has the specification's queues, on the default provider."""
    del settings.QUEUES

    assert queue_names() == list(QueueName)
    assert queue_conf("slack-alerts").backend == "queues.adapters.rq.RQQueue"
    assert problems() == []


def test_a_team_adds_queues_of_its_own(settings: Settings) -> None:
    """They come after the eight; "default" is none, and none comes twice."""
    settings.QUEUES = {"default": {}, "slack-alerts": {}, "reports": {"BACKEND": MEMORY}}

    assert queue_names() == [*QueueName, "reports"]
    assert queue_conf("reports").name == "reports"


def test_the_defaults_are_the_designs() -> None:
    """A lease of 10 s, three crashes, one reservation in 32, 256 KiB in and 64 KiB out."""
    conf = queue_conf("data-processing")

    assert (conf.lease, conf.crash_limit, conf.lowest_first_every) == (timedelta(seconds=10), 3, 32)
    assert (conf.payload_bytes, conf.result_bytes) == (262_144, 65_536)


def test_a_queues_own_settings_are_over_the_defaults(settings: Settings) -> None:
    """Key by key, and option by option; no other queue sees them."""
    settings.QUEUES = {
        "default": {"BACKEND": MEMORY, "CRASH_LIMIT": 5, "OPTIONS": {"attempts": 7, "remove_on_fail": None}},
        "slack-alerts": {
            "LEASE": timedelta(seconds=3),
            "CRASH_LIMIT": 2,
            "OPTIONS": {"attempts": 9, "priority": Priority.CRITICAL, "backoff": Backoff(base=timedelta(seconds=1))},
        },
    }
    own, other = queue_conf("slack-alerts"), queue_conf("slack-messages")

    assert (own.backend, own.lease, own.crash_limit) == (MEMORY, timedelta(seconds=3), 2)
    assert (own.options.attempts, own.options.priority, own.options.remove_on_fail) == (9, Priority.CRITICAL, None)
    assert (other.lease, other.crash_limit) == (timedelta(seconds=10), 5)
    assert (other.options.attempts, other.options.priority) == (7, Priority.NORMAL)


def test_the_specifications_variables_are_the_options_defaults(settings: Settings) -> None:
    """QUEUE_RETRY_ATTEMPTS and QUEUE_DEFAULT_TIMEOUT, as text or number; a queue's own OPTIONS are over them."""
    settings.QUEUE_RETRY_ATTEMPTS = "6"
    settings.QUEUE_DEFAULT_TIMEOUT = 1500
    settings.QUEUES = {"default": {}, "slack-alerts": {"OPTIONS": {"attempts": 2}}}

    assert queue_conf("data-processing").options.attempts == 6
    assert queue_conf("data-processing").options.timeout == timedelta(milliseconds=1500)
    assert queue_conf("slack-alerts").options.attempts == 2
    assert queue_conf("slack-alerts").options.timeout == timedelta(milliseconds=1500)


def test_the_workers_and_healths_variables_are_read(settings: Settings) -> None:
    """QUEUE_CONCURRENCY is threads; QUEUE_GRACE and QUEUE_HEALTH_CHECK_INTERVAL are milliseconds."""
    assert (worker_conf().concurrency, worker_conf().grace) == (10, timedelta(seconds=25))
    assert health_interval() == timedelta(seconds=30)

    settings.QUEUE_CONCURRENCY = " 4 "
    settings.QUEUE_GRACE = "0"
    settings.QUEUE_HEALTH_CHECK_INTERVAL = "1"

    assert (worker_conf().concurrency, worker_conf().grace) == (4, timedelta(0))
    assert health_interval() == timedelta(milliseconds=1)


def test_a_connection_comes_from_django_rqs_settings(settings: Settings) -> None:
    """RQ_QUEUES serves both; CONNECTION is over it."""
    settings.RQ_QUEUES = {"slack-alerts": {"URL": "redis://one/0"}, "slack-messages": {"URL": "redis://one/0"}}
    settings.QUEUES = {"default": {}, "slack-messages": {"CONNECTION": {"URL": "redis://two/0"}}}

    assert queue_conf("slack-alerts").connection == {"URL": "redis://one/0"}
    assert queue_conf("slack-messages").connection == {"URL": "redis://two/0"}
    assert queue_conf("data-processing").connection == {}


@pytest.mark.parametrize("name", ["slack", "default", "", "Slack-Alerts", "slack-alerts\n", None, 7, "x" * 500])
def test_an_unknown_queue_is_told_which_exist(settings: Settings, name: Any) -> None:
    """UnknownQueue names the field and lists the queues."""
    settings.QUEUES = {"default": {}, "reports": {}}

    with pytest.raises(UnknownQueue, match=r"transaction-processing.*file-processing, reports") as caught:
        queue_conf(name)

    assert caught.value.field == "queue"
    assert len(caught.value.message) < 400


# What is wrong


def complaint() -> str:
    """Return what the system check says; it must be one error."""
    messages = check_settings()
    assert [(type(each), each.id) for each in messages] == [(Error, "queues.E001")], messages
    return str(messages[0].msg)


def test_right_settings_are_no_error() -> None:
    """The check is silent."""
    assert check_settings() == []


@pytest.mark.parametrize(
    ("own", "says"),
    [
        ({"BACKENDS": MEMORY}, "'BACKENDS'; write one of BACKEND, "),
        ({"backend": MEMORY}, "'backend'; write one of BACKEND"),
        ({"BACKEND": None}, "['BACKEND'] is None; write a str"),
        ({"BACKEND": "queues.adapters.nope.Queue"}, "cannot be imported"),
        ({"BACKEND": "queues.adapters.memory.NoSuchQueue"}, "cannot be imported"),
        ({"BACKEND": "rq"}, "cannot be imported"),
        ({"BACKEND": "queues.errors.QueueError"}, "is no queue class"),
        ({"BACKEND": "queues.registry.get_queue"}, "is no queue class"),
        ({"CONNECTION": "redis://localhost"}, "['CONNECTION'] is 'redis://localhost'; write a Mapping"),
        ({"LEASE": 10}, "['LEASE'] is 10; write a timedelta"),
        ({"LEASE": timedelta(milliseconds=999)}, "write a timedelta from 1 second to 12 hours"),
        ({"LEASE": timedelta(hours=13)}, "write a timedelta from 1 second to 12 hours"),
        ({"LEASE": timedelta(seconds=-5)}, "write a timedelta from 1 second to 12 hours"),
        ({"RECORD": "sometimes"}, "['RECORD'] is 'sometimes'; write one of none, "),
        ({"CRASH_LIMIT": 0}, "['CRASH_LIMIT'] is 0; write a whole number of at least 1"),
        ({"CRASH_LIMIT": "3"}, "['CRASH_LIMIT'] is '3'; write a int"),
        ({"CRASH_LIMIT": True}, "['CRASH_LIMIT'] is True; write a int"),
        ({"LOWEST_FIRST_EVERY": -1}, "at least 0"),
        ({"PAYLOAD_BYTES": 100}, "at least 1024"),
        ({"RESULT_BYTES": 1}, "at least 16"),
        ({"OPTIONS": ["attempts"]}, "['OPTIONS'] is ['attempts']; write a Mapping"),
        ({"OPTIONS": {"retries": 3}}, "'retries'; write one of attempts, priority, backoff, delay, timeout"),
        ({"OPTIONS": {"job_id": "one"}}, "'job_id'; write one of attempts"),
        ({"OPTIONS": {"attempts": 0}}, "attempts is 0; it must be a whole number from 1"),
        ({"OPTIONS": {"timeout": 30}}, "timeout is 30; it must be a timedelta"),
        ({"OPTIONS": {"priority": 2}}, "1 (CRITICAL), 3 (HIGH)"),
        ({"OPTIONS": {3: 4}}, "write one of attempts"),
        ("memory", "QUEUES['slack-alerts'] is 'memory'; write a mapping"),
        (None, "QUEUES['slack-alerts'] is None; write a mapping"),
    ],
    ids=str,
)
def test_a_wrong_queue_setting_is_told_what_to_write(settings: Settings, own: Any, says: str) -> None:
    """Each is one system-check error that names the queue; using the queue raises the same."""
    settings.QUEUES = {"default": {"BACKEND": MEMORY}, "slack-alerts": own}

    said = complaint()

    assert says in said
    assert "slack-alerts" in said
    assert queue_conf("slack-messages").backend == MEMORY


@pytest.mark.parametrize("queues", [[], "memory", None, 5])
def test_queues_that_is_no_mapping_is_told_so(settings: Settings, queues: Any) -> None:
    """One error, not a crash of the check."""
    settings.QUEUES = queues

    assert "write a mapping from queue names" in complaint()


@pytest.mark.parametrize("name", ["My_Queue", "a b", "-a", 5])
def test_a_queue_name_that_is_not_kebab_case_is_told_so(settings: Settings, name: Any) -> None:
    """The error shows a name that is right."""
    settings.QUEUES = {"default": {"BACKEND": MEMORY}, name: {}}

    assert f"{str(name)!r} is not a queue name: write lower-case words joined by hyphens" in complaint()


def test_a_wrong_default_is_said_once(settings: Settings) -> None:
    """Eight queues share it; the error comes once, and names the default."""
    settings.QUEUES = {"default": {"BACKEND": MEMORY, "LEASE": "10"}}

    assert "QUEUES['default']['LEASE'] is '10'; write a timedelta" in complaint()


@pytest.mark.parametrize("variable", VARIABLES)
@pytest.mark.parametrize("value", ["ten", "-1", "1.5", "", "1e3", "99999999999999999999", None, True, 2.5])
def test_a_wrong_variable_is_told_what_to_write(settings: Settings, variable: str, value: Any) -> None:
    """Each of the specification's numbers names itself and its range."""
    setattr(settings, variable, value)

    said = "\n".join(str(each.msg) for each in check_settings())

    assert f"{variable} is {value!r}; write a whole number from" in said


@pytest.mark.parametrize("variable", ["QUEUE_CONCURRENCY", "QUEUE_RETRY_ATTEMPTS", "QUEUE_DEFAULT_TIMEOUT"])
def test_a_variable_of_zero_is_refused_where_zero_means_nothing(settings: Settings, variable: str) -> None:
    """Cases B06 and B10: no attempt, no thread and no time are no settings."""
    setattr(settings, variable, "0")

    with pytest.raises(QueueMisconfigured, match=variable):
        (worker_conf() if variable == "QUEUE_CONCURRENCY" else queue_conf("data-processing"))
    assert any(variable in each for each in problems())


def test_all_that_is_wrong_is_said_at_once(settings: Settings) -> None:
    """An operator need not fix one error to see the next."""
    settings.QUEUE_CONCURRENCY = "many"
    settings.QUEUES = {"default": {"BACKEND": MEMORY}, "slack-alerts": {"LEASE": 1}, "slack-messages": {"X": 1}}

    assert len(check_settings()) == 3


# The environment

ROOT = Path(__file__).resolve().parents[3]
SHOW = """
from django.conf import settings
from queues.conf import health_interval, queue_conf, worker_conf
conf = queue_conf("slack-alerts")
print(settings.REDIS_URL, conf.connection["URL"], conf.backend)
print(conf.options.attempts, conf.options.timeout, worker_conf().concurrency, health_interval())
print(settings.QUEUE_METRICS_ENABLED)
"""


def manage(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run manage.py in an environment of nothing but what is given."""
    base = {"DJANGO_DEBUG": "true", "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=base | environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_the_environment_reaches_the_queues() -> None:
    """The specification's variables, with a password that needs quoting, are the settings that queues read."""
    shown = manage(
        "shell",
        "--no-imports",
        "-c",
        SHOW,
        REDIS_HOST="redis.example",
        REDIS_PORT="6380",
        REDIS_PASSWORD="p@ss/word",
        REDIS_DB="3",
        QUEUE_CONCURRENCY="4",
        QUEUE_RETRY_ATTEMPTS="6",
        QUEUE_DEFAULT_TIMEOUT="1500",
        QUEUE_METRICS_ENABLED="true",
        QUEUE_HEALTH_CHECK_INTERVAL="5000",
        QUEUE_BACKEND=MEMORY,
    )

    url = "redis://:p%40ss%2Fword@redis.example:6380/3"
    assert shown.stdout.splitlines() == [f"{url} {url} {MEMORY}", "6 0:00:01.500000 4 0:00:05", "True"], shown.stderr


def test_a_wrong_environment_fails_the_check() -> None:
    """`manage.py check` ends with an error that names the variable, and not with a traceback."""
    checked = manage("check", QUEUE_CONCURRENCY="many", QUEUE_BACKEND="nope")

    assert checked.returncode == 1
    assert "queues.E001" in checked.stderr
    assert "QUEUE_CONCURRENCY is 'many'; write a whole number from 1 to 1000." in checked.stderr
    assert "BACKEND 'nope' of the queue 'transaction-processing' cannot be imported" in checked.stderr
    assert "Traceback" not in checked.stderr
