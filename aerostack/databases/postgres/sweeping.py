"""
Cleans up after tables that are not followed any more.
"""

from __future__ import annotations

from collections.abc import Set
from time import monotonic
from typing import Any

from psycopg.errors import LockNotAvailable

from aerostack.databases.postgres import readers, repair
from aerostack.databases.postgres.ledger import active, find, transaction
from aerostack.databases.postgres.schema import dropFunctions
from aerostack.tracker.retry import RetryState

REPAIRING = 100
"""For how long, in ms, to wait for writers when a table is repaired or given up.  Later writers
wait behind the daemon, and so do the changes of other tables."""

DROPPING = 50
"""For how long, in ms, to wait for the lock to drop triggers that do nothing any more."""

SWEEPING = 10.0
"""After how many seconds the daemon tries again to drop triggers of a locked table, at first."""

SWEEPING_LONGEST = 60.0
"""The longest pause between two such attempts, in seconds."""

ORPHANED = 600.0
"""For how many seconds a table stays followed whose readers are disconnected: they may come
back."""


class TriggerSweeper:
    """
    Drops triggers that have no use any more.  Writers wait behind the daemon while it waits for
    their tables, so it tries a table that was locked again after pauses that grow.
    """

    def __init__(self) -> None:
        self._sweeping = RetryState(SWEEPING, SWEEPING_LONGEST)

    def sweep(self, cursor: Any, isDue: bool = False) -> None:
        """
        Drop triggers that have no use any more, where no other program locks their table.

        @param isDue: It is time to sweep; otherwise a client's request is the occasion.
        """
        if not (isDue or self._sweeping.allows(monotonic())):
            return
        isHeld = False
        for name in repair.spare(cursor):
            try:
                with transaction(cursor, DROPPING):
                    if name in repair.spare(cursor):
                        dropFunctions(cursor, [name])
            except LockNotAvailable:
                isHeld = True
        if isHeld:
            self._sweeping.failed(monotonic(), "is locked")
        else:
            self._sweeping.worked()


class Orphans:
    """
    Tables that are followed without a connected reader.
    """

    def __init__(self) -> None:
        # Since when each of them has had no connected reader.
        self._since: dict[str, float] = {}

    def release(self, cursor: Any, now: float, wanted: Set[str]) -> None:
        """
        Give up tables that have been orphans for long.

        @param now: The server's time in seconds.
        @param wanted: The tables that this reader follows.
        """
        names = {record.name for record in active(cursor)}
        gone = names - readers.followed(cursor, readers.living(cursor)) - wanted
        self._since = {name: self._since.get(name, now) for name in gone}
        for name, since in self._since.items():
            if now - since >= ORPHANED:
                with transaction(cursor, REPAIRING):
                    readers.forgetDisconnected(cursor, name)
                    record = find(active(cursor), name)
                    if record is not None and name not in readers.followed(cursor):
                        repair.giveUp(cursor, record)
