"""
One client's session: its life, from the opening to the close, and the bounds it is held to.
"""

from __future__ import annotations

from enum import Enum

from msgspec import UNSET
from twisted.logger import Logger
from twisted.python.failure import Failure

from aerostack.commands import Commands
from aerostack.core.permissions import Identity
from aerostack.core.quotas import tooFast
from aerostack.core.rates import Allowance, TokenBucket
from aerostack.core.traces import Ended, Refused
from aerostack.errors import (
    CLOSE_FLOOD,
    CLOSE_GOING_AWAY,
    CLOSE_INTERNAL,
    CLOSE_SILENT,
    CLOSE_TOKEN,
    CLOSE_UNSUPPORTED,
    RealtimeError,
)
from aerostack.interfaces import IConnection
from aerostack.outlet import Outlet
from aerostack.subscriptions import Subscriptions
from aerostack.surroundings import Surroundings
from aerostack.wire.codec import decode, reference
from aerostack.wire.frames import (
    Chat,
    ClientFrame,
    Error,
    MessageId,
    Publish,
    Reconnect,
)


class State(Enum):
    """
    Where a session is in its life.
    """

    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"


class Session(Outlet):
    """
    A connection from its opening to its end.

    Whoever holds the socket calls L{received}, L{heard}, L{congested}, L{drained}
    and, last of all, L{closed}; whoever sweeps the deadlines calls L{due}.

    @ivar identity: Who the client is.
    @ivar opened: When it came, seconds since the epoch.
    """

    __slots__ = (
        "_all",
        "_allowance",
        "_commands",
        "_ending",
        "_limits",
        "_pingDue",
        "_pongDue",
        "_refused",
        "_returns",
        "_state",
        "identity",
        "opened",
    )

    log = Logger()

    def __init__(
        self, connection: IConnection, identity: Identity, surroundings: Surroundings
    ) -> None:
        limits = surroundings.limits
        recovery = surroundings.recovery
        super().__init__(
            connection, limits.outboxBytes, recovery.pace, recovery.readOn, recovery.syncAgain
        )
        self.identity = identity
        self._all = surroundings
        self._limits = limits
        # With which code and why the connection is closed, once it is.
        self._ending: tuple[int, str] | None = None
        self._state = State.OPEN
        self.opened = surroundings.wall()
        now = surroundings.clock.seconds()
        self._allowance = Allowance(
            TokenBucket(limits.framesPerSecond, limits.framesBurst, now),
            None
            if limits.bytesPerSecond is None
            else TokenBucket(limits.bytesPerSecond, limits.bytesBurst, now),
        )
        # How much was refused, counted as frames.
        self._refused = 0.0
        # When the client is to come back, once it is to go.
        self._returns: int | None = None
        self._pingDue = now + limits.pingInterval
        # By when something must be heard; None while nothing is awaited.
        self._pongDue: float | None = None
        self._commands = Commands(self, surroundings)
        self._setDeadline()

    @property
    def subscriptions(self) -> Subscriptions:
        """What the client is subscribed to."""
        return self._commands.subscriptions

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
        return not self._takeFrame(0, self._all.clock.seconds())

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
        self._all.deadlines.clear(self)
        self._commands.end(clean)
        self._noteEnd(*(self._ending or (code, reason or "")))

    def _noteEnd(self, code: int | None, reason: str) -> None:
        """Remember how it ended, if it is known whose connection it was."""
        identity = self.identity
        if identity.userId is not None:
            self._all.traces.ended.note(
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
        return int(self._all.wall() * 1000)

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
        if not self._commands.unanswered:
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
        self._all.deadlines.set(self, self._all.clock.seconds() + self._limits.closeTimeout)

    def due(self) -> None:
        """
        Do what time demands: ping, give up on the silent, end with the token.
        """
        now = self._all.clock.seconds()
        if self._state is State.CLOSING:
            self._connection.abort()
            return
        if self.identity.expires is not None and self.identity.expires <= self._all.wall():
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
            left = max(0.0, expires - self._all.wall())
            due = min(due, self._all.clock.seconds() + left)
        self._all.deadlines.set(self, due)

    # Frames

    def _admit(self, payload: bytes) -> bool:
        """Refuse what comes too fast."""
        now = self._all.clock.seconds()
        wait = self._takeFrame(len(payload), now)
        if wait:
            self._sendErrorAbout(tooFast("A connection", self._allowance, wait), payload)
            return False
        try:
            self._all.quotas.spend(self.identity.project, len(payload), now)
        except RealtimeError as error:
            # No fault of this client's, so it does not count towards a flood.
            self._sendErrorAbout(error, payload)
            return False
        return True

    def _takeFrame(self, size: int, now: float) -> float:
        """
        Take one frame from what the client may send, and end it with a client that does
        not heed that it may not.

        @param size: The frame's bytes.
        @param now: The time in seconds.
        @return: 0, or the seconds to wait.
        """
        wait = self._allowance.take(now, size)
        if not wait:
            # Tokens drip into a flood as well; one of them does not excuse it.
            if self._refused:
                self._refused = max(0.0, self._refused - 1)
            return 0.0
        # Large frames are a flood earlier than small ones.
        self._refused += max(1.0, size * self._limits.framesBurst / self._limits.bytesBurst)
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
            self._commands.carryOut(frame)
        except RealtimeError as error:
            messageId = frame.id if isinstance(frame, (Publish, Chat)) else None
            topic = self._commands.nameTopic(getattr(frame, "topic", None))
            self.sendError(error, messageId, topic)
        except Exception:
            # Whatever a handler forgot to expect must not reach the WebSocket
            # library, which would let it escape into the reactor.
            self.fail(Failure())

    def judge(self, topic: str | None = None) -> None:
        """
        Decide anew what the client is told of tables (see L{ISubscriber}).
        """
        try:
            self._commands.judge(topic)
        except Exception:
            # The others are still to be judged.
            self.fail(Failure())

    # Answers, for the commands

    def setIdentity(self, identity: Identity) -> None:
        """
        Go on as somebody else, or for longer.
        """
        self.identity = identity
        self._setDeadline()

    def sendError(
        self, error: RealtimeError, messageId: MessageId | None, topic: str | None
    ) -> None:
        """
        Tell the client what was wrong.

        @param messageId: The id of the frame that it is about, if it had one.
        @param topic: The topic that it is about.
        """
        if topic is not None:
            refused = Refused(self._now, error.code, error.message)
            self._all.traces.refused.note((self.connectionId, topic), refused)
        self.send(
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
        self.sendError(error, about.id, self._commands.nameTopic(about.topic))

    def endToken(self, error: RealtimeError) -> None:
        """
        Close, because the client's token does not hold.
        """
        self.log.info("{error}", error=error, connection=self.connectionId)
        self.sendError(error, None, None)
        self.close(CLOSE_TOKEN, error.code)

    def fail(self, failure: Failure) -> None:
        """
        Close, because we failed.
        """
        self.log.failure("a frame failed", failure, connection=self.connectionId)
        self.close(CLOSE_INTERNAL, "the daemon failed")
