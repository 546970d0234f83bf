"""
Passes what the tracker read to its listener.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from aerostack.core.rows.changes import Change
from aerostack.core.rows.columns import Columns
from aerostack.core.rows.journal import Loss
from aerostack.interfaces.tracking import IChangeListener
from aerostack.tracker.watched import WatchedTables

TURN = 200
"""How many changes the listener gets in one turn of the reactor."""


class ChangeDispatcher:
    """
    Passes changes to the listener, in their order and a bounded number at a time, and reports the
    other events of the feed.

    @ivar position: The highest journal sequence number delivered so far.
    @ivar listener: Receives the changes.  The tracker sets it when it starts.
    """

    log = Logger()
    listener: IChangeListener

    def __init__(self, clock: IReactorTime, watched: WatchedTables) -> None:
        self.position = 0
        self._clock = clock
        self._watched = watched

    async def dispatch(self, events: Sequence[Change | Loss], after: int) -> None:
        """
        Deliver the events of followed tables that were read from the journal.

        The reactor turns in between, and delivery waits while the listener is busy: otherwise
        changes would pile up when they are read faster than they are passed on.

        @param after: The sequence number up to which C{events} is complete.
        """
        for start in range(0, len(events), TURN):
            if start:
                await deferLater(self._clock, 0)
            await self._dispatchTurn(events[start : start + TURN])
        self.position = after

    async def _dispatchTurn(self, events: Sequence[Change | Loss]) -> None:
        changes: list[Change] = []
        for event in events:
            watchedTable = self._watched.get(event.table)
            if watchedTable is None:
                continue
            # Changes of a table without subscribers are delivered too, as long as the table is
            # followed: a subscriber that comes back asks the listener for what it missed.
            if isinstance(event, Change):
                changes.append(event)
            else:
                # A table that only an earlier run attached cannot be reported as back: in this
                # run the journal does not follow it.
                watchedTable.gone = watchedTable.gone or not watchedTable.lost
                watchedTable.lost = True
                await self._dispatchChanges(changes)
                changes = []
                self._guard(self.listener.tableLost, event.table, event.error, event.seq)
        await self._dispatchChanges(changes)

    async def _dispatchChanges(self, changes: Sequence[Change]) -> None:
        if changes:
            room = self._guard(self.listener.changed, changes)
            self.position = changes[-1].seq
            if room is not None:
                await room

    async def altered(self, table: str, columns: Columns) -> None:
        """
        Report that a table may have other columns.  The next changes must wait until the result
        fires.
        """
        judged = self._guard(self.listener.tableAltered, table, columns)
        if judged is not None:
            await judged

    def reshaped(self, table: str) -> None:
        """
        Report that rows of a table may look different.
        """
        self._guard(self.listener.tableReshaped, table)

    def back(self, table: str) -> None:
        """
        Report that a table which was lost is followed again.
        """
        self._guard(self.listener.tableBack, table)

    def left(self, table: str) -> None:
        """
        Report that the tracker stops following a table.
        """
        self._guard(self.listener.tableLeft, table)

    def down(self, reason: str) -> None:
        """
        Report that changes cannot be read.
        """
        self._guard(self.listener.feedDown, reason)

    def up(self) -> None:
        """
        Report that changes can be read again.
        """
        self._guard(self.listener.feedUp)

    def _guard(self, hear: Callable[..., Any], *args: object) -> Any:
        try:
            return hear(*args)
        except Exception:
            # One event that the listener cannot process must not end the feed for all.
            self.log.failure("A listener of table changes failed.")
            return None
