"""
Tests for L{aerostack.client.timers}.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from aerostack.client.timers import Timers


class TimersTests(SynchronousTestCase):
    """
    Tests for L{Timers}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.calls: list[str] = []
        self.timers = Timers(self.clock, lambda: self.calls.append("after"))

    def test_later(self) -> None:
        """
        Each function is called when its time has come, and the common one behind it.
        """
        self.timers.later(2.0, self.calls.append, "late")
        self.timers.later(1.0, self.calls.append, "soon")
        self.clock.advance(1.0)
        self.assertEqual(self.calls, ["soon", "after"])
        self.clock.advance(1.0)
        self.assertEqual(self.calls, ["soon", "after", "late", "after"])

    def test_cancel(self) -> None:
        """
        After the connection has closed, no function is called, and a later one is as before.
        """
        self.timers.later(1.0, self.calls.append, "first")
        self.timers.cancel()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.timers.later(1.0, self.calls.append, "second")
        self.clock.advance(5.0)
        self.assertEqual(self.calls, ["second", "after"])
