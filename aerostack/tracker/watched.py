"""
Who wants to know of which table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass
class WatchedTable:
    """
    A watched table.

    @ivar count: How many watch it.
    @ivar lost: It may not be there: it was lost since this run last attached it.
    @ivar gone: Its loss was told, and not yet that it is followed again.
    @ivar lineage: What the numbers of its changes belong to.
    @ivar reshaped: See L{aerostack.interfaces.IJournal.reshapedAt}.
    @ivar leaving: When it is to be detached, if nobody watches it any more.
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
    The tables that are watched, or were until a while ago.
    """

    def __init__(self, grace: float, fold: Callable[[str], str]) -> None:
        """
        @param grace: For how many seconds a table that nobody watches any more stays.
        @param fold: Gives the form by which the database tells names apart.
        """
        self._grace = grace
        self._fold = fold
        # By the name that the journal gave.
        self._interests: dict[str, WatchedTable] = {}
        # The journal's name of a table, by the name that somebody asked for.
        self._names: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._interests)

    def names(self) -> list[str]:
        """
        The tables that somebody watches now, by the names that the journal gave.
        """
        return [each.name for each in self._interests.values() if each.count]

    def get(self, name: str) -> WatchedTable | None:
        """
        The interest in a table, by the name that the journal gave.
        """
        return self._interests.get(name)

    def gone(self) -> list[WatchedTable]:
        """
        The tables of which it was told that they were lost, and no more since.
        """
        return [each for each in self._interests.values() if each.gone]

    def asked(self, table: str) -> WatchedTable | None:
        """
        The interest in a table, by a name that somebody asks for.
        """
        return self._interests.get(self._names.get(table, table))

    def add(self, table: str, name: str, lineage: str, reshaped: int = -1) -> WatchedTable:
        """
        Note that a table is attached.

        @param table: How it was asked for.
        @param name: The name that the journal gave.
        @param lineage: See L{aerostack.interfaces.IJournal.lineage}.
        @param reshaped: See L{aerostack.interfaces.IJournal.reshapedAt}.
        """
        self._names[table] = name
        for other in list(self._interests):
            if other != name and self._fold(other) == self._fold(name):
                # An earlier run knew the table by another spelling.
                del self._interests[other]
        interest = self._interests.setdefault(name, WatchedTable(name))
        interest.lost = False
        interest.lineage = lineage
        interest.reshaped = reshaped
        return interest

    def inherit(self, name: str, now: float) -> None:
        """
        Note a table that an earlier run attached.
        """
        interest = self._interests.setdefault(name, WatchedTable(name, lost=True))
        if not interest.count:
            self.leave(interest, now)

    def leave(self, interest: WatchedTable, now: float) -> None:
        """
        Let a table go after a while, unless somebody watches it again.
        """
        interest.leaving = now + self._grace

    def due(self, now: float) -> Iterator[WatchedTable]:
        """
        The tables whose time is over.
        """
        for interest in list(self._interests.values()):
            if interest.leaving is not None and interest.leaving <= now:
                yield interest

    def remove(self, interest: WatchedTable) -> None:
        """
        Forget a table.
        """
        del self._interests[interest.name]
        self._names = {k: name for k, name in self._names.items() if name != interest.name}
