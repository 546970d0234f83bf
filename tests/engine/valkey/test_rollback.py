"""
Tests of logs on a server that loses data: it comes back older, empty, or without some keys.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace
from twisted.internet.defer import Deferred

from aerostack.core.replay.following import verify
from aerostack.core.replay.log import Depth
from aerostack.core.replay.positions import Position
from aerostack.core.replay.shared import EXPIRED, LOST, Placed
from aerostack.engine.valkey import logscripts
from aerostack.engine.valkey.keys import Keys
from tests.engine.lognodes import TOPIC, Node, keep
from tests.engine.valkey.nodes import NodesCase
from tests.engine.valkey.server import ValkeyServer, ownServer


async def publishAll(node: Node, name: str, count: int) -> None:
    """
    Publish a number of numbered publications.
    """
    for each in [node.publish(f"{name}{number}") for number in range(count)]:
        await each


class RestoredTests(NodesCase):
    """
    A server that was killed and started with an older snapshot.
    """

    def makeServer(self) -> ValkeyServer:
        """
        See L{NodesCase}.
        """
        return ownServer(self)

    async def test_goneOn(self) -> None:
        """
        The server comes back 10 entries older, another node publishes 12, and then a node comes
        back that has the 10 (trap 1).  It gets a break, and no entry as if it followed one of its
        own.
        """
        node, relay = await self.relayed()
        await node.attach()
        await publishAll(node, "a", 10)
        self.server.takeSnapshot()
        await publishAll(node, "L", 10)
        await self.reached(node, TOPIC)
        relay.refusing = True
        relay.cut()
        self.server.restoreSnapshot()
        other = self.node()
        await other.attach()
        await publishAll(other, "N", 12)
        await self.reached(other, TOPIC)
        self.assertEqual(node.breaks, [])
        relay.refusing = False
        await self.until(lambda: node.breaks)
        [(topic, _, reason)] = node.breaks
        self.assertEqual((topic, reason), (TOPIC, LOST))
        await self.until(lambda: other.breaks)
        await publishAll(other, "after", 3)
        await self.until(lambda: node.data()[-1] == "after2" and other.data()[-1] == "after2")
        self.assertEqual(
            node.data(),
            [*(f"a{n}" for n in range(10)), *(f"L{n}" for n in range(10))]
            + [f"after{n}" for n in range(3)],
        )
        self.assertEqual(node.mistakes + other.mistakes, [])
        self.assertEqual(len(node.breaks), 1)

    async def test_behind(self) -> None:
        """
        A node that had only what the snapshot has gets a break too, because entries that another
        node had, or had acknowledged, did not reach it.
        """
        publisher = self.node()
        node, relay = await self.relayed()
        await node.attach()
        await publishAll(publisher, "a", 10)
        await self.reached(node, TOPIC)
        self.server.takeSnapshot()
        relay.refusing = True
        relay.cut()
        # The publisher does not follow the topic, but it has the answers.
        await publishAll(publisher, "L", 10)
        self.server.restoreSnapshot()
        relay.refusing = False
        await self.until(lambda: node.breaks)
        self.assertEqual([reason for _, _, reason in node.breaks], [LOST])
        await publishAll(publisher, "N", 3)
        await self.until(lambda: node.data()[-1:] == ["N2"])
        self.assertEqual(node.mistakes, [])

    async def test_resumedElsewhere(self) -> None:
        """
        A client that was at the lost end resumes at a node that never knew the topic (trap 2): the
        entries at that node contradict the client's position.
        """
        node, relay = await self.relayed()
        await node.attach()
        await publishAll(node, "a", 10)
        self.server.takeSnapshot()
        await publishAll(node, "L", 10)
        await self.reached(node, TOPIC)
        position = node.heads[TOPIC]
        relay.refusing = True
        relay.cut()
        self.server.restoreSnapshot()
        other = self.node()
        await other.attach()
        await publishAll(other, "N", 12)
        third = self.node()
        head = await third.attach()
        self.assertEqual((head.epoch, head.offset), (position.epoch, 22))
        [behind] = await third.log.read(TOPIC, 20, 21, 9, 99_999)
        self.assertEqual(verify(position, head, behind.before), LOST)
        fine = (await third.log.read(TOPIC, 5, 6, 9, 99_999))[0].position
        [behind] = await third.log.read(TOPIC, 6, 7, 9, 99_999)
        self.assertIsNone(verify(fine, head, behind.before))

    async def test_keptMarks(self) -> None:
        """
        Kept messages that a node had before the server came back older are not brought into the log
        again, so that no subscriber gets them twice.
        """
        node = self.node()
        await node.attach()
        for mark in (100, 101):
            keep(self.history, mark)
            await node.publish(mark, mark=mark, prev=mark - 1 if mark > 100 else 0)
            if mark == 100:
                self.server.takeSnapshot()
        await self.reached(node, TOPIC)
        self.server.restoreSnapshot()
        await self.until(lambda: node.breaks)
        keep(self.history, 102)
        await node.publish(102, mark=102, prev=101)
        await self.until(lambda: len(node.data()) >= 3)
        self.assertEqual(node.data(), ["100", "101", "102"])
        self.assertEqual(node.mistakes, [])


class EmptiedTests(NodesCase):
    """
    A server whose keys are gone.
    """

    async def test_flushedUnderLoad(self) -> None:
        """
        All keys and scripts are deleted while nodes publish (trap 3): every node gets a break, goes
        on in a log with another epoch, and gets all that is published after that.
        """
        one, other = self.node(), self.node()
        first = await one.attach()
        await other.attach()
        placed: list[Deferred[Placed]] = []
        for number in range(40):
            placed += [one.publish(f"a{number}"), other.publish(f"b{number}")]
            await self.pause(0.005)
            if number == 20:
                self.server.flush()
        # A Deferred that has not fired yet gives its result to the first who waits for it alone.
        positions = [(await each).position for each in placed]
        await self.until(lambda: one.breaks and other.breaks)
        await publishAll(one, "c", 5)
        await self.settle()
        for node in (one, other):
            self.assertEqual([reason for _, _, reason in node.breaks], [LOST])
            self.assertNotEqual(node.heads[TOPIC].epoch, first.epoch)
            self.assertEqual(node.mistakes, [])
        epoch = one.heads[TOPIC].epoch
        ends = [
            [e.publication.data for e in node.entries[TOPIC] if e.position.epoch == epoch]
            for node in (one, other)
        ]
        acknowledged = {each.offset for each in positions if each.epoch == epoch}
        self.assertEqual(acknowledged, set(range(1, len(acknowledged) + 1)))
        # A node gets those that came after its break.
        least = min(map(len, ends))
        self.assertEqual(ends[0][-least:], ends[1][-least:])
        self.assertEqual(ends[0][-5:], [b"c0", b"c1", b"c2", b"c3", b"c4"])

    async def test_hashEvicted(self) -> None:
        """
        Without its hash a log is made anew, and no entry of the stream that is left is mixed in
        (trap 19).
        """
        node = self.node()
        first = await node.attach()
        await publishAll(node, "a", 5)
        await self.reached(node, TOPIC)
        self.server.execute("DEL", Keys().metaOf(TOPIC))
        await self.until(lambda: node.breaks)
        self.assertEqual(await node.log.read(TOPIC, 0, None, 99, 99_999), [])
        await publishAll(node, "b", 3)
        await self.until(lambda: len(node.data()) == 8)
        entries = await node.log.read(TOPIC, 0, None, 99, 99_999)
        self.assertEqual([e.publication.data for e in entries], [b"b0", b"b1", b"b2"])
        self.assertNotEqual(entries[0].position.epoch, first.epoch)
        self.assertEqual(node.mistakes, [])

    async def test_streamEvicted(self) -> None:
        """
        Without its stream a log goes on for nodes that have its head; a node that had missed
        entries gets a break.
        """
        node = self.node()
        late, relay = await self.relayed()
        await node.attach()
        await late.attach()
        await publishAll(node, "a", 5)
        await self.settle()
        relay.refusing = True
        relay.cut()
        await publishAll(node, "b", 5)
        await self.reached(node, TOPIC)
        self.server.execute("DEL", Keys().streamOf(TOPIC))
        relay.refusing = False
        await self.until(lambda: late.breaks)
        self.assertEqual([reason for _, _, reason in late.breaks], [EXPIRED])
        await publishAll(node, "c", 5)
        await self.until(lambda: late.data()[-1] == "c4" and node.data()[-1] == "c4")
        self.assertEqual(node.breaks, [])
        self.assertEqual(len(node.data()), 15)
        self.assertEqual(node.mistakes + late.mistakes, [])

    async def test_quiet(self) -> None:
        """
        A topic that is followed and quiet for longer than its entries live keeps its epoch, and a
        position in it stays good (trap 18); one that no node follows is forgotten.
        """
        depth, keys, other = Depth(100, 1_000_000, 0.5), Keys(), "chat/left/p"
        node = self.node(depth)
        await node.attach()
        await publishAll(node, "a", 2)
        await self.until(lambda: node.data() == ["a0", "a1"])
        left = await node.attach(other)
        await node.publish("x", other)
        node.detach(other)
        known, short = node.heads[TOPIC], int(1000 * logscripts.SHORTEST / 2)
        for topic in (TOPIC, other):
            self.server.execute("PEXPIRE", keys.metaOf(topic), short)
        # The node lets the log live on that it follows, and no other.
        await self.until(lambda: self.server.execute("PTTL", keys.metaOf(TOPIC)) > short)
        self.assertLessEqual(self.server.execute("PTTL", keys.metaOf(other)), short)
        self.server.execute("PEXPIRE", keys.metaOf(other), 1)
        for gone in (keys.metaOf(other), keys.streamOf(TOPIC)):
            await self.until(lambda gone=gone: not self.server.execute("EXISTS", gone))
        late = self.node(depth)
        self.assertEqual(await late.attach(TOPIC, known), known)
        await publishAll(late, "b", 2)
        await self.until(lambda: len(node.data()) >= 4)
        self.assertEqual(node.data(), ["a0", "a1", "b0", "b1"])
        self.assertEqual((node.breaks, node.mistakes), ([], []))
        self.assertNotEqual((await node.attach(other)).epoch, left.epoch)


class ComparedTests(NodesCase):
    """
    What a node knows is compared with what the server has.
    """

    async def test_asDecided(self) -> None:
        """
        The script decides as L{verify} does, and makes the log anew if, and only if, the node knows
        what the server does not.
        """
        publisher = self.node(Depth(1, 1_000_000, 300.0))
        node = self.node()
        outcomes = set()
        for number, (offset, change) in enumerate(
            (offset, change) for offset in (0, 2, 7, 8, 9) for change in CHANGES
        ):
            topic = f"chat/{number}/p"
            await publisher.attach(topic)
            keep(self.history, 100, topic=topic)
            await publisher.publish(100, topic, mark=100, prev=0)
            for _ in range(7):
                await publisher.publish("x", topic)
            await self.reached(publisher, topic)
            entries = [entry.position for entry in publisher.entries[topic]]
            head = entries[-1]
            places = [replace(head, offset=0, mark=0, tag=""), *entries]
            known = places[offset] if offset < 9 else replace(head, offset=9, tag="other")
            known = replace(known, **change(known))
            if number % 2:
                # The entries behind older places are gone.
                self.server.execute("XTRIM", Keys().streamOf(topic), "MAXLEN", 1)
            found = await node.log.read(topic, offset, offset + 1, 1, 99_999)
            isNext = found and found[0].position.offset == offset + 1
            reason = verify(known, head, found[0].before if isNext else None)
            got = await node.attach(topic, known)
            isAnew = got.epoch > head.epoch
            what = (known, head, reason, got)
            self.assertEqual(got == known, reason is None, what)
            self.assertEqual(
                isAnew,
                reason == LOST and (known.epoch >= head.epoch or known.mark > head.mark),
                what,
            )
            outcomes.add((reason, isAnew))
        self.assertEqual(outcomes, {(None, False), (EXPIRED, False), (LOST, False), (LOST, True)})


CHANGES: tuple[Callable[[Position], dict[str, Any]], ...] = (
    lambda place: {},
    lambda place: {"tag": "other"},
    lambda place: {"mark": 101},
    lambda place: {"epoch": f"0{place.epoch[1:]}"},
    lambda place: {"epoch": f"2{place.epoch[1:]}"},
)
"""How what a node knows differs from what a log has."""
