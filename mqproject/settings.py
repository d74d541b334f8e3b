"""Settings of the project, all from the environment and safe when nothing is set.

README lists the variables. Without DJANGO_DEBUG the project refuses to start without a
secret and answers only to the hosts it is told.
"""

from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import dj_database_url
from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key

from mqproject import env
from queues.names import QueueName

BASE_DIR = Path(__file__).resolve().parent.parent

DEBUG = env.flag("DJANGO_DEBUG")
SECRET_KEY = env.text("DJANGO_SECRET_KEY")
if not SECRET_KEY:
    if not DEBUG:
        raise ImproperlyConfigured("DJANGO_SECRET_KEY is not set; write a long random text, or set DJANGO_DEBUG=true.")
    SECRET_KEY = get_random_secret_key()
ALLOWED_HOSTS = env.words("DJANGO_ALLOWED_HOSTS") or (["localhost", "127.0.0.1", "[::1]"] if DEBUG else [])
CSRF_TRUSTED_ORIGINS = env.words("DJANGO_CSRF_TRUSTED_ORIGINS")

# A plain-HTTP run on one machine, such as `make demo`, has to say so.
HTTPS = env.flag("DJANGO_HTTPS", default=not DEBUG)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^health/", r"^metrics$"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env.flag("DJANGO_BEHIND_PROXY") else None
X_FRAME_OPTIONS = "DENY"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "rest_framework.authtoken",
    "drf_spectacular",
    "health_check",
    # Before django_rq, whose rqworker command it replaces.
    "queues",
    "django_rq",
    "transactions",
    "notifications",
    "slackworker",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "mqproject.urls"
WSGI_APPLICATION = "mqproject.wsgi.application"
ASGI_APPLICATION = "mqproject.asgi.application"
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

DATABASES: dict[str, Any] = {
    "default": dj_database_url.parse(
        env.text("DATABASE_URL", f"sqlite:///{BASE_DIR / 'db.sqlite3'}"), conn_max_age=60, conn_health_checks=True
    )
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # Readers never wait for the writer, and a writer waits at BEGIN instead of failing halfway.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;",
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]

LANGUAGE_CODE = "en-us"
TIME_ZONE = env.text("TIME_ZONE", "UTC")
USE_TZ = True
STATIC_URL = "static/"
STATIC_ROOT = env.text("DJANGO_STATIC_ROOT", str(BASE_DIR / "staticfiles"))

# Queues: the specification's variables, and REDIS_URL in place of its four.
_password = env.text("REDIS_PASSWORD")
REDIS_URL = env.text(
    "REDIS_URL",
    f"redis://{f':{quote(_password, safe="")}@' if _password else ''}"
    f"{env.text('REDIS_HOST', 'localhost')}:{env.whole('REDIS_PORT', 6379)}/{env.whole('REDIS_DB', 0)}",
)
QUEUE_CONCURRENCY = env.text("QUEUE_CONCURRENCY", "10")
QUEUE_RETRY_ATTEMPTS = env.text("QUEUE_RETRY_ATTEMPTS", "3")
QUEUE_DEFAULT_TIMEOUT = env.text("QUEUE_DEFAULT_TIMEOUT", "30000")
QUEUE_GRACE = env.text("QUEUE_GRACE", "25000")
QUEUE_METRICS_ENABLED = env.flag("QUEUE_METRICS_ENABLED")
QUEUE_HEALTH_CHECK_INTERVAL = env.text("QUEUE_HEALTH_CHECK_INTERVAL", "30000")
QUEUES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": env.text("QUEUE_BACKEND", "queues.adapters.rq.RQQueue"),
        "LEASE": timedelta(seconds=env.whole("QUEUE_LEASE_SECONDS", 10)),
        "CRASH_LIMIT": env.whole("QUEUE_CRASH_LIMIT", 3),
    },
    # A command that moves money is a row first, in the transaction of whoever gives it.
    "transaction-processing": {"RECORD": "accepted"},
    "transaction-settlement": {"RECORD": "accepted"},
}
RQ_QUEUES = {
    str(name): {"URL": REDIS_URL, "DEFAULT_TIMEOUT": 30, "SERIALIZER": "rq.serializers.JSONSerializer"}
    for name in QueueName
}
RQ = {"WORKER_CLASS": "queues.adapters.rq.worker.Worker"}
RQ_SHOW_ADMIN_LINK = False

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["queues.api.parsers.StrictJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "queues.api.errors.handle",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Message queue platform",
    "DESCRIPTION": "Commands for the domains, and the queues that carry them out.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
}

MAILERS = {
    "default": {
        "BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "OPTIONS": {
            "host": env.text("EMAIL_HOST", "localhost"),
            "port": env.whole("EMAIL_PORT", 25),
            "username": env.text("EMAIL_HOST_USER"),
            "password": env.text("EMAIL_HOST_PASSWORD"),
            "use_tls": env.flag("EMAIL_USE_TLS"),
            "timeout": 10,
        },
    }
}
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", "queues@localhost")

SLACK_API_URL = env.text("SLACK_API_URL", "https://slack.com/api/")
SLACK_TOKEN = env.text("SLACK_TOKEN")
SLACK_ALERT_CHANNEL = env.text("SLACK_ALERT_CHANNEL", "#alerts")

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"job": {"()": "queues.monitoring.logs.JobFilter"}},
    "formatters": {"json": {"()": "queues.monitoring.logs.JSONFormatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json", "filters": ["job"]}},
    # RQ would say at each start what our worker says itself.
    "loggers": {"rq.worker": {"level": "WARNING"}},
    "root": {"handlers": ["stderr"], "level": env.text("LOG_LEVEL", "INFO").upper()},
}
