"""
Tests for L{aerostack.core.limits.rates}.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.limits.rates import Allowance, Patience, TokenBucket

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
        A bucket never holds more than a burst.
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
        A refused token can be taken after the wait that the refusal gave.
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

    def test_large(self) -> None:
        """
        An amount above the burst is taken only from a full bucket.  The bucket then owes the rest.
        """
        bucket = TokenBucket(10, 100, 0)
        self.assertEqual(bucket.take(0, 250), 0)
        self.assertEqual(bucket.take(0, 1), 15.1)
        self.assertEqual(bucket.take(15, 250), 10)
        self.assertEqual(bucket.take(25, 250), 0)

    @given(rates, bursts, st.lists(st.tuples(st.floats(0, 5), st.integers(0, 120))))
    def test_amounts(self, rate: float, burst: int, takes: list[tuple[float, int]]) -> None:
        """
        In any stretch of time, no more is taken than the rate gives and the burst, or one larger
        amount.
        """
        bucket = TokenBucket(rate, burst, 0.0)
        now, taken = 0.0, []
        for pause, amount in takes:
            now += pause
            if bucket.take(now, amount) == 0:
                taken.append((now, amount))
        for first in range(len(taken)):
            total = largest = 0
            for at, amount in taken[first:]:
                total += amount
                largest = max(largest, amount)
                allowed = max(burst, largest) + rate * (at - taken[first][0])
                self.assertLessEqual(total, allowed + 1e-6)


class AllowanceTests(SynchronousTestCase):
    """
    Tests for L{Allowance}.
    """

    def test_either(self) -> None:
        """
        Either limit refuses, with its own wait, and then nothing is taken from the other.
        """
        allowance = Allowance(TokenBucket(1, 2, 0), TokenBucket(10, 100, 0))
        self.assertEqual(allowance.take(0, 90), 0)
        self.assertEqual(allowance.take(0, 50), 4)
        self.assertEqual(allowance.take(0, 10), 0)
        self.assertEqual(allowance.take(0, 0), 1)
        self.assertEqual(allowance.take(1, 10), 0)

    def test_both(self) -> None:
        """
        If both limits refuse, the longer wait counts.
        """
        for frames, bytes, wait in ((1, 10, 10), (0.05, 10, 20)):
            allowance = Allowance(TokenBucket(frames, 1, 0), TokenBucket(bytes, 100, 0))
            self.assertEqual(allowance.take(0, 100), 0)
            self.assertEqual(allowance.take(0, 100), wait)

    def test_none(self) -> None:
        """
        Without a limit nothing is refused.
        """
        allowance = Allowance(None, None)
        self.assertEqual({allowance.take(0, 10**9) for _ in range(1000)}, {0})

    def test_named(self) -> None:
        """
        The allowance shows its limits as a refusal names them.
        """
        frames, bytes = TokenBucket(0.5, 1, 0), TokenBucket(1_048_576, 1, 0)
        for allowance, text in (
            (Allowance(frames, bytes), "0.5 frames and 1048576 bytes a second"),
            (Allowance(frames, None), "0.5 frames a second"),
            (Allowance(None, bytes), "1048576 bytes a second"),
        ):
            self.assertEqual(str(allowance), text)


class PatienceTests(SynchronousTestCase):
    """
    Tests for L{Patience}.
    """

    def refuse(self, patience: Patience, now: float, wait: float = 0.25) -> bool:
        """
        Refuse a frame that comes.
        """
        patience.heard(now)
        return patience.wears(now, wait)

    def test_underWay(self) -> None:
        """
        Frames that were under way do not count, up to ten times the limit.
        """
        patience = Patience(10)
        self.assertEqual([self.refuse(patience, 1.0) for _ in range(111)], [False] * 110 + [True])

    def test_silence(self) -> None:
        """
        A client that is silent for as long as it has to wait starts again without a record.
        """
        patience, now = Patience(10), 0.0
        for _ in range(100):
            now += 0.25
            self.assertFalse(any(self.refuse(patience, now) for _ in range(100)))

    def test_noSilence(self) -> None:
        """
        A client that is never silent for that long is closed soon after the grace, even if some of
        its frames are accepted.
        """
        patience, now = Patience(20), 0.0
        while now < 100:
            now += 0.1
            patience.heard(now)
            now += 0.1
            if self.refuse(patience, now):
                break
        self.assertTrue(30 < now < 36, now)
