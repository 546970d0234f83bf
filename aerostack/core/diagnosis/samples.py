"""
Samples of the daemon's work, one a second.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

from aerostack.core.diagnosis.latencies import Spread

SAME_CLOCK = 250
"""Up to how many milliseconds two clocks are taken for the same: so long a question may take."""


def aheadOf(here: int, there: int) -> int:
    """
    By how many milliseconds a process' clock is ahead of an asker's.

    @param here: The time of the process when the question has come, milliseconds since the epoch.
    @param there: The time of the asker when it sent the question.
    """
    return here - there if abs(here - there) > SAME_CLOCK else 0


@dataclass(frozen=True)
class Counts:
    """
    The daemon's counts at one moment.

    @ivar connections: How many are open.
    @ivar subscriptions: How many there are.
    @ivar publications: How many came since the daemon's start.
    @ivar changes: How many changes of tables came since the daemon's start.
    @ivar deliveries: How many frames went to subscribers since the daemon's start.
    """

    connections: int
    subscriptions: int
    publications: int
    changes: int
    deliveries: int


@dataclass(frozen=True)
class Sample:
    """
    The daemon's work in about one second.

    @ivar at: When it ended, milliseconds since the epoch.
    @ivar publications: The rate a second; the next two as well.
    @ivar turn: The greatest lag of the reactor, milliseconds.
    @ivar feed: The times from the commit of changes to the subscribers' sockets.
    @ivar publish: The times from the arrival of publications to the subscribers' sockets.
    """

    at: int
    connections: int
    subscriptions: int
    publications: float
    changes: float
    deliveries: float
    turn: float
    feed: Spread | None
    publish: Spread | None


class Samples:
    """
    The newest samples.
    """

    def __init__(self, most: int) -> None:
        """
        @param most: How many samples are kept.
        """
        self._samples: deque[Sample] = deque(maxlen=most)

    def add(self, sample: Sample) -> None:
        """
        Add the newest sample.
        """
        self._samples.append(sample)

    def since(self, at: int, ahead: int = 0) -> list[Sample]:
        """
        The samples that ended after a time, oldest first.

        @param ahead: The milliseconds by which the clock of these samples is ahead of another one,
            by which C{at} is given and the samples are dated.
        """
        found = []
        for sample in reversed(self._samples):
            if sample.at - ahead <= at:
                break
            found.append(replace(sample, at=sample.at - ahead) if ahead else sample)
        return found[::-1]


def makeSample(
    at: int,
    seconds: float,
    before: Counts,
    after: Counts,
    turn: float,
    feed: Spread | None,
    publish: Spread | None,
) -> Sample:
    """
    Make a sample from the counts at its beginning and at its end.

    @param seconds: The duration of the sample.
    @param turn: The greatest lag of the reactor, seconds.
    """
    return Sample(
        at,
        after.connections,
        after.subscriptions,
        round((after.publications - before.publications) / seconds, 1),
        round((after.changes - before.changes) / seconds, 1),
        round((after.deliveries - before.deliveries) / seconds, 1),
        round(turn * 1000, 1),
        feed,
        publish,
    )
