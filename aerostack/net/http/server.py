"""
Connections on which HTTP is spoken, within bounds.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IProtocol
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel
from twisted.web.resource import Resource
from twisted.web.server import Site

from aerostack.errors import RealtimeError
from aerostack.net.http.requests import BoundedRequest
from aerostack.net.http.resources import RefusalResource
from aerostack.net.intake import Intake
from aerostack.settings.limits import LimitsConfig

_SINGLE = (b"host", b"origin", b"authorization", b"x-aerostack-key")
"""Headers that decide who may do what.  Where one stands twice, a proxy in front may go by the
one and the daemon by the other."""

LEAST = 100
"""How many connections may speak HTTP at the same time, where few WebSockets may be open."""


class Lobby:
    """
    The connections that speak HTTP: those that are no WebSockets yet, and others.

    Where there are too many, the one that has been without a request for longest has to
    go: whoever means something asks at once.
    """

    def __init__(self, limits: LimitsConfig) -> None:
        self._channels: dict[BoundedChannel, None] = {}
        self.reload(limits)

    def reload(self, limits: LimitsConfig) -> None:
        """
        Go by these limits from now on.
        """
        self.most = max(LEAST, limits.connections // 10)

    def __len__(self) -> int:
        return len(self._channels)

    def enter(self, channel: BoundedChannel) -> None:
        """
        Let a connection in, or let one that has been answered wait anew.
        """
        self._channels.pop(channel, None)
        self._channels[channel] = None
        if len(self._channels) > self.most:
            idle = (each for each in self._channels if not each.answering)
            next(idle, channel).turnAway()

    def leave(self, channel: BoundedChannel) -> None:
        """
        Forget a connection.
        """
        self._channels.pop(channel, None)


class BoundedChannel(HTTPChannel):
    """
    A connection on which a whole request must come within the time-out, counted
    from the opening or from the answer before: a byte now and then buys no more.

    Requests that follow each other without waiting are answered in shares of the reactor's
    turns, and not before the client has read what there was.

    @ivar untouched: Whether no answer was written yet.
    """

    untouched = True
    site: BoundedSite
    # See L{aerostack.net.intake.Source}.
    unread = b""
    held = False
    ending = False
    _lost = False
    _successor: IProtocol | None = None

    @property
    def answering(self) -> bool:
        """Whether a request is being answered."""
        return self._handlingRequest

    def connectionMade(self) -> None:
        super().connectionMade()
        self.site.lobby.enter(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._lost = True
        self.site.lobby.leave(self)
        super().connectionLost(reason)

    def turnAway(self) -> None:
        """
        Drop the connection: there are too many.
        """
        assert self.transport is not None
        self.site.lobby.leave(self)
        self.transport.abortConnection()  # type: ignore[attr-defined]

    def dataReceived(self, data: bytes) -> None:
        if self._busyReceiving:
            # Twisted's own, which gives back what came behind a request.
            LineReceiver.dataReceived(self, data)
        else:
            self.site.intake.take(self, data)

    # What the intake calls

    def feed(self) -> None:
        """Take what has come, up to the end of the next request."""
        data, self.unread = self.unread, b""
        if self._lost:
            return
        if not self._waitingForTransport and not self._handlingRequest:
            self.paused = False
        LineReceiver.dataReceived(self, data)
        self._readLess()

    def hold(self) -> None:
        """See L{Source}."""
        self._networkProducer.pauseProducing()

    def letGo(self) -> None:
        """See L{Source}."""
        busy = self.paused or self._handlingRequest or self._waitingForTransport
        if not busy and not self._lost:
            self._networkProducer.resumeProducing()

    def failed(self, failure: Failure) -> None:
        """See L{Source}."""
        self._log.failure("a request could not be read", failure)
        if self.transport is not None:
            self.transport.abortConnection()  # type: ignore[attr-defined]

    def _readLess(self) -> None:
        """Read no more requests while one that has come waits for its turn."""
        if self.paused and self._buffer and self._successor is None:
            self._networkProducer.pauseProducing()

    def requestDone(self, request: Any) -> None:
        # Stops the loop over what has come.
        self.paused = True
        super().requestDone(request)
        self.site.lobby.enter(self)
        self._readLess()
        self._goOnSoon()

    def resumeProducing(self) -> None:
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
        # A token that is too long should not look like a broken network.
        assert self.transport is not None
        self.transport.write(b"HTTP/1.1 431 Request Header Fields Too Large\r\n\r\n")
        self.loseConnection()

    def writeHeaders(self, version: bytes, code: bytes, reason: bytes, headers: Any) -> None:
        self.untouched = False
        super().writeHeaders(version, code, reason, headers)

    def release(self, successor: IProtocol) -> Any:
        """
        Give the connection away, while its only request is being answered.

        @param successor: Gets what has already come behind the request.
        @return: The transport, which is the caller's from now on.
        """
        transport: Any = self.transport
        self._successor, self.transport = successor, None
        self.site.lobby.leave(self)
        transport.unregisterProducer()
        # A request and its channel know each other, and would be kept until the
        # garbage collector comes by.
        self.requests.clear()
        return transport


class BoundedSite(Site):
    """
    Serves a tree of resources, within limits.

    @ivar bodyBytes: The largest body that a request may have.
    @ivar local: Whether only programs of this machine get here.
    """

    protocol = BoundedChannel  # type: ignore[assignment]
    log_ = Logger(namespace="aerostack.net.http.resources")
    displayTracebacks = False
    noisy = False

    def __init__(
        self,
        root: Resource,
        reactor: Any,
        limits: LimitsConfig,
        lobby: Lobby,
        intake: Intake,
        local: bool,
    ) -> None:
        """
        @param lobby: Counts the connections of all sites.
        @param intake: Takes what comes to all of them.
        """
        super().__init__(root, requestFactory=BoundedRequest, reactor=reactor)
        self.lobby = lobby
        self.intake = intake
        self.local = local
        self.reload(limits)

    def reload(self, limits: LimitsConfig) -> None:
        """
        Go by these limits from now on.
        """
        self.bodyBytes = limits.bodyBytes
        self.timeOut = limits.handshakeTimeout

    def getResourceFor(self, request: Any) -> Any:
        for name in _SINGLE:
            if len(request.requestHeaders.getRawHeaders(name, ())) > 1:
                repeated = RealtimeError(
                    "invalid_arguments", f"The header {name.decode().title()} stands there twice."
                )
                request.postpath = []
                return RefusalResource(repeated)
        return super().getResourceFor(request)

    def log(self, request: Any) -> None:
        """
        Note a request, without its query: older clients put credentials there.
        """
        self.log_.debug(
            "{method} {path} {code}",
            method=request.method.decode("latin-1"),
            path=request.path.decode("latin-1"),
            code=request.code,
        )
