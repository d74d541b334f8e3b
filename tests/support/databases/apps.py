"""The app, with the start hook of Case B52: it opens a connection before anything forks."""

import warnings

from django.apps import AppConfig


class DatabasesConfig(AppConfig):
    """Uses the database while Django starts, as careless apps do."""

    name = "tests.support.databases"

    def ready(self) -> None:
        """Open a connection in the main thread, and leave it open."""
        from django.db import connection

        with warnings.catch_warnings():
            # Django advises against this, and that is the point.
            warnings.simplefilter("ignore", RuntimeWarning)
            connection.ensure_connection()
