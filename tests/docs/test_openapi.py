"""
Tests that C{docs/openapi.yaml} is valid, and that the daemon's answers match it.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import jwt
import treq
from openapi_spec_validator import validate
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import Agent

from aerostack.errors import ERRORS
from aerostack.testing import PUBLIC_KEY, SECRET_KEY, TOKEN_SECRET
from tests.docs import openapi
from tests.docs.answers import SMALL_KEY, SMALL_SECRET, AnswerCase
from tests.live.daemon import ORIGIN
from tests.live.streamreaders import Reader

ROOM = "/api/v1/public/realtime/history?room=chat/a"
NOTHING, LOST = {"sub": "ann", "topics": {}}, {"sub": "ann", "projectId": "nowhere"}
EMIT = {"method": "socket.emit", "args": ["e", 1, "chat/a", {"persist": True}]}
KEYED = {"method": "socket.emit", "args": ["e", 1, "state/b", {"key": "a", "ifNew": True}]}
LIST = [
    {"event": "e", "data": 1, "topic": "chat/a", "persist": True},
    {"event": "e", "data": 1, "topic": "state/b", "key": "a", "ifNew": True},
]
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


class AnswerTests(AnswerCase):
    """
    Tests that cause every documented answer to clients and servers.
    """

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

    async def test_check(self) -> None:
        """
        The answers to pages that ask why a WebSocket did not open match.
        """

        async def check(query: str = "projectId=p", **headers: str) -> int:
            path = f"/api/realtime/check?{query}"
            return await self.ask("checkOpening", "GET", path, **headers)

        key = {"X_Aerostack_Key": SMALL_KEY}
        statuses = {
            await check(),
            await check(""),
            await check(X_Aerostack_Key="pk_nobody_0123456"),
            await check(Origin="http://other.test"),
            await check("projectId=nowhere"),
            await check("", **key),
        }
        await self.come("", Sec_WebSocket_Protocol=f"aerostack-key.{SMALL_KEY}, aerostack-v1")
        statuses.add(await check("", **key))
        self.daemon.front.connections.stopping = True
        statuses.add(await check())
        self.assertEqual(statuses, openapi.statuses("checkOpening"))

    async def test_events(self) -> None:
        """
        The answers to clients that have no WebSocket match.
        """
        response = await treq.post(
            f"http://127.0.0.1:{self.port}/api/realtime/sse",
            headers={"X-Aerostack-Key": PUBLIC_KEY},
            agent=Agent(self.reactor, pool=self.pool),
            unbuffered=True,
        )
        reader = Reader(response)
        self.addCleanup(reader.drop)
        await self.until(lambda: reader.events)
        session = reader.values[0]["session"]

        async def send(body: Any, **headers: str) -> int:
            headers = {"X_Aerostack_Session": session, **headers}
            return await self.ask("sendFrames", "POST", "/api/realtime/send", body, **headers)

        statuses = {
            await send({"type": "ping"}),
            await send([1] * 1001),
            await send({}, Origin=ORIGIN),
            await send({}, X_Aerostack_Session="c1.nix"),
            await send({}, X_Aerostack_Session=""),
        }
        self.assertEqual(statuses, openapi.statuses("sendFrames") - {429, 503})

        async def come(query: str = "projectId=p", body: Any = None, **headers: str) -> int:
            path = f"/api/realtime/sse?{query}"
            return await self.ask("openEvents", "POST", path, body, **headers)

        statuses = {
            response.code,
            await come("projectId=p&ids=2"),
            await come(X_Aerostack_Key="pk_nobody_0123456"),
            await come(X_Aerostack_Key=PUBLIC_KEY, Origin="http://other.test"),
            await come("projectId=nowhere"),
            await come(body=[1] * 1001),
        }
        self.daemon.front.connections.stopping = True
        statuses.add(await come(X_Aerostack_Key=PUBLIC_KEY))
        self.assertEqual(statuses, openapi.statuses("openEvents") - {429})

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

    async def test_state(self) -> None:
        """
        The answers of the values of a keyed topic match, page by page.
        """
        for key in "abc":
            await self.emit("e", {"n": key}, "state/a", key=key, userId="ann")
        base = "/api/v1/public/realtime/state?topic=state/a"

        async def ask(path: str = base, **headers: str) -> int:
            return await self.ask("getState", "GET", path, **headers)

        statuses = {
            await ask(X_Aerostack_Key=PUBLIC_KEY, Origin=ORIGIN),
            await ask(f"{base}&limit=0", X_Aerostack_Key=PUBLIC_KEY),
            await ask(f"{base[:-1]}/../b", X_Aerostack_Key=PUBLIC_KEY),
            await ask(base.replace("state/a", "chat/a"), X_Aerostack_Key=PUBLIC_KEY),
            await ask(f"{base}/p"),
            await ask(Authorization=f"Bearer {jwt.encode(NOTHING, TOKEN_SECRET, 'HS256')}"),
            await ask(Authorization=f"Bearer {jwt.encode(LOST, TOKEN_SECRET, 'HS256')}"),
            await ask(X_Aerostack_Key=SMALL_KEY),
            await ask(X_Aerostack_Key=SMALL_KEY),
        }
        self.assertEqual(statuses, openapi.statuses("getState"))
        preflight = await self.ask("preflightState", "OPTIONS", base, Origin=ORIGIN)
        self.assertEqual({preflight}, openapi.statuses("preflightState"))
        keys: list[str] = []
        after: int | None = 0
        while after is not None:
            path = f"{base}&limit=2&after={after}"
            _, page, _ = await self.http("GET", path, X_Aerostack_Key=PUBLIC_KEY)
            keys += [value["key"] for value in page["values"]]
            after = page["next"]
        self.assertEqual(keys, ["a", "b", "c"])

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
            await call(KEYED),
            await call(KEYED),
            await call({"method": "socket.emit", "args": [LIST]}),
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
