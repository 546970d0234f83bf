"""
Tests for L{aerostack.client.sdk} and L{aerostack.client.http}.
"""

from __future__ import annotations

import math
from typing import Any

from msgspec import Raw
from OpenSSL.SSL import Error as SSLError
from service_identity import VerificationError
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
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
from twisted.web.client import ResponseFailed, ResponseNeverReceived

from aerostack.client import http
from aerostack.client.errors import ClientError
from aerostack.client.sdk import TwistedSDK
from aerostack.errors import RealtimeError
from aerostack.testing import SECRET_KEY, World
from tests.client.agents import Agent, Response


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

    def test_emitAll(self) -> None:
        """
        Several events go with one request, and each has its own result.
        """
        client = self.world.connect()
        client.ask(type="subscribe", topic="chat/a")
        answer = self.successResultOf(
            self.sdk.socket.emitAll(
                [
                    {"event": "e", "data": 1, "topic": "chat/a", "userId": "bot"},
                    {"event": "", "data": 2, "topic": "chat/a"},
                    {"event": "f", "data": None, "topic": "chat/a", "persist": True},
                ]
            )
        )
        first, second, third = answer["results"]
        self.assertEqual((answer["success"], first), (False, {"success": True}))
        self.assertEqual((second["success"], second["error"]), (False, "invalid_event"))
        self.assertEqual(set(third), {"success", "id", "created_at"})
        self.assertEqual([frame["event"] for frame in client.take()], ["e", "f"])

    def test_emitAllAsWritten(self) -> None:
        """
        Data that is JSON already goes as it is written, in a list too, and data that JSON does not
        have is named.
        """
        client = self.world.connect()
        client.ask(type="subscribe", topic="chat/a")
        event = {"event": "e", "topic": "chat/a"}
        self.successResultOf(self.sdk.socket.emitAll([{**event, "data": Raw(b"[1.10]")}]))
        self.assertEqual(client.take()[0]["data"], [1.1])
        error = self.assertRaises(
            ValueError, self.sdk.socket.emitAll, [{**event, "data": 1}, {**event, "data": math.nan}]
        )
        self.assertIn("data of event 2", str(error))

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
        self.assertIn("https://h/rt: ", self.assertCode(waiting, "unreachable"))
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

    def test_times(self) -> None:
        """
        Each kind of call has a time of its own, which the call itself may replace.
        """
        sdk = TwistedSDK(self.clock, "https://h/rt", SECRET_KEY, agent=self.agent)
        for call, seconds in (
            (lambda: sdk.socket.emit("e", 1, "chat/a"), 3),
            (lambda: sdk.db.query("SELECT 1"), 35),
            (sdk.health, 10),
            (lambda: sdk.user.disconnect("ann", timeout=1), 1),
        ):
            self.agent.answers = [Deferred()]
            waiting = call()
            self.clock.advance(seconds - 0.1)
            self.assertNoResult(waiting)
            self.clock.advance(0.1)
            self.assertIn(f"within {seconds} seconds", self.assertCode(waiting, "timed_out"))

    def test_down(self) -> None:
        """
        A daemon that is down costs an event three seconds, and a query ten.
        """
        sdk = TwistedSDK(self.clock, "https://h/rt", SECRET_KEY, agent=self.agent)
        for ask, seconds in (
            (lambda: sdk.socket.emit("e", 1, "chat/a"), 3),
            (lambda: sdk.db.query("SELECT 1"), 10),
        ):
            self.agent.answers = [ConnectionRefusedError("nobody home")] * 50
            begin, waiting = self.clock.seconds(), ask()
            while not waiting.called:
                self.clock.advance(0.1)
            self.assertCode(waiting, "unreachable")
            self.assertLessEqual(self.clock.seconds() - begin, seconds + 0.2)

    def test_tls(self) -> None:
        """
        A call to a server that cannot be trusted is not repeated.
        """
        fault = SSLError([("SSL routines", "", "certificate verify failed")])
        for error in (fault, ResponseNeverReceived([Failure(fault)]), VerificationError([])):
            said = self.assertCode(self.emit(error), "tls_failed")
            self.assertIn("The certificate of https://h/rt cannot be trusted", said)
        self.assertEqual(len(self.agent.requests), 3)

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
