"""
Gives publications their places in the order of their topics.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime

from aerostack.core.diagnosis.topiccounts import TopicCounts
from aerostack.core.replay.publications import (
    PRESENCE,
    EmittedMark,
    Kept,
    Message,
    Publication,
    Receipt,
)
from aerostack.hub.commitqueue import CommitQueues
from aerostack.hub.measuring import MAX_BACKLOG, Measuring
from aerostack.hub.sequencing import Sequencer
from aerostack.interfaces.messaging import IEngine, IHistory


class Placing(Measuring):
    """
    Passes publications to the engine, those of one topic in the order in which they came.  Whether
    a publication may be published was decided before.

    @ivar accepted: How many publications got a place in the order of their topics, by the kinds of
        topics (L{TopicPolicies.kindOf}).
    """

    def __init__(
        self,
        clock: IReactorTime,
        now: Callable[[], int],
        engine: IEngine,
        history: IHistory,
        sequencer: Sequencer,
    ) -> None:
        """
        @param now: The time of day, milliseconds since the epoch.
        @param sequencer: Has the topics' logs.
        """
        super().__init__(clock, sequencer.kindOf)
        self._now = now
        self._engine = engine
        self._sequencer = sequencer
        self._order = CommitQueues(history, engine)
        self.accepted = TopicCounts(sequencer.kindOf)

    def publishPresence(self, topic: str, event: str, data: bytes, userId: str | None) -> None:
        """
        Publish a change of who is present on a topic.  It does not wait for messages that are
        being kept: it is no part of the topic's log, and must not come later than the set of
        members that contains it.

        @param topic: The canonical topic.
        """
        self._engine.publish(Publication(topic, PRESENCE, event, data, userId, self._now()))

    def publishStream(self, publication: Publication, key: Hashable = None) -> Deferred[Any]:
        """
        Publish a part of a token stream.

        @param publication: Its C{stream} is set.
        @param key: See L{IEngine.publish}.
        @return: Fires when it has its place in the topic's order.
        """
        entered = self._order.enter(publication, None, None, key)
        return succeed(None) if entered is None else entered

    def publishEnd(
        self,
        publication: Publication,
        unkept: Publication,
        keeping: Deferred[Kept | None],
        key: Hashable,
    ) -> Deferred[Receipt | None]:
        """
        Publish the end of a token stream; see L{CommitQueues.enterEnd}.
        """
        return self._order.enterEnd(publication, unkept, keeping, key)

    def nextMark(self, topic: str) -> int:
        """
        The earliest time that a message on a topic may have now, milliseconds since the epoch.

        @param topic: The canonical topic.
        """
        # The log is there before the message is, so that what is kept from now on has a later
        # mark than what was kept before.
        return max(self._now(), self._sequencer.openLog(topic).mark + 1)

    def isNeeded(self, topic: str) -> bool:
        """
        Whether a topic has subscribers in this process.
        """
        needed: bool = self._receiver.needs(topic)
        return needed

    def isReady(self, topic: str) -> bool:
        """
        Whether text of token streams can be sent on a topic now: no publication waits for the
        database, and the subscribers are not behind.
        """
        return topic not in self._order and self._receiver.backlog(topic) <= MAX_BACKLOG

    def whenSent(self, topics: Iterable[str], call: Callable[[], object]) -> None:
        """
        See L{IReceiver.whenSent}.
        """
        self._receiver.whenSent(topics, call)

    def _place(
        self,
        publication: Publication,
        messageId: str | None,
        publishId: str | None,
        publisher: str | None,
        key: Hashable,
        replaces: int | None = None,
        mark: EmittedMark | None = None,
    ) -> Deferred[Receipt | None] | None:
        """Give a publication its place in its topic's order."""
        times = self.latencies.due()
        began = self._clock.seconds() if times else 0.0
        trace = None
        if self.tracer is not None:
            trace = self._beginTrace(publication.topic, messageId is not None)
        message = None
        if messageId is not None:
            message = self._makeMessage(publication, messageId, publishId, replaces, mark)
        entered = self._order.enter(publication, message, publisher, key)
        self.accepted.add(publication.topic)
        if times:
            self._measure(entered, publication.topic, began, times)
        if trace is not None:
            self._follow(trace, entered, publication.topic)
        return entered

    def _makeMessage(
        self,
        publication: Publication,
        messageId: str,
        publishId: str | None,
        replaces: int | None,
        mark: EmittedMark | None,
    ) -> Message:
        return Message(
            messageId,
            publication.topic,
            publication.kind,
            publication.event,
            publication.data,
            publication.userId,
            max(publication.timestamp, self.nextMark(publication.topic)),
            publishId,
            replaces=replaces,
            key=publication.key,
            emitted=mark,
        )
