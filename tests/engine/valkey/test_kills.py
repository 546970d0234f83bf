"""
Tests of logs on a server under random cuts, kills, hangs and forgotten scripts.
"""

from __future__ import annotations

from collections import Counter
from random import Random

from twisted.internet.defer import Deferred

from aerostack.core.replay.log import Depth
from aerostack.core.replay.shared import Placed
from aerostack.engine.valkey.keys import Keys
from aerostack.errors import RealtimeError
from aerostack.testing.relay import Relay
from tests.engine.lognodes import keep
from tests.engine.valkey.nodes import NodesCase
from tests.engine.valkey.server import ownServer
from tests.fuzz import seeds

TOPICS = ("chat/a/p", "chat/b/p", "chat/c/p")
DEPTH = Depth(100_000, 100_000_000, 300.0)


class KillTests(NodesCase):
    """
    Three nodes, two of which follow all topics, publish while everything breaks.  A seed repeats
    what is done, but not how long everything takes.
    """

    async def breakAll(self, durable: bool, steps: int = 60) -> None:
        """
        Make the nodes, publish and break, and wait until all have what there is.
        """
        seed = next(seeds(1))
        self.random = Random(seed)
        self.sent: list[tuple[str, str, int | None, Deferred[Placed]]] = []
        self.refused: set[str] = set()
        self.marks: Counter[str] = Counter()
        self.relays: list[Relay] = []
        self.hasSnapshot = False
        for _ in range(3):
            _, relay = await self.relayed(DEPTH)
            self.relays.append(relay)
        for node in self.nodes[:2]:
            for topic in TOPICS:
                await node.attach(topic)
        try:
            for step in range(steps):
                for number in range(self.random.randrange(20)):
                    self.publishOne(f"{step}.{number}")
                await self.breakOne(durable)
                await self.pause(self.random.random() * 0.03)
            self.ended = [await self.outcome(text, placed) for _, text, _, placed in self.sent]
            for topic in TOPICS:
                await self.until(lambda topic=topic: self.isWhole(topic))
            for node in self.nodes:
                self.assertEqual(node.mistakes, [])
        except Exception as error:
            raise AssertionError(f"FUZZ_SEED={seed}") from error

    def publishOne(self, data: str) -> None:
        """
        Publish on some topic at some node, kept, with an id or without.
        """
        node, topic = self.random.choice(self.nodes), self.random.choice(TOPICS)
        text = f"{self.nodes.index(node)}.{data}"
        kind, mark = self.random.randrange(3), None
        if kind == 0:
            prev = self.marks[topic]
            self.marks[topic] = mark = prev + 10
            keep(self.history, mark, text, topic)
            placed = node.publish(text, topic, mark, prev)
        else:
            placed = node.publish(text, topic, repeat=text if kind == 1 else None)
        self.sent.append((topic, text, mark, placed))

    async def breakOne(self, durable: bool) -> None:
        """
        Break something.
        """
        act = self.random.randrange(7 if durable else 10)
        if act < 4:
            self.random.choice(self.relays).cut()
        elif act == 4:
            self.server.execute("SCRIPT", "FLUSH")
        elif act == 5:
            self.server.freeze()
            await self.pause(0.05)
            self.server.thaw()
        elif act == 6:
            self.server.restart()
        elif act == 7:
            self.server.flush()
        elif act == 8 or not self.hasSnapshot:
            self.server.takeSnapshot()
            self.hasSnapshot = True
        else:
            self.server.restoreSnapshot()

    async def outcome(self, text: str, placed: Deferred[Placed]) -> Placed | None:
        """
        Wait for a publication's outcome; L{None} if it was refused.
        """
        try:
            return await placed
        except RealtimeError:
            self.refused.add(text)
            return None

    def isWhole(self, topic: str) -> bool:
        """
        Whether the nodes that follow a topic have the head that the server has.
        """
        head = self.server.execute("HMGET", Keys().metaOf(topic), "e", "o", "g")
        return None not in head and all(
            [place.epoch, str(place.offset), place.tag or "-"] == [part.decode() for part in head]
            for place in (node.heads[topic] for node in self.nodes[:2])
        )

    async def test_durable(self) -> None:
        """
        Where the server writes everything down, no publication is lost or doubled, all nodes have
        one order, and none gets a break.
        """
        self.server = ownServer(self, "appendonly yes", "appendfsync always")
        await self.breakAll(True)
        self.assertEqual(self.refused, set())
        one, other = self.nodes[:2]
        for topic in TOPICS:
            data = one.data(topic)
            self.assertEqual(data, other.data(topic))
            sent = [text for where, text, *_ in self.sent if where == topic]
            self.assertEqual(Counter(data), Counter(sent))
            kept = [e.publication.mark for e in one.entries.get(topic, ()) if e.kept]
            self.assertEqual(kept, sorted(set(kept)))
            # Another node may bring a kept one before what its own node still has to bring.
            passing = [e.publication.data.decode() for e in one.entries[topic] if not e.kept]
            for node in range(3):
                mine = [text for text in passing if text.startswith(f"{node}.")]
                self.assertEqual(mine, [text for text in sent if text in set(mine)])
        self.assertEqual([node.breaks for node in self.nodes], [[], [], []])

    async def test_forgetful(self) -> None:
        """
        Where the server comes back empty or older, each node gets what was acknowledged, or a
        break.
        """
        self.server = ownServer(self)
        await self.breakAll(False)
        for (topic, text, mark, _), placed in zip(self.sent, self.ended, strict=True):
            for node in self.nodes[:2]:
                count = node.data(topic).count(text)
                ends = [head for where, head, _ in node.breaks if where == topic]
                if placed is not None and placed.position is not None and count == 0:
                    place = placed.position
                    self.assertTrue(
                        any(
                            head.epoch > place.epoch
                            # Its clients read a kept one from the history.
                            or (mark is not None and head.mark >= mark)
                            or (head.epoch, head.offset) >= (place.epoch, place.offset)
                            for head in ends
                        ),
                        f"{text} at {place} is lost untold: {ends}",
                    )
                if count > 1:
                    self.assertTrue(ends, f"{text} came {count} times")
        for topic in TOPICS:
            for node in self.nodes[:2]:
                kept = [e.publication.mark for e in node.entries.get(topic, ()) if e.kept]
                self.assertEqual(kept, sorted(set(kept)), "kept ones come in order and once")
