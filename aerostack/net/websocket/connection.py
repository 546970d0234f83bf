"""
WebSocket connections, by Autobahn.

Only this module, L{aerostack.net.websocket.compression} and
L{aerostack.net.websocket.connections}, which sets Autobahn's options, know Autobahn.  Its timers
stay off: they run on a global loop, and the session keeps the time itself.

Autobahn parses the frames of clients and follows RFC 6455.  We do not use its opening.  That would
parse again what twisted.web has parsed and we have checked, log all of it, and give each connection
some ninety attributes of its own, although hardly any of them ever changes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import txaio
from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from autobahn.websocket.protocol import WebSocketProtocol
from twisted.internet.defer import Deferred
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from aerostack.core.access.permissions import Identity
from aerostack.interfaces.messaging import IConnection
from aerostack.interfaces.shares import IPlace
from aerostack.net.intake import Intake
from aerostack.net.websocket.compression import Inflater
from aerostack.protocol.deflate import Compressor
from aerostack.protocol.framing import Frame
from aerostack.protocol.masking import readText
from aerostack.sessions.session import Session

txaio.use_twisted()

HEAD = 14
"""How many bytes a frame's head has at most."""

SLICE = 256
"""How many bytes are taken at once: some forty frames.  A larger frame is taken as a whole."""


class Owner(Protocol):
    """
    The owner of all connections, to which each connection reports.

    @ivar intake: Takes the bytes of all connections.
    """

    intake: Intake

    def opened(self, connection: Connection, identity: Identity) -> Session:
        """
        Note that a connection has opened.

        @return: The connection's session.
        """

    def gone(self, connection: Connection) -> None:
        """
        Note that a connection has ended.
        """


