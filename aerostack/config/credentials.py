"""
Finds the credentials of one configuration, and makes sure that no two are the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aerostack.config.credstore import NotFound, locate
from aerostack.config.keys import checkAPIKey
from aerostack.config.problems import ConfigError, Problem, Problems
from aerostack.config.secrets import Pending, Unset, resolve
from aerostack.settings.kinds import Secret


class Credentials:
    """
    Finds credentials, and notes the mistakes in them.

    @ivar pending: The keys that have yet to be made, by their dotted keys.
    @ivar unread: Why this program does not have some credentials that the unit may have, by their
        dotted keys.
    """

    def __init__(
        self,
        problems: Problems,
        base: Path,
        environ: Mapping[str, str],
        checked: Path | None = None,
    ) -> None:
        """
        @param base: The directory that relative paths begin at.
        @param environ: The environment, for C{{ env = ... }} and C{{ credential = ... }}.
        @param checked: The configuration, if another program than the unit's daemon checks it;
            else L{None}.
        """
        self.pending: dict[str, Pending] = {}
        self.unread: dict[str, str] = {}
        self._checked = checked
        self._problems = problems
        self._base = base
        self._environ = environ
        # The dotted key of each credential and key file that was found.
        self._seen: dict[str | Path, str] = {}

    def generate(self) -> None:
        """
        Make the keys that have yet to be made.

        @raise ConfigError: One of them could not be made.
        """
        for dotted, pending in self.pending.items():
            try:
                pending.generate()
            except FileExistsError:
                # Another process has made the key.
                continue
            except OSError as error:
                message = f"cannot be made ({error.strerror}): {pending.path}"
                raise ConfigError([Problem(dotted, message)]) from error

    def find(self, dotted: str, kind: Secret, source: Any) -> str | Pending | None:
        """
        Find a credential.

        @param source: See L{resolve}; L{None} if the setting is not there.
        @return: L{None} if there is no credential, if it has a mistake, or if it is L{unread}.
        """
        if source is None:
            return None
        try:
            if self._checked is not None:
                source = locate(source, self._checked, self._environ)
            return resolve(source, kind, self._base, self._environ)
        except ValueError as error:
            if self._checked is not None and isinstance(error, NotFound | Unset):
                self.unread[dotted] = str(error)
            else:
                self._problems.add(dotted, str(error))
            return None

    def findAPIKey(self, dotted: str, kind: Secret, source: Any) -> str | None:
        """
        Find and check an API key; see L{find}.

        @return: L{None} also for a key that has yet to be made.
        """
        value = self.find(dotted, kind, source)
        if isinstance(value, Pending):
            self.pending[dotted] = value
            self.claim(dotted, value.path)
            return None
        if value is not None:
            try:
                checkAPIKey(value)
            except ValueError as error:
                self._problems.add(dotted, str(error))
            self.claim(dotted, value)
        return value

    def claim(self, dotted: str, credential: str | Path) -> None:
        """
        Make sure that no other setting has the same credential, or the same file for it.
        """
        first = self._seen.setdefault(credential, dotted)
        if first != dotted:
            self._problems.add(dotted, f"is the same as {first}; allowed is a key of its own")
