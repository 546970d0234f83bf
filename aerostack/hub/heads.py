"""
How far a hub has got in the logs that nodes share.  The hub's workers keep the entries.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from aerostack.core.replay.positions import Position
from aerostack.core.replay.shared import SharedEntry
from aerostack.core.topics.topics import topicOf
from aerostack.hub.following import FollowedTopics
from aerostack.interfaces.engine import ILogFeed, ILogReceiver


@implementer(ILogReceiver)
class SharedHeads(FollowedTopics):
    """
    The topics that a hub follows for its workers, each with the place of its newest entry.
    """

    def __init__(self, clock: IReactorTime, feed: ILogFeed) -> None:
        super().__init__(clock, feed)
        self._receiver: ILogReceiver
        self._heads: dict[str, Position] = {}

    def start(self, receiver: ILogReceiver) -> None:
        """
        Begin.

        @param receiver: Gets what comes of attached topics, after the head has changed.
        """
        self._receiver = receiver
        self._feed.start(self)

    def expect(self, topic: str, known: Position) -> None:
        """
        Note, before a topic is attached, a place that a worker has reached in its log: the entries
        then come from there on, if the log still has them.
        """
        self._heads[topic] = known

    def topics(self) -> Sequence[str]:
        return tuple(self._heads)

    def headOf(self, topic: str) -> Position | None:
        return self._heads.get(topic)

    def begin(self, topic: str, head: Position) -> None:
        self._heads[topic] = head

    def detach(self, topic: str) -> None:
        self._heads.pop(topic, None)
        super().detach(topic)

    def fill(self, topic: str) -> None:
        # Workers fill their own logs.
        return None

    # aerostack.interfaces.engine.ILogReceiver

    def received(self, topic: str, entry: SharedEntry) -> None:
        if topicOf(topic).table is None:
            self.begin(topic, entry.position)
        self._receiver.received(topic, entry)

    def broken(self, topic: str, head: Position, reason: str) -> None:
        if topicOf(topic).table is None:
            self.begin(topic, head)
        self._receiver.broken(topic, head, reason)

    def down(self, reason: str) -> None:
        self._receiver.down(reason)

    def up(self) -> None:
        self._receiver.up()
