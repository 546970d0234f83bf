"""
One client's session, from the opening to the close of its connection, and the limits for it.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import UNSET
from twisted.logger import Logger
from twisted.python.failure import Failure

from aerostack.core.access.permissions import Identity
from aerostack.core.diagnosis.clientcounts import CLIENT, DAEMON, NO_CODE
from aerostack.core.diagnosis.refusals import refusalOf
from aerostack.core.diagnosis.traces import Refused
from aerostack.core.limits.quotas import tooFast
from aerostack.errors import (
    CLOSE_FLOOD,
    CLOSE_REVOKED,
    CLOSE_SUPERSEDED,
    CLOSE_TOKEN,
    CLOSE_UNSUPPORTED,
    RealtimeError,
)
from aerostack.interfaces.messaging import IConnection
from aerostack.protocol.clientframes import (
    Chat,
    ClientFrame,
    Publish,
    StreamAppend,
    StreamBeat,
    StreamCancel,
    StreamEnd,
    StreamPut,
    StreamStart,
    Subscribe,
    Unsubscribe,
    requestOf,
)
from aerostack.protocol.codec import (
    MAX_REQUEST,
    Reference,
    decode,
    echoed,
    encodable,
    reference,
)
from aerostack.protocol.frames import MessageId
from aerostack.protocol.serverframes import Error
from aerostack.sessions.allowance import URGENT, ClientAllowance
from aerostack.sessions.commands import Commands
from aerostack.sessions.context import SessionContext
from aerostack.sessions.life import SessionLife, State
from aerostack.sessions.subscriptions import Subscriptions


class Session(SessionLife):
    """
    A connection from its opening to its end.

    The connection calls L{received}, L{heard}, L{congested}, L{drained} and, last of all,
    L{closed}.  The daemon calls L{due} when the session's deadline has come.

    @ivar identity: Who the client is.
    @ivar opened: When the client connected, seconds since the epoch.
    """

    __slots__ = (
        "_allowance",
        "_commands",
        "_isRemoved",
    )

    log = Logger()

    def __init__(
        self, connection: IConnection, identity: Identity, context: SessionContext
    ) -> None:
        super().__init__(connection, identity, context)
        self._allowance = ClientAllowance(context.limits, context.clock.seconds())
        # L{None} once the session is over: else both would keep each other in memory.
        self._commands: Commands | None = Commands(self, context)
        # Whether the client was sent away, so that its presence does not wait for it.
        self._isRemoved = False
        self._setDeadline()
        context.enter(self)

    @property
    def subscriptions(self) -> Subscriptions | None:
        """
        What the client is subscribed to without a name; L{None} once the session is over.
        """
        return None if self._commands is None else self._commands.subscriptions

    def subscriptionsOf(self, topic: str) -> Sequence[Subscriptions]:
        """
        Give what has a subscription to a topic, or a request for one: what is subscribed without a
        name, and each named view.

        @param topic: The canonical topic.
        """
        return () if self._commands is None else self._commands.subscriptionsOf(topic)

    def yieldTo(self) -> None:
        """
        Close, because the same client has opened another connection.  The client's presence
        waits for that one.
        """
        if self._commands is not None:
            self._commands.losePresence()
        self.close(CLOSE_SUPERSEDED, "superseded by a newer connection of the same client")

    @property
    def client(self) -> str | None:
        """The hash of the client's session secret; L{None} if the client brought no secret."""
        client: str | None = self._connection.client
        return client

    # From the socket

    def received(self, payload: bytes, isBinary: bool) -> None:
        """
        Take a message from the client.
        """
        if self._state is not State.OPEN or self._returns is not None:
            return
        self._context.counts.received.observe(len(payload))
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

    def giveBackFrame(self) -> None:
        """
        Give back to the client's rate a frame of which only the bytes count.
        """
        self._allowance.giveBackFrame()

    def allowFrame(self) -> bool:
        """
        Take a WebSocket frame that is not a message of its own: a ping, a pong, or a further part
        of a message.

        @return: Whether the frame is within the client's rate.
        """
        now = self._context.clock.seconds()
        wait = self._allowance.takeFrame(now, 0)
        if wait and self._allowance.isFlood(now, wait, 0):
            self._closeFlood()
        return not wait

    def checkFragments(self, count: int) -> None:
        """
        Close if the client cuts one message into too many frames.  No limit of size finds empty
        frames.

        @param count: How many frames the message has so far.
        """
        if count > self._limits.framesBurst:
            self.log.info("too many fragments, closed", connection=self.connectionId)
            self.close(CLOSE_FLOOD, "too many frames for one message")

    def closed(self, clean: bool, code: int | None = None, reason: str | None = None) -> None:
        """
        Note that the connection is gone.

        @param clean: Whether the client closed the connection properly.  If not, the client may
            come back in a moment, and its presence waits for it.
        @param code: The code of the client's close frame, if it sent one.
        @param reason: The reason of the client's close frame.
        """
        self._state = State.CLOSED
        self.shut()
        self._context.deadlines.clear(self)
        self._context.leave(self)
        if self._commands is not None:
            self._commands.end(clean or self._isRemoved)
            self._commands = None
        if self._ending is not None:
            self._context.counts.closed(self._ending[0], DAEMON)
        else:
            # A client's close frame may have no code.
            self._context.counts.closed(NO_CODE if clean and code is None else code, CLIENT)
        self._noteEnd(*(self._ending or (code, reason or "")))

    # From the daemon

    def leave(self, delay: int) -> None:
        """
        Send the client away, because the daemon stops.  The session takes no more frames, and
        L{depart}s as soon as it has answered every publication.

        @param delay: The milliseconds after which the client reconnects.
        """
        self._returns = delay
        if self._commands is not None and not self._commands.unanswered:
            self.depart()

    # Frames

    def _admit(self, payload: bytes) -> bool:
        """Refuse a frame that comes too fast; whether the session takes it."""
        now, size = self._context.clock.seconds(), len(payload)
        wait = self._allowance.takeFrame(now, size)
        try:
            if wait:
                raise tooFast("A connection", self._allowance, wait)
            self._context.shares.spend(self.identity.project, size, now)
        except RealtimeError as error:
            about = reference(payload)
            if about.request in URGENT:
                if self._allowance.takeUrgent(now):
                    return True
                self._closeFlood()
                return False
            self._refuse(error, about)
            # A refusal by the project's quota is not this client's fault.
            if wait and self._allowance.isFlood(now, wait, size):
                self._closeFlood()
            return False
        return True

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
            # The WebSocket library would let an unexpected error escape into the reactor.
            self.fail(Failure())

    def reauthorize(self, topic: str | None = None) -> None:
        """
        Check again what the client may read (see L{ISubscriber}).
        """
        if self._commands is None:
            return
        try:
            self._commands.reauthorize(topic)
        except Exception:
            # The daemon still has other clients to check.
            self.fail(Failure())

    def reconsider(self) -> None:
        """
        Check the client against another configuration: whether it may stay connected, and what
        it may read.
        """
        try:
            self._context.authenticator.reauthorize(self.identity)
        except RealtimeError as error:
            if error.code == "invalid_token":
                # The client may have another token.
                self.endToken(error)
                return
            self.log.info("{error}", error=error, connection=self.connectionId)
            self.sendError(error, None, None)
            self.close(CLOSE_REVOKED, error.code)
            self._withdraw()
            return
        self.reauthorize()

    def disconnect(self, code: int, reason: str) -> bool:
        """
        Close, because a server asked for it.  The client's presence does not wait for it.

        @return: Whether the connection was open until now.
        """
        wasOpen = self._state is State.OPEN
        if wasOpen:
            self.log.info(
                "disconnected by a server, with {code}", code=code, connection=self.connectionId
            )
            self.close(code, reason)
        self._withdraw()
        return wasOpen

    def recheckToken(self) -> bool:
        """
        Close, if the client's token was revoked since.  Then the client's presence does not wait
        for it.

        @return: Whether the daemon closes an open connection.
        """
        try:
            self._context.authenticator.checkToken(self.identity, self._context.wall())
        except RealtimeError as error:
            wasOpen = self._state is State.OPEN
            if wasOpen:
                self.endToken(error)
            self._withdraw()
            return wasOpen
        return False

    def _withdraw(self) -> None:
        """End the client's presence, because the client was sent away."""
        self._isRemoved = True
        if self._commands is not None:
            self._commands.withdraw()

    # Answers, for the commands

    def sendError(
        self,
        error: RealtimeError,
        messageId: MessageId | None,
        topic: str | None,
        request: str | None = None,
        view: str | None = None,
    ) -> None:
        """
        Tell the client what was wrong.

        @param messageId: The id of the frame that the error is about, if it had one.
        @param topic: The topic that the error is about, if there is one.
        @param request: The type of the frame that the daemon refuses, if it refuses one.
        @param view: The name of the view that the error is about, if it is about one.
        """
        if request is not None or messageId is not None:
            self.noteRefusal(error, request, topic)
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
                view=UNSET if view is None else view,
                **encodable(error.details),
            )
        )

    def noteRefusal(self, error: RealtimeError, request: str | None, topic: str | None) -> None:
        """
        Note for operators that a frame of the client is refused.

        @param request: The type of the frame; L{None} if it has none.
        @param topic: The topic that it is about, if it is about one.
        """
        identity, about = self.identity, "" if topic is None else f" {topic}"
        self._context.refusals.note(
            refusalOf(
                self._context.wall(),
                error,
                identity.project,
                identity.proof.origin,
                self.connection.address,
                f"{request or 'frame'}{about}",
                identity.userId,
            )
        )

    def _refuse(self, error: RealtimeError, about: Reference) -> None:
        """Tell the client that the daemon does not act on a frame."""
        topic = None if self._commands is None else self._commands.nameTopic(about.topic)
        if about.request is None and about.id is None:
            self.noteRefusal(error, None, topic)
        self.sendError(error, about.id, topic, about.request, about.view)

    def endToken(self, error: RealtimeError, request: str | None = None) -> None:
        """
        Close, because the client's token does not hold.

        @param request: The type of the frame that brought the token, if one did.
        """
        self.log.info("{error}", error=error, connection=self.connectionId)
        self.sendError(error, None, None, request)
        self.close(CLOSE_TOKEN, error.code)


_IDENTIFIED = (
    *(Publish, Chat, StreamStart, StreamAppend, StreamPut, StreamEnd, StreamBeat, StreamCancel),
)
"""The frames that may have an id."""


def _referenceOf(frame: ClientFrame) -> Reference:
    """What a decoded frame is about."""
    topic = f"chat/{frame.roomId}" if isinstance(frame, Chat) else getattr(frame, "topic", None)
    messageId = frame.id if isinstance(frame, _IDENTIFIED) else None
    view = frame.view if isinstance(frame, (Subscribe, Unsubscribe)) else None
    return Reference(
        None if messageId is None else echoed(messageId),
        topic,
        requestOf(frame),
        None if view is None else view[:MAX_REQUEST],
    )
