"""
Tests for L{aerostack.core.limits.lag}.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.limits.lag import LagLimit
from aerostack.errors import RealtimeError
from aerostack.settings.limits import LimitsConfig


def lagLimit(random: float = 0.5, **limits: Any) -> LagLimit:
    """
    Make a limit whose random numbers are all the same.
    """
    return LagLimit(LimitsConfig(**limits), lambda: random)


class LagTests(SynchronousTestCase):
    """
    Tests for L{LagLimit}.
    """

    def test_behind(self) -> None:
        """
        No client is admitted while the daemon is behind, and the wait grows with the lag.
        """
        limit = lagLimit(lag=1.0)
        limit.measured(0.9)
        limit.check()
        waits = []
        for lag in (1.0, 4.0):
            limit.measured(lag)
            error: RealtimeError = self.assertRaises(RealtimeError, limit.check)
            self.assertEqual(error.code, "overloaded")
            waits.append(error.retryAfter)
        self.assertEqual(waits, [2000, 3500])

    def test_spread(self) -> None:
        """
        The waits of refused clients are spread by chance.
        """
        for random, wait in ((0.0, 1000), (0.99, 3970)):
            limit = lagLimit(random, lag=1.0)
            limit.measured(2.0)
            error: RealtimeError = self.assertRaises(RealtimeError, limit.check)
            self.assertEqual(error.retryAfter, wait)

    def test_caughtUp(self) -> None:
        """
        An earlier lag halves with each measurement.
        """
        limit = lagLimit(lag=1.0)
        limit.measured(4.0)
        for behind in (True, True, True, False):
            self.assertEqual(limit.behind, behind)
            limit.measured(0.0)
        limit.check()

    def test_off(self) -> None:
        """
        Without a bound the lag refuses no client.
        """
        limit = lagLimit(lag=None)
        limit.measured(1000.0)
        limit.check()
