"""
Token streams that have ended long ago.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import treq
from twisted.web.client import Agent

from aerostack.client.address import Address
from aerostack.client.http import HttpClient
from aerostack.client.requests import readStream
from aerostack.settings.ai import AIConfig
from aerostack.settings.settings import Config
from aerostack.testing import PUBLIC_KEY
from tests.live.clients import makeToken
from tests.live.nodes import NodesTests
from tests.live.requests import HTTPTests
from tests.live.streamreaders import STREAMS, TOPIC

PARTS = [
    {"part": "r", "kind": "reasoning", "text": "Hm"},
    {"part": "0", "kind": "text", "text": "Zürich 😀"},
]


async def begin(test: Any, stream: str, **options: Any) -> None:
    """
    Let a stream begin and grow.
    """
    status, _ = await test.rpc("ai.start", TOPIC, {"stream": stream, "owner": "ann", **options})
    assert status == 200
    operations = [{**part, "at": 0} for part in PARTS]
    status, _ = await test.rpc("ai.append", stream, 1, operations)
    assert status == 200


class PastStreamTests(HTTPTests):
    """
    Tests for streams that the daemon has forgotten, and the history has not.
    """

    async def test_restart(self) -> None:
        """
        After a restart a stream that was kept is read as before, by servers and, if they may
        subscribe to its topic, by clients, as JSON and as events; one that was not kept is
        unknown.
        """
        await begin(self, "a1", meta={"n": 1})
        await begin(self, "a2", persist=False)
        for stream in ("a1", "a2"):
            status, _ = await self.rpc("ai.end", stream, 1, {"usage": {"tokens": 2}})
            self.assertEqual(status, 200)
        _, before = await self.rpc("ai.get", "a1")
        self.assertEqual(before["parts"], PARTS)
        await self.stop()
        await self.start()
        self.assertEqual(await self.rpc("ai.get", "a1"), (200, before))
        status, error = await self.rpc("ai.get", "a2")
        self.assertEqual((status, error["error"]), (404, "stream_unknown"))
        path, key = f"{STREAMS}/a1", {"X_Aerostack_Key": PUBLIC_KEY}
        self.assertEqual((await self.http("GET", path, **key))[:2], (200, before))
        address = Address(f"http://127.0.0.1:{self.port}", "p", None, PUBLIC_KEY, None, None)
        client = HttpClient(self.reactor, address, 60.0, Agent(self.reactor, pool=self.pool))
        self.assertEqual(await client.send(readStream(address, "a1")), before)
        response = await treq.get(
            f"http://127.0.0.1:{self.port}{path}",
            headers={"Accept": "text/event-stream", "X-Aerostack-Key": PUBLIC_KEY},
            agent=Agent(self.reactor, pool=self.pool),
        )
        events = await response.text("utf-8")
        self.assertIn("event: ai:start", events)
        tokens = [line for line in events.split("\n") if line.startswith('data: {"token":')]
        read = [json.loads(line.removeprefix("data: ")) for line in tokens]
        self.assertEqual(
            read,
            [{"token": "Hm", "part": "r"}, {"token": "Zürich 😀", "part": "0"}],
        )
        self.assertIn("event: ai:done", events)
        token = makeToken("bob", projectId="p", topics={"subscribe": ["chat/*"]})
        for accept in ("application/json", "text/event-stream"):
            status, error, _ = await self.http(
                "GET", path, Accept=accept, Authorization=f"Bearer {token}"
            )
            self.assertEqual((status, error["error"]), (403, "forbidden"))
            status, error, _ = await self.http("GET", f"{STREAMS}/a2", Accept=accept, **key)
            self.assertEqual((status, error["error"]), (404, "stream_unknown"))


class WorkersPastStreamTests(PastStreamTests):
    """
    The same with two workers.
    """

    workers = 2


class NodesPastStreamTests(NodesTests):
    """
    Tests with two daemons on one database.
    """

    def config(self) -> Config:
        return replace(super().config(), ai=AIConfig(linger=0.0))

    async def test_elsewhere(self) -> None:
        """
        Each daemon reads what was kept of a stream, wherever it has run.
        """
        self.at(0)
        await begin(self, "a1")
        await self.rpc("ai.end", "a1", 1)
        for daemon in self.daemons:
            await self.until(lambda d=daemon: not d.node.streams.answers.get("p", "a1"))
        for node in (0, 1):
            self.at(node)
            status, found = await self.rpc("ai.get", "a1")
            self.assertEqual((status, found["state"], found["parts"]), (200, "done", PARTS))
            self.assertEqual(found["text"], "Zürich 😀")
