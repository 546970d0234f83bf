"""
One client's session: its life, from the opening to the close, and the bounds it is held to.
"""

from __future__ import annotations

from enum import Enum

from msgspec import UNSET
from twisted.logger import Logger
from twisted.python.failure import Failure

from aerostack.core.access.permissions import Identity
from aerostack.core.diagnosis.traces import Ended, Refused
from aerostack.core.limits.quotas import tooFast
from aerostack.core.limits.rates import Allowance, Patience, TokenBucket
from aerostack.errors import (
    CLOSE_FLOOD,
    CLOSE_GOING_AWAY,
    CLOSE_INTERNAL,
    CLOSE_REVOKED,
    CLOSE_SILENT,
    CLOSE_SUPERSEDED,
    CLOSE_TOKEN,
    CLOSE_UNSUPPORTED,
    RealtimeError,
)
from aerostack.interfaces import IConnection
from aerostack.protocol.codec import Reference, decode, echoed, reference
from aerostack.protocol.frames import (
    Chat,
    ClientFrame,
    Error,
    MessageId,
    Publish,
    Reconnect,
    requestOf,
)
from aerostack.sessions.commands import Commands
from aerostack.sessions.context import SessionContext
from aerostack.sessions.interfaces import CommandedSession
from aerostack.sessions.subscriptions import Subscriptions

URGENT = frozenset({"auth", "ping", "unsubscribe", "untrack"})
"""Frames that no limit of the rate refuses: they keep a connection alive, or give something
back.  They have an allowance of their own."""


class State(Enum):
    """
    Where a session is in its life.
    """

    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"


