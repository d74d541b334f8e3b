"""The project's settings with the tests' own app, for workers that tests start and kill by hundreds.

Only the apps that a worker needs, so that a worker is up within half a second.
"""

from mqproject.settings import *  # noqa: F403 - settings are layered so
from mqproject.settings import QUEUES

INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "queues", "tests.support.work"]
MIDDLEWARE: list[str] = []
ROOT_URLCONF = "tests.support.settings"
urlpatterns: list[object] = []
# The engine's tests are about the bare broker; records have tests of their own.
QUEUES = {"default": QUEUES["default"]}
