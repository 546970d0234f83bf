"""
Follows the topics that this process needs in the logs which nodes share.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure
from zope.interface import implementer

from aerostack.core.replay.positions import Position
from aerostack.core.replay.shared import LOST
from aerostack.core.topics.topics import topicOf
from aerostack.errors import RealtimeError
from aerostack.interfaces.engine import ILogFeed
from aerostack.interfaces.logs import ILogSource

RETRY = 1.0
"""Seconds until the daemon tries again to attach a table's topic."""


@implementer(ILogSource)
class FollowedTopics:
    """
    The topics that a process follows in shared logs.  A class that derives from this one keeps how
    far the process has got in each log.

    A table's topic has no such log here, because its changes come from the journal.  From the
    shared log it only gets the events that are published on it.

    A class that derives from this one is an L{aerostack.interfaces.engine.ILogReceiver}, which
    starts the feed.

    @ivar came: Called with each topic that is attached, and is no table's.
    """

    def __init__(self, clock: IReactorTime, feed: ILogFeed) -> None:
        self.came: Callable[[str], object] = lambda topic: None
        self._clock = clock
        self._feed = feed
        self._attached: set[str] = set()
        # By each table's topic that could not be attached: when the daemon tries again.
        self._retries: dict[str, IDelayedCall] = {}

    def __contains__(self, topic: object) -> bool:
        return topic in self._attached

    def topics(self) -> Sequence[str]:
        """
        The attached topics that are no table's.
        """
        raise NotImplementedError

    def headOf(self, topic: str) -> Position | None:
        """
        How far this process has got in a topic's log; L{None} if it has no place there.
        """
        raise NotImplementedError

    def lacks(self, topic: str, mark: int) -> bool:
        """
        Whether this process has not reached a mark of the history in a topic's log.
        """
        head = self.headOf(topic)
        return head is not None and head.mark < mark

    def begin(self, topic: str, head: Position) -> None:
        """
        Go on from a place in a topic's log.

        @param topic: The canonical topic, which is no table's.
        @param head: The place.  No entry up to it comes.
        """
        raise NotImplementedError

    def broken(self, topic: str, head: Position, reason: str) -> None:
        """
        See L{aerostack.interfaces.engine.ILogReceiver.broken}.
        """
        raise NotImplementedError

    # aerostack.interfaces.logs.ILogSource

    def attach(self, topic: str) -> Deferred[None] | None:
        self._attached.add(topic)
        if topicOf(topic).table is None:
            known = self.headOf(topic)
            return self._feed.attach(topic, known).addCallbacks(
                partial(self._begun, topic, known), partial(self._notBegun, topic)
            )
        # The changes of a table come without the engine, so its subscribers do not wait for it.
        isUp = self._feed.isUp
        attaching = self._attachTable(topic, isLate=not isUp)
        return attaching if isUp else None

    def _begun(self, topic: str, known: Position | None, place: Position) -> None:
        if known is None or place != known or self.headOf(topic) != known:
            self.begin(topic, place)
        self.came(topic)

    def _notBegun(self, topic: str, failure: Failure) -> Any:
        if failure.check(CancelledError):
            # It was detached meanwhile, so the answer is not waited for any more.
            return Deferred()
        self._attached.discard(topic)
        return failure

    def _attachTable(self, topic: str, isLate: bool) -> Deferred[None]:
        """
        Attach a table's topic.

        @param isLate: Whether there may be subscribers already.
        """

        def attached(place: Position) -> None:
            if isLate:
                # Other nodes may have published events since they subscribed.
                self.broken(topic, place, LOST)

        def failed(failure: Failure) -> None:
            failure.trap(RealtimeError, CancelledError)
            if topic in self._attached:
                self._retries[topic] = self._clock.callLater(RETRY, again)

        def again() -> None:
            del self._retries[topic]
            self._attachTable(topic, isLate=True)

        attaching: Deferred[None] = self._feed.attach(topic).addCallbacks(attached, failed)
        return attaching

    def detach(self, topic: str) -> None:
        self._attached.discard(topic)
        retry = self._retries.pop(topic, None)
        if retry is not None:
            retry.cancel()
        self._feed.detach(topic)

    def fill(self, topic: str) -> Deferred[None] | None:
        raise NotImplementedError
