"""
Who is present, for workers: the hub decides it, for the connections of all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from aerostack.core import presence
from aerostack.delivery.slices import makeCooperator
from aerostack.errors import RealtimeError
from aerostack.interfaces.roster import IMembers, IRoster
from aerostack.workers.hub.links import Link
from aerostack.workers.messages.presence import (
    Leave,
    Lose,
    Remove,
    Track,
    Tracked,
    Untrack,
    cutMembers,
    formOf,
)

LOST = 100
"""How many connections of a worker that is gone are lost in one step."""

Owner = tuple[str | None, str | None]
"""See L{aerostack.core.presence.Member.owner}."""


class WorkerPresence:
    """
    Lets workers' connections be present.

    @ivar handlers: See L{aerostack.workers.hub}.
    """

    def __init__(self, clock: IReactorTime, roster: IRoster, members: IMembers) -> None:
        """
        @param roster: Decides who is present.  What it tells the subscribers of a topic has gone
            into the links when its calls return.
        @param members: The members of all topics.
        """
        self._roster = roster
        self._members = members
        self._cooperator = makeCooperator(clock)
        # By link, the connections that are present somewhere, each with its owner when it last
        # asked.
        self._links: dict[Link, dict[str, Owner]] = {}
        # By owner, the connections of workers that are gone, until each is lost.
        self._orphans: dict[Owner, dict[str, None]] = {}
        # Connections whose client has another one by now.
        self._superseded: set[str] = set()
        self.handlers: Mapping[type[Struct], Callable[[Link, Any], Any]] = {
            Track: self._track,
            Untrack: self._untrack,
            Leave: self._leave,
            Lose: self._lose,
            Remove: self._remove,
        }

    def sendMembers(self, link: Link, topic: str) -> None:
        """
        Send a worker all members of a topic that it attaches.  Changes that it gets from this
        moment on are those that these members do not have yet.

        @param topic: The canonical topic.
        """
        for piece in cutMembers(topic, self._members.members(topic)):
            link.send(piece)

    def lost(self, link: Link) -> None:
        """
        Note that a worker is gone: all of its connections are lost.
        """
        connections = self._links.pop(link, {})
        for connectionId, owner in connections.items():
            self._superseded.discard(connectionId)
            self._orphans.setdefault(owner, {})[connectionId] = None
        self._cooperator.coiterate(self._loseOrphans(len(connections)))

    def supersede(self, connectionId: str) -> None:
        """
        Note that the client of a connection has another one by now: the connection is lost, and
        what it has asked for does not count any more.
        """
        self._superseded.add(connectionId)
        self._roster.lose(connectionId)

    def forget(self, connectionId: str) -> None:
        """
        Note that a connection has ended, after its presence was lost or has ended.
        """
        self._superseded.discard(connectionId)

    # From workers

    def _track(self, link: Link, question: Track) -> Deferred[Tracked]:
        owner = question.userId, question.client if question.userId is None else None
        self._loseOwner(owner)
        connectionId = question.connectionId
        if connectionId in self._superseded:
            raise RealtimeError("overloaded", "The client has another connection by now.", 1000)
        tracked: Deferred[presence.Tracked] = self._roster.track(
            question.topic,
            connectionId,
            question.userId,
            question.state,
            question.client,
            question.most,
        )
        self._links.setdefault(link, {})[connectionId] = owner
        return tracked.addCallbacks(_answer, lambda failure: self._refused(link, question, failure))

    def _refused(self, link: Link, question: Track, failure: Any) -> Any:
        self._prune(link, question.connectionId)
        return failure

    def _untrack(self, link: Link, message: Untrack) -> None:
        self._roster.untrack(message.topic, message.connectionId)
        self._prune(link, message.connectionId)

    def _leave(self, link: Link, message: Leave) -> None:
        self._roster.leave(message.connectionId)
        self._prune(link, message.connectionId)

    def _lose(self, link: Link, message: Lose) -> None:
        self._roster.lose(message.connectionId)
        self._prune(link, message.connectionId)

    def _remove(self, link: Link, message: Remove) -> None:
        self._loseOwner((message.userId, None))
        self._roster.remove(message.project, message.userId)

    def _prune(self, link: Link, connectionId: str) -> None:
        """Forget a connection that is present nowhere."""
        connections = self._links.get(link, {})
        if connectionId in connections and not self._roster.topicsOf(connectionId):
            del connections[connectionId]

    # What workers leave behind

    def _loseOwner(self, owner: Owner) -> None:
        """
        Lose an owner's connections at workers that are gone, so that the owner finds its members
        when it comes back before their turn.
        """
        for connectionId in self._orphans.pop(owner, ()):
            self._roster.lose(connectionId)

    def _loseOrphans(self, count: int) -> Iterator[None]:
        """
        @param count: How many connections are lost at the least, if there are so many.
        """
        while self._orphans and count > 0:
            left = LOST
            while self._orphans and left > 0:
                owner, connections = next(iter(self._orphans.items()))
                while connections and left > 0:
                    self._roster.lose(connections.popitem()[0])
                    left -= 1
                if not connections:
                    del self._orphans[owner]
            count -= LOST - left
            yield


def _answer(tracked: presence.Tracked) -> Tracked:
    return Tracked(formOf(tracked.member), tracked.joined, tracked.updated, tracked.fresh)
