"""
Tests for L{aerostack.core.answers.pace}.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis.strategies import floats
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.answers.pace import LEAST, MOST, SHARE, WORTH, pause

tooks = floats(0, 1)


class PaceTests(SynchronousTestCase):
    """
    Tests for L{pause}.
    """

    def test_few(self) -> None:
        """
        Where a tick is hardly any work, ticks come as often as ever.
        """
        self.assertEqual(pause(0.0), LEAST)
        self.assertEqual(pause(0.001), LEAST)

    def test_thousand(self) -> None:
        """
        Seven milliseconds, about what a thousand watchers take, cost a fifth of the processor, and
        delay a text by less than 20 ms on average.
        """
        self.assertLess(0.007 / pause(0.007), 0.2)
        self.assertLess(pause(0.007) / 2, 0.02)

    def test_many(self) -> None:
        """
        A tick of much work does not delay texts without end.
        """
        self.assertEqual(pause(0.5), MOST)

    @given(tooks)
    def test_share(self, took: float) -> None:
        """
        Ticks never take more than their share, as long as the longest pause allows it.
        """
        if pause(took) < MOST:
            self.assertLessEqual(took / pause(took), SHARE + 1e-9)

    @given(tooks, tooks)
    def test_grows(self, one: float, other: float) -> None:
        """
        More work never makes ticks come more often.
        """
        less, more = sorted((one, other))
        self.assertLessEqual(pause(less), pause(more))

    @given(floats(0.003, 0.02), floats(0.02, 0.2))
    def test_best(self, took: float, other: float) -> None:
        """
        No other pause costs less delay and work together, where neither bound matters.
        """

        def cost(seconds: float) -> float:
            return seconds / 2 + WORTH * took / seconds

        self.assertLessEqual(cost(pause(took)), cost(other) + 1e-9)
