"""
A daemon that is killed while a model answers.
"""

from __future__ import annotations

import json
from typing import Any

from twisted.web.server import Site

from aerostack.testing import PUBLIC_KEY, SECRET_KEY
from aerostack.testing.models import HANG, ModelAnswer, ModelServer, chunk
from tests.live.program import ProgramTests

TOPIC = "ai-chat/7"
HISTORY = f"/api/v1/public/realtime/history?room={TOPIC}"


class KilledModelTests(ProgramTests):
    """
    Runs a daemon in a process of its own, and the model's server in the test.
    """

    def setUp(self) -> None:
        super().setUp()
        answer = ModelAnswer([chunk({"content": "Hal"})], ending=HANG)
        self.model = ModelServer(self.reactor, answer)
        listener = self.reactor.listenTCP(0, Site(self.model), interface="127.0.0.1")
        self.addCleanup(listener.stopListening)
        self.url = f"http://127.0.0.1:{listener.getHost().port}/v1/chat/completions"

    async def call(self, method: str, *args: Any) -> Any:
        """
        Call a method of the RPC.
        """
        body = json.dumps({"method": method, "args": args}).encode()
        _, answer = await self.http(
            "POST", "/internal/hooks/rpc", body, Authorization=f"Bearer {SECRET_KEY}"
        )
        return answer

    async def test_killed(self) -> None:
        """
        The stream of a killed daemon is over as soon as the next one runs, and what had come of the
        answer is kept.
        """
        more = f'models = ["m"]\n[ai.models.m]\nurl = "{self.url}"\n'
        child = await self.serve(self.configure(more=more))
        request = {"messages": [{"role": "user", "content": "Hello"}]}
        started = await self.call("ai.relay", TOPIC, request)
        await self.until(lambda: self.rows() == [("Hal",)])
        child.signal("KILL")
        await child.ended
        await self.until(lambda: not self.model.open)
        await self.serve()
        page: Any = {}
        while not page.get("messages"):
            _, page = await self.http("GET", HISTORY, X_Aerostack_Key=PUBLIC_KEY)
        (message,) = page["messages"]
        data = message["data"]
        self.assertEqual((data["id"], data["text"]), (started["stream"], "Hal"))
        self.assertEqual((data["state"], data["reason"]), ("aborted", "restart"))
        self.assertEqual(self.rows(), [])

    def rows(self) -> list[tuple[str]]:
        """
        The texts of running streams in the database.
        """
        rows = self.execute("SELECT text FROM realtime_answer_pieces")
        return [(json.loads(text),) for (text,) in rows]
