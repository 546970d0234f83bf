"""
Tests for L{aerostack.net.websocket.writer}, on Twisted's own file descriptor over a socket that
takes as much as the test allows.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from OpenSSL import SSL
from twisted.internet.abstract import FileDescriptor
from twisted.internet.error import ConnectionLost
from twisted.internet.main import CONNECTION_LOST
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from aerostack.net.endpoints import TLSServerFactory
from aerostack.net.tls import CertificateFiles, ReloadableTLS
from aerostack.net.websocket.writer import SocketWriter, Turn, Writer
from tests.net.certificates import Authority


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
        self.turn = Turn(self.clock)
        self.writer = Writer(self.turn, self.below)

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


_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(1, 200_000)),
        st.tuples(st.just("write"), st.integers(1, 200)),
        st.tuples(st.just("room"), st.sampled_from([0, 1, 70, 500, 66_000, 300_000])),
        st.just(("end", 0)),
        st.just(("reactor", 0)),
    ),
    max_size=40,
)


class OrderTests(SynchronousTestCase):
    """
    Whatever the socket takes, and when.
    """

    @settings(deadline=None, max_examples=200)
    @given(_STEPS, st.booleans())
    def test_order(self, steps: list[tuple[str, int]], untouched: bool) -> None:
        """
        Every byte arrives, once and in order.  The listener hears that bytes wait while the
        transport holds bytes that the socket did not take, and never twice in a row.
        """
        world = World(untouched)
        if not untouched:
            world.transport.write(b"before")
        written = b"" if untouched else b"before"
        for number, (step, size) in enumerate(steps):
            if step == "write":
                data = bytes([number]) * size
                written += data
                world.writer.write(data)
            elif step == "room":
                world.socket.room = size
            elif step == "end":
                world.end()
            else:
                world.transport.turn()
            self.assertTrue(written.startswith(world.socket.received))
            if untouched:
                waits = world.transport in world.transport.reactor.writers
                self.assertEqual(waits, world.told[-1:] == ["congested"])
        world.settle()
        self.assertEqual(world.socket.received, written)
        self.assertEqual(world.told, ["congested", "drained"] * (len(world.told) // 2))

    def test_gathered(self) -> None:
        """
        What is written within one turn goes out with one call, when the turn ends.
        """
        world = World()
        for _ in range(10):
            world.writer.write(b"frame")
        self.assertEqual(world.socket.received, b"")
        world.clock.advance(0)
        self.assertEqual((world.socket.received, world.socket.calls), (b"frame" * 10, 1))
        self.assertEqual(world.transport.reactor.writers, set())

    def test_bounded(self) -> None:
        """
        A turn that writes much sends before its end, and copies little at a time.
        """
        world = World()
        for _ in range(100):
            world.writer.write(b"x" * 10_000)
        self.assertGreater(len(world.socket.received), 900_000)
        self.assertLess(world.socket.calls, 20)

    def test_grows(self) -> None:
        """
        A connection with earlier bytes counts as congested after a turn in which its bytes were not
        taken.
        """
        world = World(untouched=False)
        world.socket.room = 0
        world.writer.write(b"one")
        world.end()
        self.assertEqual(world.told, [])
        world.writer.write(b"two")
        world.end()
        self.assertEqual(world.told, ["congested"])
        world.settle()
        self.assertEqual((world.told[1:], world.socket.received), (["drained"], b"onetwo"))

    def test_otherwise(self) -> None:
        """
        The writer passes other calls to the transport.
        """
        self.assertIsNone(World().below.getPeer())


class EndTests(SynchronousTestCase):
    """
    How a connection ends.
    """

    def test_broken(self) -> None:
        """
        A socket that fails ends its connection as in Twisted.
        """
        world = World()
        world.socket.room = None
        world.writer.write(b"x")
        world.clock.advance(0)
        self.assertFalse(world.transport.lost)
        world.transport.turn()
        self.assertTrue(world.transport.lost)
        world.writer.write(b"y")
        world.end()

    def test_lose(self) -> None:
        """
        A closed connection first sends all bytes, also those that the socket does not take at once.
        """
        for room in (0, 3, 1000):
            world = World()
            world.socket.room = room
            world.writer.write(b"a frame")
            if room == 3:
                world.end()
            world.writer.write(b" and a close")
            world.writer.unregisterProducer()
            world.writer.loseConnection()
            world.end()
            self.assertEqual(world.transport.lost, room == 1000)
            world.settle()
            self.assertEqual(world.socket.received, b"a frame and a close")
            self.assertTrue(world.transport.lost)

    def test_abort(self) -> None:
        """
        A dropped connection sends no more bytes.
        """
        world = World()
        world.writer.write(b"x")
        world.writer.abortConnection()
        world.settle()
        self.assertEqual((world.socket.received, world.transport.lost), (b"", True))

    def test_fault(self) -> None:
        """
        A listener that fails does not affect the writes of other connections.
        """
        world, other = World(), World()
        other.writer = Writer(world.turn, other.below)
        world.congested = lambda: 1 / 0  # type: ignore[method-assign, assignment, return-value]
        world.socket.room = 0
        world.writer.write(b"x")
        other.writer.write(b"y")
        world.clock.advance(0)
        self.assertEqual(other.socket.received, b"y")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class TLSTests(SynchronousTestCase):
    """
    A writer above Twisted's TLS, and one below it.
    """

    def setUp(self) -> None:
        directory = Path(self.mktemp())
        directory.mkdir()
        Authority("Test CA").renew(directory)
        tls = ReloadableTLS(CertificateFiles(directory / "key.pem", directory / "cert.pem"))
        self.factory = TLSServerFactory(tls, False, Factory.forProtocol(Protocol), Clock())

    def connected(self, world: World) -> tuple[TLSMemoryBIOProtocol, SSL.Connection]:
        """
        Make a connection's writer one over TLS.

        @return: The server's side, and the client's.
        """
        server: Any = self.factory.buildProtocol(None)  # type: ignore[arg-type]
        server.makeConnection(world.transport)
        client = SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD), None)
        client.set_connect_state()
        for _ in range(3):
            with contextlib.suppress(SSL.WantReadError):
                client.do_handshake()
            self.take(client, world)
            with contextlib.suppress(SSL.WantReadError):
                server.dataReceived(client.bio_read(65536))
        server.transport = world.below
        world.writer = Writer(world.turn, server)
        return server, client

    def take(self, client: SSL.Connection, world: World) -> bytes:
        """Have the client read what the socket took."""
        world.transport.turn()
        if world.socket.received:
            client.bio_write(world.socket.received)
            world.socket.received = b""
        read = b""
        while True:
            try:
                read += client.recv(65536)
            except (SSL.WantReadError, SSL.ZeroReturnError):
                return read

    @settings(deadline=None, max_examples=40)
    @given(_STEPS)
    def test_order(self, steps: list[tuple[str, int]]) -> None:
        """
        Every byte arrives, once and in order, also after the daemon's side of TLS wrote
        something of its own.
        """
        world = World(untouched=False)
        _, client = self.connected(world)
        written = read = b""
        for number, (step, size) in enumerate(steps):
            if step == "write":
                written += (data := bytes([number]) * size)
                world.writer.write(data)
            elif step == "room":
                world.socket.room = size
            elif step == "end":
                world.end()
            else:
                read += self.take(client, world)
        world.settle()
        read += self.take(client, world)
        self.assertEqual(read, written)
        self.assertEqual(world.told, ["congested", "drained"] * (len(world.told) // 2))

    def test_gathered(self) -> None:
        """
        The frames of a turn become one record, and one call.
        """
        world = World(untouched=False)
        _, client = self.connected(world)
        world.writer.write(b"the first goes the long way")
        world.end()
        self.take(client, world)
        world.socket.calls = 0
        for _ in range(100):
            world.writer.write(b"frame")
        world.clock.advance(0)
        self.assertEqual(world.socket.calls, 1)
        self.assertLess(len(world.socket.received), 600)
        self.assertEqual(self.take(client, world), b"frame" * 100)

    def test_lose(self) -> None:
        """
        A connection that is closed sends everything first, and TLS's own good-bye.
        """
        world = World(untouched=False)
        server, client = self.connected(world)
        world.socket.room = 0
        world.writer.write(b"a frame")
        world.end()
        world.writer.write(b" and a close")
        world.writer.loseConnection()
        world.settle()
        self.assertEqual(self.take(client, world), b"a frame and a close")
        self.assertTrue(client.get_shutdown() & SSL.RECEIVED_SHUTDOWN)
        client.shutdown()
        server.dataReceived(client.bio_read(65536))
        world.settle()
        self.assertTrue(world.transport.lost)
