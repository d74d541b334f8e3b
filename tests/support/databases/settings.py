"""The worker tests' settings with this app, with connections that are kept, and with django-rq for its pool."""

from tests.support.settings import *  # noqa: F403 - settings are layered so
from tests.support.settings import DATABASES as WORKER_DATABASES
from tests.support.settings import INSTALLED_APPS as WORKER_APPS

INSTALLED_APPS = [*WORKER_APPS, "django_rq", "tests.support.databases"]
DATABASES = {"default": {**WORKER_DATABASES["default"], "CONN_MAX_AGE": 600}}
