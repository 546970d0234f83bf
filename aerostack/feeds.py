"""
Table topics: from the tracker's changes to the frames of those who subscribed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from msgspec import UNSET
from twisted.internet.defer import Deferred, fail
from zope.interface import implementer

from aerostack.core.changes import Change
from aerostack.core.filters import Filter, Judged, judge
from aerostack.core.patterns import Patterns
from aerostack.core.positions import Position
from aerostack.core.rules import CLOSE, Rule
from aerostack.core.stream import Stream
from aerostack.core.topics import Topic, tableTopic
from aerostack.errors import RealtimeError
from aerostack.hub import Hub, wireFrame
from aerostack.interfaces import IChangeListener, IChangeTracker
from aerostack.wire.codec import encodeValue
from aerostack.wire.frames import DbChange, Error
from aerostack.wire.framing import Frame


@implementer(IChangeListener)
class TableFeeds:
    """
    Stands between the tracker, which knows tables, and the registry, which knows
    the topics of each project.

    @ivar allowed: The tables that may be subscribed to.
    @ivar projects: The ids of all projects; each sees the tables as topics of its
        own.
    """

    def __init__(
        self,
        hub: Hub,
        allowed: Patterns,
        projects: Collection[str],
        makeTracker: Callable[[IChangeListener], IChangeTracker],
    ) -> None:
        """
        @param makeTracker: Makes the tracker that tells us of changes.
        """
        self.allowed = allowed
        self.projects = projects
        self.tracker = makeTracker(self)
        self._hub = hub

    def watch(self, table: str) -> Deferred[str]:
        """
        Have a table watched, for one subscription more.

        @return: Fires once no later change can be missed.  Fails with
            L{RealtimeError} where the table may not or cannot be watched, or is
            spelled differently in the database.
        """
        if not self.allowed.match(table):
            return fail(
                RealtimeError(
                    "table_not_allowed", f"The table {table} is not among tracker.tables."
                )
            )
        watching: Deferred[str] = self.tracker.watch(table)
        return watching.addCallback(self._checkSpelling, table)

    def _checkSpelling(self, name: str, asked: str) -> str:
        # Clients find their handlers by the exact topic.  SQL would forgive another
        # case; the topic that we answer with would reach no handler.
        if name != asked:
            self.tracker.unwatch(name)
            raise RealtimeError("unknown_table", f"There is no table {asked}; did you mean {name}?")
        return name

    def unwatch(self, table: str) -> None:
        """
        Take one subscription's interest in a table back.
        """
        self.tracker.unwatch(table)

    def stream(self, topic: Topic) -> Stream:
        """
        The log of a watched table's topic, as it is seen by a project.
        """
        assert topic.table is not None
        lineage = self.tracker.lineage(topic.table)
        position = self.tracker.position
        streams, now = self._hub.streams, self._hub.seconds()
        stream = streams.open(topic.canonical, position, now, lineage)
        if stream.lineage != lineage:
            # The table was made again.
            streams.drop(topic.canonical)
            stream = streams.open(topic.canonical, position, now, lineage)
        # Whatever happened up to here has been told.
        stream.reach(position)
        return stream

    def changed(self, changes: Sequence[Change]) -> None:
        hub = self._hub
        for change in changes:
            for project in self.projects:
                topic = tableTopic(change.table, project).canonical
                stream = hub.streams.get(topic)
                if stream is None:
                    # Nobody is here, and nobody can come back to what was before.
                    continue
                position = stream.next(change.seq)
                whole = _encode(topic, Judged(change, False), position, hub.rule(topic))
                hub.streams.append(topic, stream, whole, change.seq, change, hub.seconds())
                for filter, subscribers in hub.registry.groups(topic).items():
                    frame = (
                        whole
                        if filter is None
                        else changeFrame(topic, change, filter, position, hub.rule(topic))
                    )
                    if frame is not None:
                        hub.fanout.send(topic, subscribers, frame)

    def tableLost(self, table: str, error: RealtimeError, seq: int) -> None:
        for project in self.projects:
            topic = tableTopic(table, project).canonical
            # Nobody can come back to before this without a gap.
            self._hub.streams.restart(topic, seq, self._hub.seconds())
            frame = wireFrame(Error(code=error.code, message=error.message, topic=topic), topic)
            for subscribers in self._hub.registry.groups(topic).values():
                self._hub.fanout.send(topic, subscribers, frame)

    def tableLeft(self, table: str) -> None:
        for project in self.projects:
            self._hub.streams.drop(tableTopic(table, project).canonical)


def changeFrame(
    topic: str, change: Change, filter: Filter | None, position: Position, rule: Rule | None = None
) -> Frame | None:
    """
    What somebody with a filter gets of a change.

    @param position: The change's place in the topic's log.
    @param rule: What holds for the topic, where the frame may be spared.
    @return: L{None} if it gets nothing.
    """
    judged = judge(change, filter)
    return None if judged is None else _encode(topic, judged, position, rule)


def _encode(topic: str, judged: Judged, position: Position, rule: Rule | None) -> Frame:
    change = judged.change
    key = None
    if rule is not None and rule.whenSlow != CLOSE:
        # Whatever happens to a row, what it is in the end is what counts.
        value = None if rule.slowKey is None else change.data.get(rule.slowKey)
        key = rule.sparingKey(topic, "", None if value is None else encodeValue(value))
    return wireFrame(
        DbChange(
            topic=topic,
            operation=change.operation,
            data=change.data,
            timestamp=change.timestamp,
            old=UNSET if change.old is None else change.old,
            moved=True if judged.moved else UNSET,
            pos=str(position),
        ),
        topic,
        key,
    )
