"""
The AI SDK's own C{useChat} with the daemon.
"""

from __future__ import annotations

import json
from dataclasses import replace

from aerostack.settings.ai import ModelConfig
from aerostack.testing import PUBLIC_KEY
from aerostack.testing.models import CUT, DONE, HOLD, ModelAnswer, chunk, words
from tests.live.models import ModelTests

SLOW = ModelAnswer(
    [
        chunk({"content": "one "}),
        HOLD,
        chunk({"content": "two "}),
        chunk({"content": "three"}),
        chunk(reason="stop"),
        DONE,
    ]
)

CALL = ModelAnswer(
    [
        chunk({"content": "Let me see."}),
        chunk({"tool_calls": [{"index": 0, "id": "call_1", "function": {"name": "weather"}}]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"city":"Bern"}'}}]}),
        chunk(reason="tool_calls"),
        DONE,
    ]
)

BROKEN = ModelAnswer([chunk({"content": "Hal"})], ending=CUT)


class AIChatTests(ModelTests):
    """
    Tests with the classes behind the hook, unchanged.
    """

    def modelConfig(self) -> ModelConfig:
        # The model is silent until the program has joined and left the answer.
        return replace(super().modelConfig(), idle=600.0)

    async def test_http(self) -> None:
        """
        A chat is asked, joined in the middle, resumed after refreshes, left, stopped from
        elsewhere, asked twice, goes on after a tool, and shows a break.
        """
        busy = await self.chat("http")
        self.assertEqual(json.loads(busy)["error"], "stream_busy")

    async def test_webSocket(self) -> None:
        """
        It is the same over a WebSocket, which carries all of it at once.
        """
        busy = await self.chat("ws")
        self.assertIn("goes on", busy)

    async def chat(self, by: str) -> str:
        """
        Play all of it.

        @param by: C{http} or C{ws}.
        @return: The error for a question on a busy chat.
        """
        self.model.answers[:] = [
            *(SLOW, SLOW, SLOW, SLOW),
            *(CALL, words("Sunny.")),
            *(BROKEN, words("Whole.")),
        ]
        written = await self.node(
            "chats.js", f"http://127.0.0.1:{self.port}", PUBLIC_KEY, by, self.modelURL
        )
        results = json.loads(written)
        whole = {
            "role": "assistant",
            "text": "one two three",
            "kinds": ["step-start", "text"],
            "status": "ready",
            "errors": [],
        }
        first = results["first"]
        self.assertEqual(first, {"id": first["id"], **whole})
        # All tabs have the same message, once.
        self.assertEqual(results["second"], first)
        self.assertEqual(results["third"], {**first, "count": 2})
        self.assertEqual(results["late"], {"count": 2, "status": "ready", "errors": []})
        self.assertEqual(results["staying"]["text"], "one two three")
        self.assertEqual(results["stop"]["status"], 200)
        self.assertEqual(results["stop"]["body"]["state"], "cancelled")
        self.assertEqual((results["stopped"]["text"], results["stopped"]["errors"]), ("one ", []))
        self.assertEqual(results["again"], 204)
        (busy,) = results["other"]
        self.assertEqual(results["retried"], {"status": 200, "same": True})
        self.assertEqual(results["call"]["state"], "input-available")
        self.assertEqual(results["call"]["input"], {"city": "Bern"})
        tools = results["tools"]
        self.assertEqual((tools["id"], tools["count"]), (results["call"]["id"], 2))
        self.assertEqual(tools["text"], "Let me see.Sunny.")
        broken = results["broken"]
        self.assertEqual((broken["text"], broken["status"]), ("Hal", "error"))
        self.assertEqual(broken["errors"], ["The answer was broken off (upstream)."])
        self.assertEqual(results["regenerated"]["text"], "Whole.")
        # Of the requests on the busy chat, one came to the model.
        self.assertEqual(len(self.model.asked), 8)
        said = self.model.asked[5].body["messages"]
        self.assertEqual([each["role"] for each in said], ["user", "assistant", "tool"])
        self.assertEqual((said[1]["content"], said[2]["content"]), ("Let me see.", "sunny"))
        assert isinstance(busy, str)
        return busy
