"""
Tests for L{aerostack.engine.valkey.nodes}, against a real server.
"""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, fail, succeed
from zope.interface.verify import verifyObject

from aerostack.core.nodes.membership import UNKNOWN
from aerostack.core.nodes.seals import KEY
from aerostack.engine.line import NodeLine
from aerostack.engine.valkey import nodes as module
from aerostack.interfaces.line import ILine
from aerostack.interfaces.nodes import INodes
from tests.engine.linecontract import LineContract
from tests.engine.valkey.membership import MembersCase


class ValkeyLineTests(MembersCase, LineContract):
    """
    L{NodeLine} over L{ValkeyNodes<aerostack.engine.valkey.nodes.ValkeyNodes>} is a line.
    """

    async def lines(self) -> dict[str, ILine]:
        found: dict[str, ILine] = {}
        for name in ("n0", "n1", "n2"):
            line = NodeLine(reactor, self.node(name))
            line.start(lambda what, name=name: self.receive(name, what))
            found[name] = line
        await self.acquainted()
        return found


class RelayedLineTests(ValkeyLineTests):
    """
    The same over connections that are slow, and pass each piece on in two halves.
    """

    async def lines(self) -> dict[str, ILine]:
        relay = await self.relay()
        for direction in (relay.toServer, relay.toClient):
            direction.delay, direction.halved = 0.01, True
        return await super().lines()


class AnsweringCase(MembersCase):
    """
    A test case with nodes that answer questions.
    """

    def serving(self, name: str, answer: bytes) -> Any:
        """
        Start a node that answers.
        """
        nodes = self.node(name)
        nodes.serve("k", lambda data, timeout: succeed(data + answer))
        return nodes

    def names(self, nodes: Any) -> list[tuple[str, bool]]:
        """
        The names of the other nodes, each with whether it is silent.
        """
        membership = nodes.membership
        return [(membership.nameOf(each.run), each.isSilent) for each in membership.peers]

    async def late(self, nodes: Any, *runs: str) -> None:
        """
        Let the time of a node's question be over once only these runs have not answered.
        """
        (waiting,) = nodes._waiting.values()
        await self.until(lambda: waiting.missing == set(runs))
        waiting.timeout.reset(0)


