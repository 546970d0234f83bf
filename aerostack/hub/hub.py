"""
The hub: where everybody meets.

It owns the registries and the streams, and is the one place where a publication gets
its position and becomes bytes, once, whoever receives it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterator
from functools import partial
from typing import TypeVar

import msgspec
from msgspec import Raw
from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from aerostack.core.diagnosis.latencies import Latencies
from aerostack.core.presence import Presence
from aerostack.core.registry import Groups, Registry
from aerostack.core.replay.idempotency import IdempotencyCache, fingerprint
from aerostack.core.replay.log import TopicLog
from aerostack.core.replay.logs import TopicLogs
from aerostack.core.replay.publications import (
    CHAT_MESSAGE,
    EVENT,
    PRESENCE,
    Kept,
    Message,
    Publication,
    Receipt,
)
from aerostack.core.rows.views import View
from aerostack.core.topics.policies import LATEST, TopicPolicies, TopicPolicy
from aerostack.core.topics.topics import Topic, projectOf
from aerostack.delivery.fanout import Fanout
from aerostack.errors import RealtimeError
from aerostack.hub.encoding import publicationFrame
from aerostack.hub.ordering import OrderedPublisher
from aerostack.hub.presence import PresenceService
from aerostack.interfaces import IEngine, IHistory, ISubscriber
from aerostack.protocol.codec import encodeValue, fieldOf
from aerostack.protocol.framing import Frame

T = TypeVar("T")

MAX_BACKLOG = 1_048_576
"""How many bytes of one topic may wait to be sent to its subscribers."""

_SAID = "message"
"""The event of what is said in a room."""


class _Said(msgspec.Struct):
    """What somebody said, without the id that it was given."""

    text: str
    metadata: dict[str, Raw] | None


def makeRepeatKey(userId: str | None, publishId: str) -> Hashable:
    """
    By which something that is published again is recognized, from any connection.

    @param publishId: The C{id} that it was published under, as JSON; from somebody without a
        name, behind what stands for the client's session secret.
    """
    return ("user", userId, publishId)


class Outcome:
    """
    What became of a publication, for all who publish it again.
    """

    __slots__ = ("_result", "_settled", "_waiting")

    def __init__(self) -> None:
        self._settled = False
        self._result: Receipt | Failure | None = None
        self._waiting: list[Deferred[Receipt | None]] = []

    def settle(self, result: Receipt | Failure | None) -> None:
        """
        Let everybody know.
        """
        self._settled, self._result = True, result
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.callback(result)

    def wait(self) -> Deferred[Receipt | None]:
        """
        @return: Fires with what was kept, or fails, once that is known.
        """
        waiting: Deferred[Receipt | None] = Deferred()
        if self._settled:
            waiting.callback(self._result)
        else:
            self._waiting.append(waiting)
        return waiting


class Hub:
    """
    Subscriptions, publications and presence of this daemon.

    @ivar registry: Who is subscribed to what.
    @ivar logs: The topics' logs, as far as they are in memory.
    @ivar fanout: Sends what is published.
    @ivar presence: Who is present on what.
    @ivar published: How much was published, presence apart.
    @ivar latencies: How long it took from there until subscribers' sockets were handed it.
    @ivar floor: The newest mark of any topic's log.  No stream begins before it: where the
        clock was set back, new messages would stand before those that are kept already, and
        one who comes back would not find them.
    """

    def __init__(
        self,
        clock: IReactorTime,
        wall: Callable[[], float],
        engine: IEngine,
        history: IHistory,
        presence: Presence,
        newId: Callable[[], str],
        rules: TopicPolicies,
        logs: TopicLogs,
        repeats: IdempotencyCache[Outcome],
    ) -> None:
        """
        @param clock: By which things grow old; it is never set.
        @param wall: Tells the time, seconds since the epoch; it may be set at any moment.
        @param newId: Makes the id of a message; no two calls give the same.
        @param rules: What holds for each topic.
        @param repeats: Remembers what was published under an id.
        """
        self.registry: Registry[ISubscriber] = Registry()
        self.logs = logs
        logs.needed = lambda topic: topic in self.registry or topic in self._lanes
        self.fanout = Fanout(clock)
        self.published = 0
        self.latencies = Latencies()
        self.floor = 0
        self._clock = clock
        self._wall = wall
        self._engine = engine
        self.presence = PresenceService(
            presence, clock.seconds, self.now, engine.publish, self._checkBacklog
        )
        self._newId = newId
        self._rules = rules
        self._repeats = repeats
        self._lanes = OrderedPublisher(history, engine.publish)
        engine.start(self._deliver)

    def now(self) -> int:
        """The time, milliseconds since the epoch."""
        return int(self._wall() * 1000)

    def seconds(self) -> float:
        """The clock's time, by which things grow old."""
        return self._clock.seconds()

    def rule(self, canonical: str) -> TopicPolicy:
        """What holds for a topic."""
        return self._rules.of(canonical)

    # Subscriptions

    def subscribe(self, subscriber: ISubscriber, topic: Topic, view: View | None) -> bool:
        """
        Deliver a topic's frames to a subscriber from now on.

        @param view: What of them; L{None} for everything.
        @return: Whether the subscription is new.
        """
        if topic.table is None:
            self.openLog(topic.canonical)
        self.fanout.dropPending(topic.canonical, subscriber)
        self.logs.need(topic.canonical)
        return self.registry.subscribe(subscriber, topic.canonical, view)

    def unsubscribe(self, subscriber: ISubscriber, topic: Topic) -> bool:
        """
        Deliver no more of a topic's frames to a subscriber.

        @return: Whether there was a subscription.
        """
        canonical = topic.canonical
        self.fanout.dropPending(canonical, subscriber)
        was = self.registry.unsubscribe(subscriber, canonical)
        if was and canonical not in self.registry:
            self.logs.leave(canonical, self._clock.seconds())
        return was

    def openLog(self, canonical: str) -> TopicLog:
        """
        The log of a topic that is no table's.
        """
        stream = self.logs.get(canonical)
        if stream is None:
            # What is kept from now on is later than this, and what was kept before is not.
            mark = self.floor = max(self.floor, self.now() - 1)
            stream = self.logs.open(canonical, mark, self._clock.seconds())
        return stream

    def leaveProjects(self, projects: Collection[str]) -> Iterator[None]:
        """
        Note that some projects are served no more, a piece at a time.  What happens until they
        are served again, if they are, stands in no log of theirs.
        """
        return self.logs.breakOff(
            lambda canonical: projectOf(canonical) in projects, self._clock.seconds()
        )

    # Publications

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
    ) -> Deferred[Receipt | None]:
        """
        Publish an event on a topic.

        @param data: The event's data, as JSON.
        @param persist: Whether to keep it in the history.
        @param repeatKey: By whom and under which id it is published, if it may come
            again.  What came already, with the same event and data, is not published
            once more, but has the outcome of the first.
        @param publishId: The id, as it is kept for the time after a restart.
        @param publisher: The connection that it comes from; L{None} for a server's request.
        @return: Fires when the event is on its way; where it is kept, after the
            commit, with the receipt.  Fails with L{RealtimeError}
            C{database_unavailable} if it could not be kept; then nobody gets it.
            Fails with C{overloaded} where the topic's subscribers get more than can be
            sent.
        """

        def enter() -> Deferred[Receipt | None]:
            publication = Publication(topic.canonical, EVENT, event, data, userId, self.now())
            messageId = self._newId() if persist else None
            return self._enter(publication, messageId, publishId, publisher)

        if persist and topic.table is not None:
            # The positions of its log are the journal's, which has no place for messages.
            return fail(
                RealtimeError(
                    "invalid_arguments",
                    "A table's topic keeps no messages; leave out persist, or publish on a topic of"
                    " your own.",
                )
            )
        if repeatKey is None:
            return enter()
        # What was not kept the first time has to be kept if that is what is asked for now.
        key = (topic.canonical, repeatKey, fingerprint(event, data), persist)
        return self._once(key, enter)

    def _once(
        self, key: Hashable, enter: Callable[[], Deferred[Receipt | None]]
    ) -> Deferred[Receipt | None]:
        """Publish something, unless it has been; then its outcome is that of the first time."""
        now = self._clock.seconds()
        first = self._repeats.find(key, now)
        if first is None:
            first = Outcome()
            entered = enter()
            self._repeats.note(key, first, now)
            entered.addCallbacks(first.settle, partial(self._failed, key, first))
        return first.wait()

    def _failed(self, key: Hashable, first: Outcome, failure: Failure) -> None:
        if self._repeats.find(key, self._clock.seconds()) is first:
            # It is new when it comes again.
            self._repeats.forget(key)
        first.settle(failure)

    def remember(self, kept: Kept) -> None:
        """
        Take note of what an earlier run published under an id.
        """
        message = kept.message
        if message.publishId is None:
            return
        data = message.data
        if message.kind == CHAT_MESSAGE:
            try:
                data = encodeValue(msgspec.json.decode(data, type=_Said))
            except msgspec.ValidationError:
                # It is not what this daemon keeps; somebody has written it.
                return
        key = (
            message.topic,
            makeRepeatKey(message.userId, message.publishId),
            fingerprint(message.event, data),
            True,
        )
        age = max(0.0, self._wall() - kept.createdAt / 1000)
        first = Outcome()
        first.settle(kept.receipt)
        self._repeats.note(key, first, self._clock.seconds() - age)

    def chat(
        self,
        topic: Topic,
        text: str,
        metadata: dict[str, Raw] | None,
        userId: str | None,
        repeatKey: Hashable = None,
        publishId: str | None = None,
        publisher: str | None = None,
    ) -> Deferred[Receipt | None]:
        """
        Say something in a room: a message that is always kept.

        @param repeatKey: As for L{publish}.
        @param publishId: As for L{publish}.
        @param publisher: As for L{publish}.
        @return: As L{publish}.
        """

        def enter() -> Deferred[Receipt | None]:
            messageId = self._newId()
            data = encodeValue({"id": messageId, "text": text, "metadata": metadata})
            publication = Publication(
                topic.canonical, CHAT_MESSAGE, _SAID, data, userId, self.now()
            )
            return self._enter(publication, messageId, publishId, publisher)

        if repeatKey is None:
            return enter()
        # Each gets an id of its own, so that what is compared is the rest.
        said = encodeValue(_Said(text, metadata))
        return self._once((topic.canonical, repeatKey, fingerprint(_SAID, said), True), enter)

    def _enter(
        self,
        publication: Publication,
        messageId: str | None,
        publishId: str | None,
        publisher: str | None,
    ) -> Deferred[Receipt | None]:
        try:
            self._checkBacklog(publication.topic)
        except RealtimeError as error:
            return fail(error)
        times = self.latencies.due()
        began = self._clock.seconds() if times else 0.0
        message = (
            None if messageId is None else self._makeMessage(publication, messageId, publishId)
        )
        entered = self._lanes.enter(publication, message, publisher)
        if times:
            entered.addCallbacks(
                self._measure,
                self._unmeasured,
                (publication.topic, began, times),
                errbackArgs=(times,),
            )
        return entered

    def _checkBacklog(self, canonical: str) -> None:
        """
        Make sure that a topic's subscribers can be sent more.

        @raise RealtimeError: C{overloaded}.
        """
        if self.fanout.backlog(canonical) > MAX_BACKLOG:
            raise RealtimeError(
                "overloaded", "More is published here than its subscribers can be sent.", 200
            )

    def _measure(self, result: T, topic: str, began: float, times: int) -> T:
        """Note how long something published took, once everybody has been handed it."""

        def sent() -> None:
            self.latencies.add(self._clock.seconds() - began, times)

        if not self.fanout.whenSent(topic, sent):
            self.latencies.skip(times)
        return result

    def _unmeasured(self, failure: Failure, times: int) -> Failure:
        """Note that something was not published that was to be measured."""
        self.latencies.skip(times - 1)
        return failure

    def _makeMessage(
        self, publication: Publication, messageId: str, publishId: str | None
    ) -> Message:
        # The stream is there before the message is, so that what is kept from now on has
        # a later mark than what was kept before.
        stream = self.openLog(publication.topic)
        return Message(
            messageId,
            publication.topic,
            publication.kind,
            publication.event,
            publication.data,
            publication.userId,
            max(publication.timestamp, stream.mark + 1),
            publishId,
        )

    def _deliver(self, publication: Publication) -> None:
        """Encode a publication once, and give it to every subscriber of its topic."""
        topic = publication.topic
        groups = self.registry.groups(topic)
        if publication.kind == PRESENCE:
            if groups:
                self._send(topic, groups, publicationFrame(publication, None, None))
            return
        self.published += 1
        stream = self.logs.get(topic)
        if stream is None:
            # Nobody is here, and nobody can come back to what was before.
            return
        # On a table's topic the marks are the journal's.
        mark = None if stream.lineage else publication.mark
        self.floor = max(self.floor, mark or 0)
        key = self._sparingKey(publication)
        # And only a table's log is read again for those who are too slow for it.
        before = stream.standing if stream.lineage else None
        frame = publicationFrame(publication, stream.next(mark), key, before)
        self.logs.append(topic, stream, frame, mark, None, self._clock.seconds())
        self._send(topic, groups, frame)

    def _sparingKey(self, publication: Publication) -> Hashable:
        rule = self.rule(publication.topic)
        value: Hashable = publication.userId
        if rule.whenSlow == LATEST and rule.slowKey is not None:
            value = fieldOf(publication.data, rule.slowKey)
        return rule.conflationKey(publication.topic, publication.event, value)

    def _send(self, topic: str, groups: Groups[ISubscriber], frame: Frame) -> None:
        for _, subscribers in groups:
            self.fanout.send(topic, subscribers, frame)

    def expireLogs(self) -> Iterator[None]:
        """
        Forget what of the topics' logs is too old, a piece at a time.
        """
        return self.logs.expire(self._clock.seconds())
