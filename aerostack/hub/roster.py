"""
Decides who is present on which topics, and tells the topics' subscribers who joins and leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from twisted.internet.defer import Deferred, execute
from zope.interface import implementer

from aerostack.core.presence import Left, Member, Presence, Tracked
from aerostack.hub.encoding import memberData
from aerostack.hub.publishing import Publisher
from aerostack.interfaces.roster import IRoster
from aerostack.protocol.codec import encodeValue

PIECE = 100
"""How many members whose grace is over leave in one step."""


def tellPresence(publisher: Publisher, topic: str, event: str, member: Member) -> None:
    """
    Tell a topic's subscribers of a member.

    @param topic: The canonical topic.
    @param event: C{presence:join}, C{presence:update} or C{presence:leave}.
    """
    data = encodeValue(memberData(member))
    publisher.publishPresence(topic, event, data, member.userId)


@implementer(IRoster)
class PresenceAuthority:
    """
    Decides who is present, for all connections of a machine.

    @ivar rosters: The members of each topic.
    """

    def __init__(
        self,
        presence: Presence,
        seconds: Callable[[], float],
        now: Callable[[], int],
        publisher: Publisher,
    ) -> None:
        """
        @param presence: The members of each topic.
        @param seconds: The clock's time, which measures how long a connection was lost.
        @param now: The time of day, milliseconds since the epoch.
        @param publisher: Takes joins, updates and leaves to the topics' subscribers.
        """
        self.rosters = presence
        self._seconds = seconds
        self._now = now
        self._publisher = publisher

    def track(
        self,
        topic: str,
        connectionId: str,
        userId: str | None,
        state: bytes,
        client: str | None = None,
        most: int | None = None,
    ) -> Deferred[Tracked]:
        return execute(self._track, topic, connectionId, userId, state, client, most)

    def _track(
        self,
        topic: str,
        connectionId: str,
        userId: str | None,
        state: bytes,
        client: str | None,
        most: int | None,
    ) -> Tracked:
        self._publisher.checkBacklog(topic)
        tracked = self.rosters.track(topic, connectionId, userId, state, self._now(), client, most)
        if tracked.joined:
            self._tell(topic, "presence:join", tracked.member)
        elif tracked.updated:
            self._tell(topic, "presence:update", tracked.member)
        return tracked

    def untrack(self, topic: str, connectionId: str) -> None:
        member = self.rosters.untrack(topic, connectionId)
        if member is not None:
            self._tell(topic, "presence:leave", member)

    def leave(self, connectionId: str) -> None:
        self._tellLeft(self.rosters.leave(connectionId))

    def lose(self, connectionId: str) -> None:
        self.rosters.lose(connectionId, self._seconds())

    def remove(self, project: str, userId: str) -> None:
        self._tellLeft(self.rosters.giveUp(project, userId))

    def topicsOf(self, connectionId: str) -> tuple[str, ...]:
        return self.rosters.topicsOf(connectionId)

    def sweep(self) -> Iterator[None]:
        """
        Tell subscribers about the members whose grace is over, L{PIECE} at a time.
        """
        while gone := self.rosters.expire(self._seconds(), PIECE):
            self._tellLeft(gone)
            yield

    def _tell(self, topic: str, event: str, member: Member) -> None:
        tellPresence(self._publisher, topic, event, member)

    def _tellLeft(self, gone: Iterable[Left]) -> None:
        for left in gone:
            self._tell(left.topic, "presence:leave", left.member)
