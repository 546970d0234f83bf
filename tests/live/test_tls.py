"""
The daemon behind C{ssl:}, end to end.
"""

from __future__ import annotations

import os
import socket
import ssl
from base64 import b64encode

from OpenSSL.SSL import Error as SSLError
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, wrapClientTLS
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.ssl import Certificate, optionsForClientTLS, trustRootFromCertificates
from twisted.internet.threads import deferToThread

from aerostack.client.blocking import BlockingSDK
from aerostack.client.errors import ClientError
from aerostack.client.realtime import RealtimeClient
from aerostack.client.sdk import TwistedSDK
from aerostack.testing import PUBLIC_KEY, SECRET_KEY, readFrames
from tests.live.program import ProgramTests
from tests.live.wire import Wire, maskedFrame
from tests.net.certificates import Authority


class TLSProgramTests(ProgramTests):
    """
    Runs the daemon with a certificate for C{localhost}.

    @ivar authority: The certificate authority that signed it.
    @ivar serial: Its serial number.
    """

    def setUp(self) -> None:
        super().setUp()
        self.authority = Authority("Test CA")
        self.serial = self.authority.renew(self.directory)

    @property
    def listen(self) -> str:
        """The endpoint string of L{port}."""
        return f"ssl:{self.port}:interface=127.0.0.1:privateKey=key.pem:certKey=cert.pem"

    def secure(self, authority: Authority | None = None) -> IStreamClientEndpoint:
        """
        Return an endpoint for a client that verifies the certificate and its name.

        @param authority: The certificate authority that the client trusts, if not the right one.
        """
        root = Certificate.loadPEM((authority or self.authority).pem)
        return wrapClientTLS(
            optionsForClientTLS("localhost", trustRootFromCertificates([root])),
            TCP4ClientEndpoint(self.reactor, "127.0.0.1", self.port),
        )

    def serialOf(self, wire: Wire) -> int:
        """
        Return the serial number of the certificate that the server showed.
        """
        assert wire.transport is not None
        handle = wire.transport.getHandle()  # type: ignore[attr-defined]
        return int(handle.get_peer_certificate(as_cryptography=True).serial_number)


class RoundTripTests(TLSProgramTests):
    """
    Tests for C{wss://}, with verified certificates.
    """

    def setUp(self) -> None:
        super().setUp()
        self.config.write_text(self.configure())

    async def test_pubSub(self) -> None:
        """
        Events and table changes arrive as without TLS.
        """
        self.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
        await self.serve()
        watcher = await self.subscribed("orders", endpoint=self.secure())
        self.assertEqual(self.serialOf(watcher), self.serial)
        self.execute("INSERT INTO orders VALUES (7)")
        self.assertEqual((await watcher.frame())["data"], {"id": 7})
        chat = await self.subscribed("chat/a", endpoint=self.secure())
        # More than one TLS record.
        data = "x" * 100_000
        chat.tell({"type": "publish", "topic": "chat/a", "event": "e", "data": data})
        self.assertEqual((await chat.frame())["data"], data)

    async def test_closed(self) -> None:
        """
        A daemon that stops closes these clients with 1001 too.
        """
        daemon = await self.serve()
        wire = await self.client(endpoint=self.secure())
        daemon.signal("TERM")
        await wire.lost
        self.assertEqual((wire.closeCode, await daemon.ended), (1001, 0))

    async def test_otherAuthority(self) -> None:
        """
        A client that does not trust the certificate authority does not connect.
        """
        await self.serve()
        stranger = self.secure(Authority("Other CA"))
        # The pending call fails with the error that ended the connection.
        failing = Deferred.fromCoroutine(self.client(endpoint=stranger))
        await self.assertFailure(failing, SSLError, ConnectionResetError)

    async def test_noTLS(self) -> None:
        """
        A client that sends plain HTTP to the port gets no answer.
        """
        await self.serve()
        wire = await self.wire()
        wire.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await wire.lost
        self.assertEqual(wire.headers, {})

    async def test_ssl(self) -> None:
        """
        The standard library's TLS, which verifies the name and the chain, opens a WebSocket.
        """
        await self.serve()
        version, answer, pong = await deferToThread(self._converse)
        self.assertEqual(version, "TLSv1.3")
        self.assertTrue(answer.startswith(b"HTTP/1.1 101 "), answer)
        self.assertEqual(readFrames(pong), [{"type": "pong"}])

    def _converse(self) -> tuple[str | None, bytes, bytes]:
        context = ssl.create_default_context(cadata=self.authority.pem.decode())
        with (
            socket.create_connection(("127.0.0.1", self.port), timeout=60) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as secure,
        ):
            secure.sendall(
                b"GET /api/realtime?projectId=p HTTP/1.1\r\nHost: localhost\r\n"
                b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                b"Sec-WebSocket-Key: " + b64encode(bytes(16)) + b"\r\n"
                b"Sec-WebSocket-Protocol: aerostack-key." + PUBLIC_KEY.encode() + b"\r\n\r\n"
            )
            answer = b""
            while not answer.endswith(b"\r\n\r\n"):
                answer += secure.recv(65536)
            secure.sendall(maskedFrame(b'{"type":"ping"}'))
            return secure.version(), answer, secure.recv(65536)


