"""
Token streams of a model that nobody watches any more.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from aerostack.settings.ai import ModelConfig
from aerostack.testing.models import HANG, ModelAnswer, chunk
from tests.live.models import HELLO
from tests.live.nodes import NodesTests
from tests.live.streamreaders import TOPIC, StreamReaderTests

CANONICAL = f"{TOPIC}/p"


class UnwatchedTests(StreamReaderTests):
    """
    Tests with a model whose streams end ten seconds after the last watcher has gone.
    """

    def modelConfig(self) -> ModelConfig:
        return replace(super().modelConfig(), unwatched=10.0)

    @property
    def watchers(self) -> int:
        """
        How many watchers the daemon counts.
        """
        return int(self.daemon.node.audience.count(CANONICAL))

    async def test_leave(self) -> None:
        """
        When the last watcher has gone, the stream is cancelled after a while, and the model is let
        go.
        """
        self.model.answers[:] = [ModelAnswer([chunk({"content": "one"})], ending=HANG)]
        wires = [await self.subscribed(TOPIC) for _ in range(2)]
        _, started = await self.rpc("ai.relay", TOPIC, {"messages": HELLO})
        reader = await self.events(started["stream"])
        await self.until(lambda: reader.text == "one")
        await self.until(lambda: self.watchers == 3)
        self.assertEqual(self.model.open, 1)
        reader.drop()
        for wire in wires:
            wire.drop()
        await self.until(lambda: not self.model.open)
        status, found = await self.rpc("ai.get", started["stream"])
        self.assertEqual((status, found["state"], found["reason"]), (200, "cancelled", "unwatched"))
        self.assertEqual(found["text"], "one")

    async def test_stats(self) -> None:
        """
        The end says how many watched.
        """
        wires = [await self.subscribed(TOPIC) for _ in range(3)]
        await self.rpc("ai.start", TOPIC, {"stream": "a1"})
        await self.rpc("ai.append", "a1", 1, [{"part": "0", "at": 0, "text": "Hello"}])
        await self.until(lambda: self.watchers == 3)
        await self.rpc("ai.end", "a1", 1)
        _, end = await self.heard(wires[0])
        self.assertEqual((end["stats"]["watchers"], end["stats"]["appends"]), (3, 1))
        self.assertLessEqual(end["stats"]["first"], end["stats"]["ms"])


class WorkersUnwatchedTests(UnwatchedTests):
    """
    The same with two workers.
    """

    workers = 2


class NodesUnwatchedTests(NodesTests):
    """
    Tests with two daemons.
    """

    async def test_elsewhere(self) -> None:
        """
        Watchers at another daemon count, too.
        """
        here, _ = await self.join(0, TOPIC)
        others: list[Any] = [(await self.join(1, TOPIC))[0] for _ in range(2)]
        self.at(0)
        await self.rpc("ai.start", TOPIC, {"stream": "a1"})
        await self.rpc("ai.append", "a1", 1, [{"part": "0", "at": 0, "text": "Hello"}])
        audience = self.daemons[0].node.audience
        await self.until(lambda: audience.count(CANONICAL) == 3)
        others.pop().drop()
        await self.until(lambda: audience.count(CANONICAL) == 2)
        await self.rpc("ai.end", "a1", 1)
        frame: Any = {}
        while frame.get("event") != "ai:done":
            frame = await here.frame()
        self.assertEqual(frame["data"]["stats"]["watchers"], 2)
