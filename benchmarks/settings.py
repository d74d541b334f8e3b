"""The project's settings with a queue and an app for measurements."""

from mqproject.settings import *  # noqa: F403 - a settings module over another
from mqproject.settings import INSTALLED_APPS, QUEUES, REDIS_URL, RQ_QUEUES

QUEUE = "benchmarks"
INSTALLED_APPS = [*INSTALLED_APPS, "benchmarks"]
QUEUES = {**QUEUES, QUEUE: {}}
RQ_QUEUES = {
    **RQ_QUEUES,
    QUEUE: {"URL": REDIS_URL, "DEFAULT_TIMEOUT": 30, "SERIALIZER": "rq.serializers.JSONSerializer"},
}
