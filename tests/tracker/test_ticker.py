"""
Tests for L{aerostack.tracker.ticker}.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from aerostack.tracker.ticker import Ticker


class TickerTests(SynchronousTestCase):
    """
    When the ticker calls its function.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.ticks: list[tuple[float, bool]] = []
        self.inFlight: Deferred[None] | None = None
        self.ticker = Ticker(self.clock, 10, self._tick)
        self.ticker.start()

    def _tick(self, urgent: bool) -> Deferred[None]:
        self.ticks.append((self.clock.seconds(), urgent))
        return self.inFlight or succeed(None)

    def test_regular(self) -> None:
        """
        The first regular tick comes after the interval, and then one in each interval.
        """
        self.clock.pump([10, 10])
        self.assertEqual(self.ticks, [(10, False), (20, False)])

    def test_poke(self) -> None:
        """
        Several pokes in one turn of the reactor make one tick, in the next turn.
        """
        self.ticker.poke()
        self.ticker.poke()
        self.assertEqual(self.ticks, [])
        self.clock.advance(0)
        self.assertEqual(self.ticks, [(0, True)])

    def test_pokeInFlight(self) -> None:
        """
        A poke during a tick makes one more tick, as soon as that one is done.
        """
        self.inFlight = Deferred()
        self.ticker.poke()
        self.clock.advance(0)
        first, self.inFlight = self.inFlight, None
        self.ticker.poke()
        self.clock.advance(1)
        self.assertEqual(self.ticks, [(0, True)])
        first.callback(None)
        self.assertEqual(self.ticks, [(0, True), (1, True)])

    def test_pause(self) -> None:
        """
        Of two pauses the later one counts; a pause that is not shorter than the interval counts
        for nothing.
        """
        self.ticker.pokeAfter(2)
        self.ticker.pokeAfter(3)
        self.ticker.pokeAfter(10)
        self.clock.pump([2, 1, 0, 4])
        self.assertEqual(self.ticks, [(3, True)])

    def test_stop(self) -> None:
        """
        After the end no tick comes, whatever was asked for before or is asked for now.
        """
        self.ticker.pokeAfter(2)
        self.ticker.poke()
        self.successResultOf(self.ticker.stop())
        self.ticker.poke()
        self.ticker.pokeAfter(2)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.ticks, [])

    def test_stopInFlight(self) -> None:
        """
        The end waits for the tick in flight.
        """
        self.inFlight = Deferred()
        self.ticker.poke()
        self.clock.advance(0)
        done = self.ticker.stop()
        self.assertNoResult(done)
        self.inFlight.callback(None)
        self.successResultOf(done)
