"""
What the daemon did lately, second by second.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from aerostack.core.diagnosis.latencies import Spread


@dataclass(frozen=True)
class Counts:
    """
    What there is, and how much has been, at one moment.

    @ivar publications: Since the daemon began, as the next two.
    """

    connections: int
    subscriptions: int
    publications: int
    changes: int
    deliveries: int


@dataclass(frozen=True)
class Sample:
    """
    A second or so of the daemon's life.

    @ivar at: When it ended, milliseconds since the epoch.
    @ivar publications: How many a second there were, as the next two.
    @ivar turn: By how much the reactor was late at worst, milliseconds.
    @ivar feed: How long after their commit changes were told.
    @ivar publish: How long after they came publications were handed to the subscribers'
        sockets.
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
        @param most: How many are kept.
        """
        self._samples: deque[Sample] = deque(maxlen=most)

    def add(self, sample: Sample) -> None:
        """
        Add the newest.
        """
        self._samples.append(sample)

    def since(self, at: int) -> list[Sample]:
        """
        Those that ended after a time, oldest first.
        """
        found = []
        for sample in reversed(self._samples):
            if sample.at <= at:
                break
            found.append(sample)
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
    Make a sample of what was counted at its beginning and at its end.

    @param seconds: How long it was.
    @param turn: Seconds.
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
