"""
Tests that C{docs/openapi.yaml} is valid, and that the daemon's answers match it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from typing import Any

import jwt
import treq
from openapi_spec_validator import validate
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import Agent

from aerostack.admin import taps
from aerostack.databases.sqlite import connection
from aerostack.errors import ERRORS
from aerostack.settings.projects import JWTConfig, ProjectConfig
from aerostack.testing import PUBLIC_KEY, SECRET_KEY, TOKEN_SECRET, makeProject
from tests.docs import openapi
from tests.live.daemon import ORIGIN, DaemonTests
from tests.live.wire import Refused

ROOM = "/api/v1/public/realtime/history?room=chat/a"
SMALL_KEY, SMALL_SECRET = "pk_of_small_89abcdef", "sk_of_small_89abcdef"

EMIT = {"method": "socket.emit", "args": ["e", 1, "chat/a", {"persist": True}]}
TEXT = {"part": "0", "kind": "text", "at": 0, "text": "Hello"}
VALUE = {"part": "d", "kind": "data", "value": {"name": "n", "value": 1}}
QUERY = {"method": "db.query", "args": ["SELECT 1 AS one, ? AS two, 3 AS three", ["x"]]}


class DocumentTests(SynchronousTestCase):
    """
    Tests for the document itself.
    """

    def test_valid(self) -> None:
        """
        The document is valid OpenAPI.
        """
        validate(openapi.DOCUMENT)

    def test_codes(self) -> None:
        """
        Each error code in the document belongs to the status of its answer.
        """
        answers = openapi.DOCUMENT["components"]["responses"]
        for name, status in (
            ("BadRequest", {400}),
            ("Unauthorized", {401}),
            ("Forbidden", {403}),
            ("NotFound", {404}),
            ("ConsoleOff", {404}),
            ("Conflict", {409}),
            ("TooMany", {429}),
            ("Unavailable", {503}),
            ("Failed", {500}),
        ):
            codes = [word for word in answers[name]["description"].split("`")[1::2]]
            self.assertEqual({ERRORS[code].http for code in codes}, status, name)

    def test_strict(self) -> None:
        """
        The comparison finds an answer that does not match.
        """
        retry = {"retry-after": "1", "content-type": "application/json"}
        passing = {"error": "rate_limited", "message": "Wait.", "retryAfter": 1}
        self.assertEqual(list(openapi.answerFaults("callRPC", 429, retry, passing)), [])
        for status, headers, body in (
            (429, {"content-type": "application/json"}, passing),
            (429, {**retry, "retry-after": "soon"}, passing),
            (429, {**retry, "content-type": "text/html"}, passing),
            (429, retry, {**passing, "error": "Too Fast"}),
            (429, retry, {"error": "rate_limited", "message": "Wait."}),
            (200, retry, {"success": False}),
            (418, retry, passing),
        ):
            found = list(openapi.answerFaults("callRPC", status, headers, body))
            self.assertEqual(len(found), 1, found)


class AnswerTests(DaemonTests):
    """
    Tests that cause every documented answer of the daemon.
    """

    limits: Mapping[str, Any] = {"bodyBytes": 4096}

    async def setUp(self) -> None:  # type: ignore[override]
        self.patch(connection, "BUSY_TIMEOUT", 0.2)
        await super().setUp()

    def projects(self) -> dict[str, ProjectConfig]:
        return {
            "p": makeProject(
                dbQuery=True,
                origins=(ORIGIN,),
                anonymous=False,
                jwt=JWTConfig(algorithm="HS256", key=TOKEN_SECRET),
            ),
            "small": makeProject(
                id="small",
                publicKey=SMALL_KEY,
                secretKey=SMALL_SECRET,
                connections=1,
                framesPerSecond=0.5,
            ),
        }

    async def ask(
        self, operationId: str, method: str, path: str, body: Any = None, **headers: str
    ) -> int:
        """
        Send a request, and check that the answer matches the document.

        @return: Its status.
        """
        data = None if body is None else json.dumps(body).encode()
        response = await treq.request(
            method,
            f"http://127.0.0.1:{self.port}{path}",
            data=data,
            headers={name.replace("_", "-"): value for name, value in headers.items()},
            agent=Agent(self.reactor, pool=self.pool),
        )
        status, text = response.code, (await response.content()).decode()
        found = {
            name.decode().lower(): values[-1].decode()
            for name, values in response.headers.getAllRawHeaders()
        }
        isJSON = found.get("content-type") == "application/json"
        answer = json.loads(text) if isJSON else text or None
        self.assertEqual(
            list(openapi.answerFaults(operationId, status, found, answer)), [], (status, answer)
        )
        return status

    async def come(self, query: str = "projectId=p", **headers: str) -> int:
        """
        Open a WebSocket, and check that the answer matches the document.

        @return: Its status.
        """
        wire = await self.wire()
        try:
            await wire.upgrade(
                f"/api/realtime?{query}",
                {name.replace("_", "-"): value for name, value in headers.items()},
            )
        except Refused as refused:
            status, answer, found = refused.status, refused.body, refused.headers
        else:
            status, answer, found = 101, None, wire.headers
        self.assertEqual(
            list(openapi.answerFaults("openWebSocket", status, found, answer)), [], answer
        )
        return status

    async def test_opening(self) -> None:
        """
        The answers to the opening of a WebSocket match.
        """
        offer = f"aerostack-key.{PUBLIC_KEY}, aerostack-v1"
        small = f"aerostack-key.{SMALL_KEY}, aerostack-v1"
        statuses = {
            await self.come(Sec_WebSocket_Protocol=offer),
            await self.come("projectId=p&token=x"),
            await self.come(Sec_WebSocket_Protocol="aerostack-key.pk_nobody_0123456"),
            await self.come(Sec_WebSocket_Protocol=offer, Origin="http://other.test"),
            await self.come("projectId=nowhere"),
            await self.come(Sec_WebSocket_Version="8"),
            await self.come("", Sec_WebSocket_Protocol=small),
            await self.come("", Sec_WebSocket_Protocol=small),
        }
        self.daemon.front.connections.stopping = True
        statuses.add(await self.come(Sec_WebSocket_Protocol=offer))
        self.assertEqual(statuses, openapi.statuses("openWebSocket"))

    async def test_history(self) -> None:
        """
        The answers of the history match, also for a page in a browser.
        """
        await self.emit("e", {"text": "hello"}, "chat/a", persist=True, userId="ann")
        await self.emit("e", None, "chat/a", persist=True)
        token = jwt.encode({"sub": "ann", "topics": {}}, TOKEN_SECRET, "HS256")
        lost = jwt.encode({"sub": "ann", "projectId": "nowhere"}, TOKEN_SECRET, "HS256")

        async def ask(path: str = ROOM, **headers: str) -> int:
            return await self.ask("getHistory", "GET", path, **headers)

        statuses = {
            await ask(X_Aerostack_Key=PUBLIC_KEY, Origin=ORIGIN),
            await ask(f"{ROOM}&limit=0", X_Aerostack_Key=PUBLIC_KEY),
            await ask(f"{ROOM}/p"),
            await ask(Authorization=f"Bearer {token}"),
            await ask(Authorization=f"Bearer {lost}"),
            await ask(X_Aerostack_Key=SMALL_KEY),
            await ask(X_Aerostack_Key=SMALL_KEY),
        }
        self.assertEqual(statuses, openapi.statuses("getHistory"))
        preflight = await self.ask("preflightHistory", "OPTIONS", ROOM, Origin=ORIGIN)
        self.assertEqual({preflight}, openapi.statuses("preflightHistory"))

    async def test_rpc(self) -> None:
        """
        The answers of the RPC match, and each successful call matches the document too.
        """
        schema = openapi.operation("callRPC")["requestBody"]["content"]["application/json"]

        async def call(body: Any, key: str = SECRET_KEY) -> int:
            status = await self.ask(
                "callRPC", "POST", "/internal/hooks/rpc", body, Authorization=f"Bearer {key}"
            )
            if status == 200:
                self.assertEqual(list(openapi.faults(schema["schema"], body)), [])
            return status

        statuses = {
            await call(EMIT),
            await call(QUERY),
            await call({"method": "socket.emit", "args": ["e", 1, "chat/a"]}),
            await call({"method": "db.query", "args": ["NOT SQL"]}),
            await call(EMIT, "sk_of_nobody_0123456"),
            await call(EMIT, PUBLIC_KEY),
            await call({"method": "db.drop", "args": []}),
            await call({"method": "socket.emit", "args": ["e", "x" * 5000, "chat/a"]}),
            await call(EMIT, SMALL_SECRET),
            await call(EMIT, SMALL_SECRET),
            await call({"method": "ai.start", "args": ["ai/a", {"stream": "s", "owner": "ann"}]}),
            await call({"method": "ai.append", "args": ["s", 1, [TEXT, VALUE]]}),
            await call({"method": "ai.append", "args": ["s", 1, [{**TEXT, "at": 7}]]}),
            await call({"method": "ai.beat", "args": ["s", 1]}),
            await call({"method": "ai.get", "args": ["s"]}),
            await call({"method": "ai.end", "args": ["s", 1]}),
            await call({"method": "ai.cancel", "args": ["s"]}),
        }
        with closing(sqlite3.connect(self.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            statuses.add(await call({"method": "db.query", "args": ["CREATE TABLE t (a)"]}))
        self.assertEqual(statuses, openapi.statuses("callRPC"))

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

    async def test_examples(self) -> None:
        """
        The example calls in the document succeed.
        """
        self.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, status TEXT)")
        schema = openapi.operation("callRPC")["requestBody"]["content"]["application/json"]
        for example in schema["examples"].values():
            call = example["value"]
            self.assertEqual(list(openapi.faults(schema["schema"], call)), [])
            status, answer = await self.rpc(call["method"], *call["args"])
            self.assertEqual(status, 200, answer)
