"""
Tables whose columns or rows the schema changed, until the listener has heard of it.
"""

from __future__ import annotations

from collections.abc import Iterable

from twisted.logger import Logger

from aerostack.errors import RealtimeError
from aerostack.tracker.columns import ColumnCache
from aerostack.tracker.dispatch import ChangeDispatcher
from aerostack.tracker.watched import WatchedTables


class Alterations:
    """
    Reports altered tables to the listener.  What cannot be reported yet, because the database
    does not answer, stays for the next attempt.
    """

    log = Logger()

    def __init__(
        self, dispatcher: ChangeDispatcher, watched: WatchedTables, columns: ColumnCache
    ) -> None:
        self._dispatcher = dispatcher
        self._watched = watched
        self._columns = columns
        self._altered: set[str] = set()
        self._reshaped: set[str] = set()

    def add(self, altered: Iterable[str], reshaped: Iterable[str]) -> None:
        """
        Note tables to report.

        @param altered: Tables that may have other columns.
        @param reshaped: Tables whose existing rows may look different.
        """
        self._altered.update(altered)
        self._reshaped.update(reshaped)

    async def dispatch(self) -> None:
        """
        Report the noted tables.  The listener must hear of other columns before it hears of rows
        that have them.
        """
        self._columns.forget(self._altered)
        for table in tuple(self._altered):
            if self._watched.get(table) is not None:
                try:
                    await self._dispatcher.altered(table, await self._columns.of(table))
                except RealtimeError:
                    # The table is gone.  The journal reports that as a loss.
                    self.log.debug("{table} is gone", table=table)
            self._altered.discard(table)
        while self._reshaped:
            table = self._reshaped.pop()
            watchedTable = self._watched.get(table)
            if watchedTable is not None:
                watchedTable.reshaped = self._dispatcher.position
            self._dispatcher.reshaped(table)
