"""
The daemon is killed while token streams run.
"""

from __future__ import annotations

import json
from random import Random
from typing import Any

from aerostack.testing import SECRET_KEY
from tests.live.program import ProgramTests

TOPIC = "ai-chat/7"
BEARER = f"Bearer {SECRET_KEY}"


class KilledStreamTests(ProgramTests):
    """
    Tests with a daemon in a process of its own.
    """

    async def call(self, method: str, *args: Any) -> tuple[int, Any]:
        """
        Call a method of the RPC.
        """
        body = json.dumps({"method": method, "args": args}).encode()
        return await self.http("POST", "/internal/hooks/rpc", body, Authorization=BEARER)

    async def produce(self, text: str) -> None:
        """
        Start the stream, or go on with it, and send what is missing of a text.
        """
        options = {"stream": "a1", "producer": "run", "lease": 600_000}
        status, started = await self.call("ai.start", TOPIC, options)
        self.assertEqual(status, 200, started)
        length = started["length"].get("0", 0)
        self.assertEqual(started["epoch"], 1)
        for at in range(length, len(text), 7):
            piece = {"part": "0", "at": at, "text": text[at : at + 7]}
            status, answer = await self.call("ai.append", "a1", 1, [piece])
            self.assertEqual(status, 200, answer)

    async def ends(self) -> dict[str, list[Any]]:
        """
        The states and the texts in the history, by stream.
        """
        path = f"/api/v1/public/realtime/history?room={TOPIC}/p"
        _, history = await self.http("GET", path, Authorization=BEARER)
        found: dict[str, list[Any]] = {}
        for message in history["messages"]:
            data = message["data"]
            found.setdefault(data["id"], []).append((data["state"], data["text"]))
        return found

    async def test_daemon(self) -> None:
        """
        A daemon that is killed again and again loses nothing that its producer sends again: the
        text is whole in the end, and the history has it once.  A stream whose producer does not
        come back ends.
        """
        child = await self.serve(self.configure())
        await self.call("ai.start", TOPIC, {"stream": "left", "lease": 5000})
        await self.call("ai.append", "left", 1, [{"part": "0", "at": 0, "text": "partial"}])

        async def isWritten() -> bool:
            # On a slow disk its lease may end before.
            pieces = self.execute("SELECT * FROM realtime_answer_pieces")
            return bool(pieces) or "left" in await self.ends()

        await self.until(isWritten)
        random, whole = Random(1), ""
        for _ in range(3):
            whole += "".join(random.choice("abcdef ") for _ in range(60))
            await self.produce(whole)
            await self.sleep(1.2 * random.random())
            child.signal("KILL")
            await child.ended
            child = await self.serve()
        await self.produce(whole)
        status, ended = await self.call("ai.end", "a1", 1)
        self.assertEqual((status, ended["kept"]), (200, True))
        while "left" not in (found := await self.ends()):
            await self.sleep(0.1)
        self.assertEqual(found["a1"], [("done", whole)])
        self.assertEqual([state for state, _ in found["left"]], ["aborted"])
        self.assertEqual(self.execute("SELECT count(*) FROM realtime_answers"), [(0,)])
        self.assertEqual(self.execute("SELECT count(*) FROM realtime_answer_pieces"), [(0,)])
