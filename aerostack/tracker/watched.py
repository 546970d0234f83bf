"""
Which tables have subscribers, and which still wait to be detached.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass
class WatchedTable:
    """
    A watched table.

    @ivar count: How many subscribers the table has.
    @ivar lost: The table may not exist: it was lost since this run last attached it.
    @ivar gone: The listener heard of the table's loss, and has not yet heard that the table is
        followed again.
    @ivar lineage: Identifies the series that the sequence numbers of its changes belong to.
    @ivar reshaped: See L{aerostack.interfaces.tracking.IJournal.reshapedAt}.
    @ivar leaving: When to detach the table, if it has no subscribers any more.
    """

    name: str
    count: int = 0
    lost: bool = False
    gone: bool = False
    lineage: str = ""
    reshaped: int = -1
    leaving: float | None = None


class WatchedTables:
    """
    The tables that have subscribers, or had them until a while ago.
    """

    def __init__(self, grace: float, fold: Callable[[str], str]) -> None:
        """
        @param grace: For how many seconds a table without subscribers stays followed.
        @param fold: Gives the form by which the database compares names.
        """
        self._grace = grace
        self._fold = fold
        # By the name that the journal gave.
        self._tables: dict[str, WatchedTable] = {}
        # The journal's name of a table, by the name that a client used.
        self._names: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._tables)

    def names(self) -> list[str]:
        """
        The tables that have subscribers now, by the journal's names.
        """
        return [each.name for each in self._tables.values() if each.count]

    def get(self, name: str) -> WatchedTable | None:
        """
        The watched table with a name that the journal gave.
        """
        return self._tables.get(name)

    def gone(self) -> list[WatchedTable]:
        """
        The tables that the listener knows as lost.
        """
        return [each for each in self._tables.values() if each.gone]

    def asked(self, table: str) -> WatchedTable | None:
        """
        The watched table with a name that a client used.
        """
        return self._tables.get(self._names.get(table, table))

    def add(self, table: str, name: str, lineage: str, reshaped: int = -1) -> WatchedTable:
        """
        Note that a table is attached.

        @param table: The name that a client used.
        @param name: The name that the journal gave.
        @param lineage: See L{aerostack.interfaces.tracking.IJournal.lineage}.
        @param reshaped: See L{aerostack.interfaces.tracking.IJournal.reshapedAt}.
        """
        self._names[table] = name
        for other in list(self._tables):
            if other != name and self._fold(other) == self._fold(name):
                # An earlier run knew the table by another spelling.
                del self._tables[other]
        watchedTable = self._tables.setdefault(name, WatchedTable(name))
        watchedTable.lost = False
        watchedTable.lineage = lineage
        watchedTable.reshaped = reshaped
        return watchedTable

    def inherit(self, name: str, now: float) -> None:
        """
        Note a table that an earlier run attached.
        """
        watchedTable = self._tables.setdefault(name, WatchedTable(name, lost=True))
        if not watchedTable.count:
            self.leave(watchedTable, now)

    def leave(self, watchedTable: WatchedTable, now: float) -> None:
        """
        Detach a table after a while, unless it gets a subscriber again.
        """
        watchedTable.leaving = now + self._grace

    def due(self, now: float) -> Iterator[WatchedTable]:
        """
        The tables whose grace period is over.
        """
        for watchedTable in list(self._tables.values()):
            if watchedTable.leaving is not None and watchedTable.leaving <= now:
                yield watchedTable

    def remove(self, watchedTable: WatchedTable) -> None:
        """
        Forget a table.
        """
        del self._tables[watchedTable.name]
        self._names = {k: name for k, name in self._names.items() if name != watchedTable.name}
