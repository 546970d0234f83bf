"""
Tests of logs on a server that is away, or does not do what it should, for a while.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from aerostack.core.replay.log import Depth
from aerostack.engine.valkey.keys import Keys
from aerostack.engine.valkey.placing import Placing
from aerostack.errors import RealtimeError
from tests.engine.lognodes import TOPIC, Node, keep
from tests.engine.valkey.nodes import NodesCase

TOPICS = [f"chat/{number}/p" for number in range(5)]


class CutTests(NodesCase):
    """
    The line to the server breaks.
    """

    async def test_missed(self) -> None:
        """
        What was published while a node was away comes when it is back, in order and once, without
        a break.
        """
        depth = Depth(1_000, 1_000_000, 300.0)
        node, relay = await self.relayed(depth)
        other = self.node(depth)
        for each in (node, other):
            await each.attach()
        for turn in range(3):
            await other.publish(f"before{turn}")
            relay.cut()
            for number in range(150):
                await other.publish(f"{turn}.{number}")
            await node.publish(f"mine{turn}")
        await self.settle()
        self.assertEqual(node.data(), other.data())
        self.assertEqual(len(node.data()), 3 * 152)
        self.assertEqual((node.breaks, node.mistakes), ([], []))

    async def test_pieces(self) -> None:
        """
        Everything arrives over a line that is slow and halves every packet.
        """
        node, relay = await self.relayed()
        relay.toClient.halved = relay.toServer.halved = True
        relay.toClient.delay = 0.01
        await node.attach()
        sent = [f"{number}" * 50 for number in range(50)]
        for each in [node.publish(one) for one in sent]:
            await each
        await self.settle()
        self.assertEqual((node.data(), node.mistakes), (sent, []))

    async def test_lateDouble(self) -> None:
        """
        A batch whose answer was lost is sent again and received once, although its publications
        have no ids.
        """
        node, relay = await self.relayed()
        other = self.node()
        await other.attach()
        await node.publish("first")
        relay.toClient.held = True
        relay.update()
        placed = [node.publish(number) for number in range(5)]
        await self.until(lambda: len(other.data()) > 1)
        relay.cut()
        relay.toClient.held = False
        for each in placed:
            await each
        await self.settle()
        self.assertEqual(other.data(), ["first", "0", "1", "2", "3", "4"])

    async def test_twiceWithin(self) -> None:
        """
        Two cuts 50 ms apart, while very many topics are being attached again (trap 9): all are
        attached, and each entry comes once.
        """
        node, relay = await self.relayed()
        topics = [f"chat/{number}/p" for number in range(2_000)]
        for each in [node.attach(topic) for topic in topics]:
            await each
        relay.cut()
        await self.until(lambda: self.links[node.log].isUp and relay.connections)
        await self.pause(0.05)
        relay.cut()
        other = self.node()
        for placed in [other.publish(topic, topic) for topic in topics]:
            self.assertIsNotNone((await placed).position)
        await self.until(lambda: len(node.entries) == len(topics))
        # An entry that came a second time would be here before this one.
        await other.publish("end", "chat/0/p")
        await self.until(lambda: node.entries["chat/0/p"][-1].publication.data == b"end")
        del node.entries["chat/0/p"][-1]
        self.assertEqual(
            (set(map(tuple, map(node.data, topics))), node.breaks, node.mistakes),
            ({(topic,) for topic in topics}, [], []),
        )

    async def test_detachedAcross(self) -> None:
        """
        A topic that is detached and attached in one turn, while the line is away, comes again
        (trap 10).
        """
        node, relay = await self.relayed()
        other = self.node()
        await node.attach()
        await other.publish(1)
        await self.settle()
        relay.cut()
        node.detach()
        attached = node.attach()
        await attached
        await other.publish(2)
        node.detach()
        attached = node.attach()
        relay.cut()
        await attached
        await other.publish(3)
        await self.reached(node, TOPIC)
        self.assertEqual(node.data()[-1], "3")
        self.assertEqual(len(set(node.data())), len(node.data()))
        self.assertEqual(node.mistakes, [])

    async def test_lastLost(self) -> None:
        """
        A last entry whose push was lost comes although none follows (trap 11).
        """
        node, other = self.node(), self.node()
        for each in (node, other):
            await each.attach()
        # From now on the server pushes nothing to the node.
        await self.links[node.log].unsubscribe([Keys().channelOf(TOPIC)])
        await other.publish("last")
        await self.until(lambda: node.data() == ["last"])
        self.assertEqual((node.breaks, node.mistakes), ([], []))

    async def test_outputBuffer(self) -> None:
        """
        A node that the server cuts off, because it reads too slowly, reads on, and nothing is lost
        (trap 16).
        """
        self.server.configure(
            "client-output-buffer-limit", "normal 0 0 0 replica 0 0 0 pubsub 1mb 0 0"
        )
        depth = Depth(1_000, 100_000_000, 300.0)
        node, relay = await self.relayed(depth)
        other = self.node(depth)
        await node.attach()
        relay.toClient.held = True
        relay.update()
        # The limit does not count strings that the server does not copy: those from 16 KiB on.
        sent = [f"{number}" * 3_000 for number in range(100, 600)]
        for each in sent:
            await other.publish(each)
        relay.toClient.held = False
        relay.update()
        await self.until(lambda: len(node.data()) >= len(sent))
        self.assertEqual([data[:3] for data in node.data()], [each[:3] for each in sent])
        self.assertEqual((node.breaks, node.mistakes), ([], []))
        self.assertIn("down", node.states)

    async def test_scriptsForgotten(self) -> None:
        """
        The server forgets its scripts while many publications are under way (trap 15): none
        overtakes another.
        """
        node = self.node()
        await node.attach()
        placed = []
        for number in range(300):
            placed.append(node.publish(number))
            if number % 50 == 0:
                self.server.execute("SCRIPT", "FLUSH")
                await self.pause(0)
        for each in placed:
            await each
        await self.settle()
        self.assertEqual(node.data(), [str(number) for number in range(300)])
        self.assertEqual((node.breaks, node.mistakes), ([], []))


class PatienceTests(NodesCase):
    """
    Callers wait for the server for a while, and are refused then.
    """

    def hurry(self, node: Node, patience: float = 0.3) -> None:
        """
        Let what is asked from now on wait no longer for the server.
        """
        log = getattr(node.log, "_log", node.log)
        log._placing._patience = log._attaching._patience = patience

    async def test_refused(self) -> None:
        """
        Publications and attaches that the server does not answer are refused, with the time after
        which to try again.
        """
        node, relay = await self.relayed()
        await node.attach()
        await node.publish("a")
        self.hurry(node)
        relay.refusing = True
        relay.cut()
        waiting: list[Deferred[Any]] = [node.publish("b"), node.log.attach("chat/b/p")]
        for each in waiting:
            error = await self.assertFailure(each, RealtimeError)
            self.assertEqual((error.code, error.retryAfter), ("engine_unavailable", 1000))
        self.hurry(node, self.patience)
        relay.refusing = False
        await self.until(lambda: node.states[-1] == "up")
        await node.publish("c")
        await self.until(lambda: node.data()[-1] == "c")
        self.assertEqual(node.data(), ["a", "c"])
        self.assertEqual((await node.attach("chat/b/p")).offset, 0)

    async def test_read(self) -> None:
        """
        A read without a line is refused at once.
        """
        node, relay = await self.relayed()
        await node.attach()
        relay.refusing = True
        relay.cut()
        await self.until(lambda: "down" in node.states)
        error = await self.assertFailure(node.log.read(TOPIC, 0, None, 9, 99), RealtimeError)
        self.assertEqual(error.code, "engine_unavailable")

    async def test_tooMuch(self) -> None:
        """
        No more waits than a number of bytes; what is beyond is refused at once.
        """
        self.patch(Placing, "maxBytes", 10_000)
        node, relay = await self.relayed()
        await node.attach()
        self.hurry(node)
        relay.refusing = True
        relay.cut()
        placed = [node.publish("x" * 1_000) for _ in range(20)]
        refused = [each for each in placed if each.called]
        self.assertTrue(10 <= len(refused) <= 14, len(refused))
        for each in placed:
            await self.assertFailure(each, RealtimeError)

    async def test_keptComesLater(self) -> None:
        """
        A kept publication that was refused enters the log when the server is back.
        """
        node, relay = await self.relayed()
        other = self.node()
        for each in (node, other):
            await each.attach()
        self.hurry(node)
        relay.refusing = True
        relay.cut()
        keep(self.history, 100)
        await self.assertFailure(node.publish(100, mark=100, prev=0), RealtimeError)
        relay.refusing = False
        await self.until(lambda: node.data() and other.data())
        for each in (node, other):
            self.assertEqual((each.data(), each.breaks, each.mistakes), (["100"], [], []))

    async def test_full(self) -> None:
        """
        A server without memory refuses publications, and the topic goes on when it has some.
        """
        node = self.node()
        await node.attach()
        self.server.configure("maxmemory", "1")
        error = await self.assertFailure(node.publish("a"), RealtimeError)
        self.assertEqual((error.code, error.retryAfter), ("engine_full", 1000))
        error = await self.assertFailure(node.log.attach("chat/new/p"), RealtimeError)
        self.assertEqual(error.code, "engine_full")
        self.server.configure("maxmemory", "0")
        await node.publish("b")
        await self.settle()
        self.assertEqual((node.data(), node.mistakes), (["b"], []))
        self.flushLoggedErrors()

    async def test_forbidden(self) -> None:
        """
        A topic whose channel the server does not permit is refused, the others of the same command
        are attached.
        """
        allowed = Keys().channelOf(TOPIC).decode()
        rules = ("~*", "+@all", "resetchannels", "&own:*", f"&{allowed}")
        self.server.addUser("few", "secret", *rules)
        self.login = {"username": "few", "password": "secret"}
        node = self.node()
        same = next(
            topic
            for topic in (f"chat/x{number}/p" for number in range(10_000))
            if Keys().channelOf(topic).split(b":")[1] == Keys().channelOf(TOPIC).split(b":")[1]
        )
        refused = node.log.attach(same)
        head = await node.attach()
        error = await self.assertFailure(refused, RealtimeError)
        self.assertEqual(error.code, "engine_unavailable")
        await node.publish("a")
        await self.settle()
        self.assertEqual((head.offset, node.data()), (0, ["a"]))

    async def test_nothingLeft(self) -> None:
        """
        A publication on a topic without a follower leaves nothing on the server (trap 30).
        """
        node = self.node()
        await node.publish("a", repeat="id")
        keep(self.history, 100)
        await node.publish(100, mark=100, prev=0)
        self.assertEqual(self.server.execute("KEYS", "*"), [])
