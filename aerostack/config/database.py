"""
The section C{[database]}.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from aerostack.config.credentials import Credentials
from aerostack.config.problems import Problems
from aerostack.config.secrets import within
from aerostack.settings.conninfo import SCHEMES
from aerostack.settings.fields import keysOf
from aerostack.settings.kinds import Secret
from aerostack.settings.settings import SQLITE, DatabaseConfig


class DatabaseReader:
    """
    Checks the database's URL and password, and makes its paths absolute.
    """

    def __init__(self, problems: Problems, credentials: Credentials, base: Path) -> None:
        """
        @param base: The directory that relative paths begin at.
        """
        self._problems = problems
        self._credentials = credentials
        self._base = base

    def read(self, database: dict[str, Any]) -> None:
        """
        Replace the URL and the password by those that the daemon connects with.

        @param database: The section's values, by attribute.
        """
        url = database["url"]
        # A URL may hold a password, so no message shows it.
        try:
            if url.startswith(SCHEMES):
                self._postgres(database)
            else:
                database["url"] = self._sqlite(url)
                if database["password"] is not None:
                    self._problems.add("database.password", "is set, but SQLite has none")
        except ValueError as error:
            self._problems.add("database.url", f"{error}; allowed is {self._urls()}")

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
        info = conninfoOf(database["url"]).withFiles(lambda name: str(self._file(name)))
        kind = keysOf(DatabaseConfig)["password"].kind
        assert isinstance(kind, Secret)
        password = self._credentials.find("database.password", kind, database["password"])
        if password is not None and info.password is not None:
            self._problems.add(
                "database.password", "is in database.url as well; allowed is one of the two"
            )
        database["url"] = info.url
        database["password"] = password or info.password

    def _file(self, name: str) -> Path:
        """
        Find a file that the database's URL names.

        @raise ValueError: It cannot be read.
        """
        path = within(self._base, name)
        try:
            path.open("rb").close()
        except OSError as error:
            raise ValueError(
                f"names a file that cannot be read ({error.strerror}): {path}"
            ) from None
        return path

    def _urls(self) -> str:
        return keysOf(DatabaseConfig)["url"].kind.allowed()
