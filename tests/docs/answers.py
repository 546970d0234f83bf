"""
A daemon whose answers are compared with C{docs/openapi.yaml}.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import treq
from twisted.web.client import Agent

from aerostack.settings.projects import JWTConfig, ProjectConfig
from aerostack.settings.settings import Config, TopicConfig
from aerostack.testing import TOKEN_SECRET, makeProject
from tests.docs import openapi
from tests.live.daemon import ORIGIN, DaemonTests
from tests.live.wire import Refused

SMALL_KEY, SMALL_SECRET = "pk_of_small_89abcdef", "sk_of_small_89abcdef"


class AnswerCase(DaemonTests):
    """
    A daemon of which a test causes answers.
    """

    limits: Mapping[str, Any] = {"bodyBytes": 4096}

    def config(self) -> Config:
        return replace(super().config(), topics={"state/*": TopicConfig(keyed=True)})

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
