"""
Tests for L{aerostack.client.eventstream}.
"""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost, ConnectionRefusedError
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import ResponseDone
from twisted.web.http_headers import Headers
from twisted.web.iweb import UNKNOWN_LENGTH
from zope.interface.verify import verifyObject

from aerostack.client.address import Address
from aerostack.client.eventstream import LARGEST_REQUEST, MOST, eventStreams
from aerostack.client.interfaces import ITransport
from aerostack.client.realtime import RealtimeClient
from tests.client.test_transport import User

ADDRESS = Address("wss://h/rt", "p", "ann", "pk_secret", "tok_secret", "a session secret")


class Response:
    """
    An answer.

    @ivar reader: What reads its body.
    """

    length = UNKNOWN_LENGTH

    def __init__(self, code: int, body: bytes | None = None, **headers: str) -> None:
        self.code = code
        self.headers = Headers({name.replace("_", "-"): [v] for name, v in headers.items()})
        self.body = body
        self.reader: Any = None

    def deliverBody(self, reader: Any) -> None:
        """See L{IResponse.deliverBody}."""
        self.reader = reader
        reader.makeConnection(StringTransport())
        if self.body is not None:
            reader.dataReceived(self.body)
            reader.connectionLost(Failure(ResponseDone()))


class Agent:
    """
    Takes requests.

    @ivar requests: Their URIs, headers and bodies.
    @ivar answers: What fires with the answer of each of them.
    """

    def __init__(self) -> None:
        self.requests: list[tuple[str, Headers, bytes]] = []
        self.answers: list[Deferred[Any]] = []

    def request(self, method: bytes, uri: bytes, headers: Headers, body: Any) -> Deferred[Any]:
        """See L{IAgent.request}."""
        assert method == b"POST"
        consumer = StringTransport()
        body.startProducing(consumer)
        self.requests.append((uri.decode(), headers, consumer.value()))
        self.answers.append(Deferred())
        return self.answers[-1]