class NodesTests(AnsweringCase):
    """
    Tests for the list of nodes, and for questions to them.
    """

    async def test_provides(self) -> None:
        """The nodes implement their contract."""
        verifyObject(INodes, self.node("a"))

    async def test_list(self) -> None:
        """Each node knows the others, what they use and what they describe."""
        self.described = {"run0": {"settings": {"x": "1"}}, "run1": {"settings": {"x": "2"}}}
        first = self.node("a", usage={"p": (2, 3)})
        second = self.node("b", usage={"p": (5, 7), "q": (1, 0)})
        third = self.node("c", usage={"p": (10, 0)})
        await self.acquainted()
        self.assertEqual(self.names(first), [("b", False), ("c", False)])
        self.assertEqual(first.membership.usage(), {"p": (15, 7), "q": (1, 0)})
        (peer,) = (each for each in third.membership.peers if each.report.name == "b")
        self.assertEqual(third.descriptions[peer.report.description], {"settings": {"x": "2"}})
        self.assertEqual(len(second.descriptions), 2)

    async def test_key(self) -> None:
        """
        All nodes share one secret, also with one that comes later, and when the server has lost it.
        """
        keys: dict[str, bytes] = {}

        def joined(name: str) -> None:
            self.node(name).whenSealed(lambda key: keys.update({name: key}))

        for name in ("n0", "n1"):
            joined(name)
        await self.acquainted()
        self.assertEqual(keys["n0"], keys["n1"])
        self.server.execute("FLUSHALL")
        joined("n2")
        await self.until(lambda: len(set(keys.values())) == 1)
        self.assertEqual(len(keys["n2"]), KEY)

    async def test_stopped(self) -> None:
        """A node that stops is forgotten at once."""
        self.patch(module, "LEAVING", 600.0)
        first, second = self.node("a"), self.node("b")
        await self.acquainted()
        await second.stop()
        await self.until(lambda: not first.membership.peers)

    async def test_newcomer(self) -> None:
        """A node that has come after the newest report is asked, too, and is waited for."""
        first = self.serving("a", b"1")
        await self.until(lambda: first.membership.isCurrent)
        first._reports.stop()
        second = self.serving("b", b"2")
        await self.until(lambda: second.membership.alive)
        self.assertEqual(await first.ask("k", b"x", 600.0), {"run1": b"x2"})
        first._reports.start(1.0, now=False)

    async def test_frozen(self) -> None:
        """While the server is frozen, the question waits; once the link is down, it is over."""
        first = self.serving("a", b"1")
        self.serving("b", b"2")
        await self.acquainted()
        self.server.freeze()
        asked = first.ask("k", b"x", 600.0)
        await self.late(first, "run1")
        self.assertEqual(await asked, {"b": None})
        asked = first.ask("k", b"x", 600.0)
        await self.until(lambda: not self.links[0].isUp)
        self.assertEqual(await asked, {"b": None, UNKNOWN: None})
        # Other nodes may have come meanwhile.
        self.assertEqual(await first.ask("k", b"x", 600.0), {"b": None, UNKNOWN: None})
        self.server.thaw()
        await self.acquainted()
        self.assertEqual(await first.ask("k", b"x", 600.0), {"b": b"x2"})

    async def test_killedServer(self) -> None:
        """When the server is gone, a question that waits for a slow node is over at once."""
        first, second = self.serving("a", b"1"), self.node("b")
        asked: list[bytes] = []

        def answer(data: bytes, timeout: float) -> Deferred[bytes]:
            asked.append(data)
            return Deferred()

        second.serve("k", answer)
        await self.acquainted()
        found = first.ask("k", b"x", 600.0)
        await self.until(lambda: asked)
        self.server.kill()
        self.assertEqual(await found, {"b": None, UNKNOWN: None})

    async def test_cut(self) -> None:
        """A node whose connection is cut is asked again when it has another one."""
        first = self.serving("a", b"1")
        second, relay = await self.relayed("b")
        second.serve("k", lambda data, timeout: succeed(b"2"))
        await self.acquainted()
        generation = self.links[1].generation
        relay.cut()
        await self.until(lambda: self.links[1].generation > generation)
        await self.acquainted()
        self.assertEqual(await first.ask("k", b"x", 600.0), {"b": b"2"})

    async def test_flushed(self) -> None:
        """If the server has lost its data, every node and its description are there again."""
        self.described = {"run0": {"settings": {"x": "1"}}, "run1": {"settings": {"x": "2"}}}
        first, _ = self.node("a"), self.node("b")
        await self.acquainted()
        self.server.execute("FLUSHALL")
        third = self.node("c")
        await self.until(lambda: len(third.membership.alive) == 2)
        await self.until(lambda: len(third.descriptions) == 2)
        await self.until(lambda: len(first.membership.alive) == 2)

    async def test_sameName(self) -> None:
        """Nodes that have the same name are told apart."""
        first, second = self.node("a"), self.node("a")
        self.node("b")
        await self.acquainted()
        self.assertEqual(self.names(first), [("a#run1", False), ("b", False)])
        await self.until(lambda: second.membership.isAmbiguous)
        self.assertFalse(self.nodes[2].membership.isAmbiguous)

    async def test_large(self) -> None:
        """A question or an answer that is too large is not sent on; the node has no answer."""
        self.patch(module, "LARGEST", 1000)
        first = self.serving("a", b"1")
        second = self.node("b")
        second.serve("k", lambda data, timeout: succeed(bytes(2000)))
        await self.acquainted()
        self.assertEqual(await first.ask("k", bytes(2000), 600.0), {"b": None})
        self.assertEqual(await first.ask("k", b"x", 600.0), {"b": None})

    async def test_unknown(self) -> None:
        """A node that does not know the question, or fails, says so at once."""
        first, second = self.node("a"), self.node("b")
        await self.acquainted()
        self.assertEqual(await first.ask("k", b"x", 600.0), {"b": None})
        second.serve("k", lambda data, timeout: fail(ZeroDivisionError()))
        self.assertEqual(await first.ask("k", b"x", 600.0), {"b": None})
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    async def test_refused(self) -> None:
        """
        If the server does not let a node subscribe, that is known, and other nodes are not; once it
        does, all is well.
        """
        self.server.configure("acl-pubsub-default", "resetchannels")
        self.server.execute("ACL", "SETUSER", "default", "resetchannels", "&own:*")
        nodes = self.node("a")
        await self.until(lambda: nodes.refusal is not None)
        self.assertIn("NOPERM", str(nodes.refusal))
        self.assertEqual(await nodes.ask("k", b"x", 600.0), {UNKNOWN: None})
        self.server.execute("ACL", "SETUSER", "default", "allchannels")
        self.links[0].reconnect("The test wants another connection.")
        await self.until(lambda: nodes.membership.isCurrent)
        self.assertIsNone(nodes.refusal)

    async def test_garbage(self) -> None:
        """What another program publishes on the channels, or writes into the list, is left out."""
        first = self.serving("a", b"1")
        self.serving("b", b"2")
        await self.acquainted()
        for channel in (b"ar1:ask", b"ar1:answer:run0"):
            for data in (b"", b"\xff", b"\x95\x01\x02"):
                self.server.execute("PUBLISH", channel, data)
        self.server.execute("ZADD", "ar1:nodes:seen", 10**15, "other")
        self.server.execute("HSET", "ar1:nodes:reports", "other", "[]")
        self.assertEqual(await first.ask("k", b"x", 600.0), {"b": b"x2"})

    async def test_busy(self) -> None:
        """More than so many questions at a time are not asked."""
        self.patch(module, "MOST", 1)
        first, second = self.serving("a", b"1"), self.node("b")
        late: Deferred[bytes] = Deferred()
        second.serve("k", lambda data, timeout: late)
        await self.acquainted()
        asked = first.ask("k", b"x", 600.0)
        self.assertEqual(await first.ask("k", b"x", 600.0), {"b": None})
        late.callback(b"y")
        self.assertEqual(await asked, {"b": b"y"})


