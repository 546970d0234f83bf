"""
The memory of a connection, and its writes to a client that stops reading and continues.
"""

from __future__ import annotations

import gc
import socket
import ssl
from collections import deque
from pathlib import Path
from typing import Any

from twisted.internet.endpoints import (
    TCP4ClientEndpoint,
    UNIXClientEndpoint,
    wrapClientTLS,
)
from twisted.internet.ssl import Certificate, optionsForClientTLS, trustRootFromCertificates
from twisted.internet.tcp import Server
from twisted.internet.threads import deferToThread

from aerostack.net.endpoints import _TLSServer, serverEndpoint
from aerostack.net.http.requests import BoundedRequest
from aerostack.net.http.server import BoundedChannel
from aerostack.net.websocket.connection import Connection
from aerostack.sessions.session import Session
from tests.live.daemon import DaemonTests
from tests.live.hostile import OPENING
from tests.live.wire import PING, Wire, WireFactory, maskedFrame
from tests.net import socketPath
from tests.net.certificates import Authority


class SecurePort:
    """
    An address at which a daemon serves with TLS.
    """

    def __init__(self, reactor: Any, authority: Authority, port: int) -> None:
        self.authority = authority
        self.port = port
        self._reactor = reactor

    @classmethod
    async def open(cls, daemon: Any, reactor: Any, directory: Path) -> SecurePort:
        """
        Make a daemon listen with TLS as well.

        @param directory: Where the certificate is to be.
        """
        directory.mkdir()
        authority = Authority("Test CA")
        authority.renew(directory)
        listener = serverEndpoint(
            reactor, "ssl:0:interface=127.0.0.1:privateKey=key.pem:certKey=cert.pem", directory
        )
        daemon.listening.listen(listener)
        return cls(reactor, authority, daemon.listening.ports[-1].getHost().port)

    async def connect(self) -> Wire:
        """
        Connect with TLS.
        """
        root = trustRootFromCertificates([Certificate.loadPEM(self.authority.pem)])
        endpoint = wrapClientTLS(
            optionsForClientTLS("localhost", root),
            TCP4ClientEndpoint(self._reactor, "127.0.0.1", self.port),
        )
        return await endpoint.connect(WireFactory())  # type: ignore[return-value]


