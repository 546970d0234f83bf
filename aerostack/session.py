"""
One client's session: what it may do, and what happens when it does.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from functools import partial
from typing import Any

from msgspec import UNSET
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from aerostack.auth import Authenticator
from aerostack.core.deadlines import Deadlines
from aerostack.core.filters import parseFilter
from aerostack.core.messages import Kept
from aerostack.core.outbox import Outbox
from aerostack.core.permissions import Action, Identity
from aerostack.core.rates import TokenBucket
from aerostack.core.topics import Topic, checkEvent, parseTopic
from aerostack.errors import (
    CLOSE_FLOOD,
    CLOSE_INTERNAL,
    CLOSE_SILENT,
    CLOSE_SLOW,
    CLOSE_TOKEN,
    CLOSE_UNSUPPORTED,
    RealtimeError,
)
from aerostack.feeds import TableFeeds
from aerostack.hub import Hub, wireFrame
from aerostack.interfaces import IConnection, ISubscriber
from aerostack.settings import LimitsConfig
from aerostack.wire.codec import decode, encodeValue, reference
from aerostack.wire.frames import (
    Ack,
    Auth,
    Chat,
    ClientFrame,
    Error,
    MessageId,
    Ping,
    Pong,
    Publish,
    Subscribe,
    Subscribed,
    Track,
    Unsubscribe,
    Unsubscribed,
    Untrack,
)


class State(Enum):
    """
    Where a session is in its life.
    """

    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"


class Surroundings:
    """
    What all sessions share.
    """

    def __init__(
        self,
        clock: IReactorTime,
        hub: Hub,
        feeds: TableFeeds,
        authenticator: Authenticator,
        limits: LimitsConfig,
        deadlines: Deadlines,
    ) -> None:
        self.clock = clock
        self.hub = hub
        self.feeds = feeds
        self.authenticator = authenticator
        self.limits = limits
        self.deadlines = deadlines


@implementer(ISubscriber)
class Session:
    """
    A connection from its opening to its end.

    Whoever holds the socket calls L{received}, L{heard}, L{congested}, L{drained}
    and, last of all, L{closed}; whoever sweeps the deadlines calls L{due}.

    @ivar identity: Who the client is.
    """

    log = Logger()

    def __init__(
        self, connection: IConnection, identity: Identity, surroundings: Surroundings
    ) -> None:
        self.identity = identity
        self._connection = connection
        self._all = surroundings
        self._hub = surroundings.hub
        self._limits = limits = surroundings.limits
        self._state = State.OPEN
        self._outbox = Outbox(limits.outboxBytes)
        now = surroundings.clock.seconds()
        self._bucket = TokenBucket(limits.framesPerSecond, limits.framesBurst, now)
        self._refused = 0
        # Table subscriptions that the tracker has not confirmed yet.
        self._pending: dict[str, Subscribe] = {}
        self._pingDue = now + limits.pingInterval
        # By when something must be heard; None while nothing is awaited.
        self._pongDue: float | None = None
        self._setDeadline()

    @property
    def connectionId(self) -> str:
        """The connection's id, as it stands in logs and in presence."""
        return self._connection.connectionId

    # From the socket

    def received(self, payload: bytes, isBinary: bool) -> None:
        """
        Take a message from the client.
        """
        if self._state is not State.OPEN:
            return
        if isBinary:
            self.close(CLOSE_UNSUPPORTED, "send JSON text")
            return
        if not self._admit(payload):
            return
        try:
            frame = self._decode(payload)
        except RealtimeError as error:
            self._sendErrorAbout(error, payload)
            return
        self._handle(frame)

    def heard(self) -> None:
        """
        Note that bytes came from the client: it lives.
        """
        self._pongDue = None

    def allowPing(self) -> bool:
        """
        Whether a WebSocket ping of the client's is within its rate.
        """
        return not self._takeToken()

    def checkFragments(self, count: int) -> None:
        """
        End with a client that cuts one message into too many frames: empty ones stay
        within every limit of size.

        @param count: How many there are so far.
        """
        if count > self._limits.framesBurst:
            self.log.info("too many fragments, closed", connection=self.connectionId)
            self.close(CLOSE_FLOOD, "too many frames for one message")

    def congested(self) -> None:
        """Note that the socket has begun to queue."""
        self._outbox.congested()

    def drained(self) -> None:
        """Note that the socket took all that was queued."""
        self._outbox.drained()

    def closed(self, clean: bool) -> None:
        """
        Note that the connection is gone.

        @param clean: Whether the client closed it as one should; if not, it may be
            back in a moment, and its presence waits for it.
        """
        self._state = State.CLOSED
        self._all.deadlines.clear(self)
        self._pending.clear()
        if clean:
            self._hub.leave(self.connectionId)
        else:
            self._hub.lose(self.connectionId)
        for canonical in self._hub.registry.topicsOf(self):
            self._end(self._canonicalTopic(canonical))

    # From the daemon

    def deliver(self, frame: bytes) -> None:
        if self._state is not State.OPEN:
            return
        if self._outbox.add(len(frame)):
            self._connection.send(frame)
        else:
            self.log.info(
                "too slow: {waiting} bytes unsent",
                waiting=self._outbox.waiting,
                connection=self.connectionId,
            )
            self.close(CLOSE_SLOW, "reading too slowly")

    def close(self, code: int, reason: str) -> None:
        """
        End the session from our side.  The client has C{limits.close_timeout}
        seconds to answer.
        """
        if self._state is not State.OPEN:
            return
        self._beginClosing()
        self._connection.close(code, reason)

    def closing(self) -> None:
        """
        Note that a close frame was sent, whoever began.  The connection is dropped if
        it is still there after C{limits.close_timeout} seconds.
        """
        if self._state is State.OPEN:
            self._beginClosing()

    def _beginClosing(self) -> None:
        self._state = State.CLOSING
        self._all.deadlines.set(self, self._all.clock.seconds() + self._limits.closeTimeout)

    def due(self) -> None:
        """
        Do what time demands: ping, give up on the silent, end with the token.
        """
        now = self._all.clock.seconds()
        if self._state is State.CLOSING:
            self._connection.abort()
            return
        if self.identity.expires is not None and self.identity.expires <= now:
            self._endToken(RealtimeError("token_expired", "The token expired; send a new one."))
            return
        if self._pongDue is not None and self._pongDue <= now:
            self.log.info("silent, given up", connection=self.connectionId)
            self.close(CLOSE_SILENT, "no answer to ping")
            return
        if self._pingDue <= now:
            self._connection.ping()
            self._pingDue = now + self._limits.pingInterval
            if self._pongDue is None:
                self._pongDue = now + self._limits.pongTimeout
        self._setDeadline()

    def _setDeadline(self) -> None:
        times = (self._pingDue, self._pongDue, self.identity.expires)
        self._all.deadlines.set(self, min(time for time in times if time is not None))

    # Frames

    def _admit(self, payload: bytes) -> bool:
        """Refuse what comes too fast."""
        wait = self._takeToken()
        if not wait:
            return True
        error = RealtimeError(
            "rate_limited",
            f"At most {self._limits.framesPerSecond:g} frames a second are taken.",
            max(1, int(wait * 1000)),
        )
        self._sendErrorAbout(error, payload)
        return False

    def _takeToken(self) -> float:
        """
        Take one frame from the client's rate, and end it with a client that does not
        heed that there is none.

        @return: 0, or the seconds to wait.
        """
        wait = self._bucket.take(self._all.clock.seconds())
        if not wait:
            # Tokens drip into a flood as well; one of them does not excuse it.
            self._refused = max(0, self._refused - 1)
            return 0.0
        self._refused += 1
        if self._refused > self._limits.framesBurst:
            self.log.info("flooding, closed", connection=self.connectionId)
            self.close(CLOSE_FLOOD, "frames come too fast")
        return wait

    def _decode(self, payload: bytes) -> ClientFrame:
        if len(payload) > self._limits.messageBytes:
            raise RealtimeError(
                "too_large",
                f"A frame has at most {self._limits.messageBytes} bytes; this one {len(payload)}.",
            )
        return decode(payload)

    def _handle(self, frame: ClientFrame) -> None:
        try:
            _HANDLERS[type(frame)](self, frame)
        except RealtimeError as error:
            messageId = frame.id if isinstance(frame, Publish) else None
            self._sendError(error, messageId, self._nameTopic(getattr(frame, "topic", None)))
        except Exception:
            # Whatever a handler forgot to expect must not reach the WebSocket
            # library, which would let it escape into the reactor.
            self._fail(Failure())

    def _subscribe(self, frame: Subscribe) -> None:
        topic = self._topic(frame.topic)
        self.identity.check(Action.SUBSCRIBE, topic)
        filter = parseFilter(frame.filter)
        canonical = topic.canonical
        again = self in self._hub.registry.subscribers(canonical)
        if not again:
            self._checkRoom(canonical)
        if topic.table is None:
            if filter is not None:
                raise RealtimeError("invalid_frame", "Only a table's topic can be filtered.")
            self._begin(topic, frame)
        elif again:
            self._begin(topic, frame)
        else:
            self._pending[canonical] = frame
            self._all.feeds.watch(topic.table).addCallbacks(
                partial(self._watched, topic, frame), partial(self._unwatchable, topic, frame)
            ).addErrback(self._fail)

    def _watched(self, topic: Topic, frame: Subscribe, table: str) -> None:
        # The client may have gone, thought better of it, or asked again meanwhile;
        # each request holds an interest of its own in the table.
        if self._pending.get(topic.canonical) is not frame:
            self._all.feeds.unwatch(table)
            return
        del self._pending[topic.canonical]
        try:
            self.identity.check(Action.SUBSCRIBE, topic)
        except RealtimeError as error:
            self._all.feeds.unwatch(table)
            self._sendError(error, None, topic.canonical)
            return
        self._begin(topic, frame)

    def _unwatchable(self, topic: Topic, frame: Subscribe, failure: Failure) -> None:
        if self._pending.get(topic.canonical) is frame:
            del self._pending[topic.canonical]
        self._sendError(_refusal(failure), None, topic.canonical)

    def _begin(self, topic: Topic, frame: Subscribe) -> None:
        self._hub.subscribe(self, topic, parseFilter(frame.filter))
        self._send(Subscribed(topic=topic.canonical))
        self._hub.sync(self, topic)

    def _unsubscribe(self, frame: Unsubscribe) -> None:
        topic = self._topic(frame.topic)
        self._pending.pop(topic.canonical, None)
        self._end(topic)
        self._send(Unsubscribed(topic=topic.canonical))

    def _end(self, topic: Topic) -> None:
        if self._hub.unsubscribe(self, topic) and topic.table is not None:
            self._all.feeds.unwatch(topic.table)

    def _publish(self, frame: Publish) -> None:
        topic = self._topic(frame.topic)
        checkEvent(frame.event, self._limits.eventLength)
        self.identity.check(Action.PUBLISH, topic)
        self._acknowledge(
            self._hub.publish(
                topic, frame.event, bytes(frame.data), self.identity.userId, bool(frame.persist)
            ),
            frame.id,
            topic,
        )

    def _chat(self, frame: Chat) -> None:
        topic = self._topic(f"chat/{frame.roomId}")
        self.identity.check(Action.PUBLISH, topic)
        self._acknowledge(
            self._hub.chat(topic, frame.text, frame.metadata, self.identity.userId), None, topic
        )

    def _acknowledge(
        self, published: Deferred[Kept | None], messageId: MessageId | None, topic: Topic
    ) -> None:
        def done(_: Kept | None) -> None:
            if messageId is not None:
                self._send(Ack(id=messageId))

        def failed(failure: Failure) -> None:
            self._sendError(_refusal(failure), messageId, topic.canonical)

        published.addCallbacks(done, failed).addErrback(self._fail)

    def _track(self, frame: Track) -> None:
        topic = self._topic(frame.topic)
        self.identity.check(Action.PRESENCE, topic)
        state = encodeValue(frame.state)
        if len(state) > self._limits.stateBytes:
            raise RealtimeError(
                "too_large", f"A presence state has at most {self._limits.stateBytes} bytes."
            )
        if topic.canonical not in self._hub.presentOn(self.connectionId):
            self._checkRoom(topic.canonical)
        self._hub.track(self, self.connectionId, topic, self.identity.userId, state)

    def _untrack(self, frame: Untrack) -> None:
        self._hub.untrack(self.connectionId, self._topic(frame.topic))

    def _auth(self, frame: Auth) -> None:
        now = self._all.clock.seconds()
        try:
            identity = self._all.authenticator.refresh(self.identity, frame.token, now)
        except RealtimeError as error:
            self._endToken(error)
            return
        if identity.userId != self.identity.userId:
            # Another user is another presence.
            self._hub.leave(self.connectionId)
        self.identity = identity
        self._setDeadline()
        self._dropForbidden()

    def _dropForbidden(self) -> None:
        """End what the present identity may not have."""
        for canonical in self._hub.registry.topicsOf(self):
            topic = self._canonicalTopic(canonical)
            try:
                self.identity.check(Action.SUBSCRIBE, topic)
            except RealtimeError as error:
                self._end(topic)
                self._sendError(error, None, canonical)
                self._send(Unsubscribed(topic=canonical))
        for canonical in self._hub.presentOn(self.connectionId):
            topic = self._canonicalTopic(canonical)
            try:
                self.identity.check(Action.PRESENCE, topic)
            except RealtimeError as error:
                self._hub.untrack(self.connectionId, topic)
                self._sendError(error, None, canonical)

    def _ping(self, frame: Ping) -> None:
        self._send(Pong())

    # Helpers

    def _topic(self, text: str) -> Topic:
        return parseTopic(
            text,
            self.identity.project,
            self._all.authenticator.projects,
            self._limits.topicLength,
        )

    def _canonicalTopic(self, canonical: str) -> Topic:
        return Topic(canonical.removesuffix(f"/{self.identity.project}"), self.identity.project)

    def _checkRoom(self, canonical: str) -> None:
        """Make sure that the client may hold one topic more."""
        if canonical in self._pending:
            return
        held = (
            self._hub.registry.count(self)
            + len(self._pending)
            + len(tuple(self._hub.presentOn(self.connectionId)))
        )
        if held >= self._limits.subscriptions:
            raise RealtimeError(
                "too_many_subscriptions",
                f"A connection holds at most {self._limits.subscriptions} topics; leave some.",
            )

    def _send(self, frame: Any) -> None:
        self.deliver(wireFrame(frame))

    def _sendError(
        self, error: RealtimeError, messageId: MessageId | None, topic: str | None
    ) -> None:
        self._send(
            Error(
                code=error.code,
                message=error.message,
                id=UNSET if messageId is None else messageId,
                topic=UNSET if topic is None else topic,
                retryAfter=UNSET if error.retryAfter is None else error.retryAfter,
            )
        )

    def _sendErrorAbout(self, error: RealtimeError, payload: bytes) -> None:
        """Tell an error of a message that was not understood, or not looked at."""
        about = reference(payload)
        self._sendError(error, about.id, self._nameTopic(about.topic))

    def _nameTopic(self, text: str | None) -> str | None:
        """A topic as an error names it: canonical, if it is one at all."""
        if text is None:
            return None
        try:
            return self._topic(text).canonical
        except RealtimeError:
            return text if len(text) <= self._limits.topicLength else None

    def _endToken(self, error: RealtimeError) -> None:
        self.log.info("{error}", error=error, connection=self.connectionId)
        self._sendError(error, None, None)
        self.close(CLOSE_TOKEN, error.code)

    def _fail(self, failure: Failure) -> None:
        self.log.failure("a frame failed", failure, connection=self.connectionId)
        self.close(CLOSE_INTERNAL, "the daemon failed")


def _refusal(failure: Failure) -> RealtimeError:
    """What a client is told of a failure, if it is one to be told; else raise it."""
    if isinstance(failure.value, RealtimeError):
        return failure.value
    failure.raiseException()


_HANDLERS: dict[type[ClientFrame], Callable[[Session, Any], None]] = {
    Subscribe: Session._subscribe,
    Unsubscribe: Session._unsubscribe,
    Publish: Session._publish,
    Chat: Session._chat,
    Track: Session._track,
    Untrack: Session._untrack,
    Auth: Session._auth,
    Ping: Session._ping,
}
