"""
Table topics: from the tracker's changes to the frames of those who subscribed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

from msgspec import UNSET
from twisted.internet.defer import Deferred, fail
from zope.interface import implementer

from aerostack.core.changes import Change
from aerostack.core.filters import Filter, Judged, judge
from aerostack.core.patterns import Patterns
from aerostack.core.registry import Registry
from aerostack.core.topics import tableTopic
from aerostack.errors import RealtimeError
from aerostack.hub import wireFrame
from aerostack.interfaces import IChangeListener, IChangeTracker, ISubscriber
from aerostack.wire.frames import DbChange, Error


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
        registry: Registry[ISubscriber],
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
        self._registry = registry

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

    def changed(self, changes: Sequence[Change]) -> None:
        for change in changes:
            for project in self.projects:
                topic = tableTopic(change.table, project).canonical
                subscribers = self._registry.subscribers(topic)
                if subscribers:
                    _tell(topic, change, tuple(subscribers.items()))

    def tableLost(self, table: str, error: RealtimeError) -> None:
        for project in self.projects:
            topic = tableTopic(table, project).canonical
            frame = wireFrame(Error(code=error.code, message=error.message, topic=topic))
            for subscriber in tuple(self._registry.subscribers(topic)):
                subscriber.deliver(frame)


def _tell(
    topic: str, change: Change, subscribers: Iterable[tuple[ISubscriber, Filter | None]]
) -> None:
    """Send a change to those who want it, encoded once for all with the same filter."""
    frames: dict[Filter | None, bytes | None] = {}
    for subscriber, filter in subscribers:
        if filter not in frames:
            judged = judge(change, filter)
            frames[filter] = None if judged is None else wireFrame(_dbChange(topic, judged))
        frame = frames[filter]
        if frame is not None:
            subscriber.deliver(frame)


def _dbChange(topic: str, judged: Judged) -> DbChange:
    change = judged.change
    return DbChange(
        topic=topic,
        operation=change.operation,
        data=change.data,
        timestamp=change.timestamp,
        old=UNSET if change.old is None else change.old,
        moved=True if judged.moved else UNSET,
    )
