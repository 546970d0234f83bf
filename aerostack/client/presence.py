"""
Who is present on a channel.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aerostack.client.callbacks import Callback, Callbacks

Member = dict[str, Any]
"""C{userId}, C{connectionId}, C{state} and C{since}."""

PREFIX = "presence:"

_CHANGE = "change"


class Presence:
    """
    The members of a channel, as the daemon tells them.
    """

    def __init__(self) -> None:
        self._members: dict[str, Member] = {}
        self._callbacks = Callbacks()
        # Whether these are the members of a time before the present subscription.
        self.stale = False

    @property
    def members(self) -> list[Member]:
        """Everybody who is there, those who came first first."""
        return list(self._members.values())

    def onChange(self, callback: Callback) -> Callable[[], None]:
        """
        Call somebody whenever the set has changed.

        @param callback: Gets the members.
        @return: Takes the callback back.
        """
        return self._callbacks.add(_CHANGE, callback)

    def told(self, event: str, data: Any) -> None:
        """
        Take note of a presence event.  What is none changes nothing.
        """
        if not isinstance(data, dict):
            return
        if event == "presence:sync":
            members = data.get("members")
            if isinstance(members, list):
                self.stale = False
                self._members.clear()
                for member in members:
                    self._put(member)
        elif event == "presence:leave":
            self._members.pop(str(data.get("connectionId")), None)
        elif event in ("presence:join", "presence:update"):
            self._put(data)
        self._callbacks.call(_CHANGE, self.members)

    def clear(self) -> None:
        """
        Forget everybody, and who wants to know.
        """
        self.stale = False
        self._members.clear()
        self._callbacks.clear()

    def _put(self, member: Any) -> None:
        if isinstance(member, dict) and isinstance(member.get("connectionId"), str):
            self._members[member["connectionId"]] = member
