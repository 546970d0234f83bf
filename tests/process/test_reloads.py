"""
Tests for L{aerostack.process.reloads}.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from aerostack.process.reloads import Outcome, Reloads


class ReloadsTests(SynchronousTestCase):
    """
    Tests for L{Reloads}.
    """

    def setUp(self) -> None:
        self.running: list[Deferred[Outcome]] = []
        self.reloads = Reloads(self.reload)

    def reload(self) -> Deferred[Outcome]:
        """
        A reload that ends when the test says so.
        """
        self.running.append(Deferred())
        return self.running[-1]

    def test_outcome(self) -> None:
        """
        Who asks gets the end of the reload that was asked for.
        """
        asked = self.reloads.ask()
        self.assertNoResult(asked)
        outcome = Outcome(("It is wrong.",), ("It is late.",))
        self.running[0].callback(outcome)
        self.assertEqual(self.successResultOf(asked), outcome)

    def test_meanwhile(self) -> None:
        """
        All who ask while a reload runs get the end of one more, which begins after it.
        """
        first, *more = (self.reloads.ask() for _ in range(4))
        self.assertEqual(len(self.running), 1)
        self.running[0].callback(Outcome())
        self.successResultOf(first)
        self.assertEqual(len(self.running), 2)
        for each in more:
            self.assertNoResult(each)
        self.running[1].callback(Outcome(("second",)))
        for each in more:
            self.assertEqual(self.successResultOf(each), Outcome(("second",)))
        self.assertEqual(len(self.running), 2)

    def test_failure(self) -> None:
        """
        A reload that raises is logged, is told to who asked, and the next one runs.
        """
        asked = self.reloads.ask()
        self.running[0].errback(RuntimeError("out of luck"))
        (fault,) = self.successResultOf(asked).faults
        self.assertIn("out of luck", fault)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.reloads.ask()
        self.assertEqual(len(self.running), 2)
