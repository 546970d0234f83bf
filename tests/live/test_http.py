"""
The RPC, health and other paths over HTTP.
"""

from __future__ import annotations

import json

import jwt
from twisted.logger import LogEvent, LogLevel, globalLogPublisher

from aerostack.testing import PUBLIC_KEY, SECRET_KEY, TOKEN_SECRET
from tests.live.requests import RPC, HTTPTests


class AccessTests(HTTPTests):
    """
    Tests for credentials, methods and bodies of the RPC.
    """

    async def test_noCredential(self) -> None:
        """
        A request without a key, or with an invalid one, is 401.
        """
        for headers in (
            {},
            {"Authorization": "Bearer"},
            {"Authorization": "Bearer "},
            {"Authorization": SECRET_KEY},
            {"Authorization": f"Basic {SECRET_KEY}"},
            {"Authorization": "Bearer sk_nobody"},
            {"Authorization": f"Bearer {SECRET_KEY}x"},
            {"Authorization": "Bearer a.b.c"},
            {"X_Aerostack_Key": SECRET_KEY},
        ):
            status, body, answer = await self.http("POST", RPC, b"{}", **headers)
            self.assertEqual(status, 401, headers)
            self.assertIn(body["error"], ("unauthorized", "invalid_token", "invalid_arguments"))
            self.assertEqual(answer.getRawHeaders("www-authenticate"), ["Bearer"])

    async def test_notTheSecretKey(self) -> None:
        """
        A request with the public key, a user's token, or another project's key is 403.
        """
        token = jwt.encode({"sub": "ann", "projectId": "p"}, TOKEN_SECRET, "HS256")
        for key in (PUBLIC_KEY, token):
            await self.assertRefused(403, "forbidden", "db.query", "SELECT 1", key=key)
        await self.assertRefused(
            403, "wrong_project", "db.query", "SELECT 1", key="sk_of_quiet_89abcdef"
        )

    async def test_queryTurnedOff(self) -> None:
        """
        If C{db_query} is false, C{db.query} is refused, and C{socket.emit} is not.
        """
        for method, args, expected in (
            ("db.query", ["SELECT 1"], 403),
            ("socket.emit", ["e", 1, "chat/a"], 200),
        ):
            body = json.dumps({"method": method, "args": args}).encode()
            status, answer, _ = await self.http(
                "POST", RPC, body, Authorization="Bearer sk_of_quiet_89abcdef"
            )
            self.assertEqual(status, expected)
        self.assertEqual(answer, {"success": True})

    async def test_unknownMethod(self) -> None:
        """
        An unknown method is 404.
        """
        for method in ("db.drop", "", "DB.QUERY", "__class__", "socket"):
            message = await self.assertRefused(404, "unknown_method", method)
            self.assertIn("db.query, socket.emit, user.disconnect, user.revoke", message)

    async def test_badArguments(self) -> None:
        """
        Invalid arguments are 400.
        """
        for args in (
            *([], ["e"], ["e", 1], [1, 1, "chat/a"], ["e", 1, 5], ["e", 1, "chat/a", {}, 1]),
            *(["e", 1, "chat/a", bad] for bad in ("x", 5, [], {"persist": 1}, {"x": 1})),
            ["e", 1, "chat/a", {"userId": 5}],
        ):
            await self.assertRefused(400, "invalid_arguments", "socket.emit", *args)
        await self.assertRefused(400, "invalid_event", "socket.emit", "presence:join", 1, "chat/a")
        await self.assertRefused(400, "invalid_topic", "socket.emit", "e", 1, "chat//a")
        await self.assertRefused(403, "wrong_project", "socket.emit", "e", 1, "chat/a/quiet")
        for args in ([], [5], [None], ["SELECT 1", {}], ["SELECT 1", "x"], ["SELECT 1", [], 1]):
            await self.assertRefused(400, "invalid_arguments", "db.query", *args)
        for bad in ([2, {}], {"a": 1}, {"base64": 5}, {"base64": "!"}, 2**63, -(2**63) - 1, 2**200):
            message = await self.assertRefused(
                400, "invalid_arguments", "db.query", "SELECT ?, ?", [1, bad]
            )
            self.assertIn("Parameter 2", message)

    async def test_badBodies(self) -> None:
        """
        A body that is not a call is 400, and one that is too large is 413.
        """
        deep = b"[" * 2000 + b"]" * 2000
        for body, status, code in (
            (b"", 400, "invalid_json"),
            (b"hello", 400, "invalid_json"),
            (b"\xff\xfe{}", 400, "invalid_json"),
            (b'{"method":"\xff"}', 400, "invalid_json"),
            (b'{"method":"db.query","args":["\\ud800"]}', 400, "invalid_json"),
            (b'{"method":"db.query","args":[1e999]}', 400, "invalid_json"),
            (deep, 400, "too_deep"),
            (b"[]", 400, "invalid_arguments"),
            (b"null", 400, "invalid_arguments"),
            (b"{}", 400, "invalid_arguments"),
            (b'{"method":5}', 400, "invalid_arguments"),
            (b'{"method":"db.query","args":{}}', 400, "invalid_arguments"),
            (b'{"method":"db.query","args":null}', 400, "invalid_arguments"),
            (b'{"method":"db.query","args":[],"projectId":5}', 403, "wrong_project"),
            (b'"' + b"x" * 5000 + b'"', 413, "too_large"),
            (b'"' + b"x" * 5_000_000 + b'"', 413, "too_large"),
        ):
            answered, answer, _ = await self.http(
                "POST", RPC, body, Authorization=f"Bearer {SECRET_KEY}"
            )
            self.assertEqual((answered, answer["error"]), (status, code), body[:40])


