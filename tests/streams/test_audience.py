"""
Tests for L{aerostack.streams.audience}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.answers.answer import Answer, Terms
from aerostack.core.answers.answers import Answers
from aerostack.streams import audience
from aerostack.streams.audience import FRESH, MOST, Audience
from tests.streams.watching import CANONICAL


class Nodes:
    """
    The nodes that hear each other.
    """

    isAlone = False

    def __init__(self, name: str, others: list[Nodes]) -> None:
        self.name = name
        self.told: list[bytes] = []
        self._others = others
        others.append(self)
        self._answer: Any = None

    @property
    def count(self) -> int:
        """How many others there are."""
        return len(self._others) - 1

    def serve(self, kind: str, answer: Any) -> None:
        """See L{aerostack.interfaces.nodes.INodes}."""
        self._answer = answer

    def tell(self, kind: str, data: bytes) -> None:
        """See L{aerostack.interfaces.nodes.INodes}."""
        self.told.append(data)
        for other in self._others:
            if other is not self:
                other._answer(data, 0.0)


class Node:
    """
    A node with subscribers.

    @ivar subscribers: Their number by topic.
    """

    def __init__(self, clock: Clock, name: str, others: list[Nodes]) -> None:
        self.answers = Answers()
        self.nodes = Nodes(name, others)
        self.subscribers: dict[str, int] = {}
        self.audience = Audience(clock, self.nodes, self.answers)
        self.audience.local = lambda topic: self.subscribers.get(topic, 0)

    def run(self, topic: str) -> None:
        """
        Let a stream run on a topic, as far as this node knows.
        """
        self.answers.enter(Answer(f"a of {topic}", "r", topic, Terms(), 0))

    def sweep(self) -> None:
        """
        Do what is done each second.
        """
        for _ in self.audience.sweep():
            pass


class AudienceTests(SynchronousTestCase):
    """
    Tests for L{Audience} with three nodes.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        others: list[Nodes] = []
        self.own, self.second, self.third = (
            Node(self.clock, name, others) for name in ("n0", "n1", "n2")
        )

    def count(self) -> int:
        """
        How many subscribers the topic has, as the first node knows it.
        """
        return self.own.audience.count(CANONICAL)

    def test_together(self) -> None:
        """
        The subscribers of all nodes count, and no longer once they have left.
        """
        for number, node in enumerate((self.own, self.second, self.third), 1):
            node.run(CANONICAL)
            node.subscribers[CANONICAL] = number
        self.assertEqual(self.count(), 1)
        for node in (self.second, self.third):
            node.sweep()
            node.sweep()
        self.assertEqual(self.count(), 6)
        self.second.subscribers.clear()
        self.second.sweep()
        self.assertEqual(self.count(), 4)
        before = len(self.second.nodes.told)
        self.second.sweep()
        self.assertEqual(len(self.second.nodes.told), before)

    def test_silent(self) -> None:
        """
        What a node has said is forgotten when the node is silent for too long.
        """
        for node in (self.own, self.second):
            node.run(CANONICAL)
        self.second.subscribers[CANONICAL] = 1
        self.second.sweep()
        self.clock.advance(FRESH - 1)
        self.own.sweep()
        self.assertEqual(self.count(), 1)
        self.clock.advance(2)
        self.assertEqual(self.count(), 0)
        self.own.sweep()
        self.assertEqual(self.own.audience._elsewhere, {})

    def test_bounded(self) -> None:
        """
        A node keeps nothing of topics on which it knows no stream, and what it says comes in
        pieces.
        """
        topics = [f"t/{n}/p" for n in range(MOST + 1)]
        for topic in topics:
            self.second.run(topic)
            self.second.subscribers[topic] = 1
        self.own.run(topics[0])
        self.second.sweep()
        self.assertEqual(len(self.second.nodes.told), 2)
        self.assertEqual(list(self.own.audience._elsewhere), topics[:1])
        self.assertEqual(self.third.audience._elsewhere, {})

    def test_asked(self) -> None:
        """
        A node that knows no stream of a topic says how many subscribers it has if another node
        asks, for as long as that goes on asking.
        """
        self.own.run(CANONICAL)
        self.second.subscribers[CANONICAL] = 2
        self.second.sweep()
        self.assertEqual(self.count(), 0)
        self.own.audience.wanted = {CANONICAL}
        self.own.sweep()
        self.second.sweep()
        self.assertEqual(self.count(), 2)
        self.clock.advance(FRESH + 1)
        before = len(self.second.nodes.told)
        self.second.sweep()
        self.assertEqual((self.count(), len(self.second.nodes.told)), (0, before))

    def test_came(self) -> None:
        """
        A node whose subscribers have come to a topic is told by the node on which a stream of the
        topic runs, with the next sweeps of both, and once.
        """
        reminded: list[tuple[str, str]] = []
        for name, node in (("own", self.own), ("third", self.third)):
            node.audience.remind = lambda topic, name=name: reminded.append((name, topic))
        self.own.run(CANONICAL)
        for topic in (CANONICAL, "t/other/p"):
            self.second.audience.came(topic)
        for _ in range(2):
            for node in (self.second, self.own, self.third):
                node.sweep()
        self.assertEqual(reminded, [("own", CANONICAL)])

    def test_cameMany(self) -> None:
        """
        Topics to which subscribers have come are told in pieces, and not more than can be.
        """
        self.patch(audience, "MOST_CAME", MOST + 1)
        for number in range(MOST + 2):
            self.second.audience.came(f"t/{number}/p")
        self.second.sweep()
        self.assertEqual(len(self.second.nodes.told), 2)
        self.second.sweep()
        self.assertEqual(len(self.second.nodes.told), 2)
