"""
Tests of presence while nodes, lines or the server are away.
"""

from __future__ import annotations

from tests.engine.rostercontract import OTHER, TOPIC, RosterNode
from tests.engine.valkey.rosters import RosterCase

ROOT = "ar1:presence"


def present(node: RosterNode, topic: str = TOPIC) -> list[str]:
    """
    The names of a topic's members in their own order.
    """
    return sorted(node.names(topic))


class NodeTests(RosterCase):
    """
    A node dies, or is away for too long.
    """

    lease = 0.5

    def lost(self) -> int:
        """
        How many members are lost by what the server knows.
        """
        return int(self.server.execute("ZCARD", f"{ROOT}:due"))

    def endGrace(self) -> None:
        """
        Let the grace of all lost members be over.
        """
        for each in self.server.execute("ZRANGE", f"{ROOT}:due", 0, -1):
            self.server.execute("ZADD", f"{ROOT}:due", 0, each)

    def isDead(self, node: RosterNode) -> bool:
        """
        Let the lease of a node be over.  What the node has sent may still renew it.

        @return: Whether its only member is lost.
        """
        self.server.execute("ZADD", f"{ROOT}:nodes", "XX", 0, node.roster._run)
        return self.lost() == 1

    async def test_killed(self) -> None:
        """
        A node with 1,000 members is killed: who comes back within the grace is never seen leaving,
        and each of the others leaves once at every node.
        """
        dying, *others = await self.makeNodes(3)
        tracking = [dying.track(f"c{number}", f"u{number}") for number in range(1_000)]
        for each in tracking:
            await each
        await self.kill(dying)
        await self.until(lambda: self.lost() == 1_000)
        for number in range(100):
            tracked = await others[number % 2].track(f"d{number}", f"u{number}")
            self.assertEqual((tracked.joined, tracked.member.connectionId), (False, f"c{number}"))
        # A node that stood still meanwhile has its members back.
        await self.until(lambda: self.lost() == 900)
        self.endGrace()
        await self.until(lambda: all(len(node.names()) == 100 for node in others))
        await self.settle()
        for node in others:
            left = [name for event, name, _ in node.events() if event == "leave"]
            self.assertEqual(sorted(left), sorted(f"c{number}" for number in range(100, 1_000)))
            self.assertEqual(len(node.events()), 1_900)

    async def test_killedOneByOne(self) -> None:
        """
        Whichever node looks after dead nodes, another one does when it is dead itself.
        """
        nodes = await self.makeNodes(3)
        for number, node in enumerate(nodes):
            await node.track(f"c{number}", f"u{number}")
        for count in (1, 2):
            reaper = None
            while reaper is None:
                reaper = self.server.execute("HGET", ROOT, "reaper")
                await self.pause(0.01)
            name = reaper.decode()
            await self.kill(next(node for node in self.nodes if node.roster._run == name))
            await self.until(lambda count=count: self.lost() == count)  # type: ignore[misc]
        self.endGrace()
        (last,) = self.nodes
        await self.until(lambda: len(last.names()) == 1)
        self.assertEqual([event for event, _, _ in last.events()].count("leave"), 2)

    async def test_away(self) -> None:
        """
        A node that is away for longer than lease and grace has its members back when it comes
        back: the others see them leave and join, its own subscribers see nothing.
        """
        # Lease and grace end when the test says so.
        self.lease = RosterCase.lease
        (other,) = await self.makeNodes(1)
        node, relay = await self.relayed()
        await node.track("c1")
        await self.settle()
        self.mature()
        before = list(node.told)
        relay.toServer.held = relay.toClient.held = True
        relay.update()
        await self.until(lambda: self.isDead(node))
        self.endGrace()
        await self.until(lambda: other.names() == [])
        relay.cut()
        relay.toServer.held = relay.toClient.held = False
        await self.until(lambda: other.names() == ["c1"])
        self.assertEqual([event for event, _, _ in other.events()], ["join", "leave", "join"])
        await self.until(lambda: self.isUp(node))
        await self.settle()
        self.assertEqual(node.told, before)

    async def test_leftLate(self) -> None:
        """
        A client that leaves before its node knows that it was believed dead leaves at once.
        """
        node, other = await self.makeNodes()
        await node.track("c1")
        node.roster._ticks.stop()
        await self.until(lambda: self.lost() == 1)
        node.roster.leave("c1")
        await self.until(lambda: [node.names(), other.names()] == [[], []])
        self.assertEqual(self.lost(), 0)
        node.roster.start()

    async def test_doubled(self) -> None:
        """
        A user whose member was taken over while its node was believed dead is present twice, with
        names of their own, when the node comes back.
        """
        (other,) = await self.makeNodes(1)
        node, relay = await self.relayed()
        await node.track("c1")
        relay.toServer.held = relay.toClient.held = True
        relay.update()
        await self.until(lambda: self.lost() == 1)
        self.assertFalse((await other.track("c2")).joined)
        relay.cut()
        relay.toServer.held = relay.toClient.held = False
        await self.until(lambda: len(other.names()) == 2)
        await self.until(lambda: self.isUp(node) and present(node) == present(other))
        node.roster.leave("c1")
        await self.until(lambda: [present(each) for each in (node, other)] == [["c1"]] * 2)
        other.roster.leave("c2")
        await self.until(lambda: [present(each) for each in (node, other)] == [[], []])


