"""
Tests for L{aerostack.core.limits.draining}.
"""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.limits.draining import BATCH, LONGEST, PAUSE, DrainPlan

counts = st.one_of(st.integers(1, 500), st.integers(1, 100_000))


class DeparturesTests(SynchronousTestCase):
    """
    Tests for L{DrainPlan}.
    """

    def test_nobody(self) -> None:
        """
        Without clients there is no batch.
        """
        self.assertEqual(list(DrainPlan(3, 10, random.random).batches(0)), [])

    @given(counts, st.floats(0, 600), st.floats(0, 3600), st.integers())
    def test_plan(self, count: int, away: float, spread: float, seed: int) -> None:
        """
        Every client gets one delay.  No client comes back before the daemon should be there, or
        later than is configured.  No client waits for its delay longer than the stop may take.
        """
        batches = list(DrainPlan(away, spread, random.Random(seed).random).batches(count))
        self.assertEqual(sum(map(len, batches)), count)
        last = (len(batches) - 1) * PAUSE
        self.assertLess(last, LONGEST)
        self.assertLessEqual(max(map(len, batches)), max(BATCH, count * PAUSE / LONGEST + 1))
        for place, delays in enumerate(batches):
            for delay in delays:
                back = place * PAUSE + delay / 1000
                self.assertGreaterEqual(back, last + away - 0.0011)
                self.assertLessEqual(back, last + away + spread + 0.0011)

    @given(counts, st.floats(1, 60), st.integers())
    def test_even(self, count: int, spread: float, seed: int) -> None:
        """
        Each equal part of the spread has exactly one client, in the order in which the clients
        left.
        """
        batches = DrainPlan(3, spread, random.Random(seed).random).batches(count)
        returns = [
            place * PAUSE + delay / 1000 for place, each in enumerate(batches) for delay in each
        ]
        last = (len(list(DrainPlan(3, 0, random.random).batches(count))) - 1) * PAUSE
        stretch = min(spread, count / 100) / count
        for place, back in enumerate(returns):
            since = back - last - 3
            # A delay is in whole milliseconds, rounded down.
            self.assertTrue(
                place * stretch - 0.0011 <= since <= (place + 1) * stretch + 1e-6, (place, since)
            )

    @given(st.lists(st.integers(0, 2000), min_size=1, max_size=5), st.integers())
    def test_elsewhere(self, counts: list[int], seed: int) -> None:
        """
        Several processes together send away no more clients at once than one would, take no
        longer, and spread the return over the same time.
        """
        total = sum(counts)
        alone = list(DrainPlan(3, 10, random.Random(seed).random).batches(total))
        together = []
        for count in counts:
            plan = DrainPlan(3, 10, random.Random(seed).random)
            plan.elsewhere = total - count
            together.append(list(plan.batches(count)))
            self.assertEqual(sum(map(len, together[-1])), count)
        self.assertLessEqual(max(map(len, together)), len(alone))
        for place in range(len(alone)):
            size = sum(len(each[place]) for each in together if place < len(each))
            self.assertLessEqual(size, len(alone[0]) + len(counts))
        latest = 1000 * (3 + min(10, total / 100) + len(alone) * PAUSE) + 1
        self.assertTrue(
            all(delay <= latest for plan in together for batch in plan for delay in batch)
        )

    def test_few(self) -> None:
        """
        A few clients need only a short spread: they come back a hundred a second.
        """
        (delays,) = DrainPlan(3, 10, lambda: 0.0).batches(3)
        self.assertEqual(delays, [3000, 3010, 3020])

    def test_latecomer(self) -> None:
        """
        A client that connects during the stop gets a delay like that of the others.
        """
        for count, chance, delay in (
            (0, 0.0, 3000),
            (0, 0.5, 3005),
            (5000, 0.0, 3000 + 2500),
            (100_000, 0.5, 3000 + 5000 + 5000),
        ):
            self.assertEqual(DrainPlan(3, 10, lambda c=chance: c).latecomer(count), delay)
