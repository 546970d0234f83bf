"""
Tests for L{aerostack.net.websocket.writer} with TLS.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from OpenSSL import SSL
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.trial.unittest import SynchronousTestCase

from aerostack.net.endpoints import TLSServerFactory
from aerostack.net.tls import CertificateFiles, ReloadableTLS
from aerostack.net.websocket.writer import Writer
from tests.net.certificates import Authority
from tests.net.websocket.sockets import STEPS, World


class TLSTests(SynchronousTestCase):
    """
    A writer above Twisted's TLS, and one below it.
    """

    def setUp(self) -> None:
        directory = Path(self.mktemp())
        directory.mkdir()
        Authority("Test CA").renew(directory)
        tls = ReloadableTLS(CertificateFiles(directory / "key.pem", directory / "cert.pem"))
        self.factory = TLSServerFactory(Clock(), Factory.forProtocol(Protocol), tls)

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
        world.writer = Writer(world.turnEnd, server)
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
    @given(STEPS)
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
