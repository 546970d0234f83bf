"""
Tests that the answers to operators match C{docs/openapi.yaml}.
"""

from __future__ import annotations

import json
from dataclasses import replace

import jwt

from aerostack.admin import taps
from aerostack.testing import PUBLIC_KEY, SECRET_KEY, TOKEN_SECRET
from tests.docs import openapi
from tests.docs.answers import AnswerCase


class AdminTests(AnswerCase):
    """
    Tests that cause every documented answer to operators.
    """

    async def test_health(self) -> None:
        """
        The answers of C{/health} match, healthy and failing.
        """
        statuses = {await self.ask("getHealth", "GET", "/health")}
        self.patch(self.daemon.node.tracker, "health", lambda: "Nothing was read for 60 s.")
        statuses.add(await self.ask("getHealth", "GET", "/health"))
        self.assertEqual(statuses, openapi.statuses("getHealth"))

    async def test_metrics(self) -> None:
        """
        The answers of C{/metrics} match, from this machine and through a proxy.
        """

        async def ask(**headers: str) -> int:
            return await self.ask("getMetrics", "GET", "/metrics", **headers)

        statuses = {
            await ask(),
            await ask(Via="1.1 proxy"),
            await ask(Via="1.1 proxy", Authorization=f"Bearer {PUBLIC_KEY}"),
            await ask(Via="1.1 proxy", Authorization=f"Bearer {SECRET_KEY}"),
        }
        self.assertEqual(statuses, openapi.statuses("getMetrics"))

    async def test_console(self) -> None:
        """
        The answers of the console's API match, with a daemon that has some of everything.
        """
        self.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, status TEXT)")
        token = jwt.encode({"sub": "ann"}, TOKEN_SECRET, "HS256")
        wire = await self.wire()
        offer = f"aerostack-key.{PUBLIC_KEY}, aerostack-token.{token}, aerostack-v1"
        await wire.upgrade("/api/realtime?projectId=p", {"Sec-WebSocket-Protocol": offer})
        wire.tell({"type": "subscribe", "topic": "orders", "filter": {"id": {"gt": 0}}})
        wire.tell({"type": "track", "topic": "chat/a", "state": {"typing": True}})
        await wire.frames(2)
        await self.emit("e", 1, "chat/a", persist=True)
        while not self.daemon.front.console.sampler.samples.since(0):
            await self.sleep(0.05)
        start = json.dumps({"method": "ai.start", "args": ["chat/a", {"owner": "ann"}]}).encode()
        bearer = f"Bearer {SECRET_KEY}"
        await self.http("POST", "/internal/hooks/rpc", start, Authorization=bearer)
        secret = {"Authorization": f"Bearer {SECRET_KEY}"}
        explain = "explain?user=ann&topic"
        for operationId, path in (
            ("getOverview", "overview"),
            ("getConnections", "connections"),
            ("getTopics", "topics"),
            ("getTopic", "topic?topic=orders"),
            ("getRunningStreams", "streams"),
            ("getRefusals", "refusals"),
            ("explain", f"{explain}=orders"),
            ("explain", f"{explain}=chat/a"),
            ("explain", "explain?user=ben&topic=chat/b"),
        ):
            path = f"/internal/admin/{path}"
            self.assertEqual(await self.ask(operationId, "GET", path, **secret), 200)
        wire.drop()
        while len(self.daemon.front.connections):
            await self.sleep(0.01)
        path = f"/internal/admin/{explain}=orders"
        self.assertEqual(await self.ask("explain", "GET", path, **secret), 200)

    async def test_consoleRefused(self) -> None:
        """
        The refusals of the console's API match.
        """
        self.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, status TEXT)")
        config = self.daemon.config
        self.patch(taps, "MOST", 0)
        for operationId, good, bad in (
            ("getOverview", "overview", "overview?since=x"),
            ("getConnections", "connections", "connections?limit=0"),
            ("getTopics", "topics", "topics?limit=x"),
            ("getTopic", "topic?topic=orders", "topic"),
            ("explain", "explain?user=ann&topic=orders", "explain?topic=orders"),
            ("watchTopic", "watch?topic=chat/a", "watch"),
        ):

            async def ask(path: str, key: str | None, operationId: str = operationId) -> int:
                headers = {} if key is None else {"Authorization": f"Bearer {key}"}
                return await self.ask(operationId, "GET", f"/internal/admin/{path}", **headers)

            statuses = {
                await ask(good, SECRET_KEY),
                await ask(bad, SECRET_KEY),
                await ask(good, None),
                await ask(good, PUBLIC_KEY),
            }
            self.daemon.reload(replace(config, server=replace(config.server, console="off")))
            statuses.add(await ask(good, SECRET_KEY))
            self.daemon.reload(config)
            # Another test checks the path whose answer continues.
            self.assertEqual(statuses | {200}, openapi.statuses(operationId))
