"""
Keyed topics, over sockets and with a database.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from aerostack.settings.settings import Config, TopicConfig
from tests.live import nodes
from tests.live.clients import ClientTests
from tests.live.daemon import gather
from tests.live.wire import Frame, Wire

TOPIC = "state/a"


class RaceTests(ClientTests):
    """
    Tests for clients that want the same keys.
    """

    limits: Mapping[str, Any] = {"framesPerSecond": 100_000, "framesBurst": 100_000}

    def config(self) -> Config:
        topics = {
            "state/short": TopicConfig(keyed=True, ttl=1.0),
            "state/*": TopicConfig(keyed=True),
        }
        return replace(super().config(), topics=topics)

    def put(self, wire: Wire, key: str, data: Any, **fields: Any) -> None:
        """
        Publish a value.
        """
        frame = {"type": "publish", "topic": TOPIC, "event": "set", "key": key, "data": data}
        wire.tell({**frame, "id": key, **fields})

    async def values(self, topic: str = TOPIC) -> dict[str, Any]:
        """
        What a newcomer gets.
        """
        wire = await self.client()
        wire.positions = True
        wire.tell({"type": "subscribe", "topic": topic})
        answer = await wire.frame()
        found: dict[str, Any] = {}
        more = "pos" not in answer
        while more:
            frame = await wire.frame()
            found[frame["key"]] = frame["data"]
            more = frame.get("more", False)
        return found

    async def test_race(self) -> None:
        """
        Of several clients that take the same keys at the same time, exactly one gets each.
        """
        watcher = await self.subscribed(TOPIC)
        clients = [await self.client(f"u{n}") for n in range(4)]
        for number in range(50):
            for place, client in enumerate(clients):
                self.put(client, f"k{number}", place, ifNew=True, persist=number % 5 == 0)
        answers: dict[str, list[Frame]] = {}
        for client in clients:
            for frame in await client.frames(50):
                answers.setdefault(frame["id"], []).append(frame)
        winners = {frame["key"]: frame["data"] for frame in await watcher.frames(50)}
        self.assertEqual(len(winners), 50)
        for key, found in answers.items():
            taken = [place for place, frame in enumerate(found) if frame["type"] == "ack"]
            self.assertEqual(taken, [winners[key]])
            refused = [frame for frame in found if frame["type"] != "ack"]
            self.assertEqual({(f["code"], f["data"]) for f in refused}, {("stale", winners[key])})
        self.assertEqual(await self.values(), winners)


class KeyedTests(RaceTests):
    """
    Tests for keyed topics.
    """

    async def test_restart(self) -> None:
        """
        Newcomers get the newest values.  After a restart they get those that were kept.
        """
        # Nodes acknowledge what is committed before it has its place, so a newcomer may still get
        # the value before.  What a subscriber got has its place.
        watcher = await self.subscribed(TOPIC)
        ann = await self.client("ann")
        for first in range(0, 1200, 400):
            # A topic refuses what is behind 1,000 that wait for the database.
            for number in range(first, first + 400):
                self.put(ann, f"k{number}", number, persist=number % 2 == 0)
            self.assertEqual({frame["type"] for frame in await ann.frames(400)}, {"ack"})
        self.put(ann, "k0", None)
        self.put(ann, "k2", "new")
        self.assertEqual([frame["type"] for frame in await ann.frames(2)], ["ack", "ack"])
        await watcher.frames(1202)
        expected = {f"k{n}": n for n in range(1, 1200)} | {"k2": "new"}
        self.assertEqual(await self.values(), expected)
        await self.stop()
        await self.start()
        kept = {f"k{n}": n for n in range(2, 1200, 2)} | {"k2": "new"}
        self.assertEqual(await self.values(), kept)

    async def test_counter(self) -> None:
        """
        Clients that count up with C{ifPos}, and try again after C{stale}, lose no step.
        """
        ann, bob = [await self.client(name) for name in ("ann", "bob")]
        await self.emit("set", 0, TOPIC, key="n")

        async def count(wire: Wire) -> None:
            wire.positions = True
            pos, data, attempt = "0-0-0", -1, 0
            for _ in range(20):
                while True:
                    attempt += 1
                    self.put(wire, "n", data + 1, ifPos=pos, id=attempt)
                    frame = await wire.frame()
                    if frame["type"] == "ack":
                        break
                    pos, data = frame["pos"], frame["data"]

        await gather(count(ann), count(bob))
        self.assertEqual(await self.values(), {"n": 40})

    async def test_ttl(self) -> None:
        """
        A value ends by itself, and subscribers hear of it.
        """
        watcher = await self.subscribed("state/short")
        await self.emit("set", 1, "state/short", key="a", persist=True)
        frames = await watcher.frames(2)
        self.assertEqual([(f["key"], f["data"]) for f in frames], [("a", 1), ("a", None)])
        self.assertEqual(await self.values("state/short"), {})


class WorkersTests(KeyedTests):
    """
    The same with workers.
    """

    workers = 2


class EverywhereTests(nodes.NodesTests):
    """
    Runs two daemons, and connects one client after the other to another one.
    """

    number = 0

    async def client(self, userId: str | None = None, key: str | None = None) -> Wire:
        self.number = 1 - self.number
        self.at(self.number)
        return await super().client(userId, key)


class NodesTests(EverywhereTests, KeyedTests):
    """
    The same with two daemons that share their topics.
    """

    async def stop(self) -> None:
        await super().stop()
        self.daemons, self.ports = [], []
        # What was not kept is lost with the server.
        self.server.flush()

    async def test_lost(self) -> None:
        """
        If the server loses everything, subscribers get the values that were kept.
        """
        wire = await self.subscribed(TOPIC)
        await self.emit("set", 1, TOPIC, key="a", persist=True)
        await self.emit("set", 2, TOPIC, key="b")
        await wire.frames(2)
        self.server.kill()
        await self.until(lambda: all(each.node.faults()["engine"] for each in self.daemons))
        self.server.start()
        await self.connected()
        while (frame := await wire.frame())["type"] != "subscribed":
            self.assertEqual(frame["type"], "status")
        self.assertEqual((frame["recovered"], frame["gap"]), (False, {"reason": "lost"}))
        value = await wire.frame()
        self.assertEqual((value["key"], value["data"], value["current"]), ("a", 1, True))
        self.assertNotIn("more", value)
        await self.emit("set", 3, TOPIC, key="a")
        self.assertEqual((await wire.frame())["data"], 3)
        self.assertEqual(await self.values(), {"a": 3})


class WorkerNodesTests(EverywhereTests, RaceTests):
    """
    The races with two daemons that have workers.
    """

    workers = 2