@implementer(IConnection)
class Connection(WebSocketServerProtocol):
    """
    One client's WebSocket.

    Only subclasses made by L{connectionKind} can be used: they have the attributes that
    Autobahn would give each connection.

    @ivar address: The address under which the connection is counted; L{None} if it is not.
    @ivar place: The place that was taken for the connection.
    @ivar makeSession: Makes the connection's session; L{None} for one as most clients have.
    """

    logger = Logger()
    kind = "websocket"
    transport: Any

    # Autobahn's opening would set these.
    websocket_version = 13
    inside_message = False
    current_frame: Any = None
    current_frame_masker: Any = None
    maxMessagePayloadSize: int
    message_data: Any = None
    _perMessageCompress: Any = None

    # The bytes that have come and wait for their share of a turn; see L{Source}.
    unread = b""
    waiting = False
    held = False
    # The transport that is read from.
    _socket: Any = None

    _session: Session | None = None
    # Compresses frames, if the client agreed to that.
    _compressor: Compressor | None = None
    # How many frames of the present message have come.
    _fragments = 0

    def __init__(self, connectionId: str, owner: Owner) -> None:
        # Autobahn's own method would make two Deferreds that we do not use.
        self.connectionId = connectionId
        self._owner = owner
        self.address: str | None = None
        self.place: IPlace | None = None
        self.client: str | None = None
        self.makeSession: Callable[[IConnection, Identity], Session] | None = None

    @property
    def compressed(self) -> bool:
        """Whether frames are compressed for the client."""
        return self._compressor is not None

    @property
    def is_closed(self) -> Deferred[Any]:
        """Autobahn fires this Deferred when the connection closes.  We do not use it."""
        return Deferred()

    @property
    def peer(self) -> str:  # type: ignore[override]
        """The connection's name in Autobahn's log."""
        return self.connectionId

    def open(
        self,
        transport: Any,
        socket: Any,
        answer: bytes,
        identity: Identity,
        compressor: Compressor | None,
    ) -> None:
        """
        Become an open WebSocket.

        @param transport: The writer of the connection.
        @param socket: The transport that is read from.
        @param answer: The HTTP answer that opens the WebSocket.
        @param compressor: Compresses frames; L{None} if the client did not agree to that.
        """
        self.makeConnection(transport)
        self._socket = socket
        # An earlier HTTP request may have paused reading.
        socket.resumeProducing()
        if compressor is not None:
            self._compressor = compressor
            self._perMessageCompress = Inflater()
        transport.write(answer)
        self.state = self.STATE_OPEN
        self._session = self._owner.opened(self, identity)

    def dataReceived(self, data: bytes) -> None:
        # Any byte is a sign of life, also one of a large message on a slow line.
        if self._session is not None:
            self._session.heard()
        self._owner.intake.take(self, data)

    # What the intake calls

    @property
    def ending(self) -> bool:
        """See L{Source}."""
        return self.state != self.STATE_OPEN

    def feed(self) -> None:
        """See L{Source}."""
        if self.state == self.STATE_CLOSED:
            self.unread = b""
            return
        if not self.data and not self.inside_message and self._feedTexts():
            return
        size = SLICE
        if self.current_frame is not None:
            # The rest of a frame costs little, even if it is long.  Behind it, Autobahn is done.
            size = self.current_frame.length - self.current_frame_masker.pointer()
        elif self.data:
            size = HEAD
        data, self.unread = self.unread[:size], self.unread[size:]
        # Autobahn's own method also formats a line for a log that is off.
        self._dataReceived(data)

    def _feedTexts(self) -> bool:
        """
        Take the text messages that stand at the beginning of the unread bytes, without Autobahn.

        @return: Whether the bytes held one.  They hold none while Autobahn has the beginning of a
            frame.
        """
        session = self._session
        if session is None or self.current_frame is not None:
            return False
        unread, at = self.unread, 0
        end = min(SLICE, len(unread))
        while at < end and self.state == self.STATE_OPEN:
            found = readText(unread, at, self.maxMessagePayloadSize)
            if found is None:
                break
            message, at = found
            session.received(message, False)
        # The session takes no bytes while it deals with a message.
        self.unread = unread[at:]
        return at > 0

    def hold(self) -> None:
        """See L{Source}."""
        self._socket.pauseProducing()

    def letGo(self) -> None:
        """See L{Source}."""
        if self.state != self.STATE_CLOSED:
            if self._session is not None:
                # The client may have answered a ping while its bytes waited.
                self._session.heard()
            self._socket.resumeProducing()

    def failed(self, failure: Failure) -> None:
        """See L{Source}."""
        self.logger.failure("a connection failed", failure, connection=self.connectionId)
        self.abort()

    def sendData(self, data: bytes, sync: bool = False, chopsize: int | None = None) -> None:
        self.transport.write(data)

    # What Autobahn calls

    def connectionMade(self) -> None:
        """Do nothing: L{connectionKind} has set what Autobahn would read here."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        # Autobahn's adapter formats three lines for its log, even if that is off.  This call leaves
        # them out, because thousands of connections are lost at once when a network breaks down.
        WebSocketProtocol._connectionLost(self, reason)  # type: ignore[arg-type]
        # These objects refer to the connection, and would keep it in memory.
        self.transport = self._socket = None

    def onMessageBegin(self, isBinary: bool) -> None:
        super().onMessageBegin(isBinary)
        self._fragments = 0

    def onMessageFrameBegin(self, length: int) -> None:
        super().onMessageFrameBegin(length)
        self._fragments += 1
        if self._session is not None and self._fragments > 1:
            self._session.checkFragments(self._fragments)
            self._session.allowFrame()

    def onMessageEnd(self) -> None:
        payload, self.message_data = b"".join(self.message_data), None
        # These two are not needed between messages, and most connections are silent.
        self.current_frame_masker = None
        self.__dict__.pop("utf8validator", None)
        if self._session is not None and not self.failedByMe:
            self._session.received(payload, self.message_is_binary)

    def onPing(self, payload: bytes) -> None:
        if self._session is not None and self._session.allowFrame():
            super().onPing(payload)

    def onPong(self, payload: bytes) -> None:
        if self._session is not None:
            self._session.allowFrame()

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        session, self._session = self._session, None
        if session is None:
            return
        self._owner.gone(self)
        # The client that sends the first close frame ends the connection on purpose.  The frame may
        # have no code: a browser sends none if the page gives none.
        clean = wasClean and not self.closedByMe
        try:
            # For a broken connection Autobahn makes a code up.
            session.closed(clean, *((code, reason) if wasClean else ()))
        except Exception:
            # Autobahn still has to end the connection.
            self.logger.failure("a session failed to end", Failure(), connection=self.connectionId)

    def sendCloseFrame(
        self, code: int | None = None, reasonUtf8: bytes | None = None, isReply: bool = False
    ) -> None:
        if code == self.CLOSE_STATUS_CODE_MESSAGE_TOO_BIG:
            # The number tells the client which of its messages was wrong.
            reasonUtf8 = b"a message has at most %d bytes" % self.maxMessagePayloadSize
        super().sendCloseFrame(code=code, reasonUtf8=reasonUtf8, isReply=isReply)
        # Autobahn also closes connections by itself, and its time-out is off.
        if self._session is not None:
            self._session.closing(
                None if isReply else code, (reasonUtf8 or b"").decode("utf-8", "replace")
            )
        self._owner.intake.ending(self)

    def dropConnection(self, abort: bool = False) -> None:
        # The close frame may still wait.  If the client does not take it, the session aborts the
        # connection.
        super().dropConnection(abort=False)

    # What the socket's writer calls

    def congested(self) -> None:
        """The socket has begun to queue."""
        if self._session is not None:
            self._session.congested()

    def drained(self) -> None:
        """The socket has taken all that was queued."""
        if self._session is not None:
            self._session.drained()

    # IConnection

    def send(self, frame: Frame) -> None:
        if self.state == self.STATE_OPEN:
            if self._compressor is None:
                self.transport.write(frame)
            else:
                self.transport.write(self._compressor.compress(frame))

    def ping(self) -> None:
        self.sendPing()

    def close(self, code: int, reason: str) -> None:
        if self.state == self.STATE_OPEN:
            # sendClose would take application codes only; 1001, 1003 and 1011 are a
            # server's to send (RFC 6455, 7.4.1).
            self.sendCloseFrame(code=code, reasonUtf8=reason.encode("utf-8"))

    def abort(self) -> None:
        # dropConnection does nothing once Autobahn has begun to lose the connection,
        # and that may wait for ever for a client that does not read.
        if self.transport is not None:
            self.transport.abortConnection()


def connectionKind(factory: WebSocketServerFactory) -> type[Connection]:
    """
    Make a class whose connections share the attributes that Autobahn would give each of them.

    @param factory: Has Autobahn's options for the connections.
    """
    pattern = WebSocketServerProtocol()
    own = set(vars(pattern))
    pattern.factory = factory
    # Here Autobahn sets every attribute, and formats all of them for its log.  That takes two
    # fifths of the time of an opening.
    pattern._connectionMade()
    shared = {name: value for name, value in vars(pattern).items() if name not in own}
    for name in vars(Connection).keys() & shared.keys():
        del shared[name]
    # This object keeps the state of an incomplete message.
    validator = _MadeWhenNeeded(type(shared.pop("utf8validator")))
    return type("Connection", (Connection,), {**shared, "utf8validator": validator})


class _MadeWhenNeeded:
    """
    The attribute C{utf8validator} of a connection that has none of its own: makes one.

    C{functools.cached_property} takes a lock each time (until Python 3.12).
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    def __get__(self, connection: Connection, kind: object = None) -> Any:
        made = connection.__dict__["utf8validator"] = self._make()
        return made