class HoldingTests(DaemonTests):
    """
    Tests for what the daemon holds for a connection.
    """

    def connections(self) -> list[Connection]:
        """Return the daemon's connection objects."""
        return list(self.front.connections._sessions)

    async def test_slim(self) -> None:
        """
        A connection has at most thirty attributes of its own, also after a message.  With more,
        CPython would give it a dictionary of its own.
        """
        wire = await self.subscribed("chat/a")
        wire.write(maskedFrame(b"x", PING))
        await wire.barrier()
        (connection,) = self.connections()
        self.assertLess(len(vars(connection)), 30, vars(connection))
        self.assertNotIn("utf8validator", vars(connection))

    async def test_shared(self) -> None:
        """
        A connection cannot change what Autobahn's connections share, because it is only plain
        values, unused counters, and a queue that stays empty.
        """
        wire = await self.subscribed("chat/a")
        await wire.barrier()
        (connection,) = self.connections()
        known = {"trafficStats", "factory", "utf8validator"}
        for name, value in vars(type(connection)).items():
            if name in known or name.startswith("__") or callable(value):
                continue
            if name == "send_queue":
                self.assertEqual(value, deque())
                continue
            if isinstance(value, list):
                # Options, which the factory holds; Autobahn shares them too.
                self.assertIs(value, getattr(connection.factory, name))
                continue
            self.assertIsInstance(value, int | str | bytes | None, name)

    async def test_freed(self) -> None:
        """
        After a WebSocket has ended, or a request was refused, its objects are freed without the
        garbage collector.
        """
        self.collectNothing()
        wire = await self.subscribed("chat/a")
        raw = await self.wire()
        raw.keepRaw()
        raw.write(b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        await raw.lost
        self.assertIn(b"404", raw.received)
        wire.drop()
        await wire.lost
        await self.freed()

    async def test_freedQuery(self) -> None:
        """
        After a statement has failed, its request is freed without the garbage collector.
        """
        status, _ = await self.rpc("db.query", "SELECT x FROM nothing")
        self.assertEqual(status, 400)
        self.collectNothing()
        await self.rpc("db.query", "SELECT x FROM nothing")
        await self.freed()

    async def test_freedTLS(self) -> None:
        """
        However a connection with TLS ends, its objects are freed without the garbage collector.
        """
        secure = await SecurePort.open(self.daemon, self.reactor, Path(self.mktemp()))
        self.collectNothing()
        for end in (Wire.closeCleanly, Wire.drop):
            wire = await secure.connect()
            self.wires.append(wire)
            await wire.upgrade("/api/realtime?projectId=p")
            end(wire)
            await wire.lost
        for request in (b"", b"GET / HTTP/1.0\r\n", b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n"):
            wire = await secure.connect()
            self.wires.append(wire)
            wire.keepRaw()
            wire.write(request)
            if request.endswith(b"\r\n\r\n"):
                await self.until(lambda wire=wire: wire.received)  # type: ignore[misc]
            wire.drop()
            await wire.lost
        bare = await self.wire()
        bare.write(b"this is not TLS")
        bare.drop()
        await bare.lost
        await self.freed()

    def collectNothing(self) -> None:
        """Have the garbage collector do nothing until the test ends."""
        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)
        # Other tests may have left some.
        self.before = self.held()

    def held(self) -> set[int]:
        """Name the objects of connections that are in memory."""
        kinds = Connection, BoundedRequest, BoundedChannel, Server, _TLSServer
        return {id(each) for each in gc.get_objects() if isinstance(each, kinds)}

    async def freed(self) -> None:
        """Wait until the daemon has nothing left of the connections that came since."""
        await self.until(lambda: self.held() <= self.before)

    async def test_noHTTP(self) -> None:
        """
        After the opening the daemon has freed the HTTP request, and it does not have a producer.
        """
        await self.subscribed("chat/a")
        (connection,) = self.connections()
        (transport,) = (
            reader
            for reader in self.reactor.getReaders()
            if getattr(reader, "protocol", None) is connection
        )
        self.assertIsNone(transport.producer)

    async def test_expecting(self) -> None:
        """
        An opening with C{Expect: 100-continue} gets the interim answer first.
        """
        wire = await self.wire()
        wire.keepRaw()
        wire.write(OPENING[:-2] + b"Expect: 100-continue\r\n\r\n" + maskedFrame(b"x", PING))
        while not wire.received.endswith(b"\x8a\x01x"):
            await self.sleep(0.01)
        self.assertTrue(wire.received.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 101 "))


class StallTests(DaemonTests):
    """
    Tests for a client that stops reading and continues.
    """

    # The test looks into sessions, and adds addresses while the daemon runs.
    workers = 1
    limits = {"outboxBytes": 64_000_000}  # noqa: RUF012

    async def setUp(self) -> None:  # type: ignore[override]
        await super().setUp()
        self.told: list[str] = []
        for name in ("congested", "drained"):
            self.patch(Session, name, self.noting(name, getattr(Session, name)))

    def noting(self, name: str, method: Any) -> Any:
        """Wrap a method of a session so that the test records its calls."""

        def called(session: Session) -> None:
            self.told.append(name)
            method(session)

        return called

    async def stall(self, client: Wire) -> None:
        """
        Stop reading while the test publishes much, and continue.
        """
        client.tell({"type": "subscribe", "topic": "chat/a"})
        await client.frame()
        assert client.transport is not None
        transport: Any = client.transport
        transport.pauseProducing()
        for n in range(100):
            await self.emit("e", {"n": n, "padding": "x" * 100_000}, "chat/a")
            if n % 10 == 0:
                client.write(maskedFrame(b"%d" % n, PING))
        while "congested" not in self.told:
            await self.sleep(0.01)
        transport.resumeProducing()
        frames = await client.frames(100)
        self.assertEqual([frame["data"]["n"] for frame in frames], list(range(100)))
        await client.barrier()
        self.assertEqual(client.pongs, [b"%d" % n for n in range(0, 100, 10)])
        self.assertEqual(self.told, ["congested", "drained"] * (len(self.told) // 2))

    async def test_plain(self) -> None:
        """
        The client gets every frame in order, and its session learns of each congestion.
        """
        client = await self.client()
        assert client.transport is not None
        handle = client.transport.getHandle()  # type: ignore[attr-defined]
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        await self.stall(client)

    async def test_unix(self) -> None:
        """
        The same holds over a Unix socket.
        """
        path = socketPath()
        listener = serverEndpoint(self.reactor, f"unix:{path}")
        self.daemon.listening.listen(listener)
        endpoint = UNIXClientEndpoint(self.reactor, str(path))
        client: Wire = await endpoint.connect(WireFactory())
        self.wires.append(client)
        await client.upgrade("/api/realtime?projectId=p")
        await self.stall(client)

    async def test_hasty(self) -> None:
        """
        A client may send its opening together with the end of the TLS handshake and another
        request; the records arrive in order.
        """
        secure = await SecurePort.open(self.daemon, self.reactor, Path(self.mktemp()))
        answer = await deferToThread(self._hasten, secure.authority, secure.port)
        self.assertTrue(answer.startswith(b"HTTP/1.1 200 "), answer)

    def _hasten(self, authority: Authority, port: int) -> bytes:
        context = ssl.create_default_context(cadata=authority.pem.decode())
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        secure = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
        with socket.create_connection(("127.0.0.1", port), timeout=60) as plain:
            while True:
                try:
                    secure.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    plain.sendall(outgoing.read())
                    incoming.write(plain.recv(65536))
            secure.write(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n" + OPENING)
            plain.sendall(outgoing.read())
            answer = b""
            while b"HTTP/1.1 101 " not in answer:
                try:
                    answer += secure.read()
                except ssl.SSLWantReadError:
                    came = plain.recv(65536)
                    if not came:
                        raise ConnectionResetError(answer) from None
                    incoming.write(came)
            return answer

    async def test_tls(self) -> None:
        """
        The same holds over TLS.
        """
        secure = await SecurePort.open(self.daemon, self.reactor, Path(self.mktemp()))
        client = await secure.connect()
        self.wires.append(client)
        await client.upgrade("/api/realtime?projectId=p")
        await self.stall(client)
