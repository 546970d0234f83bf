"""
The commands of a client: what each of its frames does.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from aerostack.core.access.permissions import Action
from aerostack.core.replay.publications import Receipt
from aerostack.core.topics.topics import Topic, checkEvent, parseTopic
from aerostack.errors import RealtimeError
from aerostack.hub.idempotency import makeRepeatKey
from aerostack.protocol.clientframes import (
    Auth,
    Chat,
    ClientFrame,
    Ping,
    Publish,
    StreamAppend,
    StreamBeat,
    StreamCancel,
    StreamEnd,
    StreamPut,
    StreamStart,
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
from aerostack.sessions.producing import Producing
from aerostack.sessions.refusals import refusal
from aerostack.sessions.subscriptions import Subscriptions
from aerostack.sessions.tracking import Tracking, Waiting


class Commands:
    """
    Carries out the frames of one session.

    @ivar subscriptions: The subscriptions of the session.
    @ivar unanswered: How many publications the daemon has not answered yet.
    """

    __slots__ = (
        "_context",
        "_hub",
        "_limits",
        "_producing",
        "_session",
        "_tracking",
        "subscriptions",
        "unanswered",
    )

    def __init__(self, session: CommandedSession, context: SessionContext) -> None:
        self._session = session
        self._context = context
        self._hub = context.hub
        self._limits = context.limits
        waiting: dict[str, Waiting] = {}
        self.subscriptions = Subscriptions(session, context, waiting)
        self._tracking = Tracking(session, context, waiting, self.subscriptions.checkCapacity)
        self._producing = Producing(session, context)
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
        self._tracking.end()
        self._producing.leave()
        self._context.reauthorizing.ask(self._session, self._guard(self._takeBack(clean)))

    def _takeBack(self, clean: bool) -> Iterator[None]:
        if clean:
            yield from self._tracking.endAll()
        else:
            yield from self._tracking.loseAll()
        yield from self.subscriptions.end()

    def withdraw(self) -> None:
        """
        End the client's presence on all topics, because the client was sent away.  This goes on
        over several turns of the reactor if the client is present on many.
        """
        self._context.reauthorizing.ask(self._session, self._guard(self._tracking.endAll()))

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
        self._tracking.leave()

    def losePresence(self) -> None:
        """
        Let the client's presence on all topics wait for the client to come back.
        """
        self._tracking.lose()

    def reauthorize(self, topic: str | None = None) -> None:
        """
        End the subscriptions and the presence that the client has no right to any more, and change
        the subscriptions whose rights have changed.

        @param topic: See L{aerostack.interfaces.messaging.ISubscriber.reauthorize}.
        """
        if topic is not None:
            self.subscriptions.reauthorize(topic)
        else:
            self._context.reauthorizing.ask(self._session, self._guard(self._reauthorizeAll()))

    def _reauthorizeAll(self) -> Iterator[None]:
        yield from self.subscriptions.reauthorizeAll()
        yield from self._tracking.reauthorize()
        yield from self._producing.reauthorize()

    def _subscribe(self, frame: Subscribe) -> None:
        self.subscriptions.subscribe(self._topic(frame.topic), frame)

    def _unsubscribe(self, frame: Unsubscribe) -> None:
        self.subscriptions.unsubscribe(self._topic(frame.topic))

    def _publish(self, frame: Publish) -> None:
        topic = self._topic(frame.topic)
        checkEvent(frame.event, self._limits.eventLength)
        self._permit(Action.PUBLISH, topic)
        published: Deferred[Receipt | None] | None = self._hub.publisher.publish(
            topic,
            frame.event,
            bytes(frame.data),
            self._session.identity.userId,
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
        session = self._session
        userId = session.identity.userId
        if userId is not None:
            return makeRepeatKey(userId, publishId), publishId
        # Other clients without a user id may use the same ids.
        if session.client is None:
            return ("connection", session.connectionId, publishId), None
        publishId = f"{session.client} {publishId}"
        return makeRepeatKey(None, publishId), publishId

    def _chat(self, frame: Chat) -> None:
        topic = self._topic(f"chat/{frame.roomId}")
        self._permit(Action.PUBLISH, topic)
        said: Deferred[Receipt | None] | None = self._hub.publisher.chat(
            topic,
            frame.text,
            frame.metadata,
            self._session.identity.userId,
            *self._repeatable(frame.id),
            self._session.connectionId,
        )
        self._acknowledge(said, frame, topic)

    def _acknowledge(
        self, published: Deferred[Receipt | None] | None, frame: Publish | Chat, topic: Topic
    ) -> None:
        if published is None:
            if frame.id is not None:
                self._session.send(Ack(id=frame.id))
            return
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
        self._tracking.track(self._topic(frame.topic), frame)

    def _untrack(self, frame: Untrack) -> None:
        self._tracking.untrack(self._topic(frame.topic))

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

    def _streamStart(self, frame: StreamStart) -> None:
        self._producing.start(self._topic(frame.topic), frame)

    def _streamCancel(self, frame: StreamCancel) -> None:
        self._producing.cancel(frame, self.nameTopic(frame.topic))

    def _ping(self, frame: Ping) -> None:
        self._session.send(Pong())

    def _permit(self, action: Action, topic: Topic) -> None:
        """Make sure that the client has a right on a topic."""
        self._context.feeds.permit(self._session.identity, action, topic)

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
    StreamStart: Commands._streamStart,
    StreamAppend: lambda commands, frame: commands._producing.append(frame),
    StreamPut: lambda commands, frame: commands._producing.put(frame),
    StreamEnd: lambda commands, frame: commands._producing.end(frame),
    StreamBeat: lambda commands, frame: commands._producing.beat(frame),
    StreamCancel: Commands._streamCancel,
    Ping: Commands._ping,
}
