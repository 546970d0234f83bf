"""
Tests for L{aerostack.core.diagnosis.histogram}.
"""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.diagnosis import histogram
from aerostack.core.diagnosis.histogram import BOUNDS, SIZES, Histogram, TopicHistograms


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


class TopicHistogramsTests(SynchronousTestCase):
    """
    Tests for L{TopicHistograms}.
    """

    def test_kinds(self) -> None:
        """
        The topics of one kind have one histogram, with the bounds that were asked for.
        """
        histograms = TopicHistograms(lambda topic: topic[0], SIZES)
        histograms.of("a1").observe(70)
        histograms.observe("a2", 60)
        histograms.observe("b", 10)
        self.assertEqual({kind: h.count for kind, h in histograms.found.items()}, {"a": 2, "b": 1})
        self.assertEqual(histograms.of("a3").buckets()[:2], [(64, 1), (256, 2)])

    def test_remembered(self) -> None:
        """
        A client that makes up topics without end does not fill the memory.
        """
        self.patch(histogram, "REMEMBERED", 10)
        histograms = TopicHistograms(lambda topic: topic[0])
        for number in range(100):
            histograms.of(f"a{number}").observe(1)
            self.assertLessEqual(len(histograms._known), 10)
        self.assertEqual(histograms.of("a").count, 100)
