"""
Tests for L{aerostack.admin.gathering} and L{aerostack.admin.processes}, with several nodes.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from aerostack.admin.diagnosis import Diagnosis
from aerostack.admin.directory import Directory
from aerostack.admin.gathering import PATIENCE, Gathering
from aerostack.admin.processes import MOST, NodeProcesses
from aerostack.admin.sampler import Sampler
from aerostack.admin.taps import Taps
from aerostack.core.diagnosis.samples import Counts
from aerostack.core.topics.topics import Topic
from aerostack.engine.alone import AloneNodes
from aerostack.errors import RealtimeError
from aerostack.interfaces.nodes import INodes
from aerostack.interfaces.operating import IProcesses
from aerostack.sessions.session import Session
from aerostack.testing import MemoryClient, World
from tests.admin.nodes import MemoryNodes

CHAT = Topic("chat/a", "p")


class Node:
    """
    A node with clients of its own.
    """

    def __init__(self, clock: Clock, nodes: INodes, first: int) -> None:
        self.world = world = World()
        # No two nodes give the same id to connections.
        world._serial = iter(range(first, first + 100))
        self.sessions: list[Session] = []
        self.processes = NodeProcesses(clock, nodes)
        taps = Taps(world.clock, world.hub, world.feeds)
        directory = Directory(world.clock, world.hub, world.feeds, taps, self.all)
        self.sampler = Sampler(
            world.clock,
            world.wall,
            lambda: Counts(len(self.sessions), 0, 9, 9, 1),
            world.feeds.latencies,
            world.hub.publisher.latencies,
        )
        self.sampler.startService()
        diagnosis = Diagnosis(world.hub, world.feeds, world.traces, self.all, directory)
        self.gathering = Gathering(
            self.processes, directory, diagnosis, self.sampler, world.refusals, world.wall
        )

    def all(self) -> tuple[Session, ...]:
        """Give all sessions."""
        return tuple(self.sessions)

    def connect(self, userId: str, *topics: str) -> MemoryClient:
        """
        Let a client in that subscribes to topics.
        """
        client = self.world.connect(userId=userId)
        for each in topics:
            client.ask(type="subscribe", topic=each)
        self.sessions.append(client.session)
        return client


class NodesTests(SynchronousTestCase):
    """
    Tests for three nodes.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.group: dict[str, MemoryNodes] = {}
        self.nodes = [
            Node(self.clock, MemoryNodes(self.clock, name, self.group), number * 100)
            for number, name in enumerate(("a", "b", "c"), 1)
        ]
        self.gathering = self.nodes[0].gathering

    def advance(self, seconds: float) -> None:
        """
        Let time pass everywhere.
        """
        self.clock.advance(seconds)
        for each in self.nodes:
            each.world.clock.advance(seconds)

    def answer(self, asked: Deferred[Any]) -> Any:
        """
        Wait for an answer.
        """
        for _ in range(20):
            self.advance(0)
        return self.successResultOf(asked)

    def test_provides(self) -> None:
        """The processes implement their contract, alone or not."""
        verifyObject(IProcesses, self.nodes[0].processes)
        verifyObject(IProcesses, NodeProcesses(self.clock, AloneNodes("a")))

    def test_connections(self) -> None:
        """The connections of all nodes are one list with one total, each with its node."""
        for number, user in enumerate(("ann", "bob", "cyd", "ann")):
            self.nodes[number % 3].connect(user, "chat/a")
        found = self.answer(self.gathering.connections("p", None, CHAT, 100, ""))
        self.assertEqual(
            [(each["userId"], each["node"]) for each in found["connections"]],
            [("ann", "a"), ("ann", "a"), ("bob", "b"), ("cyd", "c")],
        )
        self.assertEqual((found["total"], found["more"]), (4, False))
        self.assertNotIn("missing", found)
        found = self.answer(self.gathering.connections("p", "ann", None, 1, ""))
        self.assertEqual((found["total"], found["more"]), (2, True))

    def test_topics(self) -> None:
        """A topic is one row with the subscribers of all nodes."""
        self.nodes[0].connect("ann", "chat/a", "chat/b")
        self.nodes[1].connect("bob", "chat/a")
        self.nodes[2].connect("cyd", "chat/a", "chat/c")
        found = self.answer(self.gathering.topics("p", "", 100, ""))
        self.assertEqual(
            [(each["topic"], each["subscribers"]) for each in found["topics"]],
            [("chat/a/p", 3), ("chat/b/p", 1), ("chat/c/p", 1)],
        )
        self.assertEqual(found["total"], 3)
        self.assertNotIn("atLeast", found)

    def test_topic(self) -> None:
        """One topic is shown with the subscriptions of all nodes, each with its node."""
        self.nodes[0].connect("ann", "chat/a")
        self.nodes[2].connect("cyd", "chat/a")
        found = self.answer(self.gathering.topic(CHAT))
        self.assertEqual(
            [(each["userId"], each["node"]) for each in found["subscriptions"]],
            [("ann", "a"), ("cyd", "c")],
        )
        self.assertEqual(found["subscribers"], 2)

    def test_explain(self) -> None:
        """A node explains why something did not reach a user who is connected to another one."""
        self.nodes[1].connect("ann", "chat/b")
        found = self.answer(self.gathering.explain("ann", CHAT))
        self.assertEqual(len(found["connections"]), 1)
        self.assertEqual(found["findings"][0].code, "not_subscribed")

    def test_work(self) -> None:
        """What nodes do is added up by the seconds of the asked one, whatever their clocks say."""
        self.nodes[1].world.stepped = 61.3
        self.nodes[2].world.stepped = -45.7
        for number, node in enumerate(self.nodes, 1):
            for _ in range(number):
                node.connect("ann")
        for _ in range(16):
            self.advance(0.125)
        started = self.nodes[0].sampler.started
        found = self.answer(self.gathering.work("p", 0))
        self.assertEqual([each["connections"] for each in found["samples"]], [6, 6])
        ends = [int((started + second) * 1000) for second in (1, 2)]
        self.assertEqual([each["at"] for each in found["samples"]], ends)
        self.assertEqual(found["started"], int(started * 1000))
        found = self.answer(self.gathering.work("p", ends[0]))
        self.assertEqual([each["connections"] for each in found["samples"]], [6])

    def test_frozen(self) -> None:
        """A node that does not answer within a second is named, and the rest is shown."""
        for node in self.nodes:
            node.connect("ann")
        self.group["b"].isFrozen = True
        asked = self.gathering.connections("p", None, None, 100, "")
        for _ in range(9):
            self.advance(0)
        self.assertNoResult(asked)
        self.advance(PATIENCE)
        found = self.answer(asked)
        self.assertEqual((found["total"], found["missing"]), (2, ["b"]))
        asked = self.gathering.explain("ann", CHAT)
        for _ in range(9):
            self.advance(0)
        self.advance(PATIENCE)
        self.assertEqual(self.answer(asked)["missing"], ["b"])

    def test_failing(self) -> None:
        """A node that fails is named; so is the asked one."""
        for node in self.nodes:
            node.connect("ann")
        self.nodes[0].processes._answer = lambda question: 1 // 0
        found = self.answer(self.gathering.topics("p", "", 100, ""))
        self.assertEqual(found["missing"], ["a"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_nobody(self) -> None:
        """If no node answers, the operator gets an error."""
        for node in self.nodes:
            node.processes._answer = lambda question: 1 // 0
        asked = self.gathering.topics("p", "", 100, "")
        for _ in range(9):
            self.advance(0)
        error = self.failureResultOf(asked, RealtimeError).value
        self.assertEqual(error.code, "overloaded")
        self.flushLoggedErrors(ZeroDivisionError)

    def test_busy(self) -> None:
        """Only so many operators can ask at the same time."""
        self.group["b"].isFrozen = True
        asked = [self.gathering.topic(CHAT) for _ in range(MOST)]
        error = self.assertRaises(RealtimeError, self.gathering.topic, CHAT)
        self.assertEqual(error.code, "overloaded")
        self.advance(PATIENCE)
        for each in asked:
            self.answer(each)
        self.advance(0)
        self.gathering.topic(CHAT)
        self.advance(PATIENCE)

    def test_large(self) -> None:
        """A page that is larger than a node may send is cut, and the next page goes on there."""
        from aerostack.admin import processes

        self.patch(processes, "LARGEST", 700)
        names = [f"chat/{number:02}" for number in range(12)]
        self.nodes[1].connect("ann", *names)
        shown: list[str] = []
        more = True
        while more:
            after = shown[-1] if shown else ""
            page = self.answer(self.gathering.topics("p", "", 100, after))
            shown += [each["topic"] for each in page["topics"]]
            more = page["more"]
        self.assertEqual(shown, [f"{name}/p" for name in names])


class AloneTests(SynchronousTestCase):
    """
    Tests for a node that is alone.
    """

    def test_alone(self) -> None:
        """Without others, rows do not name a node."""
        node = Node(Clock(), AloneNodes("a"), 1)
        node.connect("ann", "chat/a")
        asked = node.gathering.connections("p", None, None, 100, "")
        node.world.turn()
        (row,) = self.successResultOf(asked)["connections"]
        self.assertNotIn("node", row)
