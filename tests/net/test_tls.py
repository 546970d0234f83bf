"""
Tests of L{aerostack.net.tls}: real certificates, real handshakes over loopback.
"""

from __future__ import annotations

import socket
import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from autobahn.twisted.websocket import (
    WebSocketClientFactory,
    WebSocketClientProtocol,
    WebSocketServerFactory,
    WebSocketServerProtocol,
)
from cryptography.hazmat.primitives.asymmetric import ec, rsa, x25519
from OpenSSL import SSL
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, wrapClientTLS
from twisted.internet.protocol import Factory
from twisted.internet.threads import deferToThread
from twisted.logger import globalLogPublisher
from twisted.protocols.wire import Echo
from twisted.trial.unittest import SynchronousTestCase, TestCase

from aerostack.net.endpoints import Listener, serverEndpoint
from aerostack.net.tls import CertificateFiles, ReloadableTLS, TLSError
from tests.net.certificates import Authority, ClientTLS, Conversation, keyPEM


class FilesTests(SynchronousTestCase):
    """
    What is read from the files, and what is said of files that cannot be served.
    """

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        self.authority = Authority("Test CA")
        self.serial = self.authority.renew(self.directory)
        self.key = self.directory / "key.pem"
        self.certificate = self.directory / "cert.pem"
        self.files = CertificateFiles(self.key, self.certificate)

    def refused(self, files: CertificateFiles | None = None) -> str:
        """
        @return: Why files are refused.
        """
        return str(self.assertRaises(TLSError, ReloadableTLS, files or self.files))

    def test_missing(self) -> None:
        """
        The message about a missing file names it.
        """
        for path in (self.key, self.certificate):
            content = path.read_bytes()
            path.unlink()
            self.assertIn(f"{path}: cannot be read", self.refused())
            path.write_bytes(content)

    def test_malformed(self) -> None:
        """
        The message about a file without PEM names it.
        """
        for path in (self.key, self.certificate):
            content = path.read_bytes()
            path.write_bytes(b"not PEM")
            self.assertIn(f"{path}: holds no PEM", self.refused())
            path.write_bytes(content)

    def test_chainMalformed(self) -> None:
        """
        The message about a chain file without a certificate names it.
        """
        chain = self.directory / "chain.pem"
        chain.write_bytes(b"")
        message = self.refused(CertificateFiles(self.key, self.certificate, chain))
        self.assertIn(f"{chain}: holds no PEM", message)

    def test_encrypted(self) -> None:
        """
        A key with a passphrase is refused, because no person is there to type it.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        self.key.write_bytes(keyPEM(key, b"passphrase"))
        self.assertIn(f"{self.key}: the key is encrypted", self.refused())

    def test_mismatch(self) -> None:
        """A certificate that belongs to another key is refused, and both files named."""
        self.key.write_bytes(keyPEM(ec.generate_private_key(ec.SECP256R1())))
        message = self.refused()
        self.assertIn(f"{self.certificate}: the first certificate does not belong", message)
        self.assertIn(str(self.key), message)

    def test_kind(self) -> None:
        """
        A key of a type that a server cannot use is refused.
        """
        self.key.write_bytes(keyPEM(x25519.X25519PrivateKey.generate()))
        self.assertIn(f"{self.key}: a key of this kind", self.refused())

    def test_weak(self) -> None:
        """A key that OpenSSL finds too small is refused with OpenSSL's reason."""
        key = rsa.generate_private_key(65537, 1024)
        self.key.write_bytes(keyPEM(key))
        self.certificate.write_bytes(self.authority.issue(key))
        message = self.refused()
        self.assertIn(f"{self.certificate}: OpenSSL refuses it", message)
        self.assertIn("key too small", message)

    def test_oneFile(self) -> None:
        """Key and certificate may be in one file, in either order."""
        both = self.directory / "both.pem"
        key, certificate = self.key.read_bytes(), self.certificate.read_bytes()
        for content in (key + certificate, certificate + key):
            both.write_bytes(content)
            tls = ReloadableTLS(CertificateFiles(both, both))
            self.assertEqual(tls.expires, ReloadableTLS(self.files).expires)

    def test_expires(self) -> None:
        """When the certificate ends is known, before and after a reload."""
        tls = ReloadableTLS(self.files)
        for days in (30, 60):
            self.authority.renew(self.directory, days=(-1, days))
            tls.reload()
            left = tls.expires - datetime.now(UTC)
            self.assertEqual(round(left / timedelta(days=1)), days)

    def test_untimelyAtStart(self) -> None:
        """
        A certificate that is expired or not yet valid is served at the start, with a warning.
        """
        events: list = []
        globalLogPublisher.addObserver(events.append)
        self.addCleanup(globalLogPublisher.removeObserver, events.append)
        for days, words in (((-9, -1), "expired at"), ((1, 9), "is not valid before")):
            self.authority.renew(self.directory, days)
            ReloadableTLS(self.files)
            problem = events[-1]["problem"]
            self.assertIn(f"{self.certificate}: the certificate {words}", problem)

    def test_untimelyAtReload(self) -> None:
        """
        A certificate that is expired or not yet valid is refused at a reload.
        """
        tls = ReloadableTLS(self.files)
        expires = tls.expires
        for days, words in (((-9, -1), "expired at"), ((1, 9), "is not valid before")):
            self.authority.renew(self.directory, days)
            message = str(self.assertRaises(TLSError, tls.reload))
            self.assertIn(f"{self.certificate}: the certificate {words}", message)
            self.assertEqual(tls.expires, expires)

    def test_taken(self) -> None:
        """
        What one process has read, another serves, also when the files are gone.
        """
        tls = ReloadableTLS(self.files)
        first = tls.pem
        self.authority.renew(self.directory, days=(-1, 60))
        tls.reload()
        self.key.unlink()
        self.certificate.unlink()
        other = ReloadableTLS(self.files, pem=first)
        self.assertNotEqual(other.expires, tls.expires)
        other.take(tls.pem)
        self.assertEqual(other.expires, tls.expires)
        broken = replace(first, certificate=b"half a certif")
        self.assertIn("holds no PEM", str(self.assertRaises(TLSError, other.take, broken)))
        self.assertEqual(other.expires, tls.expires)

    def test_clock(self) -> None:
        """
        The certificate's time is compared with the given clock.
        """
        later = datetime.now(UTC) + timedelta(days=31)
        tls = ReloadableTLS(self.files, later.timestamp)
        self.assertIn("expired", str(self.assertRaises(TLSError, tls.reload)))


