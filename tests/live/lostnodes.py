"""
Daemons that share token streams, some of which are killed.
"""

from __future__ import annotations

import json
from typing import Any

from aerostack.testing import SECRET_KEY
from tests.live.nodeprocesses import NodesProgramTests
from tests.live.wire import Frame, Wire

TOPIC = "ai-chat/7"
OTHER = "ai-chat/8"
BEARER = f"Bearer {SECRET_KEY}"


class Texts:
    """
    What a watcher has.

    @ivar texts: The text of each stream.
    @ivar ends: The data of each end, by stream, in the order in which they came.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.texts: dict[str, str] = {}
        self.ends: dict[str, list[Frame]] = {}

    async def until(self, *streams: str) -> None:
        """
        Read until streams have ended.
        """
        while not self.ends.keys() >= set(streams):
            self.take(await self._wire.frame())

    async def first(self, number: int = 0) -> str:
        """
        Read until there is a text.

        @param number: How many there are before it.
        @return: The id of its stream.
        """
        while len(self.texts) <= number:
            self.take(await self._wire.frame())
        return list(self.texts)[number]

    async def has(self, stream: str, text: str) -> None:
        """
        Read until a stream has a text.
        """
        while self.texts.get(stream) != text:
            self.take(await self._wire.frame())

    def take(self, frame: Frame) -> None:
        """
        Read a frame.
        """
        stream = frame.get("stream", "")
        if frame.get("event") == "ai:token":
            text, at = self.texts.get(stream, ""), frame["at"]
            assert at <= len(text), frame
            token = frame["data"]["token"]
            assert frame.get("reset") or text[at:].startswith(token[: len(text) - at]), frame
            self.texts[stream] = text[:at] + token + text[at + len(token) :]
        elif frame.get("event") == "ai:done":
            assert frame["state"] == frame["data"]["state"], frame
            self.ends.setdefault(stream, []).append(frame["data"])


class LostNodesTests(NodesProgramTests):
    """
    Runs daemons that share token streams.
    """

    async def call(self, number: int, method: str, *args: Any) -> tuple[int, Any]:
        """
        Call a method of the RPC of a daemon.
        """
        self.at(number)
        body = json.dumps({"method": method, "args": args, "projectId": "p"}).encode()
        return await self.http("POST", "/internal/hooks/rpc", body, Authorization=BEARER)

    async def done(self, number: int, method: str, *args: Any) -> Any:
        """
        Call a method until it is not refused for a while only.
        """
        while True:
            status, answer = await self.call(number, method, *args)
            if status == 200:
                return answer
            self.assertIn("retryAfter", answer)
            await self.sleep(0.2)

    async def append(self, number: int, stream: str, at: int, text: str) -> Any:
        """
        Let a stream grow.
        """
        return await self.done(
            number, "ai.append", stream, 1, [{"part": "0", "at": at, "text": text}]
        )

    async def watch(self, number: int, topic: str = TOPIC) -> Texts:
        """
        Watch a topic at a daemon.
        """
        wire, _ = await self.join(number, topic)
        return Texts(wire)

    async def checkpointed(self, *texts: str) -> None:
        """
        Wait until the database has texts.
        """
        query = "SELECT text FROM _aerostack.answer_pieces"
        await self.until(
            lambda: {json.loads(text) for (text,) in self.postgres.execute(query)} >= set(texts)
        )

    async def history(self, number: int, topic: str = TOPIC) -> dict[str, list[Any]]:
        """
        The states and texts of the streams in the history.
        """
        self.at(number)
        path = f"/api/v1/public/realtime/history?room={topic}/p"
        _, page = await self.http("GET", path, Authorization=BEARER, **{"X-Project-Id": "p"})
        found: dict[str, list[Any]] = {}
        for message in page["messages"]:
            data = message["data"]
            found.setdefault(data["id"], []).append((data["state"], data["text"]))
        return found

    async def kept(self, number: int, stream: str, state: str, text: str) -> None:
        """
        Wait until the history has the end of a stream, once.  Watchers may have it earlier if the
        database is slow.
        """
        while (found := (await self.history(number)).get(stream)) is None:
            await self.sleep(0.05)
        self.assertEqual(found, [(state, text)])

    async def forgotten(self) -> None:
        """
        Wait until the database has nothing of running streams.
        """
        for table in ("answers", "answer_pieces"):
            query = f"SELECT count(*) FROM _aerostack.{table}"
            await self.until(lambda query=query: self.postgres.execute(query) == [(0,)])
