"""
The commands of a client: what each of its frames does.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from functools import partial
from itertools import repeat
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from aerostack.core.access.permissions import Action
from aerostack.core.presence import Tracked
from aerostack.core.replay.publications import Receipt
from aerostack.core.topics.topics import Topic, checkEvent, parseTopic, topicOf
from aerostack.errors import RealtimeError
from aerostack.hub.publishing import makeRepeatKey
from aerostack.protocol.clientframes import (
    Auth,
    Chat,
    ClientFrame,
    Ping,
    Publish,
    Subscribe,
    Track,
    Unsubscribe,
    Untrack,
    requestOf,
)
from aerostack.protocol.codec import ECHOED, MAX_ID, encodeValue, sizeOf
from aerostack.protocol.frames import MessageId
from aerostack.protocol.serverframes import Ack, Pong
from aerostack.sessions.context import SessionContext
from aerostack.sessions.interfaces import CommandedSession
from aerostack.sessions.subscriptions import PIECE, Subscriptions, refusal

STATES = 16
"""The states of a connection on all of its topics together may be as large as so many states of the
largest size."""


class Commands:
    """
    Carries out the frames of one session.

    @ivar subscriptions: The subscriptions of the session.
    @ivar unanswered: How many publications the daemon has not answered yet.
    """

    __slots__ = ("_context", "_hub", "_limits", "_session", "subscriptions", "unanswered")

    def __init__(self, session: CommandedSession, context: SessionContext) -> None:
        self._session = session
        self._context = context
        self._hub = context.hub
        self._limits = context.limits
        self.subscriptions = Subscriptions(session, context)
        self.unanswered = 0

    def carryOut(self, frame: ClientFrame) -> None:
        """
        Do what a frame asks for.

        @raise RealtimeError: The daemon cannot do it, or the client has no right to it.
        """
        _HANDLERS[type(frame)](self, frame)

    def end(self, clean: bool) -> None:
        """
        Take back everything that the session holds, because it is over.  When many sessions end at
        once, this goes on over several turns of the reactor.

        @param clean: Whether the presence of the client ends now; if not, it waits for the client
            to come back.
        """
        self.subscriptions.forget()
        self._context.reauthorizing.ask(self._session, self._takeBack(clean))

    def _takeBack(self, clean: bool) -> Iterator[None]:
        try:
            if clean:
                yield from self._endPresences()
            else:
                present = tuple(self._hub.presence.topicsOf(self._session.connectionId))
                self.losePresence()
                yield from repeat(None, len(present) // PIECE)
            yield from self.subscriptions.end()
        except Exception:
            # The daemon still has other sessions to end.
            self._session.fail(Failure())

    def _endPresences(self) -> Iterator[None]:
        """End the client's presence, a topic in each step."""
        presence, connectionId = self._hub.presence, self._session.connectionId
        for canonical in tuple(presence.topicsOf(connectionId)):
            presence.untrack(connectionId, topicOf(canonical))
            yield

    def withdraw(self) -> None:
        """
        End the client's presence on all topics, because the client was sent away.  This goes on
        over several turns of the reactor if the client is present on many.
        """
        self.subscriptions.tracking.clear()
        self._context.reauthorizing.ask(self._session, self._guard(self._endPresences()))

    def _guard(self, work: Iterator[None]) -> Iterator[None]:
        try:
            yield from work
        except Exception:
            # The daemon still has other sessions to serve.
            self._session.fail(Failure())

    def leavePresence(self) -> None:
        """
        End the client's presence on all topics.
        """
        self._hub.presence.leave(self._session.connectionId)

    def losePresence(self) -> None:
        """
        Let the client's presence on all topics wait for the client to come back.
        """
        self._hub.presence.lose(self._session.connectionId)

    def reauthorize(self, topic: str | None = None) -> None:
        """
        End the subscriptions and the presence that the client has no right to any more, and change
        the subscriptions whose rights have changed.

        @param topic: See L{aerostack.interfaces.messaging.ISubscriber.reauthorize}.
        """
        if topic is not None:
            self.subscriptions.reauthorize(topic)
        else:
            self._context.reauthorizing.ask(self._session, self._reauthorizeAll())

    def _reauthorizeAll(self) -> Iterator[None]:
        try:
            yield from self.subscriptions.reauthorizeAll()
            for canonical in tuple(self._hub.presence.topicsOf(self._session.connectionId)):
                held = topicOf(canonical)
                try:
                    self._context.feeds.permit(self._session.identity, Action.PRESENCE, held)
                except RealtimeError as error:
                    self._endPresence(held)
                    self._session.sendError(error, None, canonical)
                yield
        except Exception:
            # The daemon still has other clients to check.
            self._session.fail(Failure())

    def _subscribe(self, frame: Subscribe) -> None:
        self.subscriptions.subscribe(self._topic(frame.topic), frame)

    def _unsubscribe(self, frame: Unsubscribe) -> None:
        self.subscriptions.unsubscribe(self._topic(frame.topic))

    def _publish(self, frame: Publish) -> None:
        topic = self._topic(frame.topic)
        checkEvent(frame.event, self._limits.eventLength)
        self._permit(Action.PUBLISH, topic)
        published: Deferred[Receipt | None] = self._hub.publisher.publish(
            topic,
            frame.event,
            bytes(frame.data),
            self._userId,
            bool(frame.persist),
            *self._repeatable(frame.id),
            self._session.connectionId,
        )
        self._acknowledge(published, frame, topic)

    def _repeatable(self, messageId: MessageId | None) -> tuple[Hashable, str | None]:
        """Give the key by which the hub recognizes a repeated publication, and the id to keep."""
        if messageId is None:
            return None, None
        if sizeOf(messageId) > MAX_ID:
            raise RealtimeError("invalid_frame", f"An id has at most {MAX_ID} characters.")
        publishId = encodeValue(messageId).decode()
        if self._userId is not None:
            return makeRepeatKey(self._userId, publishId), publishId
        # Other clients without a user id may use the same ids.
        if self._session.client is None:
            return ("connection", self._session.connectionId, publishId), None
        publishId = f"{self._session.client} {publishId}"
        return makeRepeatKey(None, publishId), publishId

    def _chat(self, frame: Chat) -> None:
        topic = self._topic(f"chat/{frame.roomId}")
        self._permit(Action.PUBLISH, topic)
        said: Deferred[Receipt | None] = self._hub.publisher.chat(
            topic,
            frame.text,
            frame.metadata,
            self._userId,
            *self._repeatable(frame.id),
            self._session.connectionId,
        )
        self._acknowledge(said, frame, topic)

    def _acknowledge(
        self, published: Deferred[Receipt | None], frame: Publish | Chat, topic: Topic
    ) -> None:
        self.unanswered += 1
        # Keep only these two: the frame itself may be large.
        messageId, request = frame.id, requestOf(frame)

        def answered(_: object) -> None:
            self.unanswered -= 1
            if not self.unanswered:
                self._session.depart()

        def done(_: Receipt | None) -> None:
            if messageId is not None:
                self._session.send(Ack(id=messageId))

        def failed(failure: Failure) -> None:
            self._session.sendError(refusal(failure), messageId, topic.canonical, request)

        published.addCallbacks(done, failed).addErrback(self._session.fail).addCallback(answered)

    def _track(self, frame: Track) -> None:
        topic = self._topic(frame.topic)
        canonical = topic.canonical
        self._permit(Action.PRESENCE, topic)
        if len(encodeValue(frame.state)) > self._limits.stateBytes:
            raise RealtimeError(
                "too_large", f"A presence state has at most {self._limits.stateBytes} bytes."
            )
        if canonical in self._hub.presence.topicsOf(self._session.connectionId):
            self._startPresence(topic, frame)
            return
        self.subscriptions.checkCapacity(canonical)
        if topic.table is None:
            self._startPresence(topic, frame)
            return
        # Only the tracker knows whether the table exists.
        self.subscriptions.tracking[canonical] = frame
        self._context.feeds.watch(topic.table).addCallbacks(
            partial(self._tableFound, topic, frame), partial(self._tableMissing, topic, frame)
        ).addErrback(self._session.fail)

    def _tableFound(self, topic: Topic, frame: Track, table: str) -> None:
        """Let the client be present on a table's topic, now that the table is known to exist."""
        self._context.feeds.unwatch(table)
        if not self._isAwaited(topic, frame):
            return
        try:
            # The client may be another user by now.
            self._permit(Action.PRESENCE, topic)
            self._startPresence(topic, frame)
        except RealtimeError as error:
            self._session.sendError(error, None, topic.canonical, requestOf(frame))

    def _tableMissing(self, topic: Topic, frame: Track, failure: Failure) -> None:
        error = refusal(failure)
        if self._isAwaited(topic, frame):
            self._session.sendError(error, None, topic.canonical, requestOf(frame))

    def _isAwaited(self, topic: Topic, frame: Track) -> bool:
        """Whether the client still waits for this frame.  After this call it does not."""
        if self.subscriptions.tracking.get(topic.canonical) is not frame:
            return False
        del self.subscriptions.tracking[topic.canonical]
        return True

    def _startPresence(self, topic: Topic, frame: Track) -> None:
        """
        Let the client be present, and answer.
        """
        session = self._session
        asked = self._hub.presence.track(
            session.connectionId,
            topic,
            self._userId,
            encodeValue(frame.state),
            session.client,
            STATES * self._limits.stateBytes,
        )
        asked.addCallbacks(
            partial(self._tracked, topic, bool(frame.sync)),
            partial(self._trackFailed, topic, requestOf(frame)),
        ).addErrback(session.fail)

    def _tracked(self, topic: Topic, paged: bool, tracked: Tracked) -> None:
        if tracked.fresh:
            self._hub.presence.welcome(self._session, topic, paged, self._mayRead(topic))

    def _trackFailed(self, topic: Topic, request: str, failure: Failure) -> None:
        self._session.sendError(refusal(failure), None, topic.canonical, request)

    def _mayRead(self, topic: Topic) -> bool:
        try:
            self._permit(Action.SUBSCRIBE, topic)
        except RealtimeError:
            return False
        return True

    def _untrack(self, frame: Untrack) -> None:
        topic = self._topic(frame.topic)
        self.subscriptions.tracking.pop(topic.canonical, None)
        self._endPresence(topic)

    def _endPresence(self, topic: Topic) -> None:
        """End the client's presence on a topic."""
        session = self._session
        self._hub.presence.untrack(session.connectionId, topic)
        if session not in self._hub.registry.subscribers(topic.canonical):
            # The client does not need the list of members any more.
            session.endSync(topic.canonical)

    def _auth(self, frame: Auth) -> None:
        now = self._context.wall()
        try:
            identity = self._context.authenticator.refresh(self._session.identity, frame.token, now)
        except RealtimeError as error:
            self._session.endToken(error, requestOf(frame))
            return
        if identity.userId != self._session.identity.userId:
            # Another user is another presence.
            self.leavePresence()
        self._session.setIdentity(identity)
        self.reauthorize()

    def _ping(self, frame: Ping) -> None:
        self._session.send(Pong())

    def _permit(self, action: Action, topic: Topic) -> None:
        """Make sure that the client has a right on a topic."""
        self._context.feeds.permit(self._session.identity, action, topic)

    @property
    def _userId(self) -> str | None:
        return self._session.identity.userId

    def _topic(self, text: str) -> Topic:
        return parseTopic(
            text,
            self._session.identity.project,
            self._context.authenticator.projects,
            self._limits.topicLength,
        )

    def nameTopic(self, text: str | None) -> str | None:
        """
        Give the name of a topic for an error.

        @return: The canonical name.  If C{text} is no topic, its first L{ECHOED} characters, so
            that the client recognizes it.
        """
        if text is None:
            return None
        try:
            return self._topic(text).canonical
        except RealtimeError:
            return text[:ECHOED]


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
