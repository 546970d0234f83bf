"""
Tests for L{aerostack.process.garbage}.
"""

from __future__ import annotations

import gc
import weakref

from twisted.trial.unittest import SynchronousTestCase

from aerostack.process import garbage
from aerostack.process.garbage import GarbageCollector
from aerostack.sessions.session import Session
from aerostack.testing import World

MOST = 40_000
"""More new objects than Python looks through at once."""


class Node:
    """
    Something that refers to itself, once it is tied.
    """

    other: Node | None = None


class GarbageCollectorTests(SynchronousTestCase):
    """
    Tests for L{GarbageCollector}, in this very process.
    """

    def setUp(self) -> None:
        self.before = gc.get_threshold()
        self.collector = GarbageCollector()
        self.collector.startService()
        self.addCleanup(gc.unfreeze)
        self.addCleanup(gc.set_threshold, *self.before)

    def stop(self) -> None:
        """Stop the service."""
        self.collector.stopService()

    def test_bound(self) -> None:
        """
        A search looks through a bounded number of objects, even if there are very many.
        """
        self.addCleanup(self.stop)
        looked: list[int] = []

        def see(phase: str, info: dict[str, int]) -> None:
            if (phase, info["generation"]) == ("start", 2):
                looked.append(len(gc.get_objects()))

        gc.callbacks.append(see)
        self.addCleanup(gc.callbacks.remove, see)
        held: list[list[object]] = [[] for _ in range(20 * MOST)]
        self.assertGreater(len(looked), 5)
        self.assertLess(max(looked), MOST)
        self.assertEqual(len(held), 20 * MOST)

    def test_circles(self) -> None:
        """
        The search through all objects frees circles of objects that were in use during an earlier
        search.
        """
        self.addCleanup(self.stop)
        self.patch(garbage, "WHOLE", 3)
        node = Node()
        gc.collect()
        node.other = node
        gone = weakref.ref(node)
        del node
        for _ in range(3):
            gc.collect()
        self.assertIsNone(gone())

    def test_stop(self) -> None:
        """
        After the stop Python searches as before.
        """
        callbacks = len(gc.callbacks)
        self.stop()
        self.assertEqual(gc.get_threshold(), self.before)
        self.assertEqual(len(gc.callbacks), callbacks - 1)
        self.assertEqual(gc.get_freeze_count(), 0)


class EndTests(SynchronousTestCase):
    """
    What a connection leaves behind.
    """

    def test_session(self) -> None:
        """
        The objects of a session that ended are freed at once, without a search.
        """
        world = World()
        client = world.connect(userId="nan")
        client.ask(type="subscribe", topic="chat/a")
        client.ask(type="subscribe", topic="orders", filter="id=1")
        client.ask(type="track", topic="chat/a", state={})
        client.ask(type="publish", topic="chat/a", event="e", id=1)
        gc.disable()
        self.addCleanup(gc.enable)
        client.die()
        world.turn()
        del client
        left = [each for each in gc.get_objects() if isinstance(each, Session)]
        self.assertEqual([each for each in left if each.identity.userId == "nan"], [])