class ClientTests(TLSProgramTests):
    """
    The Python client, which trusts the certificate authorities of the machine.
    """

    def believe(self, authority: Authority) -> None:
        """
        Make the machine trust one certificate authority only.
        """
        path = self.directory / "believed.pem"
        path.write_bytes(authority.pem)
        before = os.environ.get("SSL_CERT_FILE")

        def restore() -> None:
            os.environ.pop("SSL_CERT_FILE")
            if before is not None:
                os.environ["SSL_CERT_FILE"] = before

        self.addCleanup(restore)
        os.environ["SSL_CERT_FILE"] = str(path)

    async def client(self) -> RealtimeClient:  # type: ignore[override]
        """
        Start the daemon and a client.
        """
        await self.serve(self.configure())
        url = f"wss://localhost:{self.port}"
        client = RealtimeClient(
            self.reactor, url, projectId="p", apiKey=PUBLIC_KEY, maxReconnectAttempts=0
        )
        self.addCleanup(client.stopService)
        client.startService()
        return client

    async def test_believed(self) -> None:
        """
        The client connects if it trusts the authority that signed the certificate.
        """
        self.believe(self.authority)
        client = await self.client()
        channel = client.channel("chat/a")
        await channel.subscribe()
        await channel.publish("e", persist=True)
        self.assertEqual([message["event"] for message in await channel.getHistory()], ["e"])

    async def test_notBelieved(self) -> None:
        """
        The client does not connect otherwise, and says why.
        """
        self.believe(Authority("Other CA"))
        client = await self.client()
        error = await self.assertFailure(client.channel("chat/a").subscribe(), ClientError)
        self.assertEqual(error.code, "tls_failed")
        self.assertIn("certificate verify failed", error.message)
        url = f"https://localhost:{self.port}"
        sdk = TwistedSDK(self.reactor, url, SECRET_KEY, timeout=60.0)
        refused = await self.assertFailure(sdk.socket.emit("e", 1, "chat/a"), ClientError)
        self.assertEqual(refused.code, "tls_failed")

    async def test_blocking(self) -> None:
        """
        The blocking SDK trusts the same authorities.
        """
        self.believe(self.authority)
        await self.serve(self.configure())
        url = f"https://localhost:{self.port}"

        def ask() -> object:
            with BlockingSDK(url, SECRET_KEY, timeout=60.0) as sdk:
                return sdk.socket.emit("e", 1, "chat/a")

        self.assertEqual(await deferToThread(ask), {"success": True})
        self.believe(Authority("Other CA"))

        def fail() -> ClientError:
            with BlockingSDK(url, SECRET_KEY, timeout=60.0) as sdk:
                return self.assertRaises(ClientError, sdk.socket.emit, "e", 1, "chat/a")

        error = await deferToThread(fail)
        self.assertEqual(error.code, "tls_failed")
        self.assertIn("unable to get local issuer", error.message)
