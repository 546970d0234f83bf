"""
What the tracker says to its listener.
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
from aerostack.interfaces import IChangeListener
from aerostack.tracker.watched import WatchedTables

TURN = 200
"""How many changes are told in one turn of the reactor."""


class ChangeDispatcher:
    """
    Tells of changes, in their order and not too many at a time, and of whatever else
    befalls the feed.

    @ivar position: The number of the newest change that was told, or was none's.
    """

    log = Logger()

    def __init__(
        self, clock: IReactorTime, listener: IChangeListener, interests: WatchedTables
    ) -> None:
        self.position = 0
        self._clock = clock
        self._listener = listener
        self._interests = interests

    async def tell(self, events: Sequence[Change | Loss], after: int) -> None:
        """
        Tell what was read of the journal, as far as the tables are followed.

        The reactor turns in between, and waits where the listener has its hands full:
        a feed that is read faster than it is passed on must not pile up.

        @param after: Up to where this is all there is.
        """
        for start in range(0, len(events), TURN):
            if start:
                await deferLater(self._clock, 0)
            await self._tellTurn(events[start : start + TURN])
        self.position = after

    async def _tellTurn(self, events: Sequence[Change | Loss]) -> None:
        changes: list[Change] = []
        for event in events:
            interest = self._interests.get(event.table)
            if interest is None:
                continue
            # Also of a table that nobody watches for the moment: those who come back while
            # it is still followed ask the listener what they missed.
            if isinstance(event, Change):
                changes.append(event)
            else:
                # A table of an earlier run that this one has not attached cannot be said to be
                # back: the journal does not follow it for this run.
                interest.gone = interest.gone or not interest.lost
                interest.lost = True
                await self._tellChanges(changes)
                changes = []
                self._guard(self._listener.tableLost, event.table, event.error, event.seq)
        await self._tellChanges(changes)

    async def _tellChanges(self, changes: Sequence[Change]) -> None:
        if changes:
            room = self._guard(self._listener.changed, changes)
            self.position = changes[-1].seq
            if room is not None:
                await room

    async def altered(self, table: str, columns: Columns) -> None:
        """
        Tell that a table may have other columns.  No change is to be told before that is done.
        """
        judged = self._guard(self._listener.tableAltered, table, columns)
        if judged is not None:
            await judged

    def reshaped(self, table: str) -> None:
        """
        Tell that rows of a table may look different.
        """
        self._guard(self._listener.tableReshaped, table)

    def back(self, table: str) -> None:
        """
        Tell that a table which was lost is followed again.
        """
        self._guard(self._listener.tableBack, table)

    def left(self, table: str) -> None:
        """
        Tell that a table is followed no more.
        """
        self._guard(self._listener.tableLeft, table)

    def down(self, reason: str) -> None:
        """
        Tell that changes cannot be read.
        """
        self._guard(self._listener.feedDown, reason)

    def up(self) -> None:
        """
        Tell that they can be read again.
        """
        self._guard(self._listener.feedUp)

    def _guard(self, hear: Callable[..., Any], *args: object) -> Any:
        try:
            return hear(*args)
        except Exception:
            # One event that somebody cannot bear must not end the feed for all.
            self.log.failure("A listener of table changes failed.")
            return None