class LineTests(RosterCase):
    """
    The line of a node breaks.
    """

    async def test_meanwhile(self) -> None:
        """
        What leaves or is lost while a node is away is done when it is back; what stays is not
        seen at all, and what is asked fails.
        """
        (other,) = await self.makeNodes(1)
        node, relay = await self.relayed()
        for name in ("c1", "c2", "c3", "c4"):
            await node.track(name, name)
            await node.track(name, name, topic=OTHER)
        await self.settle()
        relay.refusing = True
        relay.cut()
        await self.until(lambda: not self.isUp(node))
        node.roster.leave("c1")
        node.roster.lose("c2")
        node.roster.untrack(TOPIC, "c3")
        self.assertEqual(await self.refused(node), "engine_unavailable")
        node.roster.remove("p", "c5")
        relay.refusing = False
        await self.until(lambda: present(other) == ["c2", "c4"])
        await self.until(lambda: present(other, OTHER) == ["c2", "c3", "c4"])
        await self.until(lambda: present(node) == ["c2", "c4"])
        self.assertEqual((await other.track("d2", "c2")).member.connectionId, "c2")
        self.assertTrue((await other.track("d4", "c4")).joined)
        await self.settle()
        left = [name for event, name, _ in other.events() if event == "leave"]
        self.assertEqual(sorted(left), ["c1", "c3"])

    async def refused(self, node: RosterNode) -> str:
        """
        The code with which a request fails.
        """
        try:
            await node.track("c9", "c9")
        except Exception as error:
            self.assertEqual(node.roster.topicsOf("c9"), ())
            return str(getattr(error, "code", error))
        return "none"

    async def test_unanswered(self) -> None:
        """
        A request whose answer is cut fails, and then nothing is changed in the end.
        """
        (other,) = await self.makeNodes(1)
        node, relay = await self.relayed()
        await node.track("c1", state=b"1")
        relay.toClient.held = True
        relay.update()
        asked = [node.track("c1", state=b"2"), node.track("c2")]
        await self.until(lambda: "c2" in other.names() and len(other.events()) == 3)
        relay.cut()
        relay.toClient.held = False
        for each in asked:
            await self.assertFailure(each, Exception)
        await self.until(lambda: present(other) == ["c1"] and present(node) == ["c1"])
        await self.until(lambda: next(iter(other.members.members(TOPIC))).state == b"1")
        await self.settle()
        self.assertEqual(next(iter(node.members.members(TOPIC))).state, b"1")

    async def test_missed(self) -> None:
        """
        When a node is back, its subscribers get what has changed meanwhile, and only the
        difference.
        """
        (other,) = await self.makeNodes(1)
        node, relay = await self.relayed()
        for name in ("c1", "c2", "c3"):
            await other.track(name, name)
        await self.settle()
        node.told.clear()
        relay.refusing = True
        relay.cut()
        await self.until(lambda: not self.isUp(node))
        other.roster.leave("c1")
        await other.track("c2", "c2", b"2")
        for _ in range(5):
            await other.track("c4", "c4")
            other.roster.leave("c4")
        await other.track("c5", "c5")
        relay.refusing = False
        await self.until(lambda: present(node) == ["c2", "c3", "c5"])
        await self.settle()
        self.assertEqual(
            sorted(node.events()),
            [("join", "c5", b"{}"), ("leave", "c1", b"{}"), ("update", "c2", b"2")],
        )


