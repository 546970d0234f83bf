"""
What everything that decides who is present promises.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from zope.interface.verify import verifyObject

from aerostack.core.presence import Member, Room, Tracked
from aerostack.errors import RealtimeError
from aerostack.interfaces.roster import IRoster

TOPIC, OTHER = "chat/a/p", "chat/b/p"
LONG = 3_600.0
"""A grace that is not over before a test is, in seconds."""

ROOM = Room(1_000_000, 1_000_000)


class RosterNode:
    """
    One node, with the events that its subscribers get.

    @ivar told: The topic, the event, and the member, in order.
    """

    def __init__(self) -> None:
        self.roster: Any = None
        self.members: Any = None
        self.told: list[tuple[str, str, Member]] = []

    def tell(self, topic: str, event: str, member: Member) -> None:
        """
        Take note of an event that subscribers get.
        """
        self.told.append((topic, event.removeprefix("presence:"), member))

    def track(
        self,
        connectionId: str,
        userId: str | None = "ann",
        state: bytes = b"{}",
        topic: str = TOPIC,
        client: str | None = None,
        most: int | None = None,
    ) -> Deferred[Tracked]:
        """
        Let a connection be present.
        """
        tracked: Deferred[Tracked] = self.roster.track(
            topic, connectionId, userId, state, client, most
        )
        return tracked

    def names(self, topic: str = TOPIC) -> list[str]:
        """
        The names of a topic's members.
        """
        return [member.connectionId for member in self.members.members(topic)]

    def events(self, topic: str = TOPIC) -> list[tuple[str, str, bytes]]:
        """
        What a topic's subscribers got: event, name and state.
        """
        return [
            (event, member.connectionId, member.state)
            for name, event, member in self.told
            if name == topic
        ]


class RosterContract:
    """
    What every L{IRoster} promises, to be mixed into a test case.

    @cvar knowsClients: Whether members have the hashes of their clients.
    """

    knowsClients = True

    # What the test case brings.
    assertEqual: Any
    assertTrue: Any
    assertFalse: Any
    failureResultOf: Any

    async def makeNodes(
        self, count: int = 2, grace: float = LONG, room: Room = ROOM
    ) -> list[RosterNode]:
        """
        Give nodes that share their members and have attached L{TOPIC} and L{OTHER}.
        """
        raise NotImplementedError

    async def settle(self) -> None:
        """
        Wait until every node knows of everything that was asked.
        """
        raise NotImplementedError

    async def until(self, condition: Callable[[], object]) -> None:
        """
        Let time pass until something is true.
        """
        raise NotImplementedError

    async def refusal(self, tracking: Deferred[Tracked]) -> str:
        """
        The code with which a C{track} fails.
        """
        try:
            await tracking
        except RealtimeError as error:
            return error.code
        return "none"

    def same(self, nodes: list[RosterNode], events: list[tuple[str, str, bytes]]) -> None:
        """
        Compare what every node's subscribers got on L{TOPIC} with the events.
        """
        for node in nodes:
            self.assertEqual(node.events(), events)

    async def test_interface(self) -> None:
        """
        The roster provides L{IRoster}.
        """
        (node,) = await self.makeNodes(1)
        verifyObject(IRoster, node.roster)

    async def test_life(self) -> None:
        """
        Every node tells a join, an update and a leave once and in order, and nothing for a state
        that stays the same.
        """
        nodes = await self.makeNodes()
        first = await nodes[0].track("c1")
        self.assertEqual((first.joined, first.updated, first.fresh), (True, False, True))
        again = await nodes[0].track("c1")
        self.assertEqual((again.joined, again.updated, again.fresh), (False, False, False))
        changed = await nodes[0].track("c1", state=b"[]")
        self.assertEqual((changed.joined, changed.updated, changed.fresh), (False, True, False))
        self.assertEqual(changed.member.since, first.member.since)
        nodes[0].roster.untrack(TOPIC, "c1")
        nodes[0].roster.untrack(TOPIC, "c1")
        await self.settle()
        self.same(nodes, [("join", "c1", b"{}"), ("update", "c1", b"[]"), ("leave", "c1", b"[]")])
        self.assertEqual([node.names() for node in nodes], [[], []])
        for node in nodes:
            self.assertEqual((node.members.roster(TOPIC), node.members.count(TOPIC)), (None, 0))

    async def test_member(self) -> None:
        """
        Every node has all of a member, byte by byte.
        """
        nodes = await self.makeNodes()
        state = b'{"a":"\\u0000 \xc3\xa9","b":5}'
        tracked = await nodes[0].track("c1", None, state, client="x")
        await self.settle()
        for node in nodes:
            self.assertEqual(list(node.members.members(TOPIC)), [tracked.member])
            self.assertEqual(node.told, [(TOPIC, "join", tracked.member)])
        member = tracked.member
        client = "x" if self.knowsClients else None
        self.assertEqual((member.userId, member.state, member.client), (None, state, client))

    async def test_there(self) -> None:
        """
        The local set has the member when the answer comes.
        """
        nodes = await self.makeNodes()
        for number in range(20):
            node = nodes[number % len(nodes)]
            await node.track(f"c{number}")
            self.assertTrue(f"c{number}" in node.names())

    async def test_order(self) -> None:
        """
        The members stand in the order in which they joined, at every node.
        """
        nodes = await self.makeNodes()
        for number in range(20):
            await nodes[number % len(nodes)].track(f"c{number}")
        await self.settle()
        for node in nodes:
            self.assertEqual(node.names(), [f"c{number}" for number in range(20)])

    async def test_atOnce(self) -> None:
        """
        What one connection does takes effect in the order of the calls, without waiting.
        """
        nodes = await self.makeNodes()
        asked = [nodes[0].track("c1"), nodes[0].track("c1", state=b"1")]
        self.assertEqual(nodes[0].roster.topicsOf("c1"), (TOPIC,))
        nodes[0].roster.untrack(TOPIC, "c1")
        asked.append(nodes[0].track("c1", state=b"2"))
        asked.append(nodes[0].track("c1", topic=OTHER))
        nodes[0].roster.leave("c1")
        self.assertEqual(nodes[0].roster.topicsOf("c1"), ())
        for each in asked:
            await each
        await self.settle()
        said = [("join", b"{}"), ("update", b"1"), ("leave", b"1"), ("join", b"2"), ("leave", b"2")]
        self.same(nodes, [(event, "c1", state) for event, state in said])
        self.assertEqual([node.names(OTHER) for node in nodes], [[], []])

    async def test_fresh(self) -> None:
        """
        Of two requests at once, only the first makes the connection present.
        """
        (node,) = await self.makeNodes(1)
        asked = [node.track("c1"), node.track("c1", state=b"1")]
        self.assertEqual([(await each).fresh for each in asked], [True, False])

    async def test_leave(self) -> None:
        """
        A close ends a connection's presence on every topic, and that of no other.
        """
        nodes = await self.makeNodes()
        for topic in (TOPIC, OTHER):
            await nodes[0].track("c1", topic=topic)
            await nodes[1].track("c2", topic=topic)
        nodes[0].roster.leave("c1")
        await self.settle()
        for node in nodes:
            self.assertEqual([node.names(), node.names(OTHER)], [["c2"], ["c2"]])
            self.assertEqual(node.events(OTHER)[-1], ("leave", "c1", b"{}"))

    async def test_takeOver(self) -> None:
        """
        The same user who comes to another node within the grace takes the member over, and no
        subscriber notices.  The member keeps its name and its time.
        """
        nodes = await self.makeNodes()
        first = await nodes[0].track("c1")
        for number in range(2, 8):
            nodes[number % 2].roster.lose(f"c{number - 1}")
            await self.settle()
            tracked = await nodes[(number + 1) % 2].track(f"c{number}")
            self.assertEqual((tracked.joined, tracked.updated, tracked.fresh), (False, False, True))
            self.assertEqual(tracked.member, first.member)
        await self.settle()
        self.same(nodes, [("join", "c1", b"{}")])
        nodes[0].roster.leave("c7")
        await self.settle()
        self.same(nodes, [("join", "c1", b"{}"), ("leave", "c1", b"{}")])

    async def test_takeOverNews(self) -> None:
        """
        A user who comes back with a new state is an update.
        """
        nodes = await self.makeNodes()
        await nodes[0].track("c1")
        nodes[0].roster.lose("c1")
        await self.settle()
        tracked = await nodes[1].track("c2", state=b"[]")
        self.assertTrue(tracked.updated)
        await self.settle()
        self.same(nodes, [("join", "c1", b"{}"), ("update", "c1", b"[]")])

    async def test_takeOverOnlyOwn(self) -> None:
        """
        No connection takes over the member of another user, a member of another topic, or a member
        whose client has neither a user nor a session secret.  A client that has a secret and no
        user takes over its own.
        """
        nodes = await self.makeNodes()
        await nodes[0].track("c1")
        await nodes[0].track("c2", None)
        await nodes[0].track("c3", None, client="x")
        for name in ("c1", "c2", "c3"):
            nodes[0].roster.lose(name)
        await self.settle()
        self.assertTrue((await nodes[1].track("d1", "bob")).joined)
        self.assertTrue((await nodes[1].track("d2", topic=OTHER)).joined)
        self.assertTrue((await nodes[1].track("d3", None)).joined)
        self.assertTrue((await nodes[1].track("d4", None, client="y")).joined)
        self.assertEqual((await nodes[1].track("d5", None, client="x")).member.connectionId, "c3")

    async def test_takeOverOnlyLost(self) -> None:
        """
        The member of a connection that lives is not taken over, and of several that were lost the
        first is taken over first.
        """
        nodes = await self.makeNodes()
        for number in range(4):
            await nodes[number % 2].track(f"c{number}")
        for number in (1, 0, 2):
            nodes[number % 2].roster.lose(f"c{number}")
            await self.settle()
        found = [(await nodes[0].track(f"d{n}")).member.connectionId for n in range(4)]
        self.assertEqual(found, ["c1", "c0", "c2", "d3"])

    async def test_grace(self) -> None:
        """
        A lost member leaves when the grace is over, and each node tells it once.
        """
        nodes = await self.makeNodes(grace=0.3)
        await nodes[0].track("c1")
        await nodes[1].track("c2")
        nodes[0].roster.lose("c1")
        await self.until(lambda: all(node.names() == ["c2"] for node in nodes))
        for node in nodes:
            self.assertEqual(node.events()[-1], ("leave", "c1", b"{}"))
            self.assertEqual(len(node.events()), 3)

    async def test_remove(self) -> None:
        """
        A removed user's lost members leave on all topics of the project, and no other member.
        """
        nodes = await self.makeNodes()
        for topic in (TOPIC, OTHER):
            await nodes[0].track("c1", topic=topic)
            await nodes[1].track("c2", topic=topic)
            await nodes[1].track("c3", "bob", topic=topic)
        nodes[0].roster.lose("c1")
        nodes[1].roster.lose("c3")
        await self.settle()
        nodes[1].roster.remove("q", "ann")
        nodes[1].roster.remove("p", "ann")
        await self.settle()
        for node in nodes:
            self.assertEqual([node.names(), node.names(OTHER)], [["c2", "c3"], ["c2", "c3"]])
        self.assertEqual((await nodes[0].track("d3", "bob")).member.connectionId, "c3")

    async def test_most(self) -> None:
        """
        The states of one connection are bounded together; a request beyond changes nothing.
        """
        nodes = await self.makeNodes()
        await nodes[0].track("c1", state=b"1" * 60, most=100)
        code = await self.refusal(nodes[0].track("c1", state=b"1" * 41, topic=OTHER, most=100))
        self.assertEqual(code, "too_large")
        self.assertEqual(nodes[0].roster.topicsOf("c1"), (TOPIC,))
        await nodes[0].track("c1", state=b"1" * 40, topic=OTHER, most=100)
        self.assertEqual(
            await self.refusal(nodes[0].track("c1", state=b"1" * 61, most=100)), "too_large"
        )
        await nodes[0].track("c1", state=b"2" * 60, most=100)
        nodes[0].roster.untrack(TOPIC, "c1")
        await nodes[0].track("c1", state=b"1" * 100, topic=OTHER, most=100)

    async def test_room(self) -> None:
        """
        The members of a project, and all members, are bounded over all nodes.  A member that
        leaves makes room.
        """
        nodes = await self.makeNodes(room=Room(2_000, 2_500))
        for number in range(2):
            await nodes[number].track(f"c{number}", state=b"1" * 400)
        self.assertEqual(await self.refusal(nodes[0].track("c2", state=b"1")), "overloaded")
        self.assertEqual(await self.refusal(nodes[0].track("c1", state=b"1" * 601)), "overloaded")
        self.assertEqual(nodes[0].roster.topicsOf("c2"), ())
        await nodes[0].track("c0", state=b"1" * 600)
        elsewhere = "chat/a/q"
        tracking = nodes[1].track("c3", state=b"1", topic=elsewhere)
        self.assertEqual(await self.refusal(tracking), "overloaded")
        nodes[0].roster.leave("c0")
        await self.settle()
        await nodes[1].track("c3", state=b"1", topic=elsewhere)
        await nodes[1].track("c4", state=b"1")
