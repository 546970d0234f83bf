"""
Tests for L{aerostack.client.transport}.
"""

from __future__ import annotations

import json
from base64 import b64encode
from hashlib import sha1
from typing import Any

from twisted.internet.defer import fail
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.testing import EventLoggingObserver, MemoryReactorClock, StringTransport
from twisted.logger import globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from aerostack.client.address import Address
from aerostack.client.closing import Closing
from aerostack.client.interfaces import ITransport, ITransportUser
from aerostack.client.transport import LARGEST_HEAD, WebSocketTransport, clientEndpoint, webSockets

ADDRESS = Address("ws+unix:///nowhere/rt.sock", "p", "ann", "pk_secret", "tok_secret")


class Transport(StringTransport):
    """
    A TCP transport that does not fail when no producer is unregistered, as a real one.
    """

    def unregisterProducer(self) -> None:
        pass


@implementer(ITransportUser)
class User:
    """
    A user that records its calls.
    """

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.closings: list[Closing] = []
        self.bytes = 0

    def opened(self) -> None:
        self.told.append("opened")

    def heard(self) -> None:
        self.bytes += 1

    def received(self, payload: bytes) -> None:
        self.told.append(payload)

    def closeStarted(self) -> None:
        self.told.append("closeStarted")

    def closed(self, closing: Closing) -> None:
        self.told.append("closed")
        self.closings.append(closing)


