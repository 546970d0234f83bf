"""
Tests for L{aerostack.client.aio.network}.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError, ConnectingCancelledError, ConnectionDone
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from aerostack.client.address import Address
from aerostack.client.aio.clock import settle
from aerostack.client.aio.network import LoopEndpoint
from tests.client.aio.loops import LoopTestCase, until
from tests.net import socketPath
from tests.net.certificates import Authority


class Peer(Protocol):
    """
    Notes what comes.
    """

    def __init__(self) -> None:
        self.got = b""
        self.end: Failure | None = None

    def dataReceived(self, data: bytes) -> None:
        self.got += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.end = reason


async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """
    Greet, answer each line with itself, and close after the line C{bye}.
    """
    writer.write(b"hello\n")
    # A client may abort the connection.
    with contextlib.suppress(ConnectionError):
        async for line in reader:
            writer.write(line)
            if line == b"bye\n":
                break
    writer.close()


class LoopEndpointTests(LoopTestCase):
    """
    Tests for L{LoopEndpoint}.
    """

    async def talk(self, address: Address, context: ssl.SSLContext | None = None) -> None:
        """
        Connect, and say something.
        """
        peer: Any = await settle(LoopEndpoint(address, context).connect(Factory.forProtocol(Peer)))
        await until(lambda: peer.got == b"hello\n")
        peer.transport.writeSequence([b"by", b"e\n"])
        await until(lambda: peer.end is not None)
        self.assertEqual(peer.got, b"hello\nbye\n")
        self.assertIs(peer.end.type, ConnectionDone)
        peer.transport.write(b"too late")
        peer.transport.loseConnection()

    def test_tcp(self) -> None:
        """
        Bytes go both ways over TCP, also those that come at once.
        """

        async def story() -> None:
            async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
                port = server.sockets[0].getsockname()[1]
                await self.talk(Address(f"ws://127.0.0.1:{port}"))

        self.run_(story())

    def test_unix(self) -> None:
        """
        Bytes go both ways over a Unix socket.
        """

        async def story() -> None:
            path = socketPath()
            async with await asyncio.start_unix_server(greet, path):
                await self.talk(Address(f"ws+unix://{path}"))

        self.run_(story())

    def test_tls(self) -> None:
        """
        A certificate of an authority that the context trusts is accepted, and no other.
        """
        directory = Path(self.mktemp())
        directory.mkdir()
        authority = Authority("Test CA")
        authority.renew(directory)
        serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        serving.load_cert_chain(directory / "cert.pem", directory / "key.pem")
        trusting = ssl.create_default_context(cadata=authority.pem.decode())

        async def story() -> None:
            async with await asyncio.start_server(greet, "127.0.0.1", 0, ssl=serving) as server:
                address = Address(f"wss://localhost:{server.sockets[0].getsockname()[1]}")
                await self.talk(address, trusting)
                with self.assertRaises(ssl.SSLCertVerificationError):
                    await self.talk(address)
                # The server's attempt ends, too.
                await until(lambda: len(asyncio.all_tasks()) == 1)

        self.run_(story())

    def test_aborted(self) -> None:
        """
        A connection that is aborted ends at once.
        """

        async def story() -> None:
            async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
                address = Address(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}")
                endpoint = LoopEndpoint(address, None)
                peer: Any = await settle(endpoint.connect(Factory.forProtocol(Peer)))
                peer.transport.abortConnection()
                await until(lambda: peer.end is not None)

        self.run_(story())

    def test_unreachable(self) -> None:
        """
        An attempt fails where nothing listens, and when it is cancelled.
        """

        async def story() -> None:
            server = await asyncio.start_server(greet, "127.0.0.1", 0)
            address = Address(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}")
            server.close()
            await server.wait_closed()
            endpoint = LoopEndpoint(address, None)
            with self.assertRaisesRegex(ConnectError, "refused"):
                await settle(endpoint.connect(Factory.forProtocol(Peer)))
            ends: list[Any] = []
            attempt: Deferred[Any] = endpoint.connect(Factory.forProtocol(Peer))
            attempt.addErrback(ends.append)
            await asyncio.sleep(0)
            attempt.cancel()
            await asyncio.sleep(0)
            self.assertEqual(len(ends), 1)
            self.assertNotIsInstance(ends[0].value, ConnectError)

        self.run_(story())

    def test_cancelledLoop(self) -> None:
        """
        An attempt that the end of the event loop cancels fails.
        """
        ends: list[Any] = []

        async def story() -> None:
            endpoint = LoopEndpoint(Address("ws://192.0.2.1"), None)
            endpoint.connect(Factory.forProtocol(Peer)).addErrback(ends.append)
            await asyncio.sleep(0)

        asyncio.run(story())
        self.assertEqual([each.type for each in ends], [ConnectingCancelledError])
