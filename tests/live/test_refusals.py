"""
Refused openings, and their answers.
"""

from __future__ import annotations

from math import ceil

from aerostack.settings.settings import ServerConfig
from aerostack.testing import PUBLIC_KEY, SECRET_KEY
from tests.live.clients import ClientTests, makeToken
from tests.live.daemon import ORIGIN
from tests.live.wire import Refused


class RefusalTests(ClientTests):
    """
    Tests for openings that the daemon refuses over HTTP, with a reason.
    """

    limits = {"connections": 2}  # noqa: RUF012

    async def test_upgrade(self) -> None:
        """
        A request without an upgrade, or with another version, is answered with how to connect.
        """
        path = "/api/realtime?projectId=p"
        for headers in (
            {"Upgrade": "h2c"},
            {"Connection": "close"},
            {"Sec_WebSocket_Version": "8"},
        ):
            status, error, refusal = await self.refused(path, **headers)
            self.assertEqual((status, error), (426, "upgrade_required"))
            self.assertEqual(refusal.headers["upgrade"], "websocket")
            self.assertEqual(refusal.headers["sec-websocket-version"], "13")
        status, body, headers = await self.http("GET", path)
        self.assertEqual((status, body["error"]), (426, "upgrade_required"))

    async def test_malformed(self) -> None:
        """
        A malformed key, a repeated subprotocol, a credential in the URL, or no project is 400.
        """
        path = "/api/realtime?projectId=p"
        key = f"aerostack-key.{PUBLIC_KEY}"
        for where, headers in (
            (path, {"Sec_WebSocket_Key": "short"}),
            (path, {"Sec_WebSocket_Protocol": "aerostack-v1,aerostack-v1"}),
            (path, {"Sec_WebSocket_Protocol": f"{key}, aerostack-key.other"}),
            (f"{path}&apiKey={PUBLIC_KEY}", {}),
            (f"{path}&token=a.b.c", {}),
            (f"{path}&userId=%ff", {}),
            ("/api/realtime", {}),
        ):
            status, error, refusal = await self.refused(where, **headers)
            self.assertEqual((status, error), (400, "invalid_arguments"), where)
            self.assertNotIn(PUBLIC_KEY, str(refusal.body))

    async def test_unauthorized(self) -> None:
        """
        A missing credential, an unknown key, or an invalid or expired token is 401.
        """
        path = "/api/realtime?projectId=q"
        for protocols, code in (
            ("aerostack-v1", "unauthorized"),
            ("aerostack-key.pk_nobody, aerostack-v1", "unauthorized"),
            ("aerostack-token.a.b.c, aerostack-v1", "invalid_token"),
            (f"aerostack-token.{makeToken(exp=1)}, aerostack-v1", "token_expired"),
        ):
            status, error, refusal = await self.refused(path, Sec_WebSocket_Protocol=protocols)
            self.assertEqual((status, error), (401, code))
            self.assertEqual(refusal.headers["www-authenticate"], "Bearer")

    async def test_forbidden(self) -> None:
        """
        A page of another origin, projects that disagree, or a secret key from a page is 403.
        """
        key = {"Sec_WebSocket_Protocol": f"aerostack-key.{PUBLIC_KEY}, aerostack-v1"}
        secret = {"Sec_WebSocket_Protocol": f"aerostack-key.{SECRET_KEY}, aerostack-v1"}
        ofQ = (
            f"aerostack-key.{PUBLIC_KEY}, aerostack-token.{makeToken(projectId='q')}, aerostack-v1"
        )
        for where, headers, code in (
            ("?projectId=p", {"Origin": "http://evil.test"}, "origin_not_allowed"),
            ("?projectId=p", {"Origin": "null"}, "origin_not_allowed"),
            ("?projectId=p", {"Origin": f"{ORIGIN}.evil.test"}, "origin_not_allowed"),
            ("?projectId=q", key, "wrong_project"),
            ("", {"Sec_WebSocket_Protocol": ofQ}, "wrong_project"),
            ("?projectId=p", {"Origin": ORIGIN, **secret}, "forbidden"),
        ):
            status, error, _ = await self.refused(f"/api/realtime{where}", **headers)
            self.assertEqual((status, error), (403, code), (where, headers))

    async def test_unknownProject(self) -> None:
        """
        An unknown project is 404.
        """
        for project in ("x", "P", "p%00", "../p", "'%20OR%201=1", "x" * 5000):
            status, error, _ = await self.refused(f"/api/realtime?projectId={project}")
            self.assertEqual((status, error), (404, "unknown_project"))

    async def test_tooMany(self) -> None:
        """
        A connection beyond the limit is 429, with a delay.
        """
        first = await self.client()
        await self.client()
        status, error, refusal = await self.refused("/api/realtime?projectId=p")
        self.assertEqual((status, error), (429, "too_many_connections"))
        self.assertEqual((refusal.headers["retry-after"], refusal.body["retryAfter"]), ("2", 2000))
        await first.closeCleanly()
        while self.connected > 1:
            await self.sleep(0.01)
        await self.client()

    async def test_stopping(self) -> None:
        """
        An opening while the daemon stops is 503, with a delay.
        """
        waiting = await self.wire()
        self.front.connections.stopping = True
        refusal = await self.assertFailure(waiting.upgrade("/api/realtime?projectId=p"), Refused)
        self.assertEqual((refusal.status, refusal.body["error"]), (503, "shutting_down"))
        delay = refusal.body["retryAfter"] / 1000
        self.assertGreaterEqual(delay, ServerConfig(()).restartTime)
        self.assertEqual(int(refusal.headers["retry-after"]), ceil(delay))

    async def test_userNames(self) -> None:
        """
        The daemon uses C{userId} in the URL only in a project that allows anonymous clients.
        """
        believed = await self.client("ann")
        doubted = await self.wire()
        await doubted.upgrade(
            "/api/realtime?userId=ann",
            {"Sec-WebSocket-Protocol": "aerostack-key.pk_of_q_23456789abcd, aerostack-v1"},
        )
        for client, names in ((believed, ["ann"]), (doubted, [])):
            client.tell({"type": "subscribe", "topic": "chat/a"})
            client.tell({"type": "publish", "topic": "chat/a", "event": "e", "data": 1})
            _, event = await client.frames(2)
            self.assertEqual([event["userId"]] if "userId" in event else [], names)
