"""
Tests for L{aerostack.tracker.retry}.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.tracker.retry import LONGEST, RetryState


class OutageTests(SynchronousTestCase):
    """
    Tests for L{RetryState}.
    """

    def setUp(self) -> None:
        self.outage = RetryState(0.2)

    def pauses(self, urgent: bool = False) -> list[float]:
        """
        How long it takes, failure after failure, until it is tried again.
        """
        now, pauses = 0.0, []
        for _ in range(8):
            self.outage.failed(now, "no")
            step = 0
            while not self.outage.allows(now + step / 10, urgent):
                step += 1
            pauses.append(step / 10)
            now += step / 10
        return pauses

    def test_works(self) -> None:
        """
        What works may be tried at any time.
        """
        self.assertTrue(self.outage.allows(0))
        self.assertIsNone(self.outage.reason)
        self.assertFalse(self.outage.worked())

    def test_pauses(self) -> None:
        """
        The pauses double, from the interval up to the bound; what is urgent waits for the
        interval only.
        """
        self.assertEqual(self.pauses(), [0.2, 0.4, 0.8, 1.6, 2, 2, 2, 2])
        self.assertEqual(self.pauses(urgent=True), [0.2] * 8)

    def test_slow(self) -> None:
        """
        An interval that is longer than the bound stays what it is.
        """
        self.outage = RetryState(5)
        self.assertEqual(self.pauses(), [5] * 8)

    def test_anew(self) -> None:
        """
        After an end it begins with the shortest pause again, and counts from then.
        """
        self.pauses()
        self.assertTrue(self.outage.worked())
        self.assertTrue(self.outage.failed(100, "again"))
        self.assertEqual((self.outage.since, self.outage.reason), (100, "again"))
        self.assertFalse(self.outage.failed(101, "and again"))
        self.assertEqual((self.outage.since, self.outage.reason), (100, "and again"))

    @given(st.floats(0.01, 60), st.lists(st.floats(0, 10), max_size=30))
    def test_bounded(self, interval: float, times: list[float]) -> None:
        """
        Whenever it fails, it may be tried again within the bound or the interval.
        """
        outage, now = RetryState(interval), 0.0
        for step in times:
            now += step
            outage.failed(now, "no")
            self.assertFalse(outage.allows(now, urgent=True))
            self.assertTrue(outage.allows(now + max(LONGEST, interval)))