class ServerTests(RosterCase):
    """
    The server loses data, is frozen, or comes back with older data.
    """

    async def agree(self, nodes: list[RosterNode], names: list[str]) -> None:
        """
        Wait until the server has just these members, let every freeze be over, and wait until the
        nodes have the same members.
        """
        await self.until(lambda: all(self.isUp(node) for node in nodes))
        await self.until(lambda: self.stored() == names)

        def isSame() -> bool:
            # A node may begin its freeze later than another one.
            for roster in self.authorities.values():
                roster._frozenUntil = 0.0
            return all(present(node) == names and not node.members.isFrozen for node in nodes)

        await self.until(isSame)

    def stored(self) -> list[str]:
        """
        The names that the server has.
        """
        slot = self.server.execute("KEYS", "ar1:{*}:j:" + TOPIC)
        found = self.server.execute("ZRANGE", slot[0], 0, -1) if slot else []
        return sorted(name.decode() for name in found)

    async def test_flushed(self) -> None:
        """
        All data are deleted under load: no member that is there is seen leaving, and what was lost
        leaves after grace and lease.
        """
        nodes = await self.makeNodes(grace=0.5)
        for number in range(250):
            await nodes[number % 2].track(f"c{number}", f"u{number}")
        await self.settle()
        nodes[0].roster.lose("c0")
        self.server.flush()
        tracking = [nodes[n % 2].track(f"d{n}", f"v{n}") for n in range(50)]
        tracking += [nodes[n % 2].track(f"c{n}", f"u{n}", b"2") for n in range(2, 22)]
        nodes[1].roster.leave("c1")
        for each in tracking:
            await each
        there = sorted([*(f"c{n}" for n in range(2, 250)), *(f"d{n}" for n in range(50))])
        await self.agree(nodes, there)
        for node in nodes:
            said = [(event, name) for event, name, _ in node.events() if event != "join"]
            updates = [("update", f"c{n}") for n in range(2, 22)]
            self.assertEqual(sorted(said), sorted([("leave", "c0"), ("leave", "c1"), *updates]))
            joins = [name for event, name, _ in node.events() if event == "join"]
            self.assertEqual(len(joins), len(set(joins)))

    async def test_snapshot(self) -> None:
        """
        The server comes back with older data: every node restores its own members, and no
        subscriber notices.
        """
        nodes = await self.makeNodes(grace=0.5)
        for number in range(20):
            await nodes[number % 2].track(f"c{number}", f"u{number}")
        await self.settle()
        self.server.takeSnapshot()
        for number in range(4):
            nodes[number % 2].roster.leave(f"c{number}")
            await nodes[number % 2].track(f"d{number}", f"v{number}", b"1")
        for number in range(4, 8):
            await nodes[number % 2].track(f"c{number}", f"u{number}", b"2")
        await self.settle()
        before = [list(node.told) for node in nodes]
        self.server.restoreSnapshot()
        there = sorted([*(f"c{n}" for n in range(4, 20)), *(f"d{n}" for n in range(4))])
        await self.agree(nodes, there)
        await self.settle()
        self.assertEqual([list(node.told) for node in nodes], before)

    async def test_restarted(self) -> None:
        """
        The server is killed and comes back empty: no subscriber notices.
        """
        nodes = await self.makeNodes(grace=0.5)
        for number in range(20):
            await nodes[number % 2].track(f"c{number}", f"u{number}")
        await self.settle()
        before = [list(node.told) for node in nodes]
        self.server.restart()
        await self.agree(nodes, sorted(f"c{n}" for n in range(20)))
        await self.settle()
        self.assertEqual([list(node.told) for node in nodes], before)

    async def test_frozen(self) -> None:
        """
        The server answers again after longer than lease and grace: the nodes have time to come
        back, so no member is seen leaving, and a new one joins.
        """
        # The nodes leave a server that has not answered for three seconds.
        self.lease = 2.0
        nodes = await self.makeNodes(grace=0.5)
        for number in range(2):
            await nodes[number].track(f"c{number}", f"u{number}")
        await self.settle()
        self.server.freeze()
        await self.until(lambda: not any(self.isUp(node) for node in nodes))
        self.server.thaw()
        await self.until(lambda: all(self.isUp(node) for node in nodes))
        await nodes[0].track("c2", "u2")
        await self.agree(nodes, ["c0", "c1", "c2"])
        await self.settle()
        for node in nodes:
            self.assertEqual([event for event, _, _ in node.events()], ["join"] * 3)
