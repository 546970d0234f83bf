"""
What became of numbered publications: which were acknowledged, and which each subscriber got.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, fields
from typing import NamedTuple


class Stream(NamedTuple):
    """
    The publications of one publisher that are kept, or those that are not kept.  Their numbers
    begin with 1.
    """

    topic: str
    publisher: int
    kept: bool


@dataclass(frozen=True)
class Totals:
    """
    The sums over all streams.

    C{published}, C{acknowledged} and C{refused} count publications.  The others count pairs of a
    publication and a subscriber.

    @ivar received: Each pair once.
    @ivar lost: The publisher has the acknowledgement, and the subscriber never got the event.
    @ivar doubled: How often a subscriber got an event that it had.
    @ivar reordered: The subscriber got an event of the stream with a higher number before.
    @ivar untold: Lost, and the daemon did not tell the subscriber that events are missing there.
    """

    published: int = 0
    acknowledged: int = 0
    refused: int = 0
    received: int = 0
    lost: int = 0
    doubled: int = 0
    reordered: int = 0
    untold: int = 0

    def __add__(self, other: Totals) -> Totals:
        names = [each.name for each in fields(self)]
        return Totals(**{name: getattr(self, name) + getattr(other, name) for name in names})


@dataclass
class _Gap:
    """
    The daemon told a subscriber that events may be missing.

    @ivar after: The highest number of the stream that the subscriber had.
    @ivar until: The highest number that was published by then.
    @ivar before: The next number that the subscriber got; C{None} if there is no such yet.
    """

    after: int
    until: int
    before: int | None = None

    def covers(self, number: int) -> bool:
        return self.after < number <= self.until and (self.before is None or number < self.before)


class _Reading:
    """
    What one subscriber got of one stream.
    """

    def __init__(self) -> None:
        self.seen: Counter[int] = Counter()
        self.highest = 0
        self.reordered = 0
        self.gaps: list[_Gap] = []

    def received(self, number: int) -> None:
        if self.gaps and self.gaps[-1].before is None and number > self.gaps[-1].after:
            self.gaps[-1].before = number
        if number < self.highest and number not in self.seen:
            self.reordered += 1
        self.seen[number] += 1
        self.highest = max(self.highest, number)

    def told(self, until: int) -> None:
        if self.gaps and self.gaps[-1].before is None:
            self.gaps[-1].until = until
        else:
            self.gaps.append(_Gap(self.highest, until))


class Account:
    """
    The account of one run.
    """

    def __init__(self, subscribers: int) -> None:
        self._published: Counter[Stream] = Counter()
        self._acknowledged: defaultdict[Stream, set[int]] = defaultdict(set)
        self._refused = 0
        self._readings = [defaultdict[Stream, _Reading](_Reading) for _ in range(subscribers)]

    def publish(self, stream: Stream) -> int:
        """
        Return the number of a new publication.
        """
        self._published[stream] += 1
        return self._published[stream]

    def acknowledged(self, stream: Stream, number: int) -> None:
        """
        Note that the daemon has accepted a publication.
        """
        self._acknowledged[stream].add(number)

    def refused(self) -> None:
        """
        Note that the daemon has refused a publication, and that its publisher knows it.
        """
        self._refused += 1

    def received(self, subscriber: int, stream: Stream, number: int) -> None:
        """
        Note that a subscriber got a publication.
        """
        self._readings[subscriber][stream].received(number)

    def told(self, subscriber: int, topic: str, keptToo: bool) -> None:
        """
        Note that the daemon told a subscriber that events of a topic may be missing.

        @param keptToo: Whether kept events may be missing, too.
        """
        for stream, until in self._published.items():
            if stream.topic == topic and (keptToo or not stream.kept):
                self._readings[subscriber][stream].told(until)

    def waiting(self) -> int:
        """
        Count the publications that are neither acknowledged nor refused.
        """
        answered = sum(map(len, self._acknowledged.values())) + self._refused
        return self._published.total() - answered

    def totals(self) -> Totals:
        """
        Sum up everything until now.
        """
        found = Totals(
            published=self._published.total(),
            acknowledged=sum(map(len, self._acknowledged.values())),
            refused=self._refused,
        )
        for readings in self._readings:
            for stream in self._published:
                found += self._compare(stream, readings[stream])
        return found

    def _compare(self, stream: Stream, reading: _Reading) -> Totals:
        lost = [each for each in self._acknowledged[stream] if each not in reading.seen]
        untold = [each for each in lost if not any(gap.covers(each) for gap in reading.gaps)]
        return Totals(
            received=len(reading.seen),
            lost=len(lost),
            doubled=reading.seen.total() - len(reading.seen),
            reordered=reading.reordered,
            untold=len(untold),
        )
