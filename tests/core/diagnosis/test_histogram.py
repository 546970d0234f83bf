"""
Tests for L{aerostack.core.diagnosis.histogram}.
"""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.diagnosis.histogram import BOUNDS, Histogram


class HistogramTests(SynchronousTestCase):
    """
    Tests for L{Histogram}.
    """

    def test_nothing(self) -> None:
        """
        A new histogram has counted nothing in each of its buckets.
        """
        histogram = Histogram()
        self.assertEqual(histogram.buckets(), [(bound, 0) for bound in (*BOUNDS, math.inf)])
        self.assertEqual((histogram.count, histogram.total), (0, 0.0))

    def test_times(self) -> None:
        """
        One observation counts as many things as it stands for.
        """
        histogram = Histogram()
        histogram.observe(0.25, 8)
        self.assertEqual((histogram.count, histogram.total), (8, 2.0))

    @given(st.lists(st.one_of(st.floats(0, 20), st.sampled_from(BOUNDS))))
    def test_buckets(self, seconds: list[float]) -> None:
        """
        Each bucket has what took no longer than its bound, the bound itself included.
        """
        histogram = Histogram()
        for each in seconds:
            histogram.observe(each)
        self.assertEqual(
            histogram.buckets(),
            [(bound, sum(each <= bound for each in seconds)) for bound in (*BOUNDS, math.inf)],
        )

    @given(st.lists(st.lists(st.floats(0, 20))))
    def test_joined(self, parts: list[list[float]]) -> None:
        """
        Histograms of several processes together are the histogram of all their events.
        """
        whole, histograms = Histogram(), []
        for seconds in parts:
            histograms.append(Histogram())
            for each in seconds:
                whole.observe(each)
                histograms[-1].observe(each)
        joined = Histogram.joined(histogram.part for histogram in histograms)
        self.assertEqual(joined.buckets(), whole.buckets())
        self.assertAlmostEqual(joined.total, whole.total)
