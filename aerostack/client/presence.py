"""
The members of a topic.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, succeed

from aerostack.client.callbacks import Callback, Callbacks
from aerostack.client.errors import ClientError
from aerostack.client.pending import Waiting

Member = dict[str, Any]
"""C{userId}, C{connectionId}, C{state} and C{since}."""

PREFIX = "presence:"

_CHANGE = "change"


class Presence:
    """
    The members of a topic.

    The daemon sends the set of members in pages.  Until the last page has come, the application
    sees the set before.  Members that come and go meanwhile change both sets.
    """

    def __init__(self, added: Callable[[], None] | None = None) -> None:
        """
        @param added: Called when the application adds a callback, or waits for the set.
        """
        self._members: dict[str, Member] = {}
        # The set whose pages are coming, if one is.
        self._coming: dict[str, Member] | None = None
        self._whole = False
        self._waiting: Waiting[list[Member]] = Waiting()
        self._callbacks = Callbacks(added)
        self._added = added

    @property
    def members(self) -> list[Member]:
        """The members, in the order in which they came."""
        return list(self._members.values())

    @property
    def watched(self) -> bool:
        """Whether the application has a callback, or waits for the set."""
        return bool(self._callbacks or self._waiting)

    def onChange(self, callback: Callback) -> Callable[[], None]:
        """
        Call a function whenever the set has changed.

        @param callback: Gets the members.
        @return: Takes the callback back.
        """
        return self._callbacks.add(_CHANGE, callback)

    def known(self) -> Deferred[list[Member]]:
        """
        Wait until the whole set has come.  Only a channel that is subscribed or tracks gets it.

        @return: Fires with the members.  Fails with L{ClientError} when the set will not come.
        """
        if self._whole:
            return succeed(self.members)
        waiting = self._waiting.join()
        if self._added is not None:
            self._added()
        return waiting

    # From the topic

    def begin(self) -> None:
        """
        The daemon is going to send the set.
        """
        self._coming, self._whole = {}, False

    def received(self, event: str, data: Any) -> bool:
        """
        Take a presence event.  An event with other data changes nothing.

        @return: Whether the application gets the event.  It does not get a page of a set, because
            the whole set follows.
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
            # The whole set in one event.
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
        The daemon has sent the whole set.

        @return: Whether there is, or was, a member.
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
        Fire the deferreds of L{known}, if the whole set has come.
        """
        if self._whole:
            self._waiting.answer(self.members)

    def closed(self) -> None:
        """
        The connection is closed.  The application sees the set before until another one has come.
        """
        self._coming, self._whole = None, False

    def fail(self, error: ClientError) -> None:
        """
        The set will not come: fail the deferreds of L{known}.
        """
        self._waiting.fail(error)

    def over(self, error: ClientError) -> None:
        """
        The daemon sends no more changes, so the members are not known.
        """
        self.closed()
        if self._members:
            self._members = {}
            self._callbacks.call(_CHANGE, [])
        self.fail(error)

    def clear(self) -> None:
        """
        Forget the members and the callbacks.
        """
        self.closed()
        self._members = {}
        self._callbacks.clear()

    def _put(self, members: dict[str, Member] | None, member: Any) -> None:
        name = member.get("connectionId") if isinstance(member, dict) else None
        if members is not None and isinstance(name, str):
            members[name] = member
