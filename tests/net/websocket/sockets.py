"""
Twisted's own file descriptor over a socket that takes as much as the test allows, for tests of the
writer.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from twisted.internet.abstract import FileDescriptor
from twisted.internet.error import ConnectionLost
from twisted.internet.main import CONNECTION_LOST
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from aerostack.delivery.turnend import TurnEnd
from aerostack.net.websocket.writer import SocketWriter, Writer

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(1, 200_000)),
        st.tuples(st.just("write"), st.integers(1, 200)),
        st.tuples(st.just("room"), st.sampled_from([0, 1, 70, 500, 66_000, 300_000])),
        st.just(("end", 0)),
        st.just(("reactor", 0)),
    ),
    max_size=40,
)
"""What may happen to a writer: it writes a number of bytes, the socket gets room for a number of
bytes, the turn ends, and the reactor looks at the socket."""


class FakeSocket:
    """
    A socket.

    @ivar room: How many bytes it takes yet; L{None} once it is broken.
    @ivar received: What it took.
    @ivar calls: How often it was asked to take something.
    """

    def __init__(self) -> None:
        self.room: int | None = 1_000_000
        self.received = b""
        self.calls = 0

    def send(self, data: bytes) -> int:
        self.calls += 1
        if self.room is None:
            raise ConnectionResetError
        if data and not self.room:
            raise BlockingIOError
        taken = min(len(data), self.room)
        self.received += bytes(data[:taken])
        self.room -= taken
        return taken


class FakeReactor:
    """
    Knows who waits for its socket to become writable.
    """

    def __init__(self) -> None:
        self.writers: set[Any] = set()
        self.addWriter = self.writers.add
        self.removeWriter = self.writers.discard
        self.addReader = self.removeReader = lambda reader: None


class FakeTransport(FileDescriptor):
    """
    A server's transport, as far as writing goes.
    """

    connected = 1
    reactor: Any

    def __init__(self, reactor: FakeReactor, socket: FakeSocket) -> None:
        super().__init__(reactor)  # type: ignore[arg-type]
        self.socket = socket
        self.lost = False

    def getHandle(self) -> FakeSocket:
        return self.socket

    def getPeer(self) -> None:  # type: ignore[override]
        return None

    getHost = getPeer  # type: ignore[assignment]

    def writeSomeData(self, data: bytes) -> Any:
        try:
            return self.socket.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            return CONNECTION_LOST

    def turn(self) -> None:
        """Do what the reactor does for a socket that may have become writable."""
        if self in self.reactor.writers and self.doWrite() is not None:
            self.connectionLost(Failure(ConnectionLost()))

    def abortConnection(self) -> None:
        self.connectionLost(Failure(ConnectionLost()))

    def connectionLost(self, reason: Any) -> None:
        super().connectionLost(reason)
        self.lost = True


class World:
    """
    One connection.

    @ivar told: The calls that its listener got, in order.
    """

    def __init__(self, untouched: bool = True) -> None:
        self.clock = Clock()
        self.socket = FakeSocket()
        self.transport = FakeTransport(FakeReactor(), self.socket)
        self.told: list[str] = []
        self.below = SocketWriter(self.transport, self, untouched)
        self.turnEnd = TurnEnd(self.clock)
        self.writer = Writer(self.turnEnd, self.below)

    def congested(self) -> None:
        self.told.append("congested")

    def drained(self) -> None:
        self.told.append("drained")

    def end(self) -> None:
        """End the turn, and let the reactor look at the socket."""
        self.clock.advance(0)
        self.transport.turn()

    def settle(self) -> None:
        """Let everything go out."""
        self.socket.room = 10_000_000
        for _ in range(50):
            self.end()
