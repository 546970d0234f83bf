"""
The hub: where everybody meets.

It owns the registries, and is the one place where a publication becomes bytes,
once, whoever receives it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from msgspec import UNSET, Raw
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from aerostack.core.filters import Filter
from aerostack.core.messages import CHAT_MESSAGE, EVENT, Kept, Message, Publication
from aerostack.core.presence import Left, Member, Presence
from aerostack.core.registry import Registry
from aerostack.core.topics import Topic
from aerostack.errors import RealtimeError
from aerostack.interfaces import IEngine, IHistory, ISubscriber
from aerostack.wire.codec import encode, encodeValue
from aerostack.wire.frames import ChatMessage, Event, ServerFrame
from aerostack.wire.framing import textFrame

_FRAMES: dict[str, type[Event] | type[ChatMessage]] = {EVENT: Event, CHAT_MESSAGE: ChatMessage}


def wireFrame(frame: ServerFrame) -> bytes:
    """
    Turn a frame into the bytes that go to a socket.
    """
    return textFrame(encode(frame))


class Hub:
    """
    Subscriptions, publications and presence of this daemon.

    @ivar registry: Who is subscribed to what.
    @ivar maxLane: How many publications of one topic may wait for one that is
        being kept.
    """

    maxLane = 1000

    def __init__(
        self,
        clock: IReactorTime,
        engine: IEngine,
        history: IHistory,
        presence: Presence,
        newId: Callable[[], str],
    ) -> None:
        """
        @param newId: Makes the id of a message; no two calls give the same.
        """
        self.registry: Registry[ISubscriber] = Registry()
        self._clock = clock
        self._engine = engine
        self._history = history
        self._presence = presence
        self._newId = newId
        # Per topic, publications that wait for an earlier one to be kept, so that
        # a topic's order is the order in which they were published.
        self._lanes: dict[str, deque[_Waiting]] = {}
        engine.start(self._deliver)

    def now(self) -> int:
        """The time, milliseconds since the epoch."""
        return int(self._clock.seconds() * 1000)

    # Subscriptions

    def subscribe(self, subscriber: ISubscriber, topic: Topic, filter: Filter | None) -> bool:
        """
        Deliver a topic's frames to a subscriber from now on.

        @return: Whether the subscription is new.
        """
        return self.registry.subscribe(subscriber, topic.canonical, filter)

    def unsubscribe(self, subscriber: ISubscriber, topic: Topic) -> bool:
        """
        Deliver no more of a topic's frames to a subscriber.

        @return: Whether there was a subscription.
        """
        return self.registry.unsubscribe(subscriber, topic.canonical)

    # Publications

    def publish(
        self, topic: Topic, event: str, data: bytes, userId: str | None, persist: bool
    ) -> Deferred[Kept | None]:
        """
        Publish an event on a topic.

        @param data: The event's data, as JSON.
        @param persist: Whether to keep it in the history.
        @return: Fires when the event is on its way; where it is kept, after the
            commit, with what was kept.  Fails with L{RealtimeError}
            C{database_unavailable} if it could not be kept; then nobody gets it.
        """
        publication = Publication(topic.canonical, EVENT, event, data, userId, self.now())
        return self._enter(publication, self._newId() if persist else None)

    def chat(
        self, topic: Topic, text: str, metadata: dict[str, Raw] | None, userId: str | None
    ) -> Deferred[Kept | None]:
        """
        Say something in a room: a message that is always kept.

        @return: As L{publish}.
        """
        messageId = self._newId()
        data = encodeValue({"id": messageId, "text": text, "metadata": metadata})
        publication = Publication(
            topic.canonical, CHAT_MESSAGE, "message", data, userId, self.now()
        )
        return self._enter(publication, messageId)

    def _enter(self, publication: Publication, messageId: str | None) -> Deferred[Kept | None]:
        lane = self._lanes.get(publication.topic)
        if messageId is None and lane is None:
            self._engine.publish(publication)
            return succeed(None)
        if lane is None:
            lane = self._lanes[publication.topic] = deque()
        elif len(lane) >= self.maxLane:
            return fail(
                RealtimeError(
                    "database_unavailable", "Too much waits for the database on this topic.", 1000
                )
            )
        waiting = _Waiting(publication)
        lane.append(waiting)
        if messageId is None:
            waiting.ready = True
            return waiting.done
        message = Message(
            messageId,
            publication.topic,
            publication.kind,
            publication.event,
            publication.data,
            publication.userId,
            publication.timestamp,
        )
        self._history.append(message).addCallbacks(waiting.kept, waiting.lost).addCallback(
            lambda _: self._flush(publication.topic)
        )
        return waiting.done

    def _flush(self, topic: str) -> None:
        """Let go what need not wait any longer, from the front."""
        lane = self._lanes[topic]
        while lane and lane[0].ready:
            waiting = lane.popleft()
            if not lane:
                del self._lanes[topic]
            if waiting.failure is not None:
                waiting.done.errback(waiting.failure)
            else:
                self._engine.publish(waiting.publication)
                waiting.done.callback(waiting.result)

    def _deliver(self, publication: Publication) -> None:
        """Encode a publication once, and give it to every subscriber of its topic."""
        subscribers = self.registry.subscribers(publication.topic)
        if not subscribers:
            return
        self.send(
            subscribers,
            _FRAMES[publication.kind](
                topic=publication.topic,
                event=publication.event,
                data=Raw(publication.data),
                timestamp=publication.timestamp,
                userId=UNSET if publication.userId is None else publication.userId,
            ),
        )

    def send(self, subscribers: Iterable[ISubscriber], frame: ServerFrame) -> None:
        """
        Send one frame to several subscribers.
        """
        data = wireFrame(frame)
        # A copy, because whoever is found too slow is closed on the way.
        for subscriber in tuple(subscribers):
            subscriber.deliver(data)

    # Presence

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
        tracked = self._presence.track(topic.canonical, connectionId, userId, state, self.now())
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
        member = self._presence.untrack(topic.canonical, connectionId)
        if member is not None:
            self._tell(topic.canonical, "presence:leave", member)

    def leave(self, connectionId: str) -> None:
        """
        End all of a connection's presence now.
        """
        self._tellLeft(self._presence.leave(connectionId))

    def lose(self, connectionId: str) -> None:
        """
        Note that a connection died without a word.
        """
        self._presence.lose(connectionId, self._clock.seconds())

    def sweep(self) -> None:
        """
        Tell of those whose grace is over.
        """
        self._tellLeft(self._presence.expire(self._clock.seconds()))

    def presentOn(self, connectionId: str) -> Iterable[str]:
        """
        The canonical topics on which a connection is present.
        """
        return self._presence.topicsOf(connectionId)

    def sync(self, subscriber: ISubscriber, topic: Topic) -> None:
        """
        Tell somebody who is present on a topic, if anybody is.
        """
        members = [_memberData(member) for member in self._presence.members(topic.canonical)]
        if members:
            self.send(
                (subscriber,),
                Event(
                    topic=topic.canonical,
                    event="presence:sync",
                    data={"members": members},
                    timestamp=self.now(),
                ),
            )

    def _tell(self, topic: str, event: str, member: Member) -> None:
        data = encodeValue(_memberData(member))
        self._engine.publish(Publication(topic, EVENT, event, data, member.userId, self.now()))

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


class _Waiting:
    """A publication in its topic's lane."""

    def __init__(self, publication: Publication) -> None:
        self.publication = publication
        self.ready = False
        self.result: Kept | None = None
        self.failure: Failure | None = None
        self.done: Deferred[Kept | None] = Deferred()

    def kept(self, kept: Kept) -> None:
        # What is told live and what stands in the history say the same time.
        self.publication = replace(self.publication, timestamp=kept.createdAt)
        self.result = kept
        self.ready = True

    def lost(self, failure: Failure) -> None:
        self.failure = failure
        self.ready = True
