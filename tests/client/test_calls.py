"""
Tests for L{aerostack.client.calls}.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

from twisted.trial.unittest import SynchronousTestCase

from aerostack.client.address import Address
from aerostack.client.calls import Calls, Database, Socket, Users
from aerostack.client.requests import Request
from aerostack.client.streams import Begin, StreamAccess, StreamCalls

SERVER = Address("ws://h", "p", key="sk_1")


class CallsTests(SynchronousTestCase):
    """
    Tests for the calls that the SDKs share.
    """

    def body(self, request: Request) -> object:
        assert request.body is not None
        return json.loads(request.body)

    def test_own(self) -> None:
        """
        An SDK reads the history, the health and an explanation with the time that a call names.
        """
        own: Calls[Request, Request, Request] = Calls(SERVER, lambda request: request)
        page = own.history("orders", before=7, timeout=1.0)
        self.assertEqual(
            parse_qs(urlsplit(page.path).query),
            {"room": ["table/orders/p"], "limit": ["50"], "before": ["7"], "projectId": ["p"]},
        )
        health = own.health(timeout=2.0)
        self.assertEqual((health.path, dict(health.headers)), ("/health", {}))
        explained = own.explain("ann", "a&b", timeout=3.0)
        self.assertEqual(explained.path, "/internal/admin/explain?user=ann&topic=a%26b")
        self.assertEqual(explained.headers["Authorization"], "Bearer sk_1")
        self.assertEqual([each.timeout for each in (page, health, explained)], [1.0, 2.0, 3.0])

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

    def test_mistakes(self) -> None:
        """
        A call with an argument of the wrong type raises, and names the argument.
        """
        socket: Socket[Any, Any] = Socket(SERVER, lambda request: request)
        database: Database[Any] = Database(SERVER, lambda request: request)
        users: Users[Any] = Users(SERVER, lambda request: request)
        own: Calls[Any, Any, Any] = Calls(SERVER, lambda request: request)
        calls: StreamCalls[Any] = StreamCalls(SERVER, lambda request: request)
        streams = StreamAccess(calls)
        wrong: list[tuple[Any, tuple[Any, ...], str]] = [
            (socket.emit, (["a"], 1, "orders"), "event is text, not a value of the type list"),
            (socket.emit, ("e", 1, None), "topic is text, not None"),
            (socket.emitAll, ({"event": "e"},), "events is a list of dictionaries"),
            (socket.emitAll, (5,), "events is a list of dictionaries"),
            (socket.emitAll, (["e"],), "event 1 is a dictionary with event, data"),
            (database.query, (None,), "sql is text, not None"),
            (database.query, ("SELECT 1", None), "params is a list with one value for each"),
            (users.disconnect, (5,), "userId is text"),
            (users.revoke, (None,), "userId is text"),
            (own.history, (None,), "topic is text, not None"),
            (own.explain, (None, "orders"), "userId is text"),
            (own.explain, ("ann", 5), "topic is text"),
            (streams.cancel, (None,), "stream is text, not None"),
            (streams.get, (b"1",), "stream is text"),
            (streams.relay, (None, {}), "topic is text, not None"),
            (calls.start, (Begin(None), "p"), "topic is text"),  # type: ignore[arg-type]
        ]
        for call, arguments, said in wrong:
            with self.assertRaisesRegex(TypeError, said):
                call(*arguments)

    def test_emit(self) -> None:
        """
        An event is emitted with the secret key, and with options only if there are any.
        """
        socket: Socket[Request, Request] = Socket(SERVER, lambda request: request)
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
