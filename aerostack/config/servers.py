"""
What the sections that name a server share: a URL, a password and files.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aerostack.config.credentials import Credentials
from aerostack.config.problems import Problems
from aerostack.config.secrets import Pending, within
from aerostack.settings.fields import keysOf
from aerostack.settings.files import readFile
from aerostack.settings.kinds import Secret


class ServerReader:
    """
    Checks a server's URL and password, and makes the URL's paths absolute.

    @cvar table: The dataclass that has the section's settings.
    @cvar section: The section's name.
    """

    table: type
    section: str

    def __init__(self, problems: Problems, credentials: Credentials, base: Path) -> None:
        """
        @param base: The directory that relative paths begin at.
        """
        self._problems = problems
        self._credentials = credentials
        self._base = base

    def _secret(self, name: str, source: Any) -> str | Pending | None:
        """
        Find a credential of the section.

        @param name: The setting's name.
        """
        kind = keysOf(self.table)[name].kind
        assert isinstance(kind, Secret)
        return self._credentials.find(f"{self.section}.{name}", kind, source)

    def _password(self, source: Any, inURL: str | None) -> str | Pending | None:
        """
        Find the password, which is in the URL or in a setting of its own.

        @param inURL: The URL's; L{None} if it has none.
        """
        password = self._secret("password", source)
        if password is not None and inURL is not None:
            self._problems.add(
                f"{self.section}.password",
                f"is in {self.section}.url as well; allowed is one of the two",
            )
        return password or inURL

    def _allowedURLs(self) -> str:
        """What the URL may be."""
        return keysOf(self.table)["url"].kind.allowed()

    def _file(self, name: str) -> str:
        """
        Find a file that the URL names.

        @return: Its absolute path.
        @raise ValueError: It cannot be read.
        """
        path = within(self._base, name)
        try:
            readFile(path)
        except OSError as error:
            raise ValueError(
                f"names a file that cannot be read ({error.strerror}): {path}"
            ) from None
        return str(path)
