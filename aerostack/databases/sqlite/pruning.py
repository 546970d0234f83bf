"""
Pruning the journal of an SQLite database.
"""

from __future__ import annotations

import sqlite3

from aerostack.databases.sqlite import entries, ledger
from aerostack.databases.sqlite.ledger import transaction

HOLD = 600.0
"""For how many seconds entries are kept that may be pruned."""

PATIENCE = 3
"""For how many times as long they are kept while the database is never quiet."""

QUIET = 1.0
"""How many seconds must pass without a new entry before a prune."""

WHOLE = 50_000
"""How many entries are pruned at once, which takes about a tenth of a second."""


def prune(cursor: sqlite3.Cursor, before: int, timestamp: int, limit: int, hold: float) -> int:
    """
    Delete the oldest entries; see L{IJournal.prune<aerostack.interfaces.tracking.IJournal.prune>}.

    @param hold: For how many seconds entries are kept that may be pruned, so that many go at once.
    """
    cutoff = entries.day(timestamp)
    if not _isTimely(cursor, cutoff, hold):
        return 0
    # After the clock was set back, older entries can follow younger ones.  Only the beginning is
    # deleted, so that a later reader sees the deletion as a gap.  An image is kept with the entry
    # that it belongs to.
    (last,) = cursor.execute(
        "SELECT max(seq) FROM (SELECT seq, at, op FROM _aerostack_changes WHERE seq <= ?"
        " AND seq < (SELECT max(seq) FROM _aerostack_changes) ORDER BY seq LIMIT ?)"
        f" WHERE at < ? AND op <> '{ledger.IMAGE}'",
        (ledger.entryAfter(before) - 1, limit, cutoff),
    ).fetchone()
    if not last:
        return 0
    with transaction(cursor, "BEGIN IMMEDIATE"):
        cursor.execute("DELETE FROM _aerostack_changes WHERE seq <= ?", (last,))
        count = cursor.rowcount
        ledger.forgetEnded(cursor)
    return count


def _isTimely(cursor: sqlite3.Cursor, cutoff: float, hold: float) -> bool:
    """
    Whether to prune now.

    If the daemon writes while a program has read in a transaction and then wants to write, that
    program gets the error that the database is locked, without waiting.  So the daemon writes
    seldom, and while no other program does.

    @param cutoff: Older entries may be pruned.
    """
    found = cursor.execute(
        "SELECT (SELECT at FROM _aerostack_changes ORDER BY seq LIMIT 1),"
        " (SELECT at FROM _aerostack_changes ORDER BY seq DESC LIMIT 1), julianday('now')"
    ).fetchone()
    oldest, newest, now = found
    if oldest is None:
        return False
    overdue = (cutoff - oldest) * 86400
    if overdue <= hold:
        return False
    return (now - newest) * 86400 >= min(QUIET, hold) or overdue > PATIENCE * hold
