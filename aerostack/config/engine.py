"""
The section C{[engine]}.
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from aerostack.config.credentials import Credentials
from aerostack.config.problems import Problems
from aerostack.config.secrets import within
from aerostack.engine.valkey.address import parseAddress
from aerostack.settings.fields import keysOf
from aerostack.settings.kinds import Secret
from aerostack.settings.settings import SQLITE, EngineConfig

_PREFIX = re.compile(r"[A-Za-z0-9_.-]{1,32}")


class EngineReader:
    """
    Checks the engine's URL and password, and makes its paths absolute.
    """

    def __init__(self, problems: Problems, credentials: Credentials, base: Path) -> None:
        """
        @param base: The directory that relative paths begin at.
        """
        self._problems = problems
        self._credentials = credentials
        self._base = base

    def read(self, engine: dict[str, Any], database: dict[str, Any] | None) -> None:
        """
        Replace the URL and the password by those that the daemon connects with.

        @param engine: The section's values, by attribute.
        @param database: Those of the database's section; L{None} if it has mistakes.
        """
        kinds, url = keysOf(EngineConfig), engine["url"]
        if not _PREFIX.fullmatch(engine["prefix"]):
            allowed = kinds["prefix"].kind.allowed()
            self._problems.add("engine.prefix", f"is {engine['prefix']!r}; allowed is {allowed}")
        if url is None:
            if engine["password"] is not None:
                self._problems.add("engine.password", "is set, but engine.url is not")
            return
        kind = kinds["password"].kind
        assert isinstance(kind, Secret)
        password = self._credentials.find("engine.password", kind, engine["password"])
        # A URL may hold a password, so no message shows it.
        try:
            address = parseAddress(url).withFiles(lambda name: str(self._file(name)))
        except ValueError as error:
            self._problems.add("engine.url", f"{error}; allowed is {kinds['url'].kind.allowed()}")
            return
        if password is not None and address.password is not None:
            self._problems.add(
                "engine.password", "is in engine.url as well; allowed is one of the two"
            )
        engine["url"] = address.url
        engine["password"] = password or address.password
        if find_spec("hiredis") is None:
            self._problems.add(
                "engine.url",
                "is set, but hiredis is not installed; run: pip install 'aerostack-rt[valkey]'",
            )
        if database is not None and str(database["url"]).startswith(SQLITE):
            self._problems.add(
                "engine.url",
                "joins daemons, which then need one database, but database.url is SQLite's, a file"
                " of one machine; allowed is that with PostgreSQL",
            )

    def _file(self, name: str) -> Path:
        """
        Find the file that the URL names.

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
