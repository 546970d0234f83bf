"""
Tests for L{aerostack.engine.memory}.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase, TestCase

from aerostack.core.replay.log import Depth
from aerostack.core.replay.shared import Placed
from aerostack.engine.memory import MemoryEngine, MemoryLog
from aerostack.errors import RealtimeError
from aerostack.testing.history import MemoryHistory
from tests.engine.contract import EngineContract, publication
from tests.engine.lognodes import DEPTH, TOPIC, WINDOW, Node
from tests.engine.logs import LogContract


class MemoryEngineTests(EngineContract, SynchronousTestCase):
    """
    Tests for L{MemoryEngine}.
    """

    def makeNodes(self, count: int) -> list[MemoryEngine]:
        """
        See L{EngineContract}; this engine is for a daemon that is alone.
        """
        return [MemoryEngine()]

    def test_notStarted(self) -> None:
        """
        An engine that was not started refuses a publication.
        """
        self.assertRaises(RuntimeError, MemoryEngine().publish, publication("chat/a/p", 1))


class MemoryLogTests(LogContract, TestCase):
    """
    Tests for L{MemoryLog}.
    """

    shares = False

    def setUp(self) -> None:
        """
        Make the time and the history.
        """
        self.clock = Clock()
        self.history = MemoryHistory()
        self.nodes: list[Node] = []
        self.epochs = count(1)

    def makeLog(self, name: str, depth: Depth = DEPTH) -> MemoryLog:
        """
        See L{LogContract}.
        """
        return MemoryLog(
            self.clock,
            lambda topic: depth,
            lambda: f"{name}e{next(self.epochs)}",
            self.history,
            WINDOW,
            limit=3,
        )

    async def until(self, condition: Callable[[], object]) -> None:
        """
        See L{LogContract}; this log needs one turn.
        """
        self.clock.advance(0)
        self.assertTrue(condition())

    async def settle(self) -> None:
        """
        See L{LogContract}.
        """
        self.clock.advance(0)

    async def test_age(self) -> None:
        """
        Entries that are too old are forgotten, and so is a log that was not followed for as long.
        """
        node = self.node()
        head = await node.attach()
        await node.publish(1)
        self.clock.advance(DEPTH.age + 1)
        self.assertEqual(await node.log.read(TOPIC, 0, None, 9, 9_999), [])
        await node.publish(2)
        node.detach()
        self.clock.advance(DEPTH.age + 1)
        self.assertEqual(await node.publish(3), Placed(None))
        self.assertNotEqual((await node.attach()).epoch, head.epoch)

    async def test_window(self) -> None:
        """
        A publication is new again after a while, or when many others came that may come again.
        """
        node = self.node()
        await node.attach()
        await node.publish(1, repeat="a")
        self.clock.advance(WINDOW + 1)
        self.assertFalse((await node.publish(1, repeat="a")).repeated)
        for name in "bcd":
            await node.publish(1, repeat=name)
        self.assertTrue((await node.publish(1, repeat="b")).repeated)
        self.assertFalse((await node.publish(1, repeat="a")).repeated)

    async def test_stopped(self) -> None:
        """
        A log that was stopped refuses publications.
        """
        node = self.node()
        node.log.stop()
        error = self.failureResultOf(node.publish(1), RealtimeError)
        self.assertEqual(error.value.code, "engine_unavailable")

    async def test_unanswered(self) -> None:
        """
        A topic can be detached while the history is still asked for its newest message; if the
        history fails, the topic is not followed.
        """
        node = self.node()
        asked: list[Deferred[list[object]]] = []

        def page(topic: str, limit: int, before: int | None) -> Deferred[list[object]]:
            asked.append(Deferred())
            return asked[-1]

        self.patch(self.history, "page", page)
        left = node.log.attach(TOPIC)
        node.log.detach(TOPIC)
        self.failureResultOf(left)
        failed = node.log.attach(TOPIC)
        asked[-1].errback(RealtimeError("database_unavailable", "It does not answer."))
        self.failureResultOf(failed, RealtimeError)
        self.assertEqual(await node.publish(1), Placed(None))
