"""
The configured database.
"""

from __future__ import annotations

from aerostack.databases.backend import Backend
from aerostack.databases.sqlite.backend import SQLiteBackend
from aerostack.settings.settings import DatabaseConfig


def openBackend(config: DatabaseConfig) -> Backend:
    """
    The backend for a database.  Nothing is opened yet.
    """
    if config.path is not None:
        return SQLiteBackend(config.path)
    # Not every installation has the driver.
    from aerostack.databases.postgres.backend import PostgresBackend

    return PostgresBackend(config)
