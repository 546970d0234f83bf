"""
HTTP connections, within bounds.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from twisted.internet.interfaces import IProtocol, ITCPTransport
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel
from twisted.web.server import Site

from aerostack.errors import RealtimeError
from aerostack.net.http.base import RefusalResource, refusalFor
from aerostack.net.http.head import SINGLE, pathOf, readHead
from aerostack.net.http.lobby import Lobby
from aerostack.net.http.requests import TWISTED, BoundedRequest, readQuery
from aerostack.net.http.tree import Tree
from aerostack.net.intake import Intake
from aerostack.settings.limits import LimitsConfig

# The first bytes of a client that speaks TLS.  The client then waits for the daemon's part of the
# handshake, and the daemon would wait for the end of a line.
_TLS = b"\x16\x03"

# The client's library reports at once that this answer is no TLS.
_NO_TLS = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"
    b"This address has no TLS: write http:// or ws://.\n"
)


class BoundedChannel(HTTPChannel):
    """
    A connection on which a whole request must come within the time-out.  The time counts from the
    opening or from the answer before, and further bytes do not extend it.

    If a client sends several requests without waiting for answers, each is answered in the
    connection's share of a turn, and only after the client has read the answer before.

    A connection that begins with the request for a WebSocket becomes one without twisted.web; see
    L{aerostack.net.http.head}.  twisted.web only answers it if it is refused.

    @ivar untouched: Whether the daemon has written no answer yet.
    @ivar lost: Whether the connection has ended.
    @ivar refusal: Why the next request is refused; L{None} if that is not known yet.
    """

    untouched = True
    site: BoundedSite
    # See L{aerostack.net.intake.Source}.
    unread = b""
    waiting = held = False
    ending = False
    lost = False
    refusal: RealtimeError | None = None
    _isNew = True
    _isBegun = False
    _networkProducer: Any
    timeOut: Any
    _successor: IProtocol | None = None

    @property
    def _log(self) -> Logger:  # type: ignore[override]
        return TWISTED

    @property
    def answering(self) -> bool:
        """Whether a request is being answered."""
        return self._handlingRequest

    def connectionMade(self) -> None:
        self._networkProducer = self.transport
        self.site.lobby.welcome(self, self.site.timeOut)

    def expire(self) -> None:
        """
        Drop the connection: nothing has come on it in time.
        """
        self._isNew = False
        self._begin(0.0)

    def _begin(self, left: float) -> None:
        """
        Let twisted.web read the connection.

        @param left: The seconds within which the request has to come.
        """
        self._isBegun = True
        super().connectionMade()
        self.setTimeout(left)
        # The next request has the whole time.
        self.timeOut = self.site.timeOut

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost = True
        self.site.lobby.leave(self)
        super().connectionLost(reason)

    def turnAway(self) -> None:
        """
        Drop the connection: there are too many, or too much waits on it.
        """
        assert self.transport is not None
        self.site.lobby.leave(self)
        self.transport.abortConnection()  # type: ignore[attr-defined]

    def dataReceived(self, data: bytes) -> None:
        if self._busyReceiving:
            # Twisted calls this with the bytes that came behind a request.
            LineReceiver.dataReceived(self, data)
        else:
            self.site.intake.take(self, data)

    # What the intake calls

    def feed(self) -> None:
        """Take bytes up to the end of the next request."""
        data, self.unread = self.unread, b""
        if self.lost:
            return
        if self._isNew:
            self._isNew = False
            left = self.site.lobby.greet(self)
            if self._upgrade(data):
                return
            self._begin(left)
            if data.startswith(_TLS):
                self.write(_NO_TLS)
                self.loseConnection()
                return
        if not self._waitingForTransport and not self._handlingRequest:
            self.paused = False
        LineReceiver.dataReceived(self, data)
        self._readLess()

    def _upgrade(self, data: bytes) -> bool:
        """
        Make a WebSocket of the connection.

        @param data: Its first bytes.
        @return: Whether they ask for that; else twisted.web has to read them.
        """
        upgrader = self.site.upgraders.get(pathOf(data))
        head = None if upgrader is None else readHead(data)
        if upgrader is None or head is None:
            return False
        if ITCPTransport.providedBy(self.transport):
            self.transport.setTcpNoDelay(True)
        # As Twisted does while a request is answered: what comes meanwhile waits in its buffer.
        self._handlingRequest = True
        self.setRawMode()
        if len(data) > head.size:
            self._dataBuffer.append(data[head.size :])
        refuse = partial(self._refuse, head.path, data[: head.size])
        try:
            opening = upgrader.open(self, head.headers, partial(readQuery, head.query))
        except Exception:
            # The client gets an answer; unless the client is at fault, the log has the error.
            refuse(Failure())
        else:
            if opening is not None:
                self.site.lobby.awaitPlace(self)
                opening.addErrback(refuse)
        return True

    def _refuse(self, path: bytes, head: bytes, failure: Failure) -> None:
        """Have twisted.web answer a request that is refused."""
        self.refusal = refusalFor(failure, path)
        if self.lost or self.transport is None:
            # The client has gone, or the other protocol failed when it had the connection already.
            return
        self._begin(self.site.timeOut)
        self.line_mode = 1
        # Behind the answer, Twisted goes on with what is in its buffer.
        LineReceiver.dataReceived(self, head)

    def hold(self) -> None:
        """See L{Source}."""
        self._networkProducer.pauseProducing()

    def letGo(self) -> None:
        """See L{Source}."""
        busy = self.paused or self._handlingRequest or self._waitingForTransport
        if not busy and not self.lost:
            self._networkProducer.resumeProducing()

    def failed(self, failure: Failure) -> None:
        """See L{Source}."""
        self._log.failure("a request could not be read", failure)
        if self.transport is not None:
            self.transport.abortConnection()  # type: ignore[attr-defined]

    def _readLess(self) -> None:
        """Stop reading while a complete request waits for its turn."""
        if self.paused and self._buffer and self._successor is None:
            self._networkProducer.pauseProducing()

    def requestDone(self, request: Any) -> None:
        # This stops Twisted's loop over the bytes that have come.
        self.paused = True
        super().requestDone(request)
        self.site.lobby.enter(self)
        self._readLess()
        self._goOnSoon()

    def write(self, data: bytes) -> None:
        super().write(data)
        self._owe(len(data))

    def writeSequence(self, iovec: Any) -> None:
        super().writeSequence(iovec)
        self._owe(sum(map(len, iovec)))

    def _owe(self, size: int) -> None:
        """Count what was written, if the client does not read as fast."""
        if self._waitingForTransport and not self.lost:
            self.site.lobby.owe(self, size)

    def resumeProducing(self) -> None:
        self.site.lobby.settle(self)
        super().resumeProducing()
        self._readLess()
        self._goOnSoon()

    def _goOnSoon(self) -> None:
        if self.paused and not self._waitingForTransport:
            if self._buffer:
                self.site.intake.again(self)
            else:
                self.paused = False

    def rawDataReceived(self, data: bytes) -> None:
        if self._successor is None:
            super().rawDataReceived(data)
        else:
            self._successor.dataReceived(data)

    def lineLengthExceeded(self, line: bytes) -> None:
        # A client with too long a token should get an answer, so that the network does not look
        # broken.
        assert self.transport is not None
        if self.site.notes is not None:
            self.site.notes.noteUnread(self, RealtimeError("too_large", "A header is too long."))
        self.transport.write(b"HTTP/1.1 431 Request Header Fields Too Large\r\n\r\n")
        self.loseConnection()

    def writeHeaders(self, version: bytes, code: bytes, reason: bytes, headers: Any) -> None:
        self.untouched = False
        super().writeHeaders(version, code, reason, headers)

    def release(self, successor: IProtocol) -> Any:
        """
        Hand the connection over to another protocol, while its only request is being answered.

        @param successor: Gets the bytes that have already come behind the request, if the request
            is answered at once.  Else L{behind} has them.
        @return: The transport, which the caller owns from now on.
        """
        transport: Any = self.transport
        self._successor, self.transport = successor, None
        self.site.lobby.leave(self)
        if self._isBegun:
            transport.unregisterProducer()
        # A request and its channel refer to each other, and would stay in memory until the next
        # garbage collection.
        self.requests.clear()
        return transport

    def behind(self) -> bytes:
        """
        Take the bytes that have come while the request waited for its answer.
        """
        data = b"".join(self._dataBuffer)
        self._dataBuffer.clear()
        return data


class BoundedSite(Site):
    """
    Serves a tree of resources, within limits.

    @ivar upgraders: What opens WebSockets, by path.
    @ivar notes: Takes notice of refused requests; L{None} if nothing does.
    @ivar bodyBytes: How many bytes the body of a request may have.
    @ivar local: Whether only programs on this machine reach the site.
    """

    protocol = BoundedChannel  # type: ignore[assignment]
    timeOut: float
    log_ = Logger(namespace="aerostack.net.http.base")
    displayTracebacks = False
    noisy = False

    def __init__(
        self,
        root: Tree,
        reactor: Any,
        limits: LimitsConfig,
        lobby: Lobby,
        intake: Intake,
        local: bool,
    ) -> None:
        """
        @param lobby: Counts the connections of all sites.
        @param intake: Takes the bytes of all connections.
        """
        super().__init__(root, requestFactory=BoundedRequest, reactor=reactor)
        self.serve(root)
        self.lobby = lobby
        self.intake = intake
        self.local = local
        self.reload(limits)

    def serve(self, root: Tree) -> None:
        """
        Serve another tree from now on.
        """
        self.resource = root
        self.upgraders = root.upgraders
        self.notes = root.notes

    def reload(self, limits: LimitsConfig) -> None:
        """
        Go by these limits from now on.
        """
        self.bodyBytes = limits.bodyBytes
        self.timeOut = limits.handshakeTimeout

    def getResourceFor(self, request: Any) -> Any:
        refusal, request.channel.refusal = request.channel.refusal, None
        for name in SINGLE:
            if len(request.requestHeaders.getRawHeaders(name.encode(), ())) > 1:
                refusal = RealtimeError(
                    "invalid_arguments", f"The header {name.title()} stands there twice."
                )
                break
        if refusal is None:
            return super().getResourceFor(request)
        return RefusalResource(refusal)

    def log(self, request: Any) -> None:
        """
        Log a request without its query, because older clients put credentials there.
        """
        self.log_.debug(
            "{method} {path} {code}",
            method=request.method.decode("latin-1"),
            path=request.path.decode("latin-1"),
            code=request.code,
        )
