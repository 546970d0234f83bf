"""
Checks what is published, knows what came already, gives messages their ids, and has everything
passed on in order (L{aerostack.hub.placing}).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from typing import Protocol

from msgspec import Raw
from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from aerostack.core.keyed.values import REMOVED, Condition, Value, checkKey, checkKeyed
from aerostack.core.replay.idempotency import IdempotencyCache, fingerprint
from aerostack.core.replay.publications import (
    CHAT_MESSAGE,
    EVENT,
    EmittedMark,
    Publication,
    Receipt,
)
from aerostack.core.topics.topics import Topic
from aerostack.errors import RealtimeError
from aerostack.hub.idempotency import CHAT_EVENT, PLACED, ChatText, Outcome, Outcomes
from aerostack.hub.keyed import Gate
from aerostack.hub.placing import Placing
from aerostack.hub.sequencing import Sequencer
from aerostack.interfaces.messaging import IEngine, IHistory
from aerostack.interfaces.publishing import IPublisher
from aerostack.protocol.codec import encodeValue


class StreamHook(Protocol):
    """
    The token streams, as the publisher of other events sees them.
    """

    def precede(
        self,
        publication: Publication,
        publisher: str | None,
        messageId: str | None,
        place: Callable[[], Deferred[Receipt | None] | None],
    ) -> Deferred[Receipt | None] | None:
        """
        Publish the text of the topic's streams that has come before a publication, so that the
        publication does not overtake it.

        @param publisher: The connection that the publication comes from; L{None} for a server.
        @param messageId: The id under which it is to be kept; L{None} if it is not to be kept.
        @param place: Publishes it as an event of its own, for a hook that has returned a
            L{Deferred} and finds out later that it is no part of a stream.
        @return: L{None}; but if the publication itself is a part of a stream, or has to wait until
            that is known, this is what its publisher gets.
        """


@implementer(IPublisher)
class Publisher(Placing):
    """
    Takes publications, and passes on those that may be published.

    @ivar streams: The token streams, once they are made.
    @ivar outcomes: Remembers publications that may come again.
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
        keyed: Gate,
    ) -> None:
        """
        @param now: The time of day, milliseconds since the epoch.
        @param newId: Makes the id of a message; each call gives another.
        @param sequencer: Has the topics' logs.
        @param keyed: Decides about publications on keyed topics.
        """
        super().__init__(clock, now, engine, history, sequencer)
        self._newId = newId
        self._idempotency = idempotency
        self._keyed = keyed
        self.outcomes = Outcomes(clock, now, idempotency)
        # It is looked up once, because it is called for each publication.
        self._remember = self.outcomes.remember
        self.streams: StreamHook | None = None

    def __contains__(self, topic: str) -> bool:
        """Whether publications of a topic wait for one that is being kept."""
        return topic in self._order or topic in self._keyed

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
        replaces: int | None = None,
        key: str | None = None,
        condition: Condition | None = None,
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
        @param replaces: See L{IPublisher.publish}.
        @param key: On a keyed topic, the key whose value the data become.
        @param condition: What has to be so for the event to be published; L{None} for nothing.
        @return: L{None} if the event is on its way and is not kept.  Else a L{Deferred}, which
            fires when the event is on its way; if it is kept, after the commit, with the
            receipt.  It fails with L{RealtimeError} C{database_unavailable} if it could not be
            kept; then no subscriber gets it.  It fails with C{overloaded} if the topic's
            subscribers cannot be sent more now, with C{invalid_arguments} if it does not fit the
            topic, and with C{stale} or C{state_full} if the value cannot be changed so.
        """
        try:
            self._checkKeyed(topic, key, condition)
        except RealtimeError as error:
            return fail(error)
        if persist and topic.table is not None:
            # The positions of its log are the journal's, which has no place for messages.
            return fail(
                RealtimeError(
                    "invalid_arguments",
                    "A table's topic keeps no messages; leave out persist, or publish on a topic of"
                    " your own.",
                )
            )
        if replaces is not None and not persist:
            return fail(
                RealtimeError(
                    "invalid_arguments",
                    "Only a kept event replaces kept messages: send persist with replaces.",
                )
            )
        canonical, repeat = topic.canonical, None
        if repeatKey is not None:
            # If it was not kept the first time and is to be kept now, it is another publication.
            repeat = (canonical, repeatKey, fingerprint(event, data, key), persist)
            first = self._idempotency.find(repeat, self._clock.seconds())
            if first is not None:
                return None if first is PLACED else first.wait()
        publication = Publication(
            canonical, EVENT, event, data, userId, self._now(), key=key, condition=condition
        )
        if key is not None and replaces is not None:
            return fail(
                RealtimeError(
                    "invalid_arguments", "A keyed topic takes no replaces; publish a key."
                )
            )
        if key is not None:
            entered = self._enterKeyed(
                publication, persist, condition, publishId, publisher, repeat
            )
            return entered if repeat is None else self._remember(repeat, entered)
        messageId = self._newId() if persist else None
        return self._enter(publication, messageId, publishId, publisher, repeat, replaces)

    def publishEmitted(
        self,
        topic: Topic,
        event: str,
        data: bytes,
        persist: bool,
        mark: EmittedMark,
        key: str | None = None,
        isShared: bool = False,
    ) -> Deferred[Receipt | None] | None:
        """
        Publish an event that a transaction of the database emitted.

        @param topic: As for L{publish}, and so are the next two.  With C{persist}, it is no
            table's.
        @param mark: The event's row, by which an engine knows the event when it comes again.
        @param key: As for L{publish}.
        @param isShared: Whether nodes share their topics.  Then the message that keeps the event
            has an id by which each of them finds it.  Otherwise the transaction that keeps the
            event deletes its row.
        @return: As L{publish}, but it also waits for the engine if the event is kept.  It also
            fails with L{TakenElsewhere}.
        """
        try:
            self._checkKeyed(topic, key, None)
        except RealtimeError as error:
            return fail(error)
        publication = Publication(topic.canonical, EVENT, event, data, None, self._now(), key=key)
        # The row is there until the event is published, so it need not be remembered here.
        repeat = (topic.canonical, ("emitted", mark.key), fingerprint(event, data, key), persist)
        messageId = f"emitted-{mark.key}" if isShared else self._newId()
        if key is None:
            kept = messageId if persist else None
            return self._enter(publication, kept, None, None, repeat, mark=mark)
        # A daemon without an engine has deleted the row of an event that is not to be kept.
        row = mark if persist or isShared else None
        return self._enterKeyed(
            publication, persist, None, repeat=repeat, mark=row, messageId=messageId
        )

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
        if self.isKeyed(canonical):
            return fail(
                RealtimeError("invalid_arguments", "A keyed topic takes events with keys, no chat.")
            )
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

    def isKeyed(self, topic: str) -> bool:
        """
        Whether a topic has the newest value of each key.
        """
        return self._sequencer.keyedPolicy(topic) is not None

    def _enter(
        self,
        publication: Publication,
        messageId: str | None,
        publishId: str | None,
        publisher: str | None,
        key: Hashable,
        replaces: int | None = None,
        mark: EmittedMark | None = None,
    ) -> Deferred[Receipt | None] | None:
        """
        Pass a publication on.

        @param key: As what it is known when its publisher sends it again; L{None} if it cannot
            come again.
        @param replaces: See L{IPublisher.publish}.
        @param mark: Its row, if a transaction emitted it: such an event is not remembered.
        """
        try:
            self.checkBacklog(publication.topic)
        except RealtimeError as error:
            return fail(error)

        def place() -> Deferred[Receipt | None] | None:
            return self._place(publication, messageId, publishId, publisher, key, replaces, mark)

        entered = None
        if self.streams is not None:
            entered = self.streams.precede(publication, publisher, messageId, place)
        if entered is None:
            entered = place()
        return entered if key is None or mark is not None else self._remember(key, entered)

    def _checkKeyed(self, topic: Topic, key: str | None, condition: Condition | None) -> None:
        """Make sure that a publication has a key on a keyed topic, and on no other."""
        checkKeyed(topic.path, self.isKeyed(topic.canonical), key, condition)
        if key is not None:
            checkKey(key)

    def _enterKeyed(
        self,
        publication: Publication,
        persist: bool,
        condition: Condition | None,
        publishId: str | None = None,
        publisher: str | None = None,
        repeat: Hashable = None,
        mark: EmittedMark | None = None,
        messageId: str | None = None,
    ) -> Deferred[Receipt | None] | None:
        """
        Pass a publication on a keyed topic on.

        @param repeat: As C{key} of L{_enter}.
        @param mark: As for L{_enter}.
        @param messageId: As for L{Gate.enter}.
        """
        try:
            self.checkBacklog(publication.topic)
        except RealtimeError as error:
            return fail(error)
        # The place of a value is one in the topic's log.
        self._sequencer.openLog(publication.topic)

        def place(messageId: str | None) -> Deferred[Receipt | None] | None:
            return self._place(publication, messageId, publishId, publisher, repeat, mark=mark)

        return self._keyed.enter(publication, persist, condition, place, messageId)

    def endValues(self) -> Iterator[None]:
        """
        Remove the values of keyed topics whose time is over, a piece at a time.
        """
        for piece in self._keyed.due(self._clock.seconds()):
            for topic, value in piece:
                self._endValue(topic, value)
            yield

    def _endValue(self, topic: str, value: Value) -> None:
        condition = Condition(str(value.place))
        removal = Publication(
            topic,
            EVENT,
            value.event,
            REMOVED,
            None,
            self._now(),
            key=value.key,
            condition=condition,
        )
        entered = self._enterKeyed(removal, False, condition)
        if entered is not None:
            # What is not removed now is removed at a later look.
            entered.addErrback(lambda failure: failure.trap(RealtimeError))