class Session(CommandedSession):
    """
    A connection from its opening to its end.

    Whoever holds the socket calls L{received}, L{heard}, L{congested}, L{drained}
    and, last of all, L{closed}; whoever sweeps the deadlines calls L{due}.

    @ivar identity: Who the client is.
    @ivar opened: When it came, seconds since the epoch.
    """

    __slots__ = (
        "_allowance",
        "_commands",
        "_context",
        "_ending",
        "_limits",
        "_patience",
        "_pingDue",
        "_pongDue",
        "_returns",
        "_state",
        "_urgent",
        "opened",
    )

    log = Logger()

    def __init__(
        self, connection: IConnection, identity: Identity, context: SessionContext
    ) -> None:
        limits = context.limits
        super().__init__(connection, limits.outboxBytes, context.recovery)
        self.identity = identity
        self._context = context
        self._limits = limits
        # With which code and why the connection is closed, once it is.
        self._ending: tuple[int, str] | None = None
        self._state = State.OPEN
        self.opened = context.wall()
        now = context.clock.seconds()
        self._allowance = Allowance(
            TokenBucket(limits.framesPerSecond, limits.framesBurst, now),
            None
            if limits.bytesPerSecond is None
            else TokenBucket(limits.bytesPerSecond, limits.bytesBurst, now),
        )
        # Both are there once something was refused, which most clients never meet.
        self._urgent: TokenBucket | None = None
        self._patience: Patience | None = None
        # When the client is to come back, once it is to go.
        self._returns: int | None = None
        self._pingDue = now + limits.pingInterval
        # By when something must be heard; None while nothing is awaited.
        self._pongDue: float | None = None
        # L{None} once the session is over: we would keep each other in memory.
        self._commands: Commands | None = Commands(self, context)
        self._setDeadline()
        self._supersede()

    @property
    def subscriptions(self) -> Subscriptions | None:
        """What the client is subscribed to; L{None} once the session is over."""
        return None if self._commands is None else self._commands.subscriptions

    def _supersede(self) -> None:
        """End the client's connection before this one, if that is still there."""
        if self.client is None:
            return
        key = self.identity.project, self.client
        before = self._context.clients.get(key)
        self._context.clients[key] = self
        if before is not None and before.identity.userId == self.identity.userId:
            before.yieldTo()

    def yieldTo(self) -> None:
        """
        Close, because the client has come back; what it was present on waits for it.
        """
        if self._commands is not None:
            self._commands.losePresence()
        self.close(CLOSE_SUPERSEDED, "superseded by a newer connection of the same client")

    @property
    def client(self) -> str | None:
        """What stands for the client's session secret, if it brought one."""
        client: str | None = self._connection.client
        return client

    # From the socket

    def received(self, payload: bytes, isBinary: bool) -> None:
        """
        Take a message from the client.
        """
        if self._state is not State.OPEN or self.leaving:
            return
        if isBinary:
            self.close(CLOSE_UNSUPPORTED, "send JSON text")
            return
        if not self._admit(payload):
            return
        try:
            frame = self._decode(payload)
        except RealtimeError as error:
            self._refuse(error, reference(payload))
            return
        self._handle(frame)

    def heard(self) -> None:
        """
        Note that bytes came from the client: it lives.
        """
        self._pongDue = None

    def allowFrame(self) -> bool:
        """
        Whether a WebSocket frame that is no message is within the client's rate: a ping or
        pong, or a further part of a message.
        """
        now = self._context.clock.seconds()
        wait = self._takeFrame(now, 0)
        if wait:
            self._bear(now, wait, 0)
        return not wait

    def checkFragments(self, count: int) -> None:
        """
        End with a client that cuts one message into too many frames: empty ones stay
        within every limit of size.

        @param count: How many there are so far.
        """
        if count > self._limits.framesBurst:
            self.log.info("too many fragments, closed", connection=self.connectionId)
            self.close(CLOSE_FLOOD, "too many frames for one message")

    def closed(self, clean: bool, code: int | None = None, reason: str | None = None) -> None:
        """
        Note that the connection is gone.

        @param clean: Whether the client closed it as one should; if not, it may be
            back in a moment, and its presence waits for it.
        @param code: That of the close frame that the client sent, if it did.
        @param reason: The same.
        """
        self._state = State.CLOSED
        self.shut()
        self._context.deadlines.clear(self)
        key = self.identity.project, self.client or ""
        if self._context.clients.get(key) is self:
            del self._context.clients[key]
        if self._commands is not None:
            self._commands.end(clean)
            self._commands = None
        self._noteEnd(*(self._ending or (code, reason or "")))

    def _noteEnd(self, code: int | None, reason: str) -> None:
        """Remember how it ended, if it is known whose connection it was."""
        identity = self.identity
        if identity.userId is not None:
            self._context.traces.ended.note(
                self.connectionId,
                Ended(
                    self.connectionId,
                    identity.project,
                    identity.userId,
                    self._now,
                    code,
                    reason,
                ),
            )

    @property
    def _now(self) -> int:
        """The time, milliseconds since the epoch."""
        return int(self._context.wall() * 1000)

    # From the daemon

    def close(self, code: int, reason: str) -> None:
        """
        End the session from our side.  The client has C{limits.close_timeout}
        seconds to answer.
        """
        if self._state is not State.OPEN:
            return
        self._beginClosing(code, reason)
        self._connection.close(code, reason)

    def closing(self, code: int | None, reason: str) -> None:
        """
        Note that a close frame was sent, whoever began.  The connection is dropped if
        it is still there after C{limits.close_timeout} seconds.

        @param code: With which code we close; L{None} where the client closes.
        """
        if self._state is State.OPEN:
            self._beginClosing(code, reason)

    @property
    def leaving(self) -> bool:
        """Whether the client is to go, and still waits to hear what it published."""
        return self._returns is not None and self._state is State.OPEN

    def leave(self, delay: int) -> None:
        """
        Send the client away, because the daemon goes.  Nothing that it sends is taken any
        more; as soon as all that was taken is answered, it L{depart}s.

        @param delay: The milliseconds after which it is to come back.
        """
        self._returns = delay
        if self._commands is not None and not self._commands.unanswered:
            self.depart()

    def depart(self) -> None:
        """
        Tell the client that leaves when to come back, and close.
        """
        if self._returns is None or self._state is not State.OPEN:
            return
        self.sendLast(Reconnect(delay=self._returns, reason="restart"))
        # The close says it too: public clients hand the reason on, but not the frame.
        self.close(CLOSE_GOING_AWAY, f"restarting; reconnect in {self._returns} ms")

    def _beginClosing(self, code: int | None, reason: str) -> None:
        if code is not None:
            self._ending = code, reason
        self._state = State.CLOSING
        self.shut()
        self._context.deadlines.set(self, self._context.clock.seconds() + self._limits.closeTimeout)

    def due(self) -> None:
        """
        Do what time demands: ping, give up on the silent, end with the token.
        """
        now = self._context.clock.seconds()
        if self._state is State.CLOSING:
            self._connection.abort()
            return
        if self.identity.expires is not None and self.identity.expires <= self._context.wall():
            self.endToken(RealtimeError("token_expired", "The token expired; send a new one."))
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
        due = self._pingDue if self._pongDue is None else min(self._pingDue, self._pongDue)
        expires = self.identity.expires
        if expires is not None:
            # The time of day may be set meanwhile; the next ping looks at it again.
            left = max(0.0, expires - self._context.wall())
            due = min(due, self._context.clock.seconds() + left)
        self._context.deadlines.set(self, due)

    # Frames

    def _admit(self, payload: bytes) -> bool:
        """Refuse what comes too fast."""
        now, size = self._context.clock.seconds(), len(payload)
        wait = self._takeFrame(now, size)
        try:
            if wait:
                raise tooFast("A connection", self._allowance, wait)
            self._context.quotas.spend(self.identity.project, size, now)
        except RealtimeError as error:
            about = reference(payload)
            if about.request in URGENT:
                return self._admitUrgent(now)
            self._refuse(error, about)
            if wait:
                # What the project's quota refuses is no fault of this client's.
                self._bear(now, wait, size)
            return False
        return True

    def _takeFrame(self, now: float, size: int) -> float:
        """
        Take one frame from what the client may send.

        @return: 0, or the seconds to wait.
        """
        wait = self._allowance.take(now, size)
        if wait:
            if self._patience is None:
                self._patience = Patience(self._limits.framesBurst)
            wait = max(wait, Patience.least)
        if self._patience is not None:
            self._patience.heard(now)
        return wait

    def _admitUrgent(self, now: float) -> bool:
        """End with a client that sends more of these frames than it can have use for."""
        if self._urgent is None:
            limits = self._limits
            # All that a client holds it may give back at once.
            most = limits.framesBurst + 2 * limits.subscriptions
            self._urgent = TokenBucket(limits.framesPerSecond, most, now)
        if self._urgent.take(now):
            self._closeFlood()
            return False
        return True

    def _bear(self, now: float, wait: float, size: int) -> None:
        """
        End with a client that goes on and on after it was refused.

        @param wait: The seconds to wait that it was told.
        @param size: The bytes of what was refused.
        """
        # Large frames are a flood earlier than small ones.
        amount = max(1.0, size * self._limits.framesBurst / self._limits.bytesBurst)
        if self._patience is not None and self._patience.wears(now, wait, amount):
            self._closeFlood()

    def _closeFlood(self) -> None:
        self.log.info("flooding, closed", connection=self.connectionId)
        self.close(CLOSE_FLOOD, "frames come too fast")

    def _decode(self, payload: bytes) -> ClientFrame:
        if len(payload) > self._limits.messageBytes:
            raise RealtimeError(
                "too_large",
                f"A frame has at most {self._limits.messageBytes} bytes; this one {len(payload)}.",
            )
        return decode(payload)

    def _handle(self, frame: ClientFrame) -> None:
        commands = self._commands
        assert commands is not None, "the session is open"
        try:
            commands.carryOut(frame)
        except RealtimeError as error:
            self._refuse(error, _referenceOf(frame))
        except Exception:
            # Whatever a handler forgot to expect must not reach the WebSocket
            # library, which would let it escape into the reactor.
            self.fail(Failure())

    def reauthorize(self, topic: str | None = None) -> None:
        """
        Decide anew what the client is told of tables (see L{ISubscriber}).
        """
        if self._commands is None:
            return
        try:
            self._commands.reauthorize(topic)
        except Exception:
            # The others are still to be judged.
            self.fail(Failure())

    def reconsider(self) -> None:
        """
        Judge the client by another configuration: whether it may still be here, and what it is
        told.
        """
        try:
            self._context.authenticator.reauthorize(self.identity)
        except RealtimeError as error:
            if error.code == "invalid_token":
                # Another one may do.
                self.endToken(error)
                return
            self.log.info("{error}", error=error, connection=self.connectionId)
            self.sendError(error, None, None)
            self.close(CLOSE_REVOKED, error.code)
            if self._commands is not None:
                self._commands.leavePresence()
            return
        self.reauthorize()

    # Answers, for the commands

    def setIdentity(self, identity: Identity) -> None:
        """
        Go on as somebody else, or for longer.
        """
        self.identity = identity
        self._setDeadline()

    def sendError(
        self,
        error: RealtimeError,
        messageId: MessageId | None,
        topic: str | None,
        request: str | None = None,
    ) -> None:
        """
        Tell the client what was wrong.

        @param messageId: The id of the frame that it is about, if it had one.
        @param topic: The topic that it is about.
        @param request: The type of the frame that is refused, if one is.
        """
        if topic is not None:
            refused = Refused(self._now, error.code, error.message)
            self._context.traces.refused.note((self.connectionId, topic), refused)
        self.send(
            Error(
                code=error.code,
                message=error.message,
                id=UNSET if messageId is None else messageId,
                topic=UNSET if topic is None else topic,
                request=UNSET if request is None else request,
                retryAfter=UNSET if error.retryAfter is None else error.retryAfter,
            )
        )

    def _refuse(self, error: RealtimeError, about: Reference) -> None:
        """Tell the client that a frame is not acted on."""
        topic = None if self._commands is None else self._commands.nameTopic(about.topic)
        self.sendError(error, about.id, topic, about.request)

    def endToken(self, error: RealtimeError, request: str | None = None) -> None:
        """
        Close, because the client's token does not hold.

        @param request: The type of the frame that brought it, if one did.
        """
        self.log.info("{error}", error=error, connection=self.connectionId)
        self.sendError(error, None, None, request)
        self.close(CLOSE_TOKEN, error.code)

    def fail(self, failure: Failure) -> None:
        """
        Close, because we failed.
        """
        self.log.failure("a frame failed", failure, connection=self.connectionId)
        self.close(CLOSE_INTERNAL, "the daemon failed")


def _referenceOf(frame: ClientFrame) -> Reference:
    """What a frame is about that was understood."""
    topic = f"chat/{frame.roomId}" if isinstance(frame, Chat) else getattr(frame, "topic", None)
    messageId = frame.id if isinstance(frame, (Publish, Chat)) else None
    return Reference(None if messageId is None else echoed(messageId), topic, requestOf(frame))
