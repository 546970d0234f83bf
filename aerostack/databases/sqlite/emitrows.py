"""
The rows of the events that transactions of an SQLite database emit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aerostack.core.replay.publications import EmittedMark
from aerostack.databases.sqlite.names import EMITTED

ROW = "row_key"
"""The column that has the key of a row.  The column C{key} has that of a value."""


def takeEmitted(cursor: Any, marks: Sequence[EmittedMark]) -> set[str]:
    """
    Delete rows of events with one statement, inside of a transaction or as one.

    @param marks: At least one and at most 10,000.
    @return: The keys of the rows that were there.
    """
    places = ", ".join("?" * len(marks))
    # SQLite gives the numbers of deleted rows again; the key tells the rows apart.
    cursor.execute(
        f"DELETE FROM {EMITTED} WHERE id IN ({places}) AND {ROW} IN ({places}) RETURNING {ROW}",
        [*(mark.number for mark in marks), *(mark.key for mark in marks)],
    )
    return {key for (key,) in cursor.fetchall()}
