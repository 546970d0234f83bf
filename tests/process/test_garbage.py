"""
Tests for L{aerostack.process.garbage}.
"""

from __future__ import annotations

import gc
import weakref

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.diagnosis.histogram import Histogram
from aerostack.process.garbage import GarbageCollector, SearchPlan
from aerostack.sessions.session import Session
from aerostack.testing import World

MOST = 10_000
"""More new objects than Python looks through at once."""


class Node:
    """
    Something that refers to itself, once it is tied.
    """

    other: Node | None = None


class SearchPlanTests(SynchronousTestCase):
    """
    Tests for L{SearchPlan}.
    """

    def setUp(self) -> None:
        self.plan = SearchPlan(100.0)

    def test_sooner(self) -> None:
        """
        While searches take long, they come sooner, but not without end.
        """
        intervals = []
        for _ in range(10):
            self.plan.searched(0.004, 0)
            intervals.append(self.plan.interval)
        self.assertEqual(intervals[:2], [0.5, 0.25])
        self.assertEqual(intervals[-1], 0.05)

    def test_later(self) -> None:
        """
        While searches take little time, they come later again.
        """
        for _ in range(10):
            self.plan.searched(0.004, 0)
        self.plan.searched(0.0005, 0)
        self.assertEqual(self.plan.interval, 0.05)
        for _ in range(10):
            self.plan.searched(0.0001, 0)
        self.assertEqual(self.plan.interval, 1.0)

    def test_idle(self) -> None:
        """
        All objects are searched every ten minutes while the process does little.
        """
        self.assertFalse(self.plan.isWholeDue(699.0, 0.0))
        self.assertTrue(self.plan.isWholeDue(700.0, 0.09))
        self.plan.searchedAll(700.0)
        self.assertFalse(self.plan.isWholeDue(1299.0, 0.0))
        self.assertTrue(self.plan.isWholeDue(1300.0, 0.0))

    def test_busy(self) -> None:
        """
        While the process is busy, all objects are searched once an hour.
        """
        self.assertFalse(self.plan.isWholeDue(3699.0, 0.5))
        self.assertTrue(self.plan.isWholeDue(3700.0, 0.5))

    def test_many(self) -> None:
        """
        While the process is busy and makes many circles, all objects are searched every ten
        minutes.
        """
        for _ in range(100):
            self.plan.searched(0.001, 10_000)
        self.assertFalse(self.plan.isWholeDue(699.0, 0.5))
        self.assertTrue(self.plan.isWholeDue(700.0, 0.5))
        self.plan.searchedAll(700.0)
        self.assertFalse(self.plan.isWholeDue(1300.0, 0.5))


class GarbageCollectorTests(SynchronousTestCase):
    """
    Tests for L{GarbageCollector}, in this very process.
    """

    def setUp(self) -> None:
        self.before = gc.get_threshold()
        self.clock, self.used = Clock(), 0.0
        self.searches = Histogram()
        self.collector = GarbageCollector(self.clock, self.searches, lambda: self.used)
        self.collector.startService()
        self.addCleanup(gc.unfreeze)
        self.addCleanup(gc.set_threshold, *self.before)

    def stop(self) -> None:
        """Stop the service."""
        self.collector.stopService()

    def watch(self) -> list[int]:
        """
        Note how many objects each search looks through.
        """
        looked: list[int] = []

        def see(phase: str, info: dict[str, int]) -> None:
            if phase == "start":
                looked.append(len(gc.get_objects()))

        gc.callbacks.append(see)
        self.addCleanup(gc.callbacks.remove, see)
        return looked

    def test_bound(self) -> None:
        """
        A search looks through a bounded number of objects, even if there are very many.
        """
        self.addCleanup(self.stop)
        looked = self.watch()
        held: list[list[object]] = [[] for _ in range(20 * MOST)]
        self.assertGreater(len(looked), 20)
        self.assertLess(max(looked), MOST)
        self.assertEqual(len(held), 20 * MOST)

    def test_replaced(self) -> None:
        """
        If as many objects are freed as are made, a search by the clock finds few as well.
        """
        self.addCleanup(self.stop)
        held: list[list[object]] = [[] for _ in range(20 * MOST)]
        self.clock.advance(1.0)
        looked = self.watch()
        for start in range(0, len(held), 4000):
            for place in range(start, start + 4000):
                held[place] = []
            self.clock.advance(1.0)
        self.assertGreaterEqual(len(looked), 20 * MOST / 4000)
        self.assertLess(max(looked), MOST)

    def test_circles(self) -> None:
        """
        Circles of new objects are freed by the next search.  Circles of objects that were in use
        during an earlier search are freed by the search through all objects.
        """
        self.addCleanup(self.stop)
        node, young = Node(), Node()
        self.clock.advance(1.0)
        node.other, young.other = node, Node()
        young.other.other = young.other
        gone, youngGone = weakref.ref(node), weakref.ref(young.other)
        del node
        young.other = None
        self.clock.advance(1.0)
        self.assertIsNone(youngGone())
        self.assertIsNotNone(gone())
        self.used = 599.0
        self.clock.advance(598.0)
        self.assertIsNotNone(gone(), "the process was busy")
        self.clock.advance(1.0)
        self.assertIsNone(gone())

    def test_measured(self) -> None:
        """
        The service measures the duration of each search.
        """
        self.addCleanup(self.stop)
        before = sum(self.searches.part[0])
        self.clock.advance(1.0)
        gc.collect()
        self.assertEqual(sum(self.searches.part[0]), before + 2)

    def test_stop(self) -> None:
        """
        After the stop Python searches as before.
        """
        callbacks = len(gc.callbacks)
        self.stop()
        self.assertEqual(gc.get_threshold(), self.before)
        self.assertEqual(len(gc.callbacks), callbacks - 1)
        self.assertEqual(gc.get_freeze_count(), 0)
        self.assertEqual(self.clock.getDelayedCalls(), [])


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
