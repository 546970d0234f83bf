"""
Tests for L{aerostack.engine.valkey.log} while the server is killed, hangs or becomes a replica.
"""

from __future__ import annotations

from twisted.internet import reactor
from twisted.internet.defer import Deferred

from aerostack.core.replay.shared import Placed
from aerostack.engine.valkey.keys import Keys
from aerostack.engine.valkey.placing import Placing
from aerostack.errors import RealtimeError
from tests.engine.lognodes import TOPIC, Node
from tests.engine.valkey.nodes import NodesCase
from tests.engine.valkey.server import ownServer

TOPICS = [f"chat/{number}/p" for number in range(5)]


class KilledTests(NodesCase):
    """
    The server dies, hangs, or becomes a replica.
    """

    async def publishMany(self, node: Node, count: int) -> list[tuple[str, Deferred[Placed]]]:
        """
        Publish on several topics in one turn.
        """
        topics = [TOPICS[number % len(TOPICS)] for number in range(count)]
        return [(topic, node.publish(number, topic)) for number, topic in enumerate(topics)]

    async def test_killedEmpty(self) -> None:
        """
        A server that keeps nothing is killed with 500 publications unanswered (trap 7): each is in
        the new log, once and in order.
        """
        self.server = ownServer(self)
        node = self.node()
        for topic in TOPICS:
            await node.attach(topic)
        self.server.freeze()
        sent = await self.publishMany(node, 500)
        await self.pause(0.05)
        self.server.restart()
        for _, placed in sent:
            self.assertIsNotNone((await placed).position)
        await self.settle()
        for index, topic in enumerate(TOPICS):
            self.assertEqual(node.data(topic), [str(n) for n in range(index, 500, 5)])
        self.assertEqual(node.mistakes, [])

    async def test_killedDurable(self) -> None:
        """
        A server that writes everything down is killed in the middle of 500 publications (trap 7):
        each node gets each one once and in order, and no break.
        """
        self.server = ownServer(self, "appendonly yes", "appendfsync always")
        node = self.node()
        for topic in TOPICS:
            await node.attach(topic)
        sent = []
        for turn in range(5):
            sent += await self.publishMany(node, 100)
            await self.pause(0)
            if turn == 2:
                self.server.restart()
        for _, placed in sent:
            self.assertIsNotNone((await placed).position)
        await self.settle()
        for index, topic in enumerate(TOPICS):
            self.assertEqual(node.data(topic), [str(n) for n in range(index, 100, 5)] * 5)
        self.assertEqual((node.breaks, node.mistakes), ([], []))

    async def test_frozen(self) -> None:
        """
        A server that hangs is left within 4 s (trap 13); what waits is bounded, and everything goes
        on when the server does.
        """
        self.server = ownServer(self)
        node, other = self.node(), self.node()
        for each in (node, other):
            await each.attach()
        await node.publish("before")
        await self.settle()
        self.server.freeze()
        began = reactor.seconds()  # type: ignore[attr-defined]
        placed = [node.publish(number) for number in range(100)]
        self.patch(Placing, "maxBytes", 1)
        await self.assertFailure(node.publish("too much"), RealtimeError)
        await self.until(lambda: node.states[-1] == "down")
        self.assertTrue(reactor.seconds() - began < 20)  # type: ignore[attr-defined]
        self.server.thaw()
        for each in placed:
            await each
        await self.until(lambda: len(node.data()) > 100 and len(other.data()) > 100)
        sent = ["before", *(str(number) for number in range(100))]
        for one in (node, other):
            self.assertEqual((one.data(), one.breaks, one.mistakes), (sent, [], []))

    async def test_demoted(self) -> None:
        """
        A server becomes a replica without a disconnect (trap 12): nodes leave it, and what was
        published meanwhile is on the new master, all of it and once.
        """
        old, new = ownServer(self), ownServer(self)
        self.server = old
        node, other = self.node(), self.node()
        for each in (node, other):
            await each.attach()
        new.follow(old)
        new.waitUntilFollowing()
        for number in range(50):
            await node.publish(number)
        await self.until(lambda: new.execute("XLEN", Keys().streamOf(TOPIC)) == 50)
        # From now on both are found at the new master, but their lines are still there.
        self.server = new
        new.follow(None)
        old.follow(new)
        placed = [node.publish(number) for number in range(50, 100)]
        for each in placed:
            await each
        await self.until(lambda: len(node.data()) == 100 and len(other.data()) == 100)
        sent = [str(number) for number in range(100)]
        for one in (node, other):
            self.assertEqual((one.data(), one.breaks, one.mistakes), (sent, [], []))
        self.assertEqual(len(await other.log.read(TOPIC, 0, None, 999, 99_999)), 100)
