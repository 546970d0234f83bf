"""
Tests for L{aerostack.core.diagnosis.samples}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.diagnosis.latencies import Spread
from aerostack.core.diagnosis.samples import Counts, Sample, Samples, aheadOf, makeSample

BEFORE = Counts(5, 6, 100, 200, 300)


def sampleAt(at: int) -> Sample:
    """
    Make a sample of a time in which nothing happened.
    """
    return makeSample(at, 1.0, BEFORE, BEFORE, 0.0, None, None)


class SamplesTests(SynchronousTestCase):
    """
    Tests for L{Samples} and L{makeSample}.
    """

    def test_rates(self) -> None:
        """
        A sample has a rate per second of everything that only grows, and the last value of
        everything else.
        """
        after = Counts(7, 8, 110, 200, 400)
        spread = Spread(1.0, 2.0)
        self.assertEqual(
            makeSample(9000, 2.0, BEFORE, after, 0.0123, None, spread),
            Sample(9000, 7, 8, 5.0, 0.0, 50.0, 12.3, None, spread),
        )

    def test_bounded(self) -> None:
        """
        New samples replace the oldest ones.
        """
        samples = Samples(3)
        for at in range(5):
            samples.add(sampleAt(at))
        self.assertEqual([each.at for each in samples.since(-1)], [2, 3, 4])

    def test_since(self) -> None:
        """
        The samples after a time come in their order, without the sample of that time itself.
        """
        samples = Samples(10)
        for at in (1000, 2000, 3000):
            samples.add(sampleAt(at))
        self.assertEqual([each.at for each in samples.since(1000)], [2000, 3000])
        self.assertEqual(samples.since(3000), [])

    def test_clocks(self) -> None:
        """
        An asker with another clock gets the samples by its own time; a small difference is that of
        the question's way.
        """
        samples = Samples(10)
        for at in (1000, 2000, 3000):
            samples.add(sampleAt(at))
        self.assertEqual([each.at for each in samples.since(500, 1000)], [1000, 2000])
        self.assertEqual([each.at for each in samples.since(500, -1000)], [2000, 3000, 4000])
        self.assertEqual([aheadOf(5000, 4000), aheadOf(4000, 5000)], [1000, -1000])
        self.assertEqual([aheadOf(5250, 5000), aheadOf(5000, 5250)], [0, 0])
