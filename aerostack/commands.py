"""
What a client's frames do.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import partial
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from aerostack.core.columns import Columns
from aerostack.core.messages import Kept
from aerostack.core.permissions import Action
from aerostack.core.topics import Topic, checkEvent, parseTopic, topicOf
from aerostack.core.views import View, parseView
from aerostack.errors import RealtimeError
from aerostack.hub import userRepeatKey
from aerostack.surroundings import Surroundings
from aerostack.wire.codec import encodeValue
from aerostack.wire.frames import (
    Ack,
    Auth,
    Chat,
    ClientFrame,
    MessageId,
    Ping,
    Pong,
    Publish,
    Subscribe,
    Track,
    Unsubscribe,
    Unsubscribed,
    Untrack,
)

if TYPE_CHECKING:
    from aerostack.session import Session


class Commands:
    """
    Carries out the frames of one session.

    @ivar unanswered: How many publications have yet to be kept, or not.
    """

    __slots__ = ("_all", "_hub", "_limits", "_pending", "_session", "unanswered")

    def __init__(self, session: Session, surroundings: Surroundings) -> None:
        self._session = session
        self._all = surroundings
        self._hub = surroundings.hub
        self._limits = surroundings.limits
        # Table subscriptions that wait for the tracker to confirm them, or for what columns
        # the table has.
        self._pending: dict[str, Subscribe] = {}
        self.unanswered = 0

    def carryOut(self, frame: ClientFrame) -> None:
        """
        Do what a frame asks for.

        @raise RealtimeError: It cannot be, or may not be.
        """
        _HANDLERS[type(frame)](self, frame)

    def end(self, clean: bool) -> None:
        """
        Take back all that the session holds: it is over.

        @param clean: Whether its presence ends now; if not, it waits for the client
            to come back.
        """
        self._pending.clear()
        if clean:
            self._hub.leave(self._session.connectionId)
        else:
            self._hub.lose(self._session.connectionId)
        for canonical in self._hub.registry.topicsOf(self._session):
            self._end(topicOf(canonical))

    def _subscribe(self, frame: Subscribe) -> None:
        topic = self._topic(frame.topic)
        self._session.identity.check(Action.SUBSCRIBE, topic)
        canonical = topic.canonical
        again = self._session in self._hub.registry.subscribers(canonical)
        if not again:
            self._checkRoom(canonical)
            self._all.quotas.checkSubscriptions(topic.project)
        if topic.table is None:
            if frame.filter or frame.columns is not None or frame.event is not None:
                raise RealtimeError(
                    "invalid_frame", "Only a table's topic takes a filter, columns or an event."
                )
            self._begin(topic, frame, None)
            return
        self._pending[canonical] = frame
        if again:
            self._describe(topic, frame, None)
        else:
            self._all.feeds.watch(topic.table).addCallbacks(
                partial(self._describe, topic, frame),
                partial(self._unwatchable, topic, frame, None),
            ).addErrback(self._session.fail)

    def _describe(self, topic: Topic, frame: Subscribe, watched: str | None) -> None:
        """
        Find out what columns a table has, if that matters.

        @param watched: The table, if the request holds an interest of its own in it.
        """
        if not frame.filter and frame.columns is None:
            self._described(topic, frame, watched, {})
            return
        assert topic.table is not None
        self._all.feeds.columns(topic.table).addCallbacks(
            partial(self._described, topic, frame, watched),
            partial(self._unwatchable, topic, frame, watched),
        ).addErrback(self._session.fail)

    def _described(
        self, topic: Topic, frame: Subscribe, watched: str | None, columns: Columns
    ) -> None:
        # The client may have gone, thought better of it, or asked again meanwhile.
        if self._pending.get(topic.canonical) is not frame:
            self._release(watched)
            return
        del self._pending[topic.canonical]
        try:
            self._session.identity.check(Action.SUBSCRIBE, topic)
            if watched is not None:
                # Others may have taken what was left.
                self._all.quotas.checkSubscriptions(topic.project)
            elif self._session not in self._hub.registry.subscribers(topic.canonical):
                # What was to be changed has ended meanwhile.
                self._subscribe(frame)
                return
            view = parseView(columns, frame.filter, frame.columns, frame.event)
        except RealtimeError as error:
            self._release(watched)
            self._session.sendError(error, None, topic.canonical)
            return
        self._begin(topic, frame, view)

    def _unwatchable(
        self, topic: Topic, frame: Subscribe, watched: str | None, failure: Failure
    ) -> None:
        self._release(watched)
        if self._pending.get(topic.canonical) is frame:
            del self._pending[topic.canonical]
        self._session.sendError(_refusal(failure), None, topic.canonical)

    def _release(self, watched: str | None) -> None:
        """Take the interest back that a request had in a table."""
        if watched is not None:
            self._all.feeds.unwatch(watched)

    def _begin(self, topic: Topic, frame: Subscribe, view: View | None) -> None:
        if self._hub.subscribe(self._session, topic, view):
            self._all.quotas.subscriptions.add(topic.project)
        self._all.recovery.begin(
            self._session, topic, view, frame.since, partial(self._giveUp, topic)
        )

    def _giveUp(self, topic: Topic, error: RealtimeError) -> None:
        """End a subscription that cannot go on where the client left off."""
        self._end(topic)
        self._session.sendError(error, None, topic.canonical)
        self._session.send(Unsubscribed(topic=topic.canonical))

    def _unsubscribe(self, frame: Unsubscribe) -> None:
        topic = self._topic(frame.topic)
        self._pending.pop(topic.canonical, None)
        self._end(topic)
        self._session.send(Unsubscribed(topic=topic.canonical))

    def _end(self, topic: Topic) -> None:
        self._session.endCatchUp(topic.canonical)
        if self._hub.unsubscribe(self._session, topic):
            self._all.quotas.subscriptions.remove(topic.project)
            if topic.table is not None:
                self._all.feeds.unwatch(topic.table)

    def _publish(self, frame: Publish) -> None:
        topic = self._topic(frame.topic)
        checkEvent(frame.event, self._limits.eventLength)
        self._session.identity.check(Action.PUBLISH, topic)
        published = self._hub.publish(
            topic,
            frame.event,
            bytes(frame.data),
            self._userId,
            bool(frame.persist),
            *self._repeatable(frame.id),
        )
        self._acknowledge(published, frame.id, topic)

    def _repeatable(self, messageId: MessageId | None) -> tuple[Hashable, str | None]:
        """By what a publication is recognized that comes again, and what is kept of it."""
        if messageId is None:
            return None, None
        publishId = encodeValue(messageId).decode()
        if self._userId is None:
            # Others without a name count from one as well.
            return ("connection", self._session.connectionId, publishId), None
        return userRepeatKey(self._userId, publishId), publishId

    def _chat(self, frame: Chat) -> None:
        topic = self._topic(f"chat/{frame.roomId}")
        self._session.identity.check(Action.PUBLISH, topic)
        said = self._hub.chat(topic, frame.text, frame.metadata, self._userId)
        self._acknowledge(said, None, topic)

    def _acknowledge(
        self, published: Deferred[Kept | None], messageId: MessageId | None, topic: Topic
    ) -> None:
        self.unanswered += 1

        def answered(_: object) -> None:
            self.unanswered -= 1
            if not self.unanswered:
                self._session.depart()

        def done(_: Kept | None) -> None:
            if messageId is not None:
                self._session.send(Ack(id=messageId))

        def failed(failure: Failure) -> None:
            self._session.sendError(_refusal(failure), messageId, topic.canonical)

        published.addCallbacks(done, failed).addErrback(self._session.fail).addCallback(answered)

    def _track(self, frame: Track) -> None:
        topic = self._topic(frame.topic)
        self._session.identity.check(Action.PRESENCE, topic)
        state = encodeValue(frame.state)
        if len(state) > self._limits.stateBytes:
            raise RealtimeError(
                "too_large", f"A presence state has at most {self._limits.stateBytes} bytes."
            )
        if topic.canonical not in self._hub.presentOn(self._session.connectionId):
            self._checkRoom(topic.canonical)
        self._hub.track(self._session, self._session.connectionId, topic, self._userId, state)

    def _untrack(self, frame: Untrack) -> None:
        self._hub.untrack(self._session.connectionId, self._topic(frame.topic))

    def _auth(self, frame: Auth) -> None:
        now = self._all.clock.seconds()
        try:
            identity = self._all.authenticator.refresh(self._session.identity, frame.token, now)
        except RealtimeError as error:
            self._session.endToken(error)
            return
        if identity.userId != self._session.identity.userId:
            # Another user is another presence.
            self._hub.leave(self._session.connectionId)
        self._session.setIdentity(identity)
        self._dropForbidden()

    def _dropForbidden(self) -> None:
        """End what the present identity may not have."""
        for canonical in self._hub.registry.topicsOf(self._session):
            topic = topicOf(canonical)
            try:
                self._session.identity.check(Action.SUBSCRIBE, topic)
            except RealtimeError as error:
                self._end(topic)
                self._session.sendError(error, None, canonical)
                self._session.send(Unsubscribed(topic=canonical))
        for canonical in self._hub.presentOn(self._session.connectionId):
            topic = topicOf(canonical)
            try:
                self._session.identity.check(Action.PRESENCE, topic)
            except RealtimeError as error:
                self._hub.untrack(self._session.connectionId, topic)
                self._session.sendError(error, None, canonical)

    def _ping(self, frame: Ping) -> None:
        self._session.send(Pong())

    @property
    def _userId(self) -> str | None:
        return self._session.identity.userId

    def _topic(self, text: str) -> Topic:
        return parseTopic(
            text,
            self._session.identity.project,
            self._all.authenticator.projects,
            self._limits.topicLength,
        )

    def _checkRoom(self, canonical: str) -> None:
        """Make sure that the client may hold one topic more."""
        if canonical in self._pending:
            return
        begun = self._hub.registry.count(self._session)
        begun += sum(
            self._session not in self._hub.registry.subscribers(topic) for topic in self._pending
        )
        held = begun + len(tuple(self._hub.presentOn(self._session.connectionId)))
        if held >= self._limits.subscriptions:
            raise RealtimeError(
                "too_many_subscriptions",
                f"A connection holds at most {self._limits.subscriptions} topics; leave some.",
            )

    def nameTopic(self, text: str | None) -> str | None:
        """A topic as an error names it: canonical, if it is one at all."""
        if text is None:
            return None
        try:
            return self._topic(text).canonical
        except RealtimeError:
            return text if len(text) <= self._limits.topicLength else None


def _refusal(failure: Failure) -> RealtimeError:
    """What a client is told of a failure, if it is one to be told; else raise it."""
    if isinstance(failure.value, RealtimeError):
        return failure.value
    failure.raiseException()


_HANDLERS: dict[type[ClientFrame], Callable[[Commands, Any], None]] = {
    Subscribe: Commands._subscribe,
    Unsubscribe: Commands._unsubscribe,
    Publish: Commands._publish,
    Chat: Commands._chat,
    Track: Commands._track,
    Untrack: Commands._untrack,
    Auth: Commands._auth,
    Ping: Commands._ping,
}
