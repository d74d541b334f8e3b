"""The worker tests' settings with this app, and records of what the data-processing queue accepted."""

from tests.support.settings import *  # noqa: F403 - settings are layered so
from tests.support.settings import INSTALLED_APPS as WORKER_APPS
from tests.support.settings import QUEUES as BARE

INSTALLED_APPS = [*WORKER_APPS, "tests.support.accepted"]
QUEUES = {**BARE, "data-processing": {"RECORD": "accepted"}}
