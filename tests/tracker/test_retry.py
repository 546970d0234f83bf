"""
Tests for L{aerostack.tracker.retry}.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.tracker.retry import LONGEST, RetryState


class RetryStateTests(SynchronousTestCase):
    """
    Tests for L{RetryState}.
    """

    def setUp(self) -> None:
        self.retry = RetryState(0.2)

    def pauses(self, urgent: bool = False) -> list[float]:
        """
        The time from each failure to the next attempt.
        """
        now, pauses = 0.0, []
        for _ in range(8):
            self.retry.failed(now, "no")
            step = 0
            while not self.retry.allows(now + step / 10, urgent):
                step += 1
            pauses.append(step / 10)
            now += step / 10
        return pauses

    def test_works(self) -> None:
        """
        What works may be tried at any time.
        """
        self.assertTrue(self.retry.allows(0))
        self.assertIsNone(self.retry.reason)
        self.assertFalse(self.retry.worked())

    def test_pauses(self) -> None:
        """
        The pauses double, from the interval up to the bound; an urgent attempt waits for the
        interval only.
        """
        self.assertEqual(self.pauses(), [0.2, 0.4, 0.8, 1.6, 2, 2, 2, 2])
        self.assertEqual(self.pauses(urgent=True), [0.2] * 8)

    def test_slow(self) -> None:
        """
        An interval that is longer than the bound is kept.
        """
        self.retry = RetryState(5)
        self.assertEqual(self.pauses(), [5] * 8)

    def test_anew(self) -> None:
        """
        After a success the pauses begin with the shortest again, and C{since} is the new failure.
        """
        self.pauses()
        self.assertTrue(self.retry.worked())
        self.assertTrue(self.retry.failed(100, "again"))
        self.assertEqual((self.retry.since, self.retry.reason), (100, "again"))
        self.assertFalse(self.retry.failed(101, "and again"))
        self.assertEqual((self.retry.since, self.retry.reason), (100, "and again"))

    @given(st.floats(0.01, 60), st.lists(st.floats(0, 10), max_size=30))
    def test_bounded(self, interval: float, times: list[float]) -> None:
        """
        Whenever it fails, it may be tried again within the bound or the interval.
        """
        retry, now = RetryState(interval), 0.0
        for step in times:
            now += step
            retry.failed(now, "no")
            self.assertFalse(retry.allows(now, urgent=True))
            self.assertTrue(retry.allows(now + max(LONGEST, interval)))
