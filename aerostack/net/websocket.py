"""
WebSocket connections, by Autobahn.

Nothing of Autobahn is known outside this module, nor is how a connection that
began as HTTP becomes one.  Its timers stay off: they run on a global loop, and the
session keeps the time itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Any

import txaio
from autobahn.twisted.resource import WebSocketResource
from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from autobahn.websocket.types import ConnectionDeny, ConnectionRequest
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers
from twisted.web.server import Request
from zope.interface import implementer

from aerostack.core.permissions import Identity
from aerostack.core.quotas import Quotas
from aerostack.interfaces import IConnection
from aerostack.net.http import headersOf
from aerostack.net.opening import PROTOCOL, offeredProtocols
from aerostack.session import Session
from aerostack.settings import LimitsConfig

txaio.use_twisted()

MakeSession = Callable[[IConnection, Identity], Session]


@implementer(IConnection, IPushProducer)
class Connection(WebSocketServerProtocol):
    """
    One client's WebSocket.

    As a push producer of its own transport it hears when the socket begins to
    queue, and when it has drained; nothing is ever paused by that.

    @ivar identity: Who the client was when it came.
    @ivar address: What the connection is counted by; L{None} if it is not.
    """

    logger = Logger()
    transport: Any

    def __init__(self, connectionId: str, identity: Identity, owner: Connections) -> None:
        super().__init__()
        self.connectionId = connectionId
        self.identity = identity
        self._owner = owner
        self.address: str | None = None
        self._session: Session | None = None
        # How many frames of the present message have come.
        self._fragments = 0

    def dataReceived(self, data: bytes) -> None:
        # Any byte is a sign of life: a large message on a slow line, too.
        if self._session is not None:
            self._session.heard()
        super().dataReceived(data)

    # What Autobahn calls

    def onConnect(self, request: ConnectionRequest) -> str | None:
        if self._owner.stopping:
            raise ConnectionDeny(503, "shutting down")
        return PROTOCOL if PROTOCOL in request.protocols else None

    def onOpen(self) -> None:
        # The transport still knows the HTTP channel that it came from.
        self.transport.unregisterProducer()
        self.transport.registerProducer(self, True)
        self._session = self._owner.opened(self, self.identity)

    def onMessageBegin(self, isBinary: bool) -> None:
        super().onMessageBegin(isBinary)
        self._fragments = 0

    def onMessageFrameBegin(self, length: int) -> None:
        super().onMessageFrameBegin(length)
        self._fragments += 1
        if self._session is not None:
            self._session.checkFragments(self._fragments)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        if self._session is not None:
            self._session.received(payload, isBinary)

    def onPing(self, payload: bytes) -> None:
        if self._session is not None and self._session.allowPing():
            super().onPing(payload)

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        session, self._session = self._session, None
        if session is None:
            return
        self._owner.gone(self)
        # A client that sends the first close frame means to go, with a code or, as
        # browsers do when they are given none, without.
        clean = wasClean and not self.closedByMe
        try:
            session.closed(clean)
        except Exception:
            self.logger.failure("a session failed to end", Failure(), connection=self.connectionId)

    def sendCloseFrame(
        self, code: int | None = None, reasonUtf8: bytes | None = None, isReply: bool = False
    ) -> None:
        super().sendCloseFrame(code=code, reasonUtf8=reasonUtf8, isReply=isReply)
        # Autobahn closes by its own judgement as well, and its time-out is off.
        if self._session is not None:
            self._session.closing()

    def dropConnection(self, abort: bool = False) -> None:
        # The close frame may not have gone out yet.  Who does not take it, the session
        # aborts.
        super().dropConnection(abort=False)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.transport.unregisterProducer()
        super().connectionLost(reason)

    # IPushProducer, called by the transport

    def pauseProducing(self) -> None:
        if self._session is not None:
            self._session.congested()

    def resumeProducing(self) -> None:
        if self._session is not None:
            self._session.drained()

    def stopProducing(self) -> None:
        """The transport is gone; L{onClose} follows."""

    # IConnection

    def send(self, frame: bytes) -> None:
        if self.state == self.STATE_OPEN:
            self.transport.write(frame)

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
        self.transport.abortConnection()


class Connections:
    """
    All WebSocket connections of this daemon.

    @ivar stopping: Set once no new connection is let in.
    """

    def __init__(
        self,
        limits: LimitsConfig,
        quotas: Quotas,
        makeSession: MakeSession,
        newId: Callable[[], str],
    ) -> None:
        """
        @param quotas: Where connections are counted.
        @param makeSession: Makes the session of a connection that has opened.
        @param newId: Makes connection ids; no two calls give the same.
        """
        self.stopping = False
        self._quotas = quotas
        self._makeSession = makeSession
        self._newId = newId
        self._sessions: dict[Connection, Session] = {}
        self._factory = _Factory()
        self._resource = WebSocketResource(self._factory)
        self.setLimits(limits)

    def __len__(self) -> int:
        return len(self._sessions)

    def setLimits(self, limits: LimitsConfig) -> None:
        """
        Hold connections that open from now on to these limits.
        """
        self._factory.setProtocolOptions(
            maxFramePayloadSize=limits.frameBytes,
            maxMessagePayloadSize=limits.frameBytes,
            failByDrop=False,
            utf8validateIncoming=True,
            tcpNoDelay=True,
            openHandshakeTimeout=0,
            closeHandshakeTimeout=0,
            autoPingInterval=0,
            webStatus=False,
        )

    def accept(self, request: Request, identity: Identity, address: str | None = None) -> Any:
        """
        Make a WebSocket of a request whose opening has been checked.

        Autobahn parses an opening once more, by rules of its own.  It is shown no
        more than it needs: then it has nothing to refuse, and no credential to log.

        @param address: What to count the connection by.
        @return: What a resource's C{render} returns.
        """
        shown = {
            "Host": ["aerostack"],
            "Upgrade": ["websocket"],
            "Connection": ["Upgrade"],
            "Sec-WebSocket-Version": ["13"],
            "Sec-WebSocket-Key": request.requestHeaders.getRawHeaders("Sec-WebSocket-Key", ()),
        }
        if PROTOCOL in offeredProtocols(headersOf(request)):
            shown["Sec-WebSocket-Protocol"] = [PROTOCOL]
        request.requestHeaders = Headers(shown)
        request.uri = b"/"
        request.content = BytesIO()
        channel: Any = request.channel
        connection = Connection(self._newId(), identity, self)
        connection.address = address
        self._factory.next = channel.successor = connection
        return self._resource.render(request)

    def opened(self, connection: Connection, identity: Identity) -> Session:
        """
        Note that a connection has opened.
        """
        session = self._makeSession(connection, identity)
        self._sessions[connection] = session
        self._quotas.enter(identity.project, connection.address)
        return session

    def gone(self, connection: Connection) -> None:
        """
        Note that a connection is gone.
        """
        if self._sessions.pop(connection, None) is not None:
            self._quotas.leave(connection.identity.project, connection.address)

    def sessions(self) -> Sequence[Session]:
        """
        Every session there is.
        """
        return tuple(self._sessions.values())

    def abort(self) -> None:
        """
        Drop every connection that is still there.
        """
        for connection in tuple(self._sessions):
            connection.abort()


class _Factory(WebSocketServerFactory):
    """
    Hands Autobahn the connection that L{Connections.accept} made for a request.
    """

    next: Connection | None = None

    def buildProtocol(self, address: object) -> Connection | None:
        connection, self.next = self.next, None
        if connection is not None:
            connection.factory = self
            connection.is_server = True
        return connection
