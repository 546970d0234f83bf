"""
Several users of one link.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aerostack.engine.valkey.link import LinkUser


class LinkUsers:
    """
    Tells several users what a link tells its user (L{LinkUser}), one after the other.
    """

    def __init__(self, users: Sequence[LinkUser]) -> None:
        self._users = tuple(users)

    def up(self, generation: int) -> None:
        """
        See L{LinkUser.up}.
        """
        for user in self._users:
            user.up(generation)

    def down(self, reason: str) -> None:
        """
        See L{LinkUser.down}.
        """
        for user in self._users:
            user.down(reason)

    def pushed(self, push: list[Any]) -> None:
        """
        See L{LinkUser.pushed}.
        """
        for user in self._users:
            user.pushed(push)
