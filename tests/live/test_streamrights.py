"""
The rights of those who read token streams over HTTP, while they read.
"""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred

from aerostack.errors import CLOSE_DISCONNECTED, CLOSE_REVOKED, CLOSE_TOKEN
from aerostack.testing import PUBLIC_KEY, makeProject
from aerostack.testing.models import HANG, ModelAnswer, chunk
from tests.live.clients import makeToken
from tests.live.models import GATEWAY, HELLO
from tests.live.streamreaders import TOPIC, Reader, StreamReaderTests
from tests.live.wire import Refused, Wire

QUESTION = {"id": "m", "role": "user", "parts": [{"type": "text", "text": "Hello"}]}


class Faces:
    """
    One client that reads an answer in each way that there is.

    @ivar events: Those who read events, with the name of what they read.
    @ivar whole: Those who wait for the whole answer.
    @ivar wire: The WebSocket of a chat.
    """

    def __init__(self) -> None:
        self.events: dict[str, Reader] = {}
        self.whole: dict[str, Deferred[Any]] = {}
        self.wire: Any = None


class StreamRightsTests(StreamReaderTests):
    """
    Tests for clients that lose their rights.
    """

    async def setUp(self) -> None:  # type: ignore[override]
        await super().setUp()
        self.model.answers[:] = [ModelAnswer([chunk({"content": "one"})], ending=HANG)]

    async def read(self, key: str, protocol: str, chat: str = "c1") -> Faces:
        """
        Read answers in every way.

        @param protocol: The credential as a subprotocol.
        """
        faces, before = Faces(), len(self.model.asked)
        body = {"messages": HELLO, "stream": True}
        gateway = await self.open("POST", GATEWAY, body, key, X_Aerostack_Topic=f"{TOPIC}/{chat}")
        self.assertEqual(gateway.code, 200)
        (stream,) = gateway.headers.getRawHeaders("x-aerostack-stream")
        faces.events = {
            "gateway": Reader(gateway),
            "stream": Reader(
                await self.open(
                    "GET",
                    f"/api/v1/public/realtime/streams/{stream}",
                    key=key,
                    Accept="text/event-stream",
                )
            ),
            "chunks": Reader(
                await self.open(
                    "GET",
                    f"/api/v1/public/realtime/streams/{stream}?as=ui",
                    key=key,
                    Accept="text/event-stream",
                )
            ),
            "ask": Reader(
                await self.open("POST", "/api/ai/chat", {"id": chat, "messages": [QUESTION]}, key)
            ),
            "resume": Reader(await self.open("GET", f"/api/ai/chat/{chat}/stream", key=key)),
            "alone": Reader(await self.open("POST", GATEWAY, body, key)),
        }
        whole = {"messages": HELLO}
        topic = f"{TOPIC}/{chat}/whole"
        for name, headers in (("whole", {"X_Aerostack_Topic": topic}), ("wholeAlone", {})):
            asking = self.open("POST", GATEWAY, whole, key, **headers)
            faces.whole[name] = Deferred.fromCoroutine(asking)
        faces.wire = wire = await self.wire()
        await wire.upgrade(
            "/api/ai/chat?projectId=p", {"Sec-WebSocket-Protocol": f"{protocol}, aerostack-v1"}
        )
        wire.tell({"type": "resume", "requestId": "r", "id": chat})
        self.assertEqual((await wire.frame())["type"], "start")
        for name, reader in faces.events.items():
            self.assertEqual(reader.response.code, 200, name)
            await self.until(
                lambda r=reader: r.done.called or any("one" in each.data for each in r.events)
            )
            self.assertFalse(reader.done.called, name)
        waiting = faces.whole.values()
        await self.until(
            lambda: len(self.model.asked) == before + 5 or any(each.called for each in waiting)
        )
        self.assertFalse(any(each.called for each in waiting))
        return faces

    async def assertEnded(self, faces: Faces, code: str, says: str, close: int) -> None:
        """
        Assert that all readers of a client have ended, and learn why.
        """
        for name, reader in faces.events.items():
            await reader.done
            last = [event for event in reader.events if event.data != "[DONE]"][-1]
            value = json.loads(last.data)
            if name == "stream":
                self.assertEqual((last.event, value["code"]), ("error", code), name)
            elif name in ("gateway", "alone"):
                self.assertEqual(value["error"]["code"], code, name)
                self.assertNotIn("[DONE]", [event.data for event in reader.events])
            else:
                self.assertEqual(value["type"], "error", name)
                self.assertIn(says, value["errorText"], name)
        for name, waiting in faces.whole.items():
            response = await waiting
            body = json.loads(await response.content())
            self.assertEqual(body["error"]["code"], code, name)
        await faces.wire.lost
        self.assertEqual(faces.wire.closeCode, close)

    async def assertReading(self, faces: Faces) -> None:
        """
        Assert that no reader of a client has ended.
        """
        for reader in faces.events.values():
            self.assertFalse(reader.done.called)
        for waiting in faces.whole.values():
            self.assertFalse(waiting.called)
        await self.assertChats(faces.wire)

    async def assertChats(self, wire: Wire) -> None:
        """
        Assert that the WebSocket of a chat is open.
        """
        wire.tell({"type": "resume", "requestId": "again", "id": "none"})
        while (await wire.frame())["type"] != "no-active":
            pass

    def drop(self, faces: Faces) -> None:
        """
        Let a client go.
        """
        for reader in faces.events.values():
            reader.drop()
        for waiting in faces.whole.values():
            waiting.addErrback(lambda _: None)
            waiting.cancel()
        faces.wire.drop()

    async def byToken(self, user: str, chat: str, **claims: Any) -> Faces:
        """
        Read as a user.
        """
        token = makeToken(user, **claims)
        return await self.read(token, f"aerostack-token.{token}", chat)

    async def test_removed(self) -> None:
        """
        A server disconnects or revokes a user: what the user reads ends, with the reason; what
        others read goes on, and so do the answers that others can watch.
        """
        bob = await self.byToken("bob", "c2")
        ann = await self.byToken("ann", "c1")
        _, answer = await self.rpc("user.disconnect", "ann", {"reason": "Enough."})
        self.assertEqual((answer["connections"], answer["unconfirmed"]), (9, []))
        await self.assertEnded(ann, "disconnected", "Enough.", CLOSE_DISCONNECTED)
        # Of what ann has asked, two answers were for ann alone.
        await self.until(lambda: self.model.open == 8)
        ann = await self.byToken("ann", "c3", iat=int(time.time()) - 60)
        _, answer = await self.rpc("user.revoke", "ann", {"seconds": 600, "reason": "Enough."})
        self.assertEqual((answer["connections"], answer["unconfirmed"]), (9, []))
        await self.assertEnded(ann, "token_revoked", "Enough.", CLOSE_TOKEN)
        await self.assertReading(bob)
        self.drop(bob)

    async def test_expires(self) -> None:
        """
        What a client reads ends when its token expires.
        """
        lasting, faces = 2, None
        while faces is None:
            lasting *= 2
            try:
                faces = await self.byToken("ann", f"c{lasting}", exp=int(time.time()) + lasting)
            except (self.failureException, Refused, ConnectionResetError):
                # The machine is slower than the token lasts.
                continue
        await self.assertEnded(faces, "token_expired", "expired", CLOSE_TOKEN)

    async def test_reload(self) -> None:
        """
        What a client reads ends when a reload takes away its key or its project, and goes on
        through other reloads.
        """
        keys = await self.read(PUBLIC_KEY, f"aerostack-key.{PUBLIC_KEY}")
        tokens = await self.byToken("ann", "c2")
        config = self.config()
        project = config.projects["p"]
        changed = replace(config, projects={"p": replace(project, defaultRead=("token",))})
        await self.reload(changed)
        await self.assertReading(keys)
        project = replace(project, publicKey="pk_another0123456789")
        await self.reload(replace(config, projects={"p": project}))
        await self.assertEnded(keys, "unauthorized", "key", CLOSE_REVOKED)
        await self.assertReading(tokens)
        other = makeProject(id="q", publicKey="pk_of_q_0123456789", secretKey=None)
        await self.reload(replace(config, projects={"q": other}))
        await self.assertEnded(tokens, "unknown_project", "gone", CLOSE_REVOKED)


class WorkersStreamRightsTests(StreamRightsTests):
    """
    The same with two workers.
    """

    workers = 2
