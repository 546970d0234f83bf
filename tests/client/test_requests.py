"""
Tests for L{aerostack.client.requests}.
"""

from __future__ import annotations

import ast
import json
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

import aerostack
from aerostack.client.address import Address
from aerostack.client.errors import ClientError, Unsent
from aerostack.client.requests import (
    Database,
    Request,
    Socket,
    Users,
    health,
    history,
    readAnswer,
    retryDelay,
    rpc,
)

SERVER = Address("ws://h", "p", key="sk_1")
ASK = health()
TELL = rpc(SERVER, "socket.emit", [])


class RequestTests(SynchronousTestCase):
    """
    Tests for the requests.
    """

    def body(self, request: Request) -> object:
        assert request.body is not None
        return json.loads(request.body)

    def test_users(self) -> None:
        """
        A user is removed with the options that were given, and with no others.
        """
        users: Users[Request] = Users(SERVER, lambda request: request)
        until = {"until": 5, "jti": "t1"}
        for request, method, options in (
            (users.disconnect("ann"), "user.disconnect", {}),
            (
                users.disconnect("ann", reason="spam", code=4100),
                "user.disconnect",
                {"reason": "spam", "code": 4100},
            ),
            (users.revoke("ann", seconds=1.5), "user.revoke", {"seconds": 1.5}),
            (users.revoke("ann", until=5, jti="t1"), "user.revoke", until),
        ):
            self.assertFalse(request.repeatable)
            self.assertEqual(
                self.body(request),
                {"method": method, "args": ["ann", options], "projectId": "p"},
            )

    def test_emit(self) -> None:
        """
        An event is emitted with the secret key, and with options only if there are any.
        """
        socket: Socket[Request] = Socket(SERVER, lambda request: request)
        request = socket.emit("e", {"a": 1}, "orders")
        self.assertEqual((request.method, request.path), ("POST", "/internal/hooks/rpc"))
        self.assertEqual(request.headers["Authorization"], "Bearer sk_1")
        self.assertFalse(request.repeatable)
        self.assertEqual(
            self.body(request),
            {"method": "socket.emit", "args": ["e", {"a": 1}, "orders"], "projectId": "p"},
        )
        request = socket.emit("e", None, "chat/a", persist=True, userId="ann")
        self.assertEqual(
            self.body(request),
            {
                "method": "socket.emit",
                "args": ["e", None, "chat/a", {"persist": True, "userId": "ann"}],
                "projectId": "p",
            },
        )

    def test_query(self) -> None:
        """
        Parameters travel as JSON, bytes in the form that the daemon gives them.
        """
        db: Database[Request] = Database(Address("ws://h", key="sk_1"), lambda request: request)
        self.assertEqual(
            self.body(db.query("SELECT ?, ?", (b"\x00\x01", 2))),
            {"method": "db.query", "args": ["SELECT ?, ?", [{"base64": "AAE="}, 2]]},
        )
        self.assertEqual(
            self.body(db.query("SELECT 1")), {"method": "db.query", "args": ["SELECT 1", []]}
        )

    def test_params(self) -> None:
        """
        A value that is no list of parameters is refused at once.
        """
        db: Database[Request] = Database(SERVER, lambda request: request)
        for params in ("abc", b"abc", {"a": 1}):
            error = self.assertRaises(TypeError, db.query, "SELECT ?", params)
            self.assertIn("one value for each ?", str(error))
        self.assertRaises(TypeError, db.query, "SELECT ?", [object()])

    def test_history(self) -> None:
        """
        A history request has the topic's canonical name and the client's credentials.
        """
        request = history(Address("ws://h", "p", key="pk_1", token="a.b.c"), "chat/a b", 5, 7)
        parts = urlsplit(request.path)
        self.assertEqual(parts.path, "/api/v1/public/realtime/history")
        self.assertEqual(
            parse_qs(parts.query), {"room": ["chat/a b/p"], "limit": ["5"], "before": ["7"]}
        )
        self.assertEqual(
            request.headers, {"X-Aerostack-Key": "pk_1", "Authorization": "Bearer a.b.c"}
        )
        self.assertTrue(request.repeatable)

    def test_rooms(self) -> None:
        """
        A history request takes any form of a topic; without a project the topic stays as it is.
        """
        for topic, room in (
            ("orders", "table/orders/p"),
            ("table/orders", "table/orders/p"),
            ("chat/a/p", "chat/a/p"),
        ):
            query = urlsplit(history(Address("ws://h", "p"), topic, 5, None).path).query
            self.assertEqual(parse_qs(query), {"room": [room], "limit": ["5"]})
        query = urlsplit(history(Address("ws://h"), "orders", 5, None).path).query
        self.assertEqual(parse_qs(query)["room"], ["orders"])

    def test_secrets(self) -> None:
        """
        The repr of a request shows no credential.
        """
        self.assertNotIn("sk_1", repr(TELL))


