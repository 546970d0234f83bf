"""
Tests for L{aerostack.admin.sampler}.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from aerostack.admin.sampler import KEPT, Sampler
from aerostack.core.diagnosis.latencies import Latencies, Spread
from aerostack.core.diagnosis.samples import Counts


class SamplerTests(SynchronousTestCase):
    """
    Tests for L{Sampler}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1000)
        self.published = 7
        self.feed, self.publish = Latencies(), Latencies()
        self.sampler = Sampler(
            self.clock,
            self.clock.seconds,
            lambda: Counts(1, 2, self.published, 0, 0),
            self.feed,
            self.publish,
        )
        self.sampler.startService()
        self.addCleanup(self.sampler.stopService)

    def test_seconds(self) -> None:
        """
        Each second has a sample of what happened in it.
        """
        self.clock.pump([0.0625] * 8)
        self.published += 3
        self.feed.add(0.002)
        self.clock.pump([0.0625] * 24)
        first, second = self.sampler.samples.since(0)
        self.assertEqual((first.at, first.publications, first.feed), (1001000, 3, Spread(2, 2)))
        self.assertEqual((second.at, second.publications, second.feed), (1002000, 0, None))
        self.assertEqual((first.connections, first.subscriptions, first.turn), (1, 2, 0.0))
        self.assertEqual(self.sampler.started, 1000)

    def test_together(self) -> None:
        """
        The samples of processes that were started at different moments end together, with the
        seconds of the time of day.
        """
        self.clock.advance(0.25)
        other = Sampler(
            self.clock,
            lambda: 50.5 + self.clock.seconds(),
            lambda: Counts(1, 2, self.published, 0, 0),
            self.feed,
            self.publish,
        )
        other.startService()
        self.addCleanup(other.stopService)
        self.published += 5
        self.clock.pump([0.25] * 8)
        (first,) = other.samples.since(0)
        self.assertEqual((first.at, first.publications), (1052000, 4))

    def test_stopEarly(self) -> None:
        """
        A sampler may stop before its first second begins.
        """
        self.sampler.stopService()
        self.clock.advance(0.25)
        self.sampler.startService()
        self.sampler.stopService()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_late(self) -> None:
        """
        A long turn of the reactor shows in its sample, and rates are by the time that passed.
        """
        self.published += 30
        self.clock.advance(3.0)
        (sample,) = self.sampler.samples.since(0)
        self.assertEqual(sample.publications, 10)
        self.clock.pump([0.0625] * 16)
        late = [each.turn for each in self.sampler.samples.since(0)]
        self.assertEqual(max(late), 2875.0)
        self.assertEqual((self.sampler.turns.count, self.sampler.turns.total), (9, 2.875))
        self.clock.pump([0.0625] * 32)
        self.assertEqual(self.sampler.samples.since(0)[-1].turn, 0.0)

    def test_bounded(self) -> None:
        """
        The sampler keeps the samples of some minutes.
        """
        self.clock.pump([1.0] * (KEPT + 10))
        self.assertEqual(len(self.sampler.samples.since(0)), KEPT)

    def test_stop(self) -> None:
        """
        The sampler takes no samples after the stop.
        """
        self.sampler.stopService()
        self.assertEqual(self.clock.getDelayedCalls(), [])
