"""
Which worker serves each client: a client that opens a session at one worker takes over from its
session at another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from aerostack.workers.hub.links import Link
from aerostack.workers.hub.presence import WorkerPresence
from aerostack.workers.messages.clients import Changed, Closed, Opened, Yield

_Key = tuple[str, str]
"""A project, and the hash of a client's secret."""


class _Session:
    """
    The newest session of a client.
    """

    __slots__ = ("at", "connectionId", "link", "userId")

    def __init__(self, link: Link, message: Opened) -> None:
        self.link = link
        self.connectionId = message.connectionId
        self.userId = message.userId
        self.at = message.at


class WorkerClients:
    """
    Lets one client have one session, on all workers.

    @ivar handlers: See L{aerostack.workers.hub}.
    """

    def __init__(self, presence: WorkerPresence) -> None:
        """
        @param presence: The presence of all workers' connections.
        """
        self._presence = presence
        self._newest: dict[_Key, _Session] = {}
        # By link, the sessions of clients with a secret that are open.
        self._links: dict[Link, dict[str, _Key]] = {}
        self.handlers: Mapping[type[Struct], Callable[[Link, Any], Any]] = {
            Opened: self._opened,
            Changed: self._changed,
            Closed: self._closed,
        }

    def _opened(self, link: Link, message: Opened) -> None:
        key = message.project, message.client
        self._links.setdefault(link, {})[message.connectionId] = key
        session, before = _Session(link, message), self._newest.get(key)
        if before is None:
            self._newest[key] = session
            return
        older, newer = (before, session) if before.at <= session.at else (session, before)
        self._newest[key] = newer
        # A worker closes by itself the earlier one of two sessions that are its own.
        if older.link is not newer.link and older.userId == newer.userId:
            # The client may ask for its presence before the other worker knows of this.
            self._presence.supersede(older.connectionId)
            older.link.send(Yield(older.connectionId))

    def _changed(self, link: Link, message: Changed) -> None:
        session = self._sessionOf(link, message.connectionId)
        if session is not None:
            session.userId = message.userId

    def _closed(self, link: Link, message: Closed) -> None:
        self._end(link, message.connectionId)
        self._links.get(link, {}).pop(message.connectionId, None)

    def _sessionOf(self, link: Link, connectionId: str) -> _Session | None:
        """A client's newest session, if it is this one."""
        key = self._links.get(link, {}).get(connectionId)
        found = None if key is None else self._newest.get(key)
        return found if found is not None and found.connectionId == connectionId else None

    def _end(self, link: Link, connectionId: str) -> None:
        self._presence.forget(connectionId)
        if self._sessionOf(link, connectionId) is not None:
            del self._newest[self._links[link][connectionId]]

    def lost(self, link: Link) -> None:
        """
        Forget the sessions of a worker that is gone.
        """
        for connectionId in self._links.get(link, {}):
            self._end(link, connectionId)
        self._links.pop(link, None)
