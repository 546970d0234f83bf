"""
Tests for L{aerostack.process.lag}.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.limits.lag import LagLimit
from aerostack.errors import RealtimeError
from aerostack.process.lag import LagMonitor
from aerostack.settings.limits import LimitsConfig


class PulseTests(SynchronousTestCase):
    """
    Tests for L{LagMonitor}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.limit = LagLimit(LimitsConfig(lag=1.0), lambda: 0.5)
        self.monitor = LagMonitor(self.clock, self.limit)
        self.monitor.startService()
        self.addCleanup(self.monitor.stopService)
        self.told: list[str] = []
        globalLogPublisher.addObserver(self.observe)
        self.addCleanup(globalLogPublisher.removeObserver, self.observe)

    def observe(self, event: dict[str, object]) -> None:
        """
        Note what is logged here.
        """
        if event.get("log_namespace") == "aerostack.process.lag.LagMonitor":
            self.told.append(str(event["log_format"]))

    def test_steady(self) -> None:
        """
        New connections are admitted while the reactor makes its calls in time.
        """
        self.clock.pump([0.05] * 100)
        self.clock.advance(0.9)
        self.limit.check()
        self.assertEqual(self.told, [])

    def test_behind(self) -> None:
        """
        After a long turn new connections are refused until the reactor was in time for a while, and
        each change is logged once.
        """
        self.clock.advance(2.3)
        self.assertRaises(RealtimeError, self.limit.check)
        self.clock.advance(2.3)
        self.assertRaises(RealtimeError, self.limit.check)
        self.assertEqual(len(self.told), 1)
        self.clock.pump([0.25] * 4)
        self.limit.check()
        self.assertEqual(len(self.told), 2)

    def test_stop(self) -> None:
        """
        The monitor makes no calls after the stop.
        """
        self.monitor.stopService()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.clock.advance(100)
        self.limit.check()
