"""
A relay between a client and a server that disturbs the line on command.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IListeningPort,
    IReactorTime,
    IStreamClientEndpoint,
    IStreamServerEndpoint,
    ITCPTransport,
    ITransport,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure


@dataclass
class Direction:
    """
    How the relay treats what goes one way, on all its connections.

    @ivar delay: How long it keeps each piece before it passes it on, in seconds.
    @ivar halved: Whether it passes each piece on in two halves, one after the other.
    @ivar held: Whether it passes nothing on, and reads nothing more.
    @ivar passed: How many bytes it has passed on.
    @ivar remaining: After how many more bytes it cuts the connection; L{None} for never.
    """

    delay: float = 0.0
    halved: bool = False
    held: bool = False
    passed: int = 0
    remaining: int | None = None


class Relay:
    """
    Passes bytes on between clients and a server.

    @ivar toServer: How it treats what clients send.
    @ivar toClient: How it treats what the server sends.
    @ivar refusing: Whether it closes each new connection at once.
    @ivar accepted: How many connections it has accepted.
    """

    def __init__(self, clock: IReactorTime, server: IStreamClientEndpoint) -> None:
        """
        @param server: Connects to the server.
        """
        self.toServer = Direction()
        self.toClient = Direction()
        self.refusing = False
        self.accepted = 0
        self._clock = clock
        self._server = server
        self._port: IListeningPort | None = None
        self._pairs: set[_Pair] = set()

    def listen(self, endpoint: IStreamServerEndpoint) -> Deferred[IAddress]:
        """
        Begin to accept clients.

        @return: The address that it listens on.
        """

        def listening(port: IListeningPort) -> IAddress:
            self._port = port
            return port.getHost()

        return endpoint.listen(_Clients(self._accept)).addCallback(listening)

    def stop(self) -> Deferred[None]:
        """
        Cut all connections and accept no more.

        @return: Fires when the port is closed.
        """
        self.cut()
        port, self._port = self._port, None
        closed: Deferred[None] = Deferred()
        if port is None:
            closed.callback(None)
            return closed
        stopping = port.stopListening()
        if stopping is None:
            closed.callback(None)
        else:
            stopping.chainDeferred(closed)
        return closed

    @property
    def connections(self) -> int:
        """How many connections there are."""
        return len(self._pairs)

    def cut(self) -> None:
        """
        Drop all connections at once; what was kept back is lost.
        """
        for pair in tuple(self._pairs):
            pair.cut()

    def hold(self) -> None:
        """
        Let the line go silent in both directions, without a close.
        """
        self.toServer.held = self.toClient.held = True
        self.update()

    def release(self) -> None:
        """
        Pass on what was held, and go on.
        """
        self.toServer.held = self.toClient.held = False
        self.update()

    def update(self) -> None:
        """
        Take up what was changed in L{toServer} and L{toClient}.
        """
        for pair in tuple(self._pairs):
            pair.update()

    def _accept(self) -> _End | None:
        self.accepted += 1
        if self.refusing:
            return None
        pair = _Pair(self._clock, self.toServer, self.toClient, self._pairs.discard)
        self._pairs.add(pair)
        connecting = self._server.connect(Factory.forProtocol(lambda: pair.server))
        # A server that refuses looks to the client as a connection that breaks.
        connecting.addErrback(lambda failure: pair.cut())
        return pair.client


class _Clients(Factory):
    """
    Accepts clients.
    """

    noisy = False

    def __init__(self, accept: Callable[[], _End | None]) -> None:
        self._accept = accept

    def buildProtocol(self, addr: IAddress | None) -> _End | None:
        return self._accept()


class _Pair:
    """
    A client's connection and the server's connection that belongs to it.
    """

    def __init__(
        self,
        clock: IReactorTime,
        toServer: Direction,
        toClient: Direction,
        ended: Callable[[_Pair], None],
    ) -> None:
        self._ended = ended
        self.client = _End(self)
        self.server = _End(self)
        self._ways = (
            _Way(clock, toServer, self.client, self.server, self.cut),
            _Way(clock, toClient, self.server, self.client, self.cut),
        )
        self.client.way, self.server.way = self._ways

    def update(self) -> None:
        for way in self._ways:
            way.update()

    def cut(self) -> None:
        self._ended(self)
        for way in self._ways:
            way.stop()
        for end in (self.client, self.server):
            isOver, end.isOver = end.isOver, True
            if end.transport is not None and not isOver:
                cast(ITCPTransport, end.transport).abortConnection()


class _End(Protocol):
    """
    One of the two connections of a pair.
    """

    way: _Way

    def __init__(self, pair: _Pair) -> None:
        self._pair = pair
        self.isOver = False

    def connectionMade(self) -> None:
        assert self.transport is not None
        if self.isOver:
            cast(ITCPTransport, self.transport).abortConnection()
            return
        setNoDelay = getattr(self.transport, "setTcpNoDelay", None)
        if setNoDelay is not None and hasattr(self.transport.getHost(), "port"):
            setNoDelay(True)
        self._pair.update()

    def dataReceived(self, data: bytes) -> None:
        self.way.received(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.isOver = True
        self.way.closed()


class _Way:
    """
    What goes from one end to the other, in order.
    """

    def __init__(
        self,
        clock: IReactorTime,
        rules: Direction,
        source: _End,
        target: _End,
        cut: Callable[[], None],
    ) -> None:
        self._clock = clock
        self._rules = rules
        self._source = source
        self._target = target
        self._cut = cut
        self._waiting: deque[tuple[float, bytes]] = deque()
        self._call: IDelayedCall | None = None
        self._isClosed = False

    def received(self, data: bytes) -> None:
        due = self._clock.seconds() + self._rules.delay
        middle = len(data) // 2 if self._rules.halved else 0
        self._waiting.extend((due, piece) for piece in (data[:middle], data[middle:]) if piece)
        self.update()

    def closed(self) -> None:
        self._isClosed = True
        self.update()

    def stop(self) -> None:
        self._waiting.clear()
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def update(self) -> None:
        source = self._source.transport
        if source is not None and not self._source.isOver:
            getattr(source, "pauseProducing" if self._rules.held else "resumeProducing")()
        self._schedule()

    def _schedule(self) -> None:
        target: ITransport | None = self._target.transport
        if self._call is not None or self._rules.held or target is None:
            return
        if self._waiting:
            pause = max(0.0, self._waiting[0][0] - self._clock.seconds())
            self._call = self._clock.callLater(pause, self._pass)
        elif self._isClosed:
            target.loseConnection()
            self._cutWhenBothAreOver()

    def _pass(self) -> None:
        self._call = None
        target = self._target.transport
        if self._rules.held or target is None:
            return
        _, piece = self._waiting.popleft()
        remaining = self._rules.remaining
        cuts = remaining is not None and len(piece) >= remaining
        if remaining is not None:
            piece = piece[:remaining]
            self._rules.remaining = None if cuts else remaining - len(piece)
        self._rules.passed += len(piece)
        target.write(piece)
        if cuts:
            target.loseConnection()
            self._waiting.clear()
            if self._source.transport is not None:
                self._source.transport.loseConnection()
            return
        # The next piece goes two turns later, so that a reader on the same reactor reads this one
        # alone.
        self._call = self._clock.callLater(0, self._passed)

    def _passed(self) -> None:
        self._call = None
        self._schedule()

    def _cutWhenBothAreOver(self) -> None:
        if self._source.isOver and self._target.isOver:
            self._cut()
