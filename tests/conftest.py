"""What every test may ask for: settings of its own, a real Valkey, queues in memory."""

import os
import tempfile
from collections.abc import Iterator

os.environ["DJANGO_SECRET_KEY"] = "only-for-tests-" + "x" * 50
os.environ["DJANGO_ALLOWED_HOSTS"] = "testserver,localhost,127.0.0.1"
os.environ["DJANGO_HTTPS"] = "false"
os.environ["DJANGO_SETTINGS_MODULE"] = "mqproject.settings"
for _name in ("REDIS_URL", "DATABASE_URL", "SLACK_API_URL", "SLACK_TOKEN", "QUEUE_BACKEND"):
    os.environ.pop(_name, None)
os.environ["DJANGO_STATIC_ROOT"] = tempfile.mkdtemp(prefix="static-test-")

import django  # noqa: E402 - settings are read from the environment at import
import pytest  # noqa: E402 - as above

django.setup()

from tests.support.valkey import Valkey  # noqa: E402 - as above


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[Valkey]:
    """One Valkey for the whole run."""
    server = Valkey().start()
    yield server
    server.stop()


@pytest.fixture
def valkey(valkey_server: Valkey) -> Valkey:
    """The run's Valkey, empty."""
    valkey_server.client().flushall()
    return valkey_server


@pytest.fixture
def memory_queues() -> Iterator[None]:
    """Every queue in memory."""
    from queues.registry import registry

    with registry.override("queues.adapters.memory.MemoryQueue"):
        yield


@pytest.fixture
def rq_queues(valkey: Valkey, settings: "pytest.FixtureRequest") -> Iterator[Valkey]:
    """Every queue on RQ over the run's Valkey."""
    from queues.registry import registry

    settings.RQ_QUEUES = {name: {**conf, "URL": valkey.url} for name, conf in settings.RQ_QUEUES.items()}
    settings.REDIS_URL = valkey.url
    with registry.override("queues.adapters.rq.RQQueue"):
        yield valkey
