"""
Tests of kept messages in logs on a server.
"""

from __future__ import annotations

from aerostack.core.replay.shared import LOST
from aerostack.core.replay.tags import keptTag
from aerostack.engine.valkey.filling import Filling
from aerostack.errors import RealtimeError
from tests.engine.lognodes import TOPIC, keep
from tests.engine.valkey.nodes import NodesCase


class KeptOrderTests(NodesCase):
    """
    Kept messages enter a log in the order of their marks, each once.
    """

    async def test_overtaken(self) -> None:
        """
        A message that was committed first and published second comes first (trap 4), and from
        each place between the rest can be read whole.
        """
        one, other = self.node(), self.node()
        for node in (one, other):
            await node.attach()
        keep(self.history, 100)
        keep(self.history, 101)
        await other.publish("x")
        await other.publish(101, mark=101, prev=100)
        late = await one.publish(100, mark=100, prev=0)
        self.assertTrue(late.repeated)
        await other.publish("y")
        await self.settle()
        for node in (one, other):
            self.assertEqual(node.data(), ["x", "100", "101", "y"])
            self.assertEqual(node.mistakes, [])
        for position in (entry.position for entry in one.entries[TOPIC]):
            rest = await one.log.read(TOPIC, position.offset, None, 99, 99_999)
            self.assertEqual(len(rest), 4 - (position.offset or 0))
            kept = [e.publication.mark for e in rest if e.kept]
            self.assertEqual(kept, [mark for mark in (100, 101) if mark > position.mark])

    async def test_withoutPrevious(self) -> None:
        """
        Where the mark before is not known, the log reads the history to see whether it lacks a
        message.
        """
        node = self.node()
        await node.attach()
        for mark in (100, 150, 200):
            keep(self.history, mark)
        await node.publish(200, mark=200)
        await self.settle()
        self.assertEqual(node.data(), ["100", "150", "200"])
        self.assertEqual(node.entries[TOPIC][0].position.tag, keptTag(TOPIC, "m100"))

    async def test_batchBehind(self) -> None:
        """
        Publications that were published behind one that has to wait come behind it.
        """
        node = self.node()
        await node.attach()
        keep(self.history, 100)
        keep(self.history, 101)
        placed = [
            node.publish("a"),
            node.publish(101, mark=101, prev=100),
            node.publish("b"),
            node.publish("c"),
        ]
        for each in placed:
            await each
        await self.settle()
        self.assertEqual(node.data(), ["a", "100", "101", "b", "c"])

    async def test_tooMany(self) -> None:
        """
        Where too many messages are missing, the log is made anew, and every node gets a break: its
        clients read the history.
        """
        self.patch(Filling, "maxCount", 3)
        one, other = self.node(), self.node()
        for node in (one, other):
            await node.attach()
        for mark in range(100, 106):
            keep(self.history, mark)
        await one.publish(105, mark=105, prev=104)
        await self.until(lambda: one.breaks and other.breaks)
        keep(self.history, 106)
        await other.publish(106, mark=106, prev=105)
        await self.settle()
        for node in (one, other):
            [(_, head, reason)] = node.breaks
            self.assertTrue(104 <= head.mark <= 105, head)
            self.assertEqual((head.seen, reason), (True, LOST))
            # What is not received stands before the head, and is read from the history.
            received = [str(mark) for mark in (105, 106) if mark > head.mark]
            self.assertEqual((node.data(), node.mistakes), (received, []))

    async def test_samePublication(self) -> None:
        """
        The same publication comes to two nodes, because the answer of the first was lost (trap 6):
        it is received once.
        """
        one, relay = await self.relayed()
        other = self.node()
        for node in (one, other):
            await node.attach()
        relay.toClient.held = True
        relay.update()
        first = one.publish("x", repeat="id", tag="t")
        await self.until(lambda: other.data() == ["x"])
        relay.cut()
        relay.toClient.held = False
        again = await other.publish("x", repeat="id", tag="t")
        self.assertTrue(again.repeated)
        self.assertEqual((await first).position, again.position)
        await other.publish("y")
        await self.settle()
        for node in (one, other):
            self.assertEqual((node.data(), node.mistakes), (["x", "y"], []))

    async def test_sameAfterEmptied(self) -> None:
        """
        A kept publication that comes again after the server has lost everything is not received
        again (trap 6).
        """
        one, other = self.node(), self.node()
        for node in (one, other):
            await node.attach()
        keep(self.history, 100)
        await one.publish(100, mark=100, prev=0, repeat="id")
        await self.settle()
        self.server.flush()
        again = await other.publish(100, mark=100, prev=0, repeat="id")
        self.assertTrue(again.repeated)
        await self.until(lambda: one.breaks and other.breaks)
        keep(self.history, 101)
        await other.publish(101, mark=101, prev=100)
        await self.settle()
        for node in (one, other):
            self.assertEqual((node.data(), node.mistakes), (["100", "101"], []))

    async def test_samePassingAfterEmptied(self) -> None:
        """
        A publication that is not kept, whose answer was lost and which comes again at another node
        after the server has lost everything, is not received again where it was received.
        """
        one, relay = await self.relayed()
        other = self.node()
        for node in (one, other):
            await node.attach()
        relay.toClient.held = True
        relay.update()
        lost = one.publish("x", repeat="id", tag="t")
        await self.until(lambda: other.data() == ["x"])
        # The node dies.
        one.log.stop()
        relay.refusing = True
        relay.cut()
        await self.assertFailure(lost, RealtimeError)
        self.server.flush()
        await self.until(lambda: other.breaks)
        placed = [other.publish("y"), other.publish("x", repeat="id", tag="t"), other.publish("z")]
        self.assertEqual([(await each).repeated for each in placed], [False, True, False])
        await self.until(lambda: other.data()[-1] == "z")
        self.assertEqual((other.data(), other.mistakes), (["x", "y", "z"], []))
