"""
What every log of L{ILog} promises.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet.defer import CancelledError
from zope.interface.verify import verifyObject

from aerostack.core.replay.log import Depth
from aerostack.core.replay.publications import EVENT, Publication
from aerostack.core.replay.shared import Placed, SharedEntry
from aerostack.interfaces.engine import ILog, ILogReceiver
from aerostack.testing.history import MemoryHistory
from tests.engine.lognodes import DEPTH, TOPIC, Node, keep


class LogContract:
    """
    What every log promises, to be mixed into a test case.

    @ivar history: The history that all nodes share.
    """

    # What the test case brings.
    assertEqual: Any
    assertNotEqual: Any
    assertTrue: Any
    assertIsNone: Any
    assertFalse: Any
    assertFailure: Any

    history: MemoryHistory
    nodes: list[Node]

    def makeLog(self, name: str, depth: Depth = DEPTH) -> Any:
        """
        Make the log of one node, not yet started.  All that a test makes share their topics, unless
        L{shares} is false.

        @param name: The node's name, which no other node has.
        """
        raise NotImplementedError

    shares = True

    def connect(self, log: Any) -> None:
        """
        Have a log that was started connect to its server, if it has one.
        """

    async def until(self, condition: Callable[[], object]) -> None:
        """
        Wait until something is so.
        """
        raise NotImplementedError

    async def settle(self) -> None:
        """
        Wait until everything that was published has been received by the nodes that follow it.
        """
        raise NotImplementedError

    def node(self, depth: Depth = DEPTH) -> Node:
        """
        Start a node.
        """
        name = f"n{len(self.nodes)}"
        node = Node(self.makeLog(name, depth), name)
        self.nodes.append(node)
        self.connect(node.log)
        return node

    def pair(self) -> tuple[Node, Node]:
        """
        Start two nodes that share their topics; the same one twice if the engine is for a node that
        is alone.
        """
        first = self.node()
        return first, self.node() if self.shares else first

    def check(self, *nodes: Node) -> None:
        """
        Make sure that no node got an entry that does not follow the one before.
        """
        for node in nodes or self.nodes:
            self.assertEqual(node.mistakes, [])

    async def publishAll(self, node: Node, data: Iterable[object], topic: str = TOPIC) -> None:
        """
        Publish, and wait until everything is in the log.
        """
        for each in [node.publish(one, topic) for one in data]:
            await each

    async def test_interface(self) -> None:
        """
        The log and the node of the tests provide their interfaces.
        """
        node = self.node()
        verifyObject(ILog, node.log)
        verifyObject(ILogReceiver, node)

    async def test_everyNode(self) -> None:
        """
        A publication reaches every node that follows its topic, also the one that published it,
        unchanged and at the same place.
        """
        one, other = self.pair()
        for node in {one, other}:
            await node.attach()
        sent = Publication(TOPIC, "chat_message", "é", b'{"a":"\\u0000"}', "ann", 5)
        placed = await one.log.publish(sent, "t1")
        await self.settle()
        for node in (one, other):
            self.assertEqual([e.publication for e in node.entries[TOPIC]], [sent])
            self.assertEqual([e.position for e in node.entries[TOPIC]], [placed.position])
        self.assertEqual((placed.position.offset, placed.position.tag), (1, "t1"))
        self.check()

    async def test_unchanged(self) -> None:
        """
        Data of any kind and size arrives byte by byte as it was published (trap 17).
        """
        one, other = self.pair()
        for node in {one, other}:
            await node.attach()
        sent = [b"5", '"é"'.encode(), b'"\\u0000"', b"", b'"' + b"x" * 262_142 + b'"', b"\r\n 1 2"]
        await self.publishAll(one, sent)
        await self.settle()
        for node in (one, other):
            self.assertEqual([e.publication.data for e in node.entries[TOPIC]], sent)

    async def test_users(self) -> None:
        """
        A publication without a user stays different from one of a user with an empty name.
        """
        node = self.node()
        await node.attach()
        for number, user in enumerate((None, "", "é")):
            await node.log.publish(Publication(TOPIC, EVENT, "e", b"1", user, 5), f"t{number}")
        await self.settle()
        users = [entry.publication.userId for entry in node.entries[TOPIC]]
        self.assertEqual(users, [None, "", "é"])

    async def test_order(self) -> None:
        """
        All nodes get a topic's publications in one order, and those of one node in the order in
        which it published them.
        """
        one, other = self.pair()
        topics = [f"chat/{n}/p" for n in range(3)]
        for node in {one, other}:
            for topic in topics:
                await node.attach(topic)
        placed = [(one, other)[n % 2].publish(n, topics[n % 3]) for n in range(300)]
        for each in placed:
            await each
        await self.settle()
        for topic in topics:
            self.assertEqual(one.data(topic), other.data(topic))
            self.assertEqual(one.offsets(topic), list(range(1, 101)))
            for odd in (0, 1):
                mine = [int(data) for data in one.data(topic) if int(data) % 2 == odd]
                self.assertEqual(mine, sorted(mine))
        self.check()

    async def test_fromWithin(self) -> None:
        """
        A publication that is published while another is being received arrives behind it.
        """
        node = self.node()
        await node.attach()
        received = node.received

        def receive(topic: str, entry: SharedEntry) -> None:
            received(topic, entry)
            if entry.publication.data == b"1":
                node.publish(2)

        node.received = receive  # type: ignore[method-assign]
        await node.publish(1)
        await self.until(lambda: len(node.data()) == 2)
        self.assertEqual(node.data(), ["1", "2"])

    async def test_withoutLog(self) -> None:
        """
        A publication on a topic that no node follows has no place (trap 30), and the first node
        that attaches the topic does not get it.
        """
        node = self.node()
        self.assertEqual(await node.publish(1), Placed(None))
        await node.attach()
        await node.publish(2)
        await self.settle()
        self.assertEqual(node.data(), ["2"])

    async def test_detached(self) -> None:
        """
        A topic that a node has detached comes no more, also when it is attached and detached in one
        turn; one that is detached and attached in one turn comes (trap 10).
        """
        node = self.node()
        await node.attach()
        node.detach()
        left = node.log.attach(TOPIC)
        node.detach()
        left.addErrback(lambda failure: failure.trap(CancelledError))
        await node.publish(1)
        await self.settle()
        self.assertEqual(node.data(), [])
        await node.attach()
        node.detach()
        await node.attach()
        await node.publish(2)
        await self.settle()
        self.assertEqual(node.data(), ["2"])
        self.check()

    async def test_known(self) -> None:
        """
        A node that comes back to a topic with the head that it had gets what it missed, in order,
        before what is new.
        """
        one, other = self.pair()
        await one.attach()
        await self.publishAll(one, (1, 2))
        await self.settle()
        known = one.heads[TOPIC]
        one.detach()
        await self.publishAll(other, range(3, 60))
        self.assertEqual(await one.attach(TOPIC, known), known)
        await one.publish(60)
        await self.until(lambda: len(one.data()) == 60)
        self.assertEqual(one.data(), [str(n) for n in range(1, 61)])
        self.check()

    async def test_unknown(self) -> None:
        """
        A node that comes with a head that the log does not have gets the log's own head.
        """
        one, other = self.pair()
        await one.attach()
        await self.publishAll(one, (1, 2))
        await self.settle()
        head = one.heads[TOPIC]
        one.detach()
        await self.publishAll(other, range(3, 203))
        got = await one.attach(TOPIC, head)
        self.assertEqual((got.epoch, got.offset), (head.epoch, 202), "100 entries are held")

    async def test_read(self) -> None:
        """
        Entries can be read again, within bounds of number and of size.
        """
        node = self.node()
        head = await node.attach()
        await self.publishAll(node, range(1, 21))
        await self.settle()

        async def read(after: int, until: int | None, limit: int = 99, size: int = 9_999) -> Any:
            found = await node.log.read(TOPIC, after, until, limit, size)
            return [entry.position.offset for entry in found]

        self.assertEqual(await node.log.read(TOPIC, 0, None, 99, 99_999), node.entries[TOPIC])
        self.assertEqual(head.offset, 0)
        self.assertEqual(await read(5, 8), [6, 7, 8])
        self.assertEqual(await read(5, None, 2), [6, 7])
        self.assertEqual(await read(18, None), [19, 20])
        self.assertEqual(await read(20, None), [])
        self.assertEqual(await read(5, None, size=1), [6])
        self.assertEqual(await node.log.read("chat/other/p", 0, None, 99, 9_999), [])

    async def test_depth(self) -> None:
        """
        A log holds no more entries and no more bytes than it may, but its newest entry.
        """
        few = self.node(Depth(10, 1_000_000, 300.0))
        await few.attach()
        await self.publishAll(few, range(500))
        found = await few.log.read(TOPIC, 0, None, 999, 9_999_999)
        self.assertEqual(found[-1].position.offset, 500)
        self.assertTrue(10 <= len(found) <= 120, len(found))
        small = self.node(Depth(1_000, 100_000, 300.0))
        topic = "chat/b/p"
        await small.attach(topic)
        await self.publishAll(small, [b"1"] * 50 + [b"2" * 30_000] * 9, topic)
        found = await small.log.read(topic, 0, None, 999, 9_999_999)
        self.assertEqual([entry.publication.data[:1] for entry in found], [b"2"] * 3)

    async def test_repeated(self) -> None:
        """
        A publication that comes again under its id, at any node, gets the place of the first, and
        is received once (trap 6).
        """
        one, other = self.pair()
        await one.attach()
        first = await one.publish(1, repeat="id", tag="t")
        self.assertFalse(first.repeated)
        again = await other.publish(1, repeat="id", tag="t")
        self.assertEqual(again, Placed(first.position, True))
        await other.publish(2, repeat="other id")
        await self.settle()
        self.assertEqual(one.data(), ["1", "2"])
        self.check()

    async def test_cold(self) -> None:
        """
        The log of a topic begins at the mark of the newest message that the history has.
        """
        node = self.node()
        self.assertEqual((await node.attach()).mark, 0)
        keep(self.history, 100, topic="chat/b/p")
        head = await node.attach("chat/b/p")
        self.assertEqual((head.offset, head.mark, head.seen), (0, 100, True))

    async def test_marks(self) -> None:
        """
        The place of an entry has the mark of the newest kept one up to it, and says whether there
        was one.
        """
        node = self.node()
        await node.attach()
        await node.publish(1)
        keep(self.history, 100)
        await node.publish(100, mark=100, prev=0)
        await node.publish(3)
        await self.settle()
        places = [entry.position for entry in node.entries[TOPIC]]
        self.assertEqual([(p.mark, p.seen) for p in places], [(0, False), (100, True), (100, True)])
        self.assertEqual([entry.kept for entry in node.entries[TOPIC]], [False, True, False])

    async def test_keptOnce(self) -> None:
        """
        A kept publication that the log has already does not enter it again, whatever its id.
        """
        node = self.node()
        await node.attach()
        for mark, prev in ((100, 0), (101, 100)):
            keep(self.history, mark)
            await node.publish(mark, mark=mark, prev=prev)
        again = await node.publish(100, mark=100, prev=0)
        self.assertTrue(again.repeated)
        await self.settle()
        self.assertEqual(node.data(), ["100", "101"])
