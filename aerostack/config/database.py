"""
The section C{[database]}.
"""

from __future__ import annotations

import os
from typing import Any

from aerostack.config.secrets import within
from aerostack.config.servers import ServerReader
from aerostack.settings.conninfo import SCHEMES
from aerostack.settings.settings import SQLITE, DatabaseConfig


class DatabaseReader(ServerReader):
    """
    Checks the database's URL and password, and makes its paths absolute.
    """

    table = DatabaseConfig
    section = "database"

    def read(self, database: dict[str, Any]) -> None:
        """
        Replace the URL and the password by those that the daemon connects with.

        @param database: The section's values, by attribute.
        """
        url = database["url"]
        # A URL may hold a password, so no message shows it.
        try:
            if url.startswith(SCHEMES):
                if not database["foreignKeys"]:
                    self._problems.add(
                        "database.foreign_keys", "is false, but PostgreSQL always goes by them"
                    )
                self._postgres(database)
            else:
                database["url"] = self._sqlite(url)
                if database["password"] is not None:
                    self._problems.add("database.password", "is set, but SQLite has none")
        except ValueError as error:
            self._problems.add("database.url", f"{error}; allowed is {self._allowedURLs()}")

    def _sqlite(self, url: str) -> str:
        """
        @return: The URL with an absolute path.
        @raise ValueError: The URL does not name an SQLite file.
        """
        path = url.removeprefix(SQLITE)
        if path == url:
            raise ValueError("begins with neither sqlite:/// nor postgresql://")
        if path in ("", ":memory:"):
            raise ValueError(
                "names no file; other processes' changes can be followed in a file only"
            )
        if "?" in path:
            raise ValueError("has options after '?', which are not understood")
        if os.path.isdir(within(self._base, path)):
            raise ValueError("names a directory")
        return f"{SQLITE}{within(self._base, path)}"

    def _postgres(self, database: dict[str, Any]) -> None:
        """
        @raise ValueError: The URL is malformed.
        """
        try:
            from aerostack.databases.postgres.connection import conninfoOf
        except ImportError:
            # The URL can only be read with libpq.
            self._problems.add(
                "database.url",
                "is PostgreSQL's, for which psycopg is not installed with its libpq; run: pip"
                " install 'aerostack-rt[postgres]'",
            )
            return
        info = conninfoOf(database["url"]).withFiles(self._file)
        database["url"] = info.url
        database["password"] = self._password(database["password"], info.password)
