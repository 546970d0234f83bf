"""
Who is present on which topics, and what is told of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from msgspec import Raw

from aerostack.core.messages import PRESENCE, Publication
from aerostack.core.presence import Left, Member, Presence
from aerostack.core.topics import Topic
from aerostack.interfaces import ISubscriber
from aerostack.telling import wireFrame
from aerostack.wire.codec import encodeValue
from aerostack.wire.frames import Event


class Attendance:
    """
    Lets connections be present, and tells the topics' subscribers.

    @ivar presence: Who is present where.
    """

    def __init__(
        self,
        presence: Presence,
        seconds: Callable[[], float],
        now: Callable[[], int],
        publish: Callable[[Publication], object],
    ) -> None:
        """
        @param seconds: The time by which things grow old.
        @param now: The time, milliseconds since the epoch.
        @param publish: Gives something to every subscriber of its topic.
        """
        self.presence = presence
        self._seconds = seconds
        self._now = now
        self._publish = publish

    def track(
        self,
        subscriber: ISubscriber,
        connectionId: str,
        topic: Topic,
        userId: str | None,
        state: bytes,
    ) -> None:
        """
        Let a connection be present on a topic, or say something new of itself.
        """
        tracked = self.presence.track(topic.canonical, connectionId, userId, state, self._now())
        if tracked.joined:
            self._tell(topic.canonical, "presence:join", tracked.member)
        elif tracked.updated:
            self._tell(topic.canonical, "presence:update", tracked.member)
        if tracked.fresh:
            self.sync(subscriber, topic)

    def untrack(self, connectionId: str, topic: Topic) -> None:
        """
        Let a connection be present on a topic no more; one that is not is no error.
        """
        member = self.presence.untrack(topic.canonical, connectionId)
        if member is not None:
            self._tell(topic.canonical, "presence:leave", member)

    def leave(self, connectionId: str) -> None:
        """
        End all of a connection's presence now.
        """
        self._tellLeft(self.presence.leave(connectionId))

    def lose(self, connectionId: str) -> None:
        """
        Note that a connection died without a word.
        """
        self.presence.lose(connectionId, self._seconds())

    def sweep(self) -> None:
        """
        Tell of those whose grace is over.
        """
        self._tellLeft(self.presence.expire(self._seconds()))

    def topicsOf(self, connectionId: str) -> Iterable[str]:
        """
        The canonical topics on which a connection is present.
        """
        return self.presence.topicsOf(connectionId)

    def sync(self, subscriber: ISubscriber, topic: Topic) -> None:
        """
        Tell somebody who is present on a topic, if anybody is.
        """
        members = [_memberData(member) for member in self.presence.members(topic.canonical)]
        if members:
            sync = Event(
                topic=topic.canonical,
                event="presence:sync",
                data={"members": members},
                timestamp=self._now(),
            )
            subscriber.deliver(wireFrame(sync))

    def _tell(self, topic: str, event: str, member: Member) -> None:
        data = encodeValue(_memberData(member))
        self._publish(Publication(topic, PRESENCE, event, data, member.userId, self._now()))

    def _tellLeft(self, gone: Iterable[Left]) -> None:
        for left in gone:
            self._tell(left.topic, "presence:leave", left.member)


def _memberData(member: Member) -> dict[str, Any]:
    return {
        "userId": member.userId,
        "connectionId": member.connectionId,
        "state": Raw(member.state),
        "since": member.since,
    }
