"""
Tests for L{aerostack.core.rates}.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.rates import TokenBucket

rates = st.floats(0.1, 1000)
bursts = st.integers(1, 50)
pauses = st.lists(st.one_of(st.just(0.0), st.floats(0, 5)), max_size=100)


class TokenBucketTests(SynchronousTestCase):
    """
    Tests for L{TokenBucket}.
    """

    def test_burst(self) -> None:
        """
        After a quiet time, a burst is taken at once, and no more.
        """
        bucket = TokenBucket(2, 3, 1000)
        self.assertEqual([bucket.take(1000) for _ in range(3)], [0, 0, 0])
        self.assertEqual(bucket.take(1000), 0.5)
        self.assertEqual(bucket.take(1000.25), 0.25)
        self.assertEqual(bucket.take(1000.5), 0)
        self.assertGreater(bucket.take(1000.5), 0)

    def test_full(self) -> None:
        """
        However long it was quiet, no more than a burst has gathered.
        """
        bucket = TokenBucket(10, 2, 0)
        self.assertEqual([bucket.take(1e9) > 0 for _ in range(3)], [False, False, True])

    def test_clockBack(self) -> None:
        """
        A clock that is set back neither gives nor takes, and the rate goes on from there.
        """
        bucket = TokenBucket(1, 2, 1000)
        self.assertEqual(bucket.take(1000), 0)
        self.assertEqual(bucket.take(500), 0)
        self.assertEqual(bucket.take(500), 1)
        self.assertEqual(bucket.take(501), 0)

    @given(rates, bursts, pauses)
    def test_bound(self, rate: float, burst: int, pauses: list[float]) -> None:
        """
        In any stretch of time, no more is taken than a burst and what the rate gives.
        """
        bucket = TokenBucket(rate, burst, 0.0)
        now, taken = 0.0, []
        for pause in pauses:
            now += pause
            if bucket.take(now) == 0:
                taken.append(now)
        for first in range(len(taken)):
            for last in range(first, len(taken)):
                allowed = burst + rate * (taken[last] - taken[first])
                self.assertLessEqual(last - first + 1, allowed + 1e-6)

    @given(rates, bursts, pauses)
    def test_wait(self, rate: float, burst: int, pauses: list[float]) -> None:
        """
        Who is refused and waits as long as was said gets one.
        """
        bucket = TokenBucket(rate, burst, 0.0)
        now = 0.0
        for pause in pauses:
            now += pause
            wait = bucket.take(now)
            if wait:
                self.assertLessEqual(wait, 1 / rate + 1e-9)
                now += wait + 1e-6
                self.assertEqual(bucket.take(now), 0)
