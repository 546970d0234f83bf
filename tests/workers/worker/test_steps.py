"""
Tests for L{aerostack.workers.worker.steps}.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from aerostack.workers.worker.steps import Steps


class StepsTests(SynchronousTestCase):
    """
    Tests for L{Steps}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.steps = Steps(self.clock)
        self.made: list[str] = []

    def step(self, name: str, result: Any = None) -> Callable[[], Any]:
        """
        Give a step that is written down.
        """

        def make() -> Any:
            self.made.append(name)
            return result

        return make

    def test_start(self) -> None:
        """
        Nothing happens before the start.
        """
        self.steps.add(self.step("a"))
        self.assertEqual(self.made, [])
        self.steps.start()
        self.clock.advance(0)
        self.steps.add(self.step("b"))
        self.assertEqual(self.made, ["a", "b"])

    def test_waiting(self) -> None:
        """
        Steps and results wait for a step that takes long, and come in later turns.
        """
        self.steps.start()
        long: Deferred[None] = Deferred()
        self.steps.add(self.step("long", long))
        self.steps.add(self.step("b"))
        result = self.steps.inTurn("result")
        self.steps.add(self.step("c"))
        self.assertEqual(self.made, ["long"])
        long.callback(None)
        self.assertEqual(self.made, ["long"])
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.clock.advance(0)
        self.assertEqual(self.made, ["long", "b", "c"])
        self.assertEqual(self.successResultOf(result), "result")

    def test_inside(self) -> None:
        """
        A step that is added inside another one comes after it.
        """
        self.steps.start()

        def outer() -> None:
            self.steps.add(self.step("inner"))
            self.made.append("outer")

        self.steps.add(outer)
        self.clock.advance(0)
        self.assertEqual(self.made, ["outer", "inner"])

    def test_failures(self) -> None:
        """
        A step that fails, at once or later, is logged, and the next one is made.
        """
        self.steps.start()
        later: Deferred[None] = Deferred()
        self.steps.add(lambda: 1 / 0)  # type: ignore[arg-type,return-value]
        self.steps.add(self.step("b", later))
        self.steps.add(self.step("c"))
        later.errback(ValueError())
        self.clock.advance(0)
        self.assertEqual(self.made, ["b", "c"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError, ValueError)), 2)

    def test_stop(self) -> None:
        """
        After the stop nothing happens any more.
        """
        self.steps.start()
        long: Deferred[None] = Deferred()
        self.steps.add(self.step("long", long))
        self.steps.add(self.step("b"))
        long.callback(None)
        self.steps.stop()
        self.steps.add(self.step("c"))
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.made, ["long"])
