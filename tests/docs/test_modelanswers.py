"""
Tests that the answers about models and token streams match C{docs/openapi.yaml}.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jwt
import treq
from twisted.web.client import Agent

from aerostack.settings.ai import ModelConfig
from aerostack.settings.projects import JWTConfig, ProjectConfig
from aerostack.testing import PUBLIC_KEY, SECRET_KEY, TOKEN_SECRET, makeProject
from aerostack.testing.models import HANG, ModelAnswer, chunk
from tests.docs import openapi
from tests.live.daemon import ORIGIN
from tests.live.models import GATEWAY, HELLO, ModelTests

SMALL_KEY = "pk_of_small_89abcdef"
STREAMS = "/api/v1/public/realtime/streams"

MESSAGE = {"id": "m", "role": "user", "parts": [{"type": "text", "text": "Hello"}]}
CHAT = {"id": "c1", "messages": [MESSAGE], "trigger": "submit-message"}

ENDLESS = ModelAnswer([chunk({"content": "one"})], ending=HANG)


class ModelAnswerTests(ModelTests):
    """
    Tests that cause every documented answer.
    """

    limits: Mapping[str, Any] = {"bodyBytes": 4096}

    def projects(self) -> dict[str, ProjectConfig]:
        return {
            "p": makeProject(
                origins=(ORIGIN,),
                models=("default",),
                jwt=JWTConfig(algorithm="HS256", key=TOKEN_SECRET),
            ),
            "small": makeProject(
                id="small", publicKey=SMALL_KEY, secretKey=None, framesPerSecond=0.1
            ),
        }

    def modelConfig(self) -> ModelConfig:
        return replace(super().modelConfig(), requests=1)

    async def ask(
        self,
        operationId: str,
        method: str,
        path: str,
        body: Any = None,
        key: str = PUBLIC_KEY,
        **headers: str,
    ) -> int:
        """
        Send a request, and check that the answer matches the document.

        @return: Its status.
        """
        response = await treq.request(
            method,
            f"http://127.0.0.1:{self.port}{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={
                **({"Authorization": f"Bearer {key}"} if key else {}),
                **{name.replace("_", "-"): value for name, value in headers.items()},
            },
            agent=Agent(self.reactor, pool=self.pool),
            unbuffered=True,
        )
        found = {
            name.decode().lower(): values[-1].decode()
            for name, values in response.headers.getAllRawHeaders()
        }
        # A stream may go on for ever.
        isJSON = found.get("content-type") == "application/json"
        answer = json.loads(await response.content()) if isJSON else "" or None
        if found.get("content-type") == "text/event-stream":
            response.original._transport.loseConnection()
            answer = ""
        self.assertEqual(
            list(openapi.answerFaults(operationId, response.code, found, answer)), [], answer
        )
        status: int = response.code
        return status

    def token(self, **claims: Any) -> str:
        """
        A user's token.
        """
        return jwt.encode({"projectId": "p", "sub": "bob", **claims}, TOKEN_SECRET, "HS256")

    async def test_gateway(self) -> None:
        """
        The answers of the gateway match.
        """

        async def ask(key: str = PUBLIC_KEY, path: str = GATEWAY, **fields: Any) -> int:
            headers = fields.pop("headers", {})
            body = {"messages": HELLO, **fields}
            return await self.ask("askModel", "POST", path, body, key, **headers)

        statuses = {
            await ask(),
            await ask(stream=True, headers={"X_Aerostack_Topic": "ai-chat/7"}),
            await ask(n=2),
            await ask("pk_nobody"),
            await ask(headers={"Origin": "http://other.test"}),
            await ask(path=GATEWAY.replace("default", "none")),
            await ask(pad="x" * 5000),
            await ask(SMALL_KEY),
            await ask(SMALL_KEY),
        }
        self.model.answers[:] = [ModelAnswer((), 401, {})]
        statuses.add(await ask())
        self.model.answers[:] = [ENDLESS]
        _, started = await self.rpc("ai.relay", "ai-chat/8", {"messages": HELLO})
        statuses.add(await ask())
        self.assertEqual(statuses, openapi.statuses("askModel"))
        await self.rpc("ai.cancel", started["stream"])

    async def test_chat(self) -> None:
        """
        The answers of the chats match.
        """

        async def ask(body: Any = CHAT, key: str = PUBLIC_KEY) -> int:
            return await self.ask("askChat", "POST", "/api/ai/chat", body, key)

        reader = self.token(topics={"subscribe": ["ai-chat/*"]})
        self.model.answers[:] = [ENDLESS]
        statuses = {
            await ask(),
            await ask({**CHAT, "messages": [{**MESSAGE, "id": "other"}]}),
            await ask({"id": "c2"}),
            await ask(CHAT, "pk_nobody"),
            await ask(CHAT, reader),
            await ask({**CHAT, "model": "none"}),
            await ask(CHAT, SMALL_KEY),
            await ask(CHAT, SMALL_KEY),
        }
        self.assertEqual(statuses, openapi.statuses("askChat"))
        blind = self.token(topics={"publish": ["ai-chat/*"]})

        async def resume(chat: str = "c1", key: str = PUBLIC_KEY) -> int:
            return await self.ask("resumeChat", "GET", f"/api/ai/chat/{chat}/stream", None, key)

        statuses = {
            await resume(),
            await resume("c9"),
            await resume(key="pk_nobody"),
            await resume(key=blind),
        }
        self.assertEqual(statuses, openapi.statuses("resumeChat"))

        async def stop(body: Any = None, key: str = PUBLIC_KEY) -> int:
            return await self.ask("stopChat", "POST", "/api/ai/chat/c1/stop", body, key)

        statuses = {
            await stop({"messageId": "other"}),
            await stop([]),
            await stop(key="pk_nobody"),
            await stop(key=blind),
            await stop(),
        }
        self.assertEqual(statuses, openapi.statuses("stopChat"))

    async def test_streams(self) -> None:
        """
        The answers about a stream match, while it runs and after its end.
        """
        self.model.answers[:] = [ENDLESS]
        _, started = await self.rpc("ai.relay", "ai-chat/7", {"messages": HELLO})
        path = f"{STREAMS}/{started['stream']}"

        async def ask(path: str = path, key: str = PUBLIC_KEY, **headers: str) -> int:
            return await self.ask("getStream", "GET", path, None, key, **headers)

        blind = self.token(topics={"publish": ["ai-chat/*"]})
        statuses = {
            await ask(Accept="text/event-stream"),
            await ask(),
            await ask(f"{path}?as=x"),
            await ask(key="pk_nobody"),
            await ask(key=blind),
            await ask(f"{STREAMS}/other"),
        }
        await self.rpc("ai.cancel", started["stream"], key=SECRET_KEY)
        statuses.add(await ask())
        self.assertEqual(statuses, openapi.statuses("getStream"))