class TransportTests(SynchronousTestCase):
    """
    Tests for the transport.
    """

    def setUp(self) -> None:
        self.agent: Any = Agent()
        self.user = User()
        self.transport: Any = eventStreams(Clock(), Any, self.agent)(ADDRESS, self.user)
        self.transport.open()

    def accept(self) -> None:
        """
        Let the daemon accept the client.
        """
        self.response = Response(200)
        self.agent.answers[0].callback(self.response)
        self.say({"type": "session", "session": "c1.secret"})

    def say(self, frame: Any) -> None:
        """
        Let the daemon send a frame.
        """
        self.write(f"data: {json.dumps(frame, separators=(',', ':'))}\n\n".encode())

    def write(self, data: bytes) -> None:
        """
        Let the daemon write.
        """
        self.response.reader.dataReceived(data)

    def answer(self, code: int = 202, message: str = "") -> None:
        """
        Answer the newest request.
        """
        body = json.dumps({"error": "e", "message": message}).encode()
        self.agent.answers[-1].callback(Response(code, body))

    @property
    def sent(self) -> list[bytes]:
        """The bodies of the requests that bring frames."""
        return [body for _, _, body in self.agent.requests[1:]]

    def test_opening(self) -> None:
        """
        The credentials are in headers, and the user knows of the connection once the session has
        its name.
        """
        verifyObject(ITransport, self.transport)
        uri, headers, body = self.agent.requests[0]
        self.assertEqual(uri, "https://h/rt/api/realtime/sse?projectId=p&userId=ann&ids=0&pongs=1")
        self.assertEqual(body, b"")
        for name, value in (
            ("x-aerostack-key", "pk_secret"),
            ("authorization", "Bearer tok_secret"),
            ("x-aerostack-client", "a session secret"),
        ):
            self.assertEqual(headers.getRawHeaders(name), [value])
        self.assertEqual(self.user.told, [])
        self.accept()
        self.assertEqual(self.user.told, ["opened"])

    def test_received(self) -> None:
        """
        Frames come whole, whatever the pieces are in which their bytes come.
        """
        self.accept()
        for byte in 'id: 1\ndata: {"a":"ü"}\n\n:\n\n'.encode():
            self.write(bytes([byte]))
        self.assertEqual(self.user.told, ["opened", '{"a":"ü"}'.encode()])
        self.assertGreater(self.user.bytes, 20)

    def test_sent(self) -> None:
        """
        Frames go in their order, one request after the other, several in one.
        """
        self.accept()
        for frame in (b"1", b"2", b"3"):
            self.transport.send(frame)
        self.assertEqual(self.sent, [b"1"])
        uri, headers, _ = self.agent.requests[1]
        self.assertEqual(uri, "https://h/rt/api/realtime/send")
        self.assertEqual(headers.getRawHeaders("x-aerostack-session"), ["c1.secret"])
        self.answer()
        self.assertEqual(self.sent, [b"1", b"[2,3]"])
        self.answer()
        self.assertEqual(len(self.sent), 2)

    def test_bounded(self) -> None:
        """
        A request has a bounded number of frames and of bytes, but one frame at least.
        """
        self.accept()
        large = b"1" * LARGEST_REQUEST
        for frame in (b"0", *[b"1"] * (MOST + 1), large, large):
            self.transport.send(frame)
        for _ in range(4):
            self.answer()
        sizes = [len(body.split(b",")) for body in self.sent]
        self.assertEqual(sizes, [1, MOST, 1, 1, 1])

    def test_tooLarge(self) -> None:
        """
        Frames that are too large together go one by one.  One that is too large by itself ends the
        connection, as on a WebSocket.
        """
        self.accept()
        for frame in (b"0", b"1", b"2"):
            self.transport.send(frame)
        self.answer()
        self.answer(413)
        self.assertEqual(self.sent[2:], [b"1"])
        self.answer(413, "A body has at most 7 bytes here.")
        (closing,) = self.user.closings
        self.assertTrue(closing.oversized)
        self.assertEqual(closing.most, 7)

    def test_unsent(self) -> None:
        """
        A frame that may not have come ends the connection.
        """
        for code in (404, 503):
            self.setUp()
            self.accept()
            self.transport.send(b"1")
            self.answer(code, "No.")
            (closing,) = self.user.closings
            self.assertTrue(closing.again)
            self.assertIn("No.", closing.error.message)
        self.setUp()
        self.accept()
        self.transport.send(b"1")
        self.agent.answers[-1].errback(ConnectionLost())
        self.assertEqual(len(self.user.closings), 1)
        self.assertTrue(self.response.reader.transport.disconnecting)
        self.say({"type": "pong"})
        self.assertEqual(self.user.told, ["opened", "closed"])

    def test_ping(self) -> None:
        """
        A ping is answered with a request that has no frames, unless frames are on their way.
        """
        self.accept()
        self.write(b": ping\n\n")
        self.assertEqual(self.sent, [b"[]"])
        self.write(b": ping\n\n:\n\n")
        self.assertEqual(self.sent, [b"[]"])
        self.answer()
        self.assertEqual(self.sent, [b"[]"])

    def test_refused(self) -> None:
        """
        A refusal has the daemon's reason.
        """
        body = b'{"error":"overloaded","message":"Busy.","retryAfter":3000}'
        self.agent.answers[0].callback(Response(503, body))
        (closing,) = self.user.closings
        self.assertEqual(
            (closing.error.code, closing.delay, closing.again), ("overloaded", 3.0, True)
        )

    def test_unreachable(self) -> None:
        """
        A daemon that does not answer is named.
        """
        self.agent.answers[0].errback(ConnectionRefusedError())
        (closing,) = self.user.closings
        self.assertEqual(closing.error.code, "unreachable")

    def test_closed(self) -> None:
        """
        A close of the daemon counts as that of a WebSocket.
        """
        self.accept()
        self.say({"type": "close", "code": 4001, "reason": "token_expired"})
        self.response.reader.connectionLost(Failure(ResponseDone()))
        self.assertEqual(self.user.told, ["opened", "closeStarted", "closed"])
        self.assertTrue(self.user.closings[0].token)

    def test_lost(self) -> None:
        """
        A connection that ends without a close is lost.
        """
        self.accept()
        self.response.reader.connectionLost(Failure(ResponseDone()))
        self.assertEqual(self.user.closings[0].error.code, "unreachable")

    def test_leaves(self) -> None:
        """
        A client that leaves says so behind what it has sent.
        """
        self.accept()
        self.transport.send(b"1")
        self.transport.close(1000, "bye")
        self.answer()
        self.assertEqual(json.loads(self.sent[1]), {"type": "close", "code": 1000, "reason": "bye"})

    def test_aborted(self) -> None:
        """
        A connection can be given up at any time, and ends once.
        """
        self.transport.abort()
        self.transport.abort()
        self.assertEqual(self.user.told, ["closed"])
        self.setUp()
        self.accept()
        self.transport.send(b"1")
        self.transport.abort()
        self.assertEqual(self.user.told, ["opened", "closed"])

    def test_foreign(self) -> None:
        """
        A server that sends something else is no daemon.
        """
        self.response = Response(200)
        self.agent.answers[0].callback(self.response)
        self.write(b"data: hello\n\n")
        self.assertEqual(self.user.closings[0].error.code, "bad_answer")

    def test_failing(self) -> None:
        """
        If the user fails, the connection stays open, and the log has the failure.
        """
        self.accept()
        self.user.received = lambda payload: 1 / 0  # type: ignore[method-assign,assignment]
        self.say({"type": "pong"})
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(self.user.closings, [])


class ClientTests(SynchronousTestCase):
    """
    Tests for the choice.
    """

    def test_chosen(self) -> None:
        """
        The client connects as the application says, and takes no other word.
        """
        reactor: Any = MemoryReactorClock()
        client = RealtimeClient(reactor, "ws+unix:///rt.sock", projectId="p", transport="sse")
        client.connect()
        _, factory, *_ = reactor.unixClients[-1]
        protocol = factory.buildProtocol(None)
        wire = StringTransport()
        protocol.makeConnection(wire)
        self.assertTrue(wire.value().startswith(b"POST /api/realtime/sse?projectId=p&ids=0"))
        with self.assertRaises(ValueError):
            RealtimeClient(reactor, "ws://h", transport="polling")
