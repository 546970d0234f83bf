"""
All WebSocket connections of the daemon.  An HTTP connection becomes one of them here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from autobahn.twisted.websocket import WebSocketServerFactory
from twisted.internet.interfaces import IReactorTime
from twisted.protocols.policies import ProtocolWrapper

from aerostack.core.access.permissions import Identity
from aerostack.delivery.turnend import TurnEnd
from aerostack.interfaces.messaging import IConnection
from aerostack.interfaces.shares import IPlace
from aerostack.net.eager import EagerWriter
from aerostack.net.intake import Intake
from aerostack.net.websocket.compression import agree
from aerostack.net.websocket.connection import Connection, connectionKind
from aerostack.net.websocket.handshake import Opening
from aerostack.net.websocket.writer import SocketWriter, Writer
from aerostack.protocol.deflate import Compressor
from aerostack.sessions.session import Session
from aerostack.settings.limits import LimitsConfig

MakeSession = Callable[[IConnection, Identity], Session]

READ = 16_384
"""How many bytes are read from a socket at once.  Little more may wait for the connection's next
share; see L{aerostack.net.intake.MUCH}."""


class Served(Protocol):
    """
    An L{IConnection} of a client, over a WebSocket or over server-sent events.

    @ivar place: The place that was taken for the connection.
    @ivar makeSession: Makes the connection's session; L{None} for one as most clients have.
    """

    @property
    def place(self) -> IPlace | None: ...

    @property
    def makeSession(self) -> MakeSession | None: ...

    def abort(self) -> None:
        """Drop the connection."""


class Connections:
    """
    All connections of this daemon's clients, over WebSockets and over server-sent events.

    @ivar stopping: Whether the daemon refuses new connections because it stops.
    @ivar intake: Takes the bytes of all connections.
    @ivar newId: Makes connection ids; no two calls give the same id.
    """

    def __init__(
        self,
        clock: IReactorTime,
        turnEnd: TurnEnd,
        limits: LimitsConfig,
        makeSession: MakeSession,
        newId: Callable[[], str],
        compressor: Compressor | None,
    ) -> None:
        """
        @param turnEnd: Ends the turns of the reactor.
        @param makeSession: Makes the session of a connection that has opened.
        @param newId: Makes connection ids; no two calls give the same id.
        @param compressor: Compresses frames for clients that offer compression; L{None} if the
            daemon does not compress.
        """
        self.stopping = False
        self._makeSession = makeSession
        self.newId = newId
        self._sessions: dict[Served, Session] = {}
        self._compressor = compressor
        self._turnEnd = turnEnd
        self.intake = Intake(clock)
        self._factory = WebSocketServerFactory(reactor=clock)
        self.reload(limits)

    def __len__(self) -> int:
        return len(self._sessions)

    def reload(self, limits: LimitsConfig) -> None:
        """
        Hold connections that open from now on to these limits.
        """
        self._factory.setProtocolOptions(
            maxFramePayloadSize=limits.frameBytes,
            maxMessagePayloadSize=limits.frameBytes,
            failByDrop=False,
            utf8validateIncoming=True,
            openHandshakeTimeout=0,
            closeHandshakeTimeout=0,
            autoPingInterval=0,
        )
        self._kind = connectionKind(self._factory)

    def accept(
        self,
        channel: Any,
        opening: Opening,
        identity: Identity,
        address: str | None,
        place: IPlace,
        makeSession: MakeSession | None = None,
    ) -> None:
        """
        Make a WebSocket of an HTTP connection.

        @param channel: The connection, a L{aerostack.net.http.server.BoundedChannel}.
        @param opening: The request, as L{parseOpening} has read it.
        @param address: The address under which the connection is counted; L{None} if it is not.
        @param place: The place that was taken for the connection.  It is given back when the
            connection ends.  If this method raises an error, the caller gives it back.
        @param makeSession: Makes the connection's session; L{None} for one as most clients have.
        """
        client = opening.client()
        connection = self._kind(self.newId(), self)
        extension = None if self._compressor is None else agree(opening.extensions)
        connection.address = address
        connection.place = place
        connection.client = client
        connection.makeSession = makeSession
        transport = channel.release(connection)
        wrapped = isinstance(transport, ProtocolWrapper)
        # TLS writes through an L{EagerWriter}.
        socket: Any = transport.transport.transport if wrapped else transport
        socket.bufferSize = READ
        # A client that sent C{Expect} has got an answer already: 100 Continue.
        untouched = channel.untouched and not opening.expects
        writer = self._writer(transport, connection, untouched)
        compressor = None if extension is None else self._compressor
        try:
            connection.open(writer, socket, opening.answer(extension), identity, compressor)
        except BaseException:
            # HTTP has given the connection up, and would never close it.
            socket.abortConnection()
            raise
        behind: bytes = channel.behind()
        if behind:
            connection.dataReceived(behind)

    def _writer(self, transport: Any, connection: Connection, untouched: bool) -> Writer:
        """
        Put a writer in the place of the transport, for the connection and for TLS.
        """
        if isinstance(transport, ProtocolWrapper):
            eager: EagerWriter = transport.transport  # type: ignore[assignment]
            below: Any = SocketWriter(eager.transport, connection, eager.isUntouched)
            transport.transport = below
            transport.wrappedProtocol = connection
            return Writer(self._turnEnd, transport)
        transport.protocol = connection
        return Writer(self._turnEnd, SocketWriter(transport, connection, untouched))

    def opened(self, connection: Served, identity: Identity) -> Session:
        """
        Note that a connection has opened.
        """
        served: Any = connection
        session = (connection.makeSession or self._makeSession)(served, identity)
        self._sessions[connection] = session
        return session

    def gone(self, connection: Served) -> None:
        """
        Note that a connection has ended.
        """
        if self._sessions.pop(connection, None) is not None and connection.place is not None:
            connection.place.leave()

    def sessions(self) -> Sequence[Session]:
        """
        All sessions, in order of opening.
        """
        return tuple(self._sessions.values())

    def abort(self) -> None:
        """
        Drop every connection that is still open.
        """
        for connection in tuple(self._sessions):
            connection.abort()
