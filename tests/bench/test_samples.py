"""
Tests for C{bench/samples.py}.
"""

from __future__ import annotations

from samples import quantile, unevenness
from twisted.trial.unittest import SynchronousTestCase


class QuantileTests(SynchronousTestCase):
    """
    Tests for L{quantile}.
    """

    def test_shares(self) -> None:
        """
        A quantile is a sample, and its share of all samples is not larger.
        """
        samples = [float(each) for each in range(100, 0, -1)]
        found = [quantile(samples, share) for share in (0.001, 0.01, 0.5, 0.99, 1)]
        self.assertEqual(found, [1, 1, 50, 99, 100])

    def test_one(self) -> None:
        """
        All quantiles of one sample are this sample.
        """
        self.assertEqual([quantile([7.0], share) for share in (0.01, 0.5, 1)], [7, 7, 7])

    def test_none(self) -> None:
        """
        Without samples there is no quantile.
        """
        self.assertRaises(ValueError, quantile, [], 0.5)


class UnevennessTests(SynchronousTestCase):
    """
    Tests for L{unevenness}.
    """

    def test_counts(self) -> None:
        """
        The difference of the extremes is compared with the mean.
        """
        self.assertEqual(unevenness([200, 200]), 0)
        self.assertAlmostEqual(unevenness([210, 190]), 0.1)
        self.assertEqual(unevenness([400, 0]), 2)
        self.assertRaises(ValueError, unevenness, [0, 0])
