"""
Takes a sample of the daemon's work every second.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall

from aerostack.core.diagnosis.histogram import Histogram
from aerostack.core.diagnosis.latencies import Latencies
from aerostack.core.diagnosis.questions import AskWork
from aerostack.core.diagnosis.samples import Counts, Samples, aheadOf, makeSample

KEPT = 300
"""How many samples are kept: five minutes."""


class Sampler(Service):
    """
    Takes samples of the daemon's work.

    @ivar samples: The newest samples.
    @ivar started: When the sampler began, seconds since the epoch.
    @ivar turns: How late the reactor was at each beat.
    @cvar interval: The seconds of a sample.
    @cvar beat: Seconds between two measurements of the reactor's lag.
    """

    interval = 1.0
    beat = 0.125

    def __init__(
        self,
        clock: IReactorTime,
        wall: Callable[[], float],
        count: Callable[[], Counts],
        feed: Latencies,
        publish: Latencies,
    ) -> None:
        """
        @param wall: Gives the time, seconds since the epoch.
        @param count: Gives the daemon's counts.
        @param feed: The latencies of table changes.
        @param publish: The latencies of publications.
        """
        self.samples = Samples(KEPT)
        self.turns = Histogram()
        self._clock = clock
        self._wall = wall
        self._count = count
        self._feed = feed
        self._publish = publish
        self._sampling = LoopingCall(self._sample)
        self._sampling.clock = clock
        self._beginning: IDelayedCall | None = None
        self._beating: IDelayedCall | None = None
        # The greatest lag of the reactor in this sample.
        self._late = 0.0

    def work(self, question: AskWork) -> dict[str, Any]:
        """
        Say since when the process has run, and how much was done in the last seconds.
        """
        ahead = aheadOf(int(self._wall() * 1000), question.now)
        return {
            "started": int(self.started * 1000) - ahead,
            "samples": self.samples.since(question.since, ahead),
        }

    def startService(self) -> None:
        super().startService()
        self._before = self._count()
        self.started, self._since = self._wall(), self._clock.seconds()
        # The seconds of all processes end together, with those of the time of day.
        wait = -self.started % self.interval
        if wait:
            self._beginning = self._clock.callLater(wait, self._begin)
        else:
            self._begin()
        self._beat()

    def _begin(self) -> None:
        self._beginning = None
        self._sampling.start(self.interval, now=False)

    def stopService(self) -> None:
        super().stopService()
        if self._beginning is not None:
            self._beginning.cancel()
            self._beginning = None
        if self._sampling.running:
            self._sampling.stop()
        if self._beating is not None:
            self._beating.cancel()
            self._beating = None

    def _beat(self) -> None:
        due = self._clock.seconds() + self.beat

        def come() -> None:
            late = max(0.0, self._clock.seconds() - due)
            self.turns.observe(late)
            self._late = max(self._late, late)
            self._beat()

        self._beating = self._clock.callLater(self.beat, come)

    def _sample(self) -> None:
        now, counts = self._clock.seconds(), self._count()
        self.samples.add(
            makeSample(
                int(self._wall() * 1000),
                now - self._since,
                self._before,
                counts,
                self._late,
                self._feed.take(),
                self._publish.take(),
            )
        )
        self._before, self._since, self._late = counts, now, 0.0
