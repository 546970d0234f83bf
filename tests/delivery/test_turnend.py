"""
Tests for L{aerostack.delivery.turnend}.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import alsoProvides

from aerostack.delivery.turnend import TurnEnd
from aerostack.interfaces.turns import ITurns


class TurnEndTests(SynchronousTestCase):
    """
    Tests for L{TurnEnd}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.turnEnd = TurnEnd(self.clock)
        self.called: list[str] = []

    def test_oneTimer(self) -> None:
        """
        The functions of one turn are called in the order in which they came, by one timer.
        """
        for name in "abc":
            self.turnEnd.call(lambda name=name: self.called.append(name))
        self.assertEqual((len(self.clock.calls), self.called), (1, []))
        self.clock.advance(0)
        self.assertEqual((len(self.clock.calls), self.called), (0, ["a", "b", "c"]))

    def test_nextTurn(self) -> None:
        """
        A function that comes at the end of a turn is called by a timer of its own, behind the
        functions of this turn.
        """

        def again() -> None:
            self.called.append("a")
            self.turnEnd.call(lambda: self.called.append("b"))

        self.turnEnd.call(again)
        self.turnEnd.call(lambda: self.called.append(f"c{len(self.clock.calls)}"))
        self.clock.advance(0)
        self.assertEqual(self.called, ["a", "c1", "b"])

    def test_fault(self) -> None:
        """
        A function that raises an exception does not keep those behind it from being called.
        """
        self.turnEnd.call(lambda: self.called.append(str(1 / 0)))
        self.turnEnd.call(lambda: self.called.append("b"))
        self.clock.advance(0)
        self.assertEqual(self.called, ["b"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_turns(self) -> None:
        """
        A reactor that calls functions at the end of a turn is asked for that, and sets no timer.
        """
        asked: list[Callable[[], object]] = []
        clock: Any = Clock()
        clock.callAtTurnEnd = asked.append
        alsoProvides(clock, ITurns)
        turnEnd = TurnEnd(clock)
        turnEnd.call(lambda: self.called.append("a"))
        turnEnd.call(lambda: self.called.append("b"))
        self.assertEqual((clock.calls, len(asked)), ([], 1))
        asked[0]()
        self.assertEqual(self.called, ["a", "b"])
