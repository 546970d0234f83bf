"""
What every engine promises.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from zope.interface.verify import verifyObject

from aerostack.core.replay.publications import Publication
from aerostack.interfaces.messaging import IEngine

Receive = Callable[[Publication], None]


def publication(topic: str, data: int, userId: str | None = None) -> Publication:
    """
    Something to publish.
    """
    return Publication(topic, "event", "e", b"%d" % data, userId, 1_000 + data)


class EngineContract:
    """
    What every engine promises, to be mixed into a test case.  An engine that needs time overrides
    L{settle}.
    """

    # What the test case brings.
    assertEqual: Any
    assertIn: Any

    def makeNodes(self, count: int) -> list[Any]:
        """
        Make the engines of some daemons that share their topics, not yet started.

        @return: As many; or one, if the engine is for a daemon that is alone.
        """
        raise NotImplementedError

    def settle(self) -> None:
        """
        Wait until everything that was published has been delivered.
        """

    def startNodes(self, count: int = 2) -> tuple[list[Any], list[list[Publication]]]:
        """
        Start some engines.

        @return: The engines, and what each receives.
        """
        engines = self.makeNodes(count)
        received: list[list[Publication]] = [[] for _ in engines]
        for engine, seen in zip(engines, received, strict=True):
            engine.start(seen.append)
        return engines, received

    def test_interface(self) -> None:
        """
        The engine provides L{IEngine}.
        """
        for engine in self.makeNodes(1):
            verifyObject(IEngine, engine)

    def test_everyNode(self) -> None:
        """
        A publication reaches every node unchanged, also the node that published it.
        """
        engines, received = self.startNodes()
        sent = Publication("chat/é/p", "chat_message", "message", b'{"a":"\\u0000"}', "ann", 5)
        engines[0].publish(sent)
        self.settle()
        self.assertEqual(received, [[sent]] * len(engines))

    def test_noUser(self) -> None:
        """
        A publication without a user stays different from one of a user with an empty name.
        """
        engines, received = self.startNodes()
        for userId in (None, ""):
            engines[0].publish(publication("chat/a/p", 1, userId))
        self.settle()
        self.assertEqual([p.userId for p in received[-1]], [None, ""])

    def test_order(self) -> None:
        """
        All nodes get a topic's publications in the same order, and those of one node in the order
        in which it published them.
        """
        engines, received = self.startNodes()
        for n in range(200):
            engines[n % len(engines)].publish(publication(f"chat/{n % 3}/p", n))
        self.settle()
        for topic in (f"chat/{n}/p" for n in range(3)):
            orders = [[p.data for p in seen if p.topic == topic] for seen in received]
            self.assertEqual(orders, [orders[0]] * len(orders))
            for node in range(len(engines)):
                mine = [int(data) for data in orders[0] if int(data) % len(engines) == node]
                self.assertEqual(mine, sorted(mine))
        self.assertEqual([len(seen) for seen in received], [200] * len(received))

    def test_fromWithin(self) -> None:
        """
        A publication that is published while another is being received arrives too.
        """
        engines = self.makeNodes(1)
        received: list[bytes] = []

        def receive(got: Publication) -> None:
            received.append(got.data)
            if got.data == b"1":
                engines[0].publish(publication("chat/a/p", 2))

        engines[0].start(receive)
        engines[0].publish(publication("chat/a/p", 1))
        self.settle()
        self.assertEqual(received, [b"1", b"2"])
