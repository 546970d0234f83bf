"""
Writes rows of the kept messages to SQLite, and finds those of messages that come again.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

from aerostack.databases.messagerows import COLUMNS

MESSAGES = "realtime_messages"
"""The table of the kept messages."""

MAKE_REPEATED = (
    f"CREATE INDEX IF NOT EXISTS {MESSAGES}_repeated"
    f" ON {MESSAGES} (room_id, publish_id, user_id, created_at) WHERE publish_id IS NOT NULL"
)
"""Makes the index by which L{selectRepeated} finds its rows.  Only daemons that share their topics
look for such rows, and the index costs each message a few microseconds."""

_ROW = f"({', '.join('?' * len(COLUMNS.split(', ')))})"


def insertMessages(cursor: Any, rows: Sequence[Sequence[Any]]) -> None:
    """
    Write rows with one statement.

    The thread gives Python's lock away during each statement.  While the reactor's thread works, it
    may wait for the lock for milliseconds then, so it must not do that once a row.

    @param rows: At least one and at most 2,700, as SQLite takes some 32,000 values.
    """
    values = ", ".join([_ROW] * len(rows))
    cursor.execute(
        f"INSERT INTO {MESSAGES} ({COLUMNS}) VALUES {values}", list(chain.from_iterable(rows))
    )


def selectRepeated(
    cursor: Any, asked: Sequence[tuple[Any, ...]], since: int, most: int
) -> list[tuple[Any, ...]]:
    """
    Read the rows of some topics, publishers' ids and users; see
    L{aerostack.databases.dialect.Dialect.selectRepeated}.
    """
    rows: list[tuple[Any, ...]] = []
    # Without the name of the index SQLite looks through all rows of the topic since that time.
    for topic, publishId, userId in asked:
        cursor.execute(
            f"SELECT {COLUMNS} FROM {MESSAGES} INDEXED BY {MESSAGES}_repeated WHERE room_id = ?"
            " AND publish_id = ? AND user_id IS ? AND created_at >= ?"
            " ORDER BY created_at DESC LIMIT ?",
            (topic, publishId, userId, since, most),
        )
        rows += cursor.fetchall()
    return rows