class LeaseTests(AnsweringCase):
    """
    Tests for nodes that are silent for longer than their lease.
    """

    lease = 0.5

    async def test_killed(self) -> None:
        """
        A node that is gone without a word is silent after its lease, is named as one that has not
        answered without a wait, and is forgotten when it is started again.
        """
        first, second = self.serving("a", b"1"), self.serving("b", b"2")
        self.serving("c", b"3")
        await self.acquainted()
        await self.links[1].stop()
        # Until the lease is over, it is waited for.
        asked = first.ask("k", b"x", 600.0)
        await self.late(first, "run1")
        self.assertEqual(await asked, {"b": None, "c": b"x3"})
        await self.until(lambda: self.names(first) == [("b", True), ("c", False)])
        self.assertEqual(len(first.membership.alive), 1)
        self.assertEqual(await first.ask("k", b"x", 600.0), {"b": None, "c": b"x3"})
        second._reports.stop()
        self.serving("b", b"4")
        await self.until(lambda: self.names(first) == [("b", False), ("c", False)])
        self.assertEqual(await first.ask("k", b"x", 600.0), {"b": b"x4", "c": b"x3"})

    async def test_held(self) -> None:
        """
        A node whose connection passes nothing on is silent for the others, and takes itself to be
        without its engine; when the connection is good again, all is well.
        """
        first = self.serving("a", b"1")
        second, relay = await self.relayed("b")
        second.serve("k", lambda data, timeout: succeed(b"2"))
        await self.acquainted()
        relay.toServer.held = relay.toClient.held = True
        await self.until(lambda: self.names(first) == [("b", True)])
        self.assertEqual(await first.ask("k", b"x", 600.0), {"b": None})
        await self.until(lambda: not second.membership.isCurrent)
        self.assertEqual(await second.ask("k", b"x", 600.0), {"a": None, UNKNOWN: None})
        relay.toServer.held = relay.toClient.held = False
        relay.cut()
        await self.acquainted()
        self.assertEqual(await first.ask("k", b"x", 600.0), {"b": b"2"})

    async def test_lapsed(self) -> None:
        """
        A node knows when the others take it for dead, although it cannot hear them, and learns that
        they may have done so when it is heard again.
        """
        first = self.node("a")
        second, relay = await self.relayed("b")
        lapses: list[int] = []
        await self.acquainted()
        await self.until(lambda: second.isHeard)
        relay.toServer.held = relay.toClient.held = True
        await self.until(lambda: not second.isHeard)
        await self.until(lambda: first.silent == {"b"})
        second.lapsed = lambda: lapses.append(1)
        relay.toServer.held = relay.toClient.held = False
        relay.cut()
        await self.until(lambda: lapses and second.isHeard)
        await self.until(lambda: first.silent == set())

    async def test_gone(self) -> None:
        """A node is gone for the others a while after it has stopped, and not before."""
        first, second = self.node("a"), self.node("b")
        await self.acquainted()
        self.assertFalse(first.isGone("run1"))
        await second.stop()
        await self.until(lambda: first.isGone("run1"))
        self.assertFalse(first.isGone("run0"))

    async def test_lease(self) -> None:
        """A node that reports is not silent, however long it runs."""
        first, _ = self.node("a"), self.node("b")
        await self.acquainted()
        await self.passed(2 * self.lease)
        # If the node stood still, it reports itself again.
        await self.until(lambda: self.names(first) == [("b", False)])
