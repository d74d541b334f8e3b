"""The worker tests' settings with this app, and with django-rq for its commands."""

import os
import time

from tests.support.settings import *  # noqa: F403 - settings are layered so
from tests.support.settings import INSTALLED_APPS as WORKER_APPS

# A process that is slow to start: before Django is set up.
time.sleep(float(os.environ.get("FAULTS_START_SECONDS", "0")))
INSTALLED_APPS = [*WORKER_APPS, "django_rq", "tests.support.faults"]
