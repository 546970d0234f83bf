"""
Who is present on a channel.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, succeed

from aerostack.client.callbacks import Callback, Callbacks
from aerostack.client.errors import ClientError

Member = dict[str, Any]
"""C{userId}, C{connectionId}, C{state} and C{since}."""

PREFIX = "presence:"

_CHANGE = "change"


class Presence:
    """
    The members of a channel, as the daemon tells them.

    The daemon tells a set in pages.  Until all of it was told, the set of before is shown;
    what happens meanwhile happens to both.
    """

    def __init__(self, added: Callable[[], None] | None = None) -> None:
        """
        @param added: Called when somebody wants to know.
        """
        self._members: dict[str, Member] = {}
        # The set that the daemon is telling, if it is.
        self._coming: dict[str, Member] | None = None
        self._whole = False
        self._waiting: list[Deferred[list[Member]]] = []
        self._callbacks = Callbacks(added)
        self._added = added

    @property
    def members(self) -> list[Member]:
        """Everybody who is there, those who came first first."""
        return list(self._members.values())

    @property
    def watched(self) -> bool:
        """Whether somebody wants to know of changes, or waits."""
        return bool(self._callbacks or self._waiting)

    def onChange(self, callback: Callback) -> Callable[[], None]:
        """
        Call somebody whenever the set has changed.

        @param callback: Gets the members.
        @return: Takes the callback back.
        """
        return self._callbacks.add(_CHANGE, callback)

    def known(self) -> Deferred[list[Member]]:
        """
        Wait until the daemon has told who is there, of a channel that is subscribed or
        tracked.

        @return: Fires with the members.  Fails with L{ClientError} if that is not so any more.
        """
        if self._whole:
            return succeed(self.members)
        waiting: Deferred[list[Member]] = Deferred()
        self._waiting.append(waiting)
        if self._added is not None:
            self._added()
        return waiting

    # From the channel

    def begin(self) -> None:
        """
        The daemon is going to tell the set.
        """
        self._coming, self._whole = {}, False

    def received(self, event: str, data: Any) -> bool:
        """
        Take note of a presence event.  What is none changes nothing.

        @return: Whether it is one for the application: a page of a set is not, because the
            whole set follows.
        """
        if not isinstance(data, dict):
            return True
        if event == "presence:sync" and isinstance(data.get("members"), list):
            page = data.get("page")
            if not page or self._coming is None:
                self.begin()
            for member in data["members"]:
                self._put(self._coming, member)
            if isinstance(page, int):
                return False
            # All of it at once.
            self.synced()
            return True
        for members in (self._members, self._coming):
            if event == "presence:leave":
                if members is not None:
                    members.pop(str(data.get("connectionId")), None)
            elif event in ("presence:join", "presence:update"):
                self._put(members, data)
        self._callbacks.call(_CHANGE, self.members)
        return True

    def synced(self) -> bool:
        """
        All of the set was told.

        @return: Whether there is anything that the application does not know: somebody is
            there, or was.
        """
        before, coming, self._coming = self._members, self._coming, None
        if coming is None:
            return False
        self._members, self._whole = coming, True
        if before or coming:
            self._callbacks.call(_CHANGE, self.members)
        return bool(before or coming)

    def answer(self) -> None:
        """
        Answer who waits, if the set is known.
        """
        if self._whole:
            waiting, self._waiting = self._waiting, []
            for deferred in waiting:
                deferred.callback(self.members)

    def closed(self) -> None:
        """
        The connection is gone; the set of before is shown until there is another one.
        """
        self._coming, self._whole = None, False

    def fail(self, error: ClientError) -> None:
        """
        Nobody is going to tell.
        """
        waiting, self._waiting = self._waiting, []
        for deferred in waiting:
            deferred.errback(error)

    def over(self, error: ClientError) -> None:
        """
        The daemon tells no more, so nobody is known to be there.
        """
        self.closed()
        if self._members:
            self._members = {}
            self._callbacks.call(_CHANGE, [])
        self.fail(error)

    def clear(self) -> None:
        """
        Forget everybody, and who wants to know.
        """
        self.closed()
        self._members = {}
        self._callbacks.clear()

    def _put(self, members: dict[str, Member] | None, member: Any) -> None:
        name = member.get("connectionId") if isinstance(member, dict) else None
        if members is not None and isinstance(name, str):
            members[name] = member
