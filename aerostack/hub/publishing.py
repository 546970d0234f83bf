"""
Checks what is published, knows what came already, gives messages their ids, and passes everything
on, in order, to the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Any, Protocol

from msgspec import Raw
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from zope.interface import implementer

from aerostack.core.replay.idempotency import IdempotencyCache, fingerprint
from aerostack.core.replay.publications import (
    CHAT_MESSAGE,
    EVENT,
    PRESENCE,
    Kept,
    Message,
    Publication,
    Receipt,
)
from aerostack.core.topics.topics import Topic
from aerostack.errors import RealtimeError
from aerostack.hub.commitqueue import CommitQueues
from aerostack.hub.idempotency import CHAT_EVENT, PLACED, ChatText, Outcome, keyOf
from aerostack.hub.measuring import MAX_BACKLOG, Measuring
from aerostack.hub.sequencing import Sequencer
from aerostack.interfaces.messaging import IEngine, IHistory
from aerostack.interfaces.publishing import IPublisher
from aerostack.protocol.codec import encodeValue


class StreamHook(Protocol):
    """
    The token streams, as the publisher of other events sees them.
    """

    def precede(
        self, publication: Publication, publisher: str | None, messageId: str | None
    ) -> Deferred[Receipt | None] | None:
        """
        Publish the text of the topic's streams that has come before a publication, so that the
        publication does not overtake it.

        @param publisher: The connection that the publication comes from; L{None} for a server.
        @param messageId: The id under which it is to be kept; L{None} if it is not to be kept.
        @return: L{None}; but if the publication itself is a part of a stream, it is published here,
            and this is what its publisher gets.
        """


@implementer(IPublisher)
class Publisher(Measuring):
    """
    Takes publications, and passes them to the engine.

    @ivar streams: The token streams; L{None} if there are none.
    """

    def __init__(
        self,
        clock: IReactorTime,
        now: Callable[[], int],
        engine: IEngine,
        history: IHistory,
        newId: Callable[[], str],
        idempotency: IdempotencyCache[Outcome],
        sequencer: Sequencer,
    ) -> None:
        """
        @param now: The time of day, milliseconds since the epoch.
        @param newId: Makes the id of a message; each call gives another.
        @param sequencer: Has the topics' logs.
        """
        super().__init__(clock)
        self._now = now
        self._engine = engine
        self._newId = newId
        self._idempotency = idempotency
        self._sequencer = sequencer
        self._order = CommitQueues(history, engine)
        self.streams: StreamHook | None = None

    def __contains__(self, topic: str) -> bool:
        """Whether publications of a topic wait for one that is being kept."""
        return topic in self._order

    def publish(
        self,
        topic: Topic,
        event: str,
        data: bytes,
        userId: str | None,
        persist: bool,
        repeatKey: Hashable = None,
        publishId: str | None = None,
        publisher: str | None = None,
    ) -> Deferred[Receipt | None] | None:
        """
        Publish an event on a topic.

        @param data: The event's data, as JSON.
        @param persist: Whether to keep it in the history.
        @param repeatKey: See L{makeRepeatKey}; L{None} if the event cannot come again.  An event
            that came already, with the same data, is not published again, but has the outcome
            of the first.
        @param publishId: The C{id} of the publication, which the history keeps for the time
            after a restart.
        @param publisher: The connection that it comes from; L{None} for a server's request.
        @return: L{None} if the event is on its way and is not kept.  Else a L{Deferred}, which
            fires when the event is on its way; if it is kept, after the commit, with the
            receipt.  It fails with L{RealtimeError} C{database_unavailable} if it could not be
            kept; then no subscriber gets it.  It fails with C{overloaded} if the topic's
            subscribers cannot be sent more now.
        """
        if persist and topic.table is not None:
            # The positions of its log are the journal's, which has no place for messages.
            return fail(
                RealtimeError(
                    "invalid_arguments",
                    "A table's topic keeps no messages; leave out persist, or publish on a topic of"
                    " your own.",
                )
            )
        canonical, key = topic.canonical, None
        if repeatKey is not None:
            # If it was not kept the first time and is to be kept now, it is another publication.
            key = (canonical, repeatKey, fingerprint(event, data), persist)
            first = self._idempotency.find(key, self._clock.seconds())
            if first is not None:
                return None if first is PLACED else first.wait()
        publication = Publication(canonical, EVENT, event, data, userId, self._now())
        messageId = self._newId() if persist else None
        return self._enter(publication, messageId, publishId, publisher, key)

    def chat(
        self,
        topic: Topic,
        text: str,
        metadata: dict[str, Raw] | None,
        userId: str | None,
        repeatKey: Hashable = None,
        publishId: str | None = None,
        publisher: str | None = None,
    ) -> Deferred[Receipt | None] | None:
        """
        Publish a chat message, which is always kept.

        @param repeatKey: As for L{publish}.
        @param publishId: As for L{publish}.
        @param publisher: As for L{publish}.
        @return: As L{publish}.
        """
        canonical, key = topic.canonical, None
        if repeatKey is not None:
            # Each message gets an id of its own, so the hub compares the rest.
            said = encodeValue(ChatText(text, metadata))
            key = (canonical, repeatKey, fingerprint(CHAT_EVENT, said), True)
            first = self._idempotency.find(key, self._clock.seconds())
            if first is not None:
                return first.wait()
        messageId = self._newId()
        data = encodeValue({"id": messageId, "text": text, "metadata": metadata})
        publication = Publication(canonical, CHAT_MESSAGE, CHAT_EVENT, data, userId, self._now())
        return self._enter(publication, messageId, publishId, publisher, key)

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

    def whenSent(self, topics: Iterable[str], call: Callable[[], object]) -> bool:
        """
        See L{IReceiver.whenSent}.
        """
        sent: bool = self._receiver.whenSent(topics, call)
        return sent

    def remember(self, kept: Kept) -> None:
        """
        Note a message that an earlier run of the daemon kept, so that its publisher can repeat it.
        """
        key = keyOf(kept.message)
        if key is None:
            return
        age = max(0, self._now() - kept.createdAt) / 1000
        first = Outcome()
        first.settle(kept.receipt)
        self._idempotency.note(key, first, self._clock.seconds() - age)

    def _remember(
        self, key: Hashable, entered: Deferred[Receipt | None] | None
    ) -> Deferred[Receipt | None] | None:
        """Note a publication that its publisher may send again, and give its outcome."""
        now = self._clock.seconds()
        if entered is None:
            self._idempotency.note(key, PLACED, now)
            return None
        first = Outcome()
        self._idempotency.note(key, first, now)
        return entered.addCallbacks(first.settle, self._failed, errbackArgs=(key, first))

    def _failed(self, failure: Failure, key: Hashable, first: Outcome) -> Failure:
        if self._idempotency.find(key, self._clock.seconds()) is first:
            # It is new when it comes again.
            self._idempotency.forget(key)
        return first.settle(failure)

    def _enter(
        self,
        publication: Publication,
        messageId: str | None,
        publishId: str | None,
        publisher: str | None,
        key: Hashable,
    ) -> Deferred[Receipt | None] | None:
        """
        Pass a publication on.

        @param key: As what it is known when its publisher sends it again; L{None} if it cannot
            come again.
        """
        try:
            self.checkBacklog(publication.topic)
        except RealtimeError as error:
            return fail(error)
        entered = None
        if self.streams is not None:
            entered = self.streams.precede(publication, publisher, messageId)
        if entered is None:
            entered = self._place(publication, messageId, publishId, publisher, key)
        return entered if key is None else self._remember(key, entered)

    def _place(
        self,
        publication: Publication,
        messageId: str | None,
        publishId: str | None,
        publisher: str | None,
        key: Hashable,
    ) -> Deferred[Receipt | None] | None:
        """Give a publication its place in its topic's order."""
        times = self.latencies.due()
        began = self._clock.seconds() if times else 0.0
        message = (
            None if messageId is None else self._makeMessage(publication, messageId, publishId)
        )
        entered = self._order.enter(publication, message, publisher, key)
        if times:
            self._measure(entered, publication.topic, began, times)
        return entered

    def _makeMessage(
        self, publication: Publication, messageId: str, publishId: str | None
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
        )