class HandshakeTests(TestCase):
    """
    Connections to a listening C{ssl:} endpoint that echoes.
    """

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        self.authority = Authority("Test CA")
        self.serial = self.authority.renew(self.directory)

    async def listen(self, factory=None, more: str = "") -> Listener:
        """
        Listen on a free port, which becomes C{self.port}.
        """
        listener = serverEndpoint(
            reactor,
            f"ssl:0:interface=127.0.0.1:privateKey=key.pem:certKey=cert.pem{more}",
            self.directory,
        )
        port = await listener.endpoint.listen(factory or Factory.forProtocol(Echo))
        self.addCleanup(port.stopListening)
        self.port = port.getHost().port
        return listener

    async def connect(self, tls: ClientTLS | None = None, plain: bool = False) -> Conversation:
        """
        Connect to C{self.port}.
        """
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", self.port)
        if not plain:
            endpoint = wrapClientTLS(tls or ClientTLS(self.authority), endpoint)
        conversation = await endpoint.connect(Factory.forProtocol(Conversation))
        self.addCleanup(self.drop, conversation)
        return conversation

    async def drop(self, conversation: Conversation) -> None:
        """
        Leave no connection behind.
        """
        if not conversation.lost.called:
            conversation.transport.abortConnection()
            await conversation.lost

    async def test_versions(self) -> None:
        """
        The server speaks TLS 1.2 and TLS 1.3.
        """
        await self.listen()
        for version, name in ((SSL.TLS1_2_VERSION, "TLSv1.2"), (SSL.TLS1_3_VERSION, "TLSv1.3")):
            tls = ClientTLS(self.authority)
            tls.context.set_min_proto_version(version)
            tls.context.set_max_proto_version(version)
            client = await self.connect(tls)
            self.assertEqual(await client.echo(b"hello"), b"hello")
            self.assertEqual(client.transport.getHandle().get_protocol_version_name(), name)
            await client.end()

    async def test_oldVersion(self) -> None:
        """A client of TLS 1.1 gets the alert that its version is too old."""
        await self.listen()
        tls = ClientTLS(self.authority)
        tls.context.set_min_proto_version(SSL.TLS1_1_VERSION)
        tls.context.set_max_proto_version(SSL.TLS1_1_VERSION)
        tls.context.set_cipher_list(b"DEFAULT:@SECLEVEL=0")
        client = await self.connect(tls)
        self.assertIn("alert protocol version", str(await client.lost))

    async def test_plainHTTP(self) -> None:
        """Plain HTTP on the TLS port ends that connection and harms no other."""
        await self.listen()
        good = await self.connect()
        await good.echo(b"before")
        bad = await self.connect(plain=True)
        bad.transport.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await bad.lost
        self.assertEqual(await good.echo(b"after"), b"after")
        another = await self.connect()
        self.assertEqual(await another.echo(b"hello"), b"hello")

    async def test_alpn(self) -> None:
        """
        The server agrees on HTTP/1.1 and on no other protocol.
        """
        await self.listen()
        cases = (([b"h2", b"http/1.1"], b"http/1.1"), ([b"h2"], b""), ([], b""))
        for offered, chosen in cases:
            tls = ClientTLS(self.authority)
            tls.alpn = offered
            client = await self.connect(tls)
            await client.echo(b"hello")
            self.assertEqual(client.transport.getHandle().get_alpn_proto_negotiated(), chosen)
            await client.end()

    async def test_chain(self) -> None:
        """The chain reaches a client that knows only its root, from either file."""
        middle = Authority("Intermediate", self.authority)
        middle.renew(self.directory)
        leaf = (self.directory / "cert.pem").read_bytes()
        (self.directory / "chain.pem").write_bytes(middle.pem)
        for content, more in ((leaf + middle.pem, ""), (leaf, ":extraCertChain=chain.pem")):
            (self.directory / "cert.pem").write_bytes(content)
            await self.listen(more=more)
            client = await self.connect()
            self.assertEqual(await client.echo(b"hello"), b"hello")
            await client.end()

    async def test_reload(self) -> None:
        """A reload serves the renewed certificate while an open connection goes on."""
        listener = await self.listen()
        old = await self.connect()
        await old.echo(b"before")
        renewed = self.authority.renew(self.directory)
        listener.tls.reload()
        self.assertEqual(await old.echo(b"after"), b"after")
        new = await self.connect()
        self.assertEqual(await new.echo(b"hello"), b"hello")
        self.assertEqual((old.serial, new.serial), (self.serial, renewed))
        self.assertEqual(await old.echo(b"still"), b"still")

    async def test_badRenewal(self) -> None:
        """
        After a renewal that cannot be served, the old certificate is still served.
        """
        listener = await self.listen()
        (self.directory / "cert.pem").write_bytes(b"half a renew")
        self.assertRaises(TLSError, listener.tls.reload)
        client = await self.connect()
        await client.echo(b"hello")
        self.assertEqual(client.serial, self.serial)

    async def test_oldCipher(self) -> None:
        """A client of TLS 1.2 without an authenticated cipher is refused."""
        await self.listen()
        tls = ClientTLS(self.authority)
        tls.context.set_max_proto_version(SSL.TLS1_2_VERSION)
        tls.context.set_cipher_list(b"ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0")
        client = await self.connect(tls)
        self.assertIn("alert handshake failure", str(await client.lost))

    async def test_suites(self) -> None:
        """
        With TLS 1.3 the server chooses the suite with SHA-256 for a client that prefers another
        one, and takes the others from clients that offer only those.
        """
        await self.listen()
        first, second, third = (
            b"TLS_AES_256_GCM_SHA384",
            b"TLS_CHACHA20_POLY1305_SHA256",
            b"TLS_AES_128_GCM_SHA256",
        )
        cases = ((first, second, third), third), ((first,), first), ((second,), second)
        for offered, chosen in cases:
            tls = ClientTLS(self.authority)
            tls.context.set_min_proto_version(SSL.TLS1_3_VERSION)
            tls.context.set_tls13_ciphersuites(b":".join(offered))
            client = await self.connect(tls)
            self.assertEqual(await client.echo(b"hello"), b"hello")
            self.assertEqual(client.transport.getHandle().get_cipher_name(), chosen.decode())
            await client.end()

    async def test_noResumption(self) -> None:
        """A client that kept its session gets a full handshake all the same."""
        await self.listen()

        def visit(context: ssl.SSLContext, session: ssl.SSLSession | None):
            plain = socket.create_connection(("127.0.0.1", self.port))
            with context.wrap_socket(
                plain, server_hostname="localhost", session=session
            ) as visitor:
                visitor.sendall(b"hello")
                # TLS 1.3 hands its tickets out with the first data.
                self.assertEqual(visitor.recv(5), b"hello")
                return visitor.session, visitor.session_reused

        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = ssl.create_default_context(cadata=self.authority.pem.decode())
            context.maximum_version = version
            session, _ = await deferToThread(visit, context, None)
            _, reused = await deferToThread(visit, context, session)
            self.assertFalse(reused)

    async def test_webSocket(self) -> None:
        """A C{wss://} client opens, is echoed and closes cleanly."""
        echoed: Deferred[bytes] = Deferred()
        closed: Deferred[bool] = Deferred()

        class Server(WebSocketServerProtocol):
            def onMessage(self, payload: bytes, isBinary: bool) -> None:
                self.sendMessage(payload, isBinary)

        class Client(WebSocketClientProtocol):
            def onOpen(self) -> None:
                self.sendMessage("grüße".encode())

            def onMessage(self, payload: bytes, isBinary: bool) -> None:
                echoed.callback(payload)
                self.sendClose(1000)

            def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
                closed.callback(wasClean)

        server = WebSocketServerFactory(reactor=reactor)
        server.protocol = Server
        await self.listen(server)
        client = WebSocketClientFactory(f"wss://localhost:{self.port}", reactor=reactor)
        client.protocol = Client
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", self.port)
        tls = ClientTLS(self.authority)
        tls.alpn = [b"http/1.1"]
        await wrapClientTLS(tls, endpoint).connect(client)
        self.assertEqual((await echoed, await closed), ("grüße".encode(), True))