class AnswerTests(SynchronousTestCase):
    """
    Tests for L{readAnswer}.
    """

    def test_answer(self) -> None:
        """
        An answer counts if it has the expected field.
        """
        self.assertEqual(readAnswer(ASK, 200, None, b'{"checks": {}}'), {"checks": {}})

    def test_notWell(self) -> None:
        """
        The answer of a daemon that is not healthy counts.
        """
        answer = readAnswer(ASK, 503, None, b'{"checks": {"tracker": "It hangs."}}')
        self.assertEqual(answer["checks"], {"tracker": "It hangs."})

    def test_refused(self) -> None:
        """
        A refusal raises an error.
        """
        body = b'{"error": "forbidden", "message": "No."}'
        error = self.assertRaises(ClientError, readAnswer, TELL, 403, None, body)
        self.assertEqual((error.code, error.message), ("forbidden", "No."))

    def test_nonsense(self) -> None:
        """
        An answer of another server raises an error, whatever its status.
        """
        for body in (b"", b"<html>", b"[]", b"{}", b'{"messages": []}', b"\xff"):
            error = self.assertRaises(ClientError, readAnswer, ASK, 200, None, body)
            self.assertEqual(error.code, "bad_answer")

    @given(st.integers(100, 599), st.binary())
    def test_anything(self, status: int, body: bytes) -> None:
        """
        Every answer is read or raises a ClientError.
        """
        try:
            readAnswer(ASK, status, None, body)
        except ClientError as error:
            self.assertTrue(error.code)


class PauseTests(SynchronousTestCase):
    """
    Tests for L{retryDelay}.
    """

    def test_unsent(self) -> None:
        """
        A request that did not reach the daemon is repeated after ever longer pauses.
        """
        error = Unsent("unreachable", "The daemon cannot be reached.")
        waits = [retryDelay(TELL, error, attempts) for attempts in range(10)]
        self.assertEqual(waits, sorted(waits, key=lambda wait: wait or 0))
        self.assertEqual((waits[0], waits[-1]), (0.1, 2.0))

    def test_untouched(self) -> None:
        """
        A request that the daemon did not act on is repeated, after the time that it says.
        """
        for code in ("rate_limited", "overloaded", "shutting_down", "too_many_connections"):
            self.assertEqual(retryDelay(TELL, ClientError(code, "Later.", 5000), 0), 5.0)
            self.assertEqual(retryDelay(TELL, ClientError(code, "Later."), 0), 0.1)

    def test_unknown(self) -> None:
        """
        A request that the daemon may have acted on is repeated only if that does no harm.
        """
        for code in ("unreachable", "database_unavailable"):
            self.assertIsNone(retryDelay(TELL, ClientError(code, "Gone."), 0))
            self.assertEqual(retryDelay(ASK, ClientError(code, "Gone."), 0), 0.1)

    def test_forGood(self) -> None:
        """
        A request that is refused for good is not repeated.
        """
        for code in ("sql_error", "forbidden", "bad_answer", "timed_out"):
            for request in (ASK, TELL):
                self.assertIsNone(retryDelay(request, ClientError(code, "No."), 0))


class DependencyTests(SynchronousTestCase):
    """
    Tests for the modules that the waiting SDK loads.
    """

    def test_noTwisted(self) -> None:
        """
        The SDK that waits imports nothing of Twisted, directly or indirectly.
        """
        source = Path(aerostack.__file__).parent
        seen: set[str] = set()
        waiting = ["aerostack.client.blocking"]
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            path = source.joinpath(*name.split(".")[1:]).with_suffix(".py")
            if not path.exists():
                path = path.with_suffix("") / "__init__.py"
            for node in ast.walk(ast.parse(path.read_text())):
                names = [alias.name for alias in getattr(node, "names", [])]
                module = getattr(node, "module", None)
                for meant in [module] if isinstance(node, ast.ImportFrom) else names:
                    if not isinstance(node, (ast.Import, ast.ImportFrom)) or meant is None:
                        continue
                    self.assertNotIn(meant.partition(".")[0], ("twisted", "autobahn", "treq"), name)
                    if meant.startswith("aerostack"):
                        waiting.append(meant)
        self.assertIn("aerostack.client.requests", seen)
