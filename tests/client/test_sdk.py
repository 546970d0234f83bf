"""
Tests for L{aerostack.client.sdk} and L{aerostack.client.http}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import (
    ConnectingCancelledError,
    ConnectionLost,
    ConnectionRefusedError,
    DNSLookupError,
)
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web._newclient import ParseError
from twisted.web.client import ResponseDone, ResponseFailed, ResponseNeverReceived
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent
from zope.interface import implementer

from aerostack.client import http
from aerostack.client.errors import ClientError
from aerostack.client.sdk import TwistedSDK
from aerostack.errors import RealtimeError
from aerostack.testing import SECRET_KEY, World


class WorldTests(SynchronousTestCase):
    """
    Tests with a daemon in memory.
    """

    def setUp(self) -> None:
        self.world = World()
        self.sdk = self.world.sdk()

    def test_emit(self) -> None:
        """
        An event of a server reaches the subscribers.
        """
        client = self.world.connect()
        client.ask(type="subscribe", topic="chat/a")
        answer = self.successResultOf(self.sdk.socket.emit("e", {"n": 1}, "chat/a", userId="bot"))
        self.assertEqual(answer, {"success": True})
        (frame,) = client.take()
        self.assertEqual((frame["data"], frame["userId"]), ({"n": 1}, "bot"))

    def test_kept(self) -> None:
        """
        A kept event can be read.
        """
        answer = self.successResultOf(self.sdk.socket.emit("e", 1, "chat/a", persist=True))
        (message,) = self.successResultOf(self.sdk.history("chat/a"))
        self.assertEqual((message["id"], message["data"]), (answer["id"], 1))

    def test_query(self) -> None:
        """
        A statement and its parameters reach the database.
        """
        self.successResultOf(self.sdk.db.query("SELECT ?", [1]))
        self.assertEqual(self.world.queries, [("SELECT ?", [1])])

    def test_refused(self) -> None:
        """
        A refusal of the daemon fails the deferred, with the daemon's reason.
        """
        for sdk, call, code in (
            (self.sdk, ("e", 1, "chat/;"), "invalid_topic"),
            (self.world.sdk("sk_wrong_wrong_wrong"), ("e", 1, "chat/a"), "unauthorized"),
        ):
            failure = self.failureResultOf(sdk.socket.emit(*call), ClientError)
            self.assertEqual(failure.value.code, code)
            self.assertNotIn("sk_wrong", str(failure.value))
            self.assertNotIsInstance(failure.value, RealtimeError)


class Response:
    """
    An answer that the test gives.
    """

    version = (b"HTTP", 1, 1)

    def __init__(self, code: int, *pieces: bytes, end: Exception | None = None, **headers: str):
        self.code = code
        self.length = -1
        self.headers = Headers({n.replace("_", "-"): [v] for n, v in headers.items()})
        self._pieces = pieces
        self._end = end or ResponseDone()

    def deliverBody(self, protocol: Any) -> None:
        self.protocol = protocol
        protocol.makeConnection(None)
        for piece in self._pieces:
            protocol.dataReceived(piece)
        protocol.connectionLost(Failure(self._end))


@implementer(IAgent)
class Agent:
    """
    Answers requests with what it was given, one after the other.
    """

    def __init__(self) -> None:
        self.answers: list[Any] = []
        self.requests: list[tuple[str, str]] = []

    def request(
        self, method: bytes, uri: bytes, headers: Any = None, bodyProducer: Any = None
    ) -> Deferred[Any]:
        self.requests.append((method.decode(), uri.decode()))
        answer = self.answers.pop(0)
        if isinstance(answer, Deferred):
            return answer
        return fail(answer) if isinstance(answer, Exception) else succeed(answer)


class NetworkTests(SynchronousTestCase):
    """
    Tests for networks and servers that fail.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.agent = Agent()
        self.sdk = TwistedSDK(
            self.clock, "https://h/rt", SECRET_KEY, timeout=10.0, agent=self.agent
        )

    def emit(self, *answers: Any) -> Deferred[Any]:
        """
        Emit an event with the given answers.
        """
        self.agent.answers.extend(answers)
        return self.sdk.socket.emit("e", 1, "chat/a")

    def assertCode(self, waiting: Deferred[Any], code: str) -> str:
        """
        Assert that a deferred has failed with a code.
        """
        error = self.failureResultOf(waiting, ClientError).value
        self.assertEqual(error.code, code, error)
        return str(error)

    def test_url(self) -> None:
        """
        Requests go to the address of the URL.
        """
        self.successResultOf(self.emit(Response(200, b'{"success": ', b"true}")))
        self.assertEqual(self.agent.requests, [("POST", "https://h/rt/internal/hooks/rpc")])

    def test_notThere(self) -> None:
        """
        Without a server the request is repeated until its time is over, and then fails.
        """
        waiting = self.emit(*[ConnectionRefusedError("nobody home")] * 50)
        self.assertNoResult(waiting)
        for _ in range(100):
            self.clock.advance(0.1)
        self.assertIn("wss://h/rt: ", self.assertCode(waiting, "unreachable"))
        self.assertLess(len(self.agent.requests), 15)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_backAgain(self) -> None:
        """
        A request succeeds if the server is back in time.
        """
        later = b'{"error": "shutting_down", "message": "Later.", "retryAfter": 3000}'
        waiting = self.emit(
            Response(503, later), DNSLookupError("h"), Response(200, b'{"success": true}')
        )
        self.clock.advance(2.9)
        self.assertEqual(len(self.agent.requests), 1)
        self.clock.advance(0.1)
        self.clock.advance(1)
        self.assertEqual(self.successResultOf(waiting), {"success": True})

    def test_brokenOff(self) -> None:
        """
        A request that the daemon may have acted on is not repeated.
        """
        for error in (
            ResponseNeverReceived([Failure(ConnectionLost())]),
            ResponseFailed([Failure(ConnectionLost())]),
        ):
            self.assertIn(
                "before its answer was complete", self.assertCode(self.emit(error), "unreachable")
            )

    def test_cutOff(self) -> None:
        """
        A request whose answer is cut off is not repeated.
        """
        end = ResponseFailed([Failure(ConnectionLost())])
        self.assertCode(self.emit(Response(200, b'{"succ', end=end)), "unreachable")

    def test_asking(self) -> None:
        """
        A request that does no harm twice is repeated.
        """
        self.agent.answers = [
            ResponseNeverReceived([Failure(ConnectionLost())]),
            Response(503, b"<html>"),
            Response(200, b'{"status": "ok", "checks": {}}'),
        ]
        waiting = self.sdk.health()
        self.clock.pump([0.5] * 4)
        self.assertEqual(self.successResultOf(waiting)["status"], "ok")

    def test_nonsense(self) -> None:
        """
        The answer of another server is an error, and the request is not repeated.
        """
        for answer in (
            Response(200, b"<html>"),
            Response(404, b"<html>"),
            Response(301, b"", location="https://elsewhere/"),
            ResponseFailed([Failure(ParseError("not HTTP", b"SSH-2.0"))]),
        ):
            self.assertCode(self.emit(answer), "bad_answer")
        self.assertEqual(len(self.agent.requests), 4)

    def test_tooLarge(self) -> None:
        """
        An endless answer is not kept in memory.
        """
        self.patch(http, "LARGEST_ANSWER", 10)
        waiting = self.emit(Response(200, b"x" * 6, b"x" * 6))
        self.assertIn("more than 10 bytes", self.assertCode(waiting, "bad_answer"))

    def test_neverAnswers(self) -> None:
        """
        A request without an answer fails when its time is over.
        """
        cancelled: list[Any] = []
        waiting = self.emit(Deferred(cancelled.append))
        self.clock.advance(9.9)
        self.assertNoResult(waiting)
        self.clock.advance(0.1)
        self.assertIn("within 10 seconds", self.assertCode(waiting, "timed_out"))
        self.assertEqual(len(cancelled), 1)

    def test_neverConnects(self) -> None:
        """
        A request whose connection does not open fails when its time is over.
        """
        address = IPv4Address("TCP", "192.0.2.1", 8787)
        connecting: Deferred[Any] = Deferred(
            lambda deferred: deferred.errback(ConnectingCancelledError(address))
        )
        waiting = self.emit(connecting)
        self.clock.advance(10.0)
        self.assertCode(waiting, "timed_out")

    def test_busy(self) -> None:
        """
        A program that is busy until the time of a request is over does not make it again.
        """
        waiting = self.emit(ConnectionRefusedError())
        self.clock.advance(20.0)
        self.assertCode(waiting, "unreachable")
        self.assertEqual(len(self.agent.requests), 1)

    def test_mistake(self) -> None:
        """
        An exception of the client itself is not taken for one of the network.
        """
        self.failureResultOf(self.emit(ZeroDivisionError()), ZeroDivisionError)
