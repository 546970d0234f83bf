"""
The logs of all topics, within one budget.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import islice
from typing import cast

from aerostack.core.limits.tally import Tally
from aerostack.core.replay.log import Depth, Past, TopicLog
from aerostack.core.replay.mirror import MirrorLog
from aerostack.core.replay.positions import Position
from aerostack.core.replay.shared import SharedEntry
from aerostack.core.replay.sharedlog import SharedLog
from aerostack.core.topics.topics import projectOf

COST = 800
"""About how many bytes an empty log takes beside the topic's name."""


class _Share(Tally):
    """
    The logs of one project.

    @ivar holding: The logs that may hold entries, by topic; the one that was quiet for longest
        comes first.
    @ivar idle: Since when each log is not needed, seconds, by topic; the one that was left first
        comes first.
    @ivar idleSize: About how many bytes the logs that are not needed take beside their entries.
    """

    __slots__ = ("holding", "idle", "idleSize")

    def __init__(self, whole: Tally) -> None:
        super().__init__(whole)
        self.holding: OrderedDict[str, TopicLog] = OrderedDict()
        self.idle: OrderedDict[str, float] = OrderedDict()
        self.idleSize = 0


class TopicLogs:
    """
    The logs, by canonical topic.

    A topic gets a log with its first subscription or its first kept message.  The log goes when
    the topic was not needed for longer than the log holds entries.  A client cannot have a
    position in a topic that never had a log.

    @ivar depthOf: Tells how much a topic's log holds.
    @ivar needed: Tells whether a topic has subscribers, or publications on their way.
    @ivar budget: How many bytes of entries all logs may hold together.  Beyond that, the project
        that holds the most loses entries.  Logs that are not needed may take a quarter as much;
        beyond that, logs of the project that has the most of them are dropped before their time,
        those first that were left first.
    """

    def __init__(
        self,
        depthOf: Callable[[str], Depth],
        newEpoch: Callable[[], str],
        budget: int,
    ) -> None:
        """
        @param newEpoch: Makes epochs; each call of each run gives another.
        """
        self.budget = budget
        self.depthOf = depthOf
        self.needed: Callable[[str], bool] = lambda topic: False
        self._newEpoch = newEpoch
        self._tally = Tally()
        self._logs: dict[str, TopicLog] = {}
        # By project.
        self._shares: dict[str, _Share] = {}
        self._idleSize = 0

    @property
    def size(self) -> int:
        """About how many bytes of entries there are."""
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
            log = TopicLog(self._newEpoch(), depth, mark, lineage, self._share(topic))
            self._add(topic, log, now)
        return log

    def follow(self, topic: str, head: Position, now: float) -> MirrorLog:
        """
        Give a topic a log that follows a source.  A log that the topic has is dropped.

        @param head: The source's head.
        @param now: Seconds.
        """
        self.drop(topic)
        log = MirrorLog(head, self.depthOf(topic), self._share(topic))
        self._add(topic, log, now)
        return log

    def share(self, topic: str, head: Position, now: float) -> SharedLog:
        """
        Give a topic a log that follows one which nodes share.  A log that the topic has is dropped.

        @param head: The shared log's head.
        @param now: Seconds.
        """
        self.drop(topic)
        log = SharedLog(head, self.depthOf(topic), self._share(topic))
        self._add(topic, log, now)
        return log

    def _add(self, topic: str, log: TopicLog, now: float) -> None:
        self._logs[topic] = log
        if not self.needed(topic):
            self.leave(topic, now)

    def restart(self, topic: str, mark: int, now: float) -> None:
        """
        Give a topic a new log, if it has one: no client can go on from a position in the present
        one without a gap.
        """
        log = self.drop(topic)
        if isinstance(log, SharedLog):
            # Other nodes go on with it.
            self.share(topic, log.position, now)
        elif log is not None:
            self.open(topic, mark, now, log.lineage)

    def drop(self, topic: str) -> TopicLog | None:
        """
        Take a topic's log away.

        @return: The log that it had.
        """
        log = self._logs.pop(topic, None)
        if log is not None:
            log.clear()
            self._share(topic).holding.pop(topic, None)
            self.need(topic)
        return log

    def breakOff(
        self, wanted: Callable[[str], bool], now: float, piece: int = 500
    ) -> Iterator[None]:
        """
        Restart the logs of some topics, or drop those that are not needed, a piece at a time.

        @param wanted: Tells whether a topic is one of them.
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

    def _share(self, topic: str) -> _Share:
        project = projectOf(topic)
        share = self._shares.get(project)
        if share is None:
            share = self._shares[project] = _Share(self._tally)
        return share

    # Who is needed

    def need(self, topic: str) -> None:
        """
        Note that a topic's log is needed.
        """
        share = self._share(topic)
        if share.idle.pop(topic, None) is not None:
            self._countIdle(share, -COST - len(topic))

    def leave(self, topic: str, now: float) -> None:
        """
        Note that a topic's log is not needed any more, or that it was used without being needed.
        """
        if topic not in self._logs:
            return
        self._rest(topic, now)
        if self._idleSize > self.budget // 4:
            self._dropIdle(topic, now)

    def _dropIdle(self, topic: str, now: float) -> None:
        """
        Drop logs that are not needed, because they take too much.

        @param topic: The topic whose log stays.
        """
        most = max(self._shares.values(), key=lambda share: share.idleSize)
        # Two go for one that comes, so that there are soon few enough.
        for oldest in tuple(islice(most.idle, 2)):
            if oldest != topic:
                self._abandon(oldest, now)

    def _rest(self, topic: str, now: float) -> None:
        self.need(topic)
        share = self._share(topic)
        share.idle[topic] = now
        self._countIdle(share, COST + len(topic))

    def _countIdle(self, share: _Share, size: int) -> None:
        share.idleSize += size
        self._idleSize += size

    def _abandon(self, topic: str, now: float) -> None:
        """Drop a log, unless it is needed again."""
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
        tag: str = "",
    ) -> None:
        """
        Add an entry to a topic's log, and keep within the budget.
        """
        log.append(frame, mark, source, now, tag)
        # Cheaper than a search by the topic's name: L{open} gave the log its project's share.
        share = cast(_Share, log.tally)
        share.holding[topic] = log
        share.holding.move_to_end(topic)
        if topic in share.idle:
            share.idle[topic] = now
            share.idle.move_to_end(topic)
            if self._idleSize > self.budget // 4:
                self._dropIdle(topic, now)
        if self._tally.size > self.budget:
            self._fit()

    def prepend(self, topic: str, log: MirrorLog, past: Past | None, now: float) -> None:
        """
        Fill a topic's log (L{MirrorLog.prepend}), and keep within the budget.
        """
        log.prepend(past, now)
        self._filled(topic, log)

    def fill(
        self,
        topic: str,
        log: SharedLog,
        entries: Sequence[SharedEntry],
        frames: Sequence[bytes],
        now: float,
    ) -> None:
        """
        Fill a topic's log (L{SharedLog.fill}), and keep within the budget.
        """
        log.fill(entries, frames, now)
        self._filled(topic, log)

    def _filled(self, topic: str, log: MirrorLog) -> None:
        if len(log):
            share = self._share(topic)
            share.holding[topic] = log
            share.holding.move_to_end(topic)
        self._fit()

    def _fit(self) -> None:
        """Keep within the budget."""
        while self.size > self.budget:
            most = max(self._shares.values(), key=lambda each: each.size)
            quietest = next(iter(most.holding))
            other = most.holding[quietest]
            other.shrink(other.size - (self.size - self.budget))
            if not len(other):
                # An empty log need not be looked at again when memory is short the next time.
                del most.holding[quietest]

    def expire(self, now: float, piece: int = 500) -> Iterator[None]:
        """
        Drop entries that are too old, and logs that were not needed for long, a piece at a time.

        @param now: Seconds.
        @param piece: How many logs are looked at in one step.
        """
        for share in tuple(self._shares.values()):
            for begin in _pieces(share.holding, piece):
                for topic in begin:
                    log = share.holding.get(topic)
                    if log is not None:
                        log.trim(now)
                        if not len(log):
                            del share.holding[topic]
                yield
            for begin in _pieces(share.idle, piece):
                for topic in begin:
                    since = share.idle.get(topic)
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
