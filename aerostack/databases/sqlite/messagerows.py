"""
Writes rows of the kept messages to SQLite.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

from aerostack.databases.messagerows import COLUMNS

MESSAGES = "realtime_messages"
"""The table of the kept messages."""

_ROW = f"({', '.join('?' * len(COLUMNS.split(', ')))})"


def insertMessages(cursor: Any, rows: Sequence[Sequence[Any]]) -> None:
    """
    Write rows with one statement.

    The thread gives Python's lock away during each statement.  While the reactor's thread works, it
    may wait for the lock for milliseconds then, so it must not do that once a row.

    @param rows: At least one and at most 3,000, as SQLite takes some 32,000 values.
    """
    values = ", ".join([_ROW] * len(rows))
    cursor.execute(
        f"INSERT INTO {MESSAGES} ({COLUMNS}) VALUES {values}", list(chain.from_iterable(rows))
    )
