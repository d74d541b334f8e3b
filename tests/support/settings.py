"""The project's settings with the tests' own app, for workers that tests start and kill by hundreds.

Only the apps that a worker needs, so that a worker is up within half a second.
"""

from mqproject.settings import *  # noqa: F403 - settings are layered so

INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "queues", "tests.support.work"]
MIDDLEWARE: list[str] = []
ROOT_URLCONF = "tests.support.settings"
urlpatterns: list[object] = []
