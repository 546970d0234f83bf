"""
Tests for L{aerostack.core.diagnosis.latencies}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.diagnosis.latencies import Latencies, Spread


class LatenciesTests(SynchronousTestCase):
    """
    Tests for L{Latencies}.
    """

    def measure(self, latencies: Latencies, count: int) -> None:
        """
        Measure things that take 1 ms, 2 ms and so on, as far as they are to be measured.
        """
        for number in range(1, count + 1):
            if latencies.due():
                latencies.add(number / 1000)

    def test_nothing(self) -> None:
        """
        Without measurements there is no result.
        """
        self.assertIsNone(Latencies().take())

    def test_one(self) -> None:
        """
        A single duration is both percentiles.
        """
        latencies = Latencies()
        self.measure(latencies, 1)
        self.assertEqual(latencies.take(), Spread(1.0, 1.0))

    def test_ranks(self) -> None:
        """
        Half of the durations are within the first percentile, and 99 of 100 within the second.
        """
        latencies = Latencies()
        self.measure(latencies, 200)
        self.assertEqual(latencies.take(), Spread(100.0, 198.0))

    def test_bounded(self) -> None:
        """
        A bounded number of many events is measured, and represents all of them.
        """
        latencies = Latencies(most=64)
        self.measure(latencies, 100_000)
        self.assertLess(len(latencies._taken), 64)
        found = latencies.take()
        assert found is not None
        self.assertLess(abs(found.p50 - 50_000), 3000)
        self.assertGreater(found.p99, 95_000)

    def test_anew(self) -> None:
        """
        A second result has only the durations since the first.
        """
        latencies = Latencies(most=4)
        self.measure(latencies, 100)
        latencies.take()
        self.assertIsNone(latencies.take())
        self.assertEqual([bool(latencies.due()) for _ in range(3)], [True, True, True])

    def test_together(self) -> None:
        """
        At most one duration is measured of events that come together, and represents all of them.
        """
        latencies = Latencies(most=4)
        self.assertEqual(latencies.due(10), 10)
        self.measure(latencies, 4)
        # From here on every second event is measured.
        self.assertEqual([latencies.due(), latencies.due(), latencies.due(5)], [0, 2, 5])
        self.assertEqual(latencies.due(0), 0)

    def test_counted(self) -> None:
        """
        The measured events represent everything up to the newest of them, however few they are.
        """
        latencies = Latencies(most=4)
        counted = 0
        for _ in range(1000):
            if times := latencies.due():
                latencies.add(0.001)
                counted += times
        self.assertLess(latencies._stride, 1000)
        self.assertGreater(counted, 1000 - latencies._stride)
        latencies.take()
        self.assertEqual(counted + latencies.due(), 1001)

    def test_skipped(self) -> None:
        """
        The next measured event represents one that could not be measured.
        """
        latencies = Latencies()
        latencies.skip(latencies.due())
        self.assertEqual(latencies.due(), 2)
