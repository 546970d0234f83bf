"""
The configured database.
"""

from __future__ import annotations

from aerostack.databases.backend import Backend
from aerostack.databases.sqlite.backend import SQLiteBackend
from aerostack.settings.settings import DatabaseConfig


def openBackend(config: DatabaseConfig) -> Backend:
    """
    Make the backend for a database.  This does not open the database yet.
    """
    if config.path is not None:
        return SQLiteBackend(config.path, config.foreignKeys)
    # The driver for PostgreSQL may not be installed.
    from aerostack.databases.postgres.backend import PostgresBackend

    return PostgresBackend(config)