class PathTests(HTTPTests):
    """
    Paths and methods.
    """

    async def test_methods(self) -> None:
        """
        A method that a path does not support is 405, with the supported ones.
        """
        for method, path, allowed in (
            ("GET", RPC, "POST"),
            ("PUT", RPC, "POST"),
            ("OPTIONS", RPC, "POST"),
            ("POST", "/health", "GET"),
            ("DELETE", "/api/v1/public/realtime/history", "GET"),
            ("POST", "/api/realtime", "GET"),
            ("BREW", "/health", "GET"),
        ):
            status, body, headers = await self.http(method, path)
            self.assertEqual((status, body["error"]), (405, "method_not_allowed"), (method, path))
            self.assertEqual(headers.getRawHeaders("allow"), [allowed])

    async def test_unknownPaths(self) -> None:
        """
        An unknown path is 404, as JSON.
        """
        for path in (
            *(
                "/nothing",
                "/api",
                "/api/",
                "/api/v1/public/realtime",
                "/internal/hooks",
                "/health/x",
            ),
            *("/index.html", "/%2e%2e/etc/passwd", "/%00", "/%ff", f"{RPC}/x", "/api/realtime/x"),
        ):
            for method in ("GET", "POST"):
                status, body, headers = await self.http(method, path)
                self.assertEqual((status, body["error"]), (404, "not_found"), path)
                self.assertEqual(headers.getRawHeaders("content-type"), ["application/json"])

    async def test_head(self) -> None:
        """
        C{HEAD} is answered like C{GET}, without the body, and logs no failure.
        """
        logged: list[LogEvent] = []
        globalLogPublisher.addObserver(logged.append)
        self.addCleanup(globalLogPublisher.removeObserver, logged.append)
        # The daemon's page depends on the host that a client asks.
        host = f"127.0.0.1:{self.port}"
        room = "/api/v1/public/realtime/history?room=chat/a/p"
        for path in ("/health", "/", room, "/api/realtime", "/nothing"):
            status, _, asked = await self.http("HEAD", path)
            wire = await self.wire()
            wire.keepRaw()
            wire.write(f"GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
            await wire.lost
            head, _, body = wire.received.partition(b"\r\n\r\n")
            self.assertEqual(status, int(head.split()[1]))
            self.assertEqual(asked.getRawHeaders("content-length"), [str(len(body))], path)
        told = [event for event in logged if event["log_level"] > LogLevel.debug]
        self.assertEqual([event for event in told if "HEAD" in str(event["log_format"])], [])

    async def test_namesProject(self) -> None:
        """
        A client without credentials names its project behind the topic, in the URL or in a header.
        """
        path = "/api/v1/public/realtime/history?room=chat/a"
        for more, headers in (
            ("/p", {}),
            ("&projectId=p", {}),
            ("", {"X_Aerostack_Project": "p"}),
        ):
            status, body, _ = await self.http("GET", path + more, **headers)
            self.assertEqual((status, body), (200, {"messages": []}))
        status, body, _ = await self.http("GET", path)
        self.assertEqual((status, body["error"]), (401, "unauthorized"))
        self.assertIn("?projectId=", body["message"])

    async def test_health(self) -> None:
        """
        C{/health} is 200 while everything works, and otherwise 503 with the reason.
        """
        status, body, _ = await self.http("GET", "/health")
        self.assertEqual(
            (status, body), (200, {"status": "ok", "checks": {"database": "ok", "tracker": "ok"}})
        )
        self.patch(self.daemon.node.tracker, "health", lambda: "Nothing was read for 60 s.")
        # Workers hear of it a little later.
        while status == 200:
            status, body, _ = await self.http("GET", "/health")
        self.assertEqual(
            (status, body),
            (
                503,
                {
                    "status": "failing",
                    "checks": {"database": "ok", "tracker": "Nothing was read for 60 s."},
                },
            ),
        )
