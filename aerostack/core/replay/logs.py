"""
The logs of all topics, within one budget.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator
from itertools import islice

from aerostack.core.limits.tally import Tally
from aerostack.core.replay.log import Depth, TopicLog

COST = 800
"""About how many bytes a log takes that holds nothing, beside the topic's name."""


class TopicLogs:
    """
    TopicLogs by canonical topic.

    A topic has one from its first subscription or its first kept message on, and until it
    was not needed for longer than the log holds anything.  No client can hold a position
    in a topic that never had a log.

    @ivar depthOf: Tells how much a topic's log holds.
    @ivar needed: Tells whether a topic has subscribers, or publications on their way.
    @ivar budget: How many bytes of entries all of them may hold together.  A quarter as
        much is for logs that are not needed: those for which it is too much are dropped
        before their time, the ones that were left first.
    """

    def __init__(
        self,
        depthOf: Callable[[str], Depth],
        newEpoch: Callable[[], str],
        budget: int,
    ) -> None:
        """
        @param newEpoch: Makes epochs; no two calls, of any run, give the same.
        """
        self.budget = budget
        self.depthOf = depthOf
        self.needed: Callable[[str], bool] = lambda topic: False
        self._newEpoch = newEpoch
        self._tally = Tally()
        self._logs: dict[str, TopicLog] = {}
        # Those that may hold entries, the ones quiet for longest first.
        self._holding: OrderedDict[str, TopicLog] = OrderedDict()
        # Since when each of those that are not needed is not, the ones left first first.
        self._idle: OrderedDict[str, float] = OrderedDict()
        self._idleSize = 0

    @property
    def size(self) -> int:
        """How many bytes of entries there are, about."""
        return self._tally.size

    def get(self, topic: str) -> TopicLog | None:
        """
        The log of a topic, if it has one.
        """
        return self._logs.get(topic)

    def open(self, topic: str, mark: int, now: float, lineage: str = "") -> TopicLog:
        """
        The log of a topic; a new one where it has none.

        @param mark: See L{TopicLog}; for a new one.
        @param now: Seconds.
        """
        log = self._logs.get(topic)
        if log is None:
            depth = self.depthOf(topic)
            log = TopicLog(self._newEpoch(), depth, mark, lineage, self._tally)
            self._logs[topic] = log
            if not self.needed(topic):
                self.leave(topic, now)
        return log

    def restart(self, topic: str, mark: int, now: float) -> None:
        """
        Give a topic a new log: what is in the present one leads no further.
        """
        log = self.drop(topic)
        if log is not None:
            self.open(topic, mark, now, log.lineage)

    def drop(self, topic: str) -> TopicLog | None:
        """
        Let a topic have no log any more.

        @return: The log that it had.
        """
        log = self._logs.pop(topic, None)
        if log is not None:
            log.clear()
            self._holding.pop(topic, None)
            self.need(topic)
        return log

    def breakOff(
        self, wanted: Callable[[str], bool], now: float, piece: int = 500
    ) -> Iterator[None]:
        """
        Let the logs of the topics that are wanted lead no further, a piece at a time.

        @param piece: How many logs are looked at in one step.
        """
        for some in _pieces(self._logs, piece):
            for topic in filter(wanted, some):
                log = self._logs.get(topic)
                if log is not None and self.needed(topic):
                    self.restart(topic, log.mark, now)
                else:
                    self.drop(topic)
            yield

    # Who is needed

    def need(self, topic: str) -> None:
        """
        Note that a topic's log is needed.
        """
        if self._idle.pop(topic, None) is not None:
            self._idleSize -= COST + len(topic)

    def leave(self, topic: str, now: float) -> None:
        """
        Note that a topic's log is not needed any more, or was just used without being.
        """
        if topic not in self._logs:
            return
        self._rest(topic, now)
        if self._idleSize > self.budget // 4:
            # Two for one that comes, so that there are soon few enough.
            for oldest in tuple(islice(self._idle, 2)):
                if oldest != topic:
                    self._abandon(oldest, now)

    def _rest(self, topic: str, now: float) -> None:
        self.need(topic)
        self._idle[topic] = now
        self._idleSize += COST + len(topic)

    def _abandon(self, topic: str, now: float) -> None:
        """Drop a log that is not needed, unless a publication is on its way to it."""
        if self.needed(topic):
            self._rest(topic, now)
        else:
            self.drop(topic)

    # Entries

    def append(
        self,
        topic: str,
        log: TopicLog,
        frame: bytes,
        mark: int | None,
        source: object,
        now: float,
    ) -> None:
        """
        Add an entry to a topic's log, and keep within the budget.
        """
        log.append(frame, mark, source, now)
        self._holding[topic] = log
        self._holding.move_to_end(topic)
        if topic in self._idle:
            self.leave(topic, now)
        while self.size > self.budget:
            quietest = next(iter(self._holding))
            other = self._holding[quietest]
            other.shrink(other.size - (self.size - self.budget))
            if not len(other):
                # Each is met once, however often there is not enough room.
                del self._holding[quietest]

    def expire(self, now: float, piece: int = 500) -> Iterator[None]:
        """
        Drop what is too old, and the logs that were not needed for long, a piece at a
        time.

        @param now: Seconds.
        @param piece: How many logs are looked at in one step.
        """
        for begin in _pieces(self._holding, piece):
            for topic in begin:
                log = self._holding.get(topic)
                if log is not None:
                    log.trim(now)
                    if not len(log):
                        del self._holding[topic]
            yield
        for begin in _pieces(self._idle, piece):
            for topic in begin:
                since = self._idle.get(topic)
                if since is not None and since + self._logs[topic].depth.age < now:
                    self._abandon(topic, now)
            yield

    def topics(self) -> Collection[str]:
        """
        The topics that have a log, in no order.
        """
        return self._logs.keys()

    def __len__(self) -> int:
        return len(self._logs)


def _pieces(topics: Collection[str], piece: int) -> Iterator[list[str]]:
    """
    The topics that there are now, so many at a time.
    """
    names = iter(tuple(topics))
    while some := list(islice(names, piece)):
        yield some
