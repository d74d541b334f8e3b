"""The worker tests' settings with this app, and with django-rq for its commands."""

from tests.support.settings import *  # noqa: F403 - settings are layered so
from tests.support.settings import INSTALLED_APPS as WORKER_APPS

INSTALLED_APPS = [*WORKER_APPS, "django_rq", "tests.support.faults"]