class TransportTestCase(SynchronousTestCase):
    """
    A transport whose other end is the test.
    """

    def setUp(self) -> None:
        self.reactor: Any = MemoryReactorClock()
        self.user = User()
        endpoint = clientEndpoint(self.reactor, ADDRESS)
        self.transport = webSockets(self.reactor, endpoint)(ADDRESS, self.user)
        self.transport.open()

    def connect(self) -> None:
        """
        Let the client connect.
        """
        _, factory, *_ = self.reactor.unixClients[-1]
        self.protocol = factory.buildProtocol(None)
        self.tcp = Transport()
        self.protocol.makeConnection(self.tcp)
        self.request = self.tcp.value()
        self.tcp.clear()

    def answer(self, *more: bytes) -> None:
        """
        Let the daemon accept the client.
        """
        self.connect()
        key = self.request.partition(b"Sec-WebSocket-Key: ")[2].partition(b"\r\n")[0]
        accept = b64encode(sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        head = (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\nSec-WebSocket-Protocol: aerostack-v1\r\n\r\n"
        )
        self.hear(head + b"".join(more))

    def hear(self, data: bytes) -> None:
        """
        Let the client receive bytes.
        """
        self.protocol.dataReceived(data)

    def lose(self, reason: Exception | None = None) -> Closing:
        """
        Break the TCP connection.
        """
        self.protocol.connectionLost(Failure(reason or ConnectionDone()))
        (closing,) = self.user.closings
        self.assertEqual(self.user.told[-1], "closed")
        return closing


class OpeningTests(TransportTestCase):
    """
    Tests for the opening.
    """

    def test_interfaces(self) -> None:
        """
        A WebSocket transport provides the interface that a connection uses.
        """
        verifyObject(ITransport, self.transport)
        verifyObject(ITransportUser, self.user)

    def test_request(self) -> None:
        """
        The URL has the project and the user; the subprotocols have the credentials.
        """
        self.connect()
        self.assertIn(b"GET /api/realtime?projectId=p&userId=ann HTTP/1.1\r\n", self.request)
        self.assertIn(
            b"Sec-WebSocket-Protocol:"
            b" aerostack-key.pk_secret,aerostack-token.tok_secret,aerostack-v1\r\n",
            self.request.replace(b", ", b","),
        )

    def test_opened(self) -> None:
        """
        The transport is open when the daemon has answered, and frames right behind the answer are
        received.
        """
        self.answer(b"\x81\x02{}")
        self.assertEqual(self.user.told, ["opened", b"{}"])

    def test_refused(self) -> None:
        """
        A refusal gives its reason, in however many pieces it comes.
        """
        body = json.dumps({"error": "overloaded", "message": "Later.", "retryAfter": 7500})
        answer = (
            b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: %d\r\n\r\n" % len(body)
        ) + body.encode()
        self.connect()
        for n in range(len(answer) - 1):
            self.hear(answer[n : n + 1])
        self.assertFalse(self.tcp.disconnecting)
        self.hear(answer[-1:])
        self.assertTrue(self.tcp.disconnected)
        closing = self.lose()
        self.assertEqual(
            (closing.error.code, closing.error.message, closing.delay),
            ("overloaded", "Later.", 7.5),
        )
        self.assertEqual(self.user.told, ["closed"])

    def test_refusedAndCut(self) -> None:
        """
        A refusal that is cut off is still a refusal.
        """
        self.connect()
        self.hear(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 99\r\n\r\n{")
        self.assertTrue(self.lose().token)

    def test_refusedWithoutBody(self) -> None:
        """
        A refusal without a body is still a refusal.
        """
        self.connect()
        self.hear(b"HTTP/1.1 429 Too Many\r\nRetry-After: 3\r\n\r\n")
        self.assertTrue(self.tcp.disconnected)
        self.assertEqual(self.lose().delay, 3.0)

    def test_nonsense(self) -> None:
        """
        An answer of another server is shown in the error.
        """
        for said in (
            b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
            b"\xff\xfe\xfd\r\n\r\n",
            b"220 mail.example.com ESMTP\r\n\r\n",
            b"HTTP/1.1\r\n\r\n",
            b"HTTP/1.1 abc\r\n\r\n",
            b"HTTP/1.1 101 Yes\r\n\r\n",
            b"HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: guessed\r\n\r\n",
            b"x" * (LARGEST_HEAD + 1),
        ):
            self.setUp()
            self.connect()
            self.hear(said)
            self.assertTrue(self.tcp.disconnected, said[:80])
            closing = self.lose()
            self.assertEqual((closing.error.code, closing.again), ("bad_answer", True))
            self.assertIn(
                f"is no aerostack-rt daemon: {said[:3].decode('utf-8', 'replace')!r}"[:-1],
                str(closing),
            )
            self.assertEqual(self.user.told, ["closed"])

    def test_credentials(self) -> None:
        """
        No credential is logged or shown, even if the server picks a subprotocol that was not
        offered.
        """
        events = EventLoggingObserver.createWithCleanup(self, globalLogPublisher)
        self.connect()
        key = self.request.partition(b"Sec-WebSocket-Key: ")[2].partition(b"\r\n")[0]
        accept = b64encode(sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        self.hear(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\nSec-WebSocket-Protocol: other\r\n\r\n"
        )
        closing = self.lose()
        self.assertEqual(closing.error.code, "bad_answer")
        shown = str([*events, closing])
        self.assertNotIn("pk_secret", shown)
        self.assertNotIn("tok_secret", shown)

    def test_notThere(self) -> None:
        """
        Without a server the transport ends with the reason.
        """

        class Endpoint:
            def connect(self, factory: Any) -> Any:
                return fail(ConnectionLost("nobody home"))

        transport = WebSocketTransport(self.reactor, Endpoint(), ADDRESS, self.user)
        transport.open()
        (closing,) = self.user.closings
        self.assertEqual(closing.error.code, "unreachable")
        self.assertIn("/nowhere/rt.sock: ", closing.error.message)
        self.assertIn("nobody home", closing.error.message)

    def test_aborted(self) -> None:
        """
        An attempt that is aborted ends at once.
        """
        self.transport.abort()
        self.assertEqual(self.user.told, ["closed"])


class OpenTests(TransportTestCase):
    """
    Tests for an open transport.
    """

    def setUp(self) -> None:
        super().setUp()
        self.answer()
        self.tcp.clear()
        self.user.told = []

    def test_frames(self) -> None:
        """
        Messages go in both directions; those of the client are masked.
        """
        self.transport.send(b'{"type":"ping"}')
        self.assertEqual(self.tcp.value()[:2], bytes([0x81, 0x80 | 15]))
        self.hear(b"\x81\x02{}")
        self.assertEqual(self.user.told, [b"{}"])

    def test_heard(self) -> None:
        """
        The user hears of every byte, and a ping is answered.
        """
        before = self.user.bytes
        self.hear(b"\x89")
        self.hear(b"\x00")
        self.assertEqual(self.user.bytes, before + 2)
        self.assertEqual(self.tcp.value()[0], 0x8A)

    def test_daemonCloses(self) -> None:
        """
        A close frame is answered, and the user gets its code and reason.
        """
        reason = b"restarting; reconnect in 4711 ms"
        self.hear(bytes([0x88, 2 + len(reason)]) + (1001).to_bytes(2, "big") + reason)
        self.assertEqual(self.tcp.value()[0], 0x88)
        self.assertEqual(self.user.told, ["closeStarted"])
        closing = self.lose()
        self.assertEqual((closing.delay, closing.again), (4.711, True))

    def test_weClose(self) -> None:
        """
        The transport calls its user when the client sends a close frame.
        """
        self.transport.close(1000, "bye")
        self.assertEqual(self.user.told, ["closeStarted"])
        self.hear(b"\x88\x02\x03\xe8")
        self.lose()
        self.assertEqual(self.user.told, ["closeStarted", "closed"])

    def test_lost(self) -> None:
        """
        The transport calls its user when the connection breaks.
        """
        closing = self.lose(ConnectionLost())
        self.assertEqual((closing.error.code, closing.again), ("unreachable", True))
        self.assertIn("The connection to ws+unix:///nowhere/rt.sock is gone: ", str(closing))

    def test_violation(self) -> None:
        """
        A server that breaks the rules of WebSockets is no daemon, and gets no more bytes.
        """
        self.hear(b"\xff\xff")
        self.assertEqual(self.user.told, ["closeStarted"])
        self.assertTrue(self.tcp.disconnected)
        closing = self.lose()
        self.assertEqual(closing.error.code, "bad_answer")
        self.assertIn("does not speak as it should", closing.error.message)

    def test_ourFault(self) -> None:
        """
        An exception in the client itself is logged, and the connection stays.
        """

        def fail(payload: bytes) -> None:
            raise KeyError(payload)

        self.patch(self.user, "received", fail)
        self.hear(b"\x81\x02{}")
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)
        self.assertFalse(self.tcp.disconnected)
        self.assertEqual(self.user.told, [])

    def test_abort(self) -> None:
        """
        A transport can be aborted.
        """
        self.transport.abort()
        self.assertTrue(self.tcp.disconnected)

    def test_noTimers(self) -> None:
        """
        Autobahn sets no timers.
        """
        self.transport.close(1000, "bye")
        self.hear(b"\x88\x02\x03\xe8")
        for name in ("openHandshake", "closeHandshake", "serverConnectionDrop"):
            call = getattr(self.protocol._wrappedProtocol, f"{name}TimeoutCall")
            self.assertIsNone(call, name)


class EndpointTests(SynchronousTestCase):
    """
    Tests for L{clientEndpoint}.
    """

    def test_endpoints(self) -> None:
        """
        Each kind of address has its endpoint.
        """
        reactor = MemoryReactorClock()
        for url, name in (
            ("ws+unix:///rt.sock", "UNIXClientEndpoint"),
            ("ws://h:1", "HostnameEndpoint"),
            ("wss://h", "_WrapperEndpoint"),
        ):
            endpoint = clientEndpoint(reactor, Address(url))
            self.assertEqual(type(endpoint).__name__, name)
