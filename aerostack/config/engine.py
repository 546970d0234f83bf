"""
The section C{[engine]}.
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import Any

from aerostack.config.servers import ServerReader
from aerostack.engine.valkey.address import parseAddress
from aerostack.settings.fields import keysOf
from aerostack.settings.settings import SQLITE, EngineConfig

_PREFIX = re.compile(r"[A-Za-z0-9_.-]{1,32}")
_PASSWORDS = {"password": "password", "sentinel_password": "sentinelPassword"}


class EngineReader(ServerReader):
    """
    Checks the engine's URL and passwords, and makes its paths absolute.
    """

    table = EngineConfig
    section = "engine"

    def read(self, engine: dict[str, Any], database: dict[str, Any] | None) -> None:
        """
        Replace the URL and the passwords by those that the daemon connects with.

        @param engine: The section's values, by attribute.
        @param database: Those of the database's section; L{None} if it has mistakes.
        """
        url = engine["url"]
        if not _PREFIX.fullmatch(engine["prefix"]):
            allowed = keysOf(EngineConfig)["prefix"].kind.allowed()
            self._problems.add("engine.prefix", f"is {engine['prefix']!r}; allowed is {allowed}")
        if url is None:
            for name, attribute in _PASSWORDS.items():
                if engine[attribute] is not None:
                    self._problems.add(f"engine.{name}", "is set, but engine.url is not")
            return
        # A URL may hold a password, so no message shows it.
        try:
            address = parseAddress(url).withFiles(self._file)
        except ValueError as error:
            self._problems.add("engine.url", f"{error}; allowed is {self._allowedURLs()}")
            return
        engine["url"] = address.url
        engine["password"] = self._password(engine["password"], address.password)
        if engine["sentinelPassword"] is not None and address.master is None:
            self._problems.add(
                "engine.sentinel_password", "is set, but engine.url names no Sentinels"
            )
        engine["sentinelPassword"] = self._secret("sentinel_password", engine["sentinelPassword"])
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
