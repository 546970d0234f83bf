"""
Reads the table of the kept messages.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from aerostack.core.replay.gaps import EXPIRED, LIMIT, UNKNOWN
from aerostack.core.replay.publications import Kept
from aerostack.databases.dialect import Dialect
from aerostack.databases.messagerows import (
    COLUMNS,
    CREATED_AT,
    DATA,
    LATEST,
    readRows,
    streamKey,
)
from aerostack.databases.replacing import isReplaced


def selectNewest(cursor: Any, dialect: Dialect, topics: Sequence[str]) -> dict[str, int]:
    """
    Read the newest C{created_at} of each topic, with one query; 0 for a topic without messages.
    """
    values = ", ".join(["(?)"] * len(topics))
    dialect.execute(
        cursor,
        f"WITH topics (topic) AS (VALUES {values}) SELECT topic, (SELECT max(created_at) FROM"
        f" {dialect.messages} WHERE room_id = topic AND created_at < {LATEST}) FROM topics",
        topics,
    )
    return {topic: newest or 0 for topic, newest in cursor.fetchall()}


class TooLong:
    """
    Stands for a message that was not read, because its data are too long.
    """


def selectEnd(
    cursor: Any, dialect: Dialect, project: str, stream: str, size: int
) -> Kept | TooLong | None:
    """
    Read the newest message that keeps the end of a streamed answer.

    @param stream: The answer's id.
    @param size: How many characters the data may have.
    """
    dialect.execute(
        cursor,
        f"SELECT room_id, created_at, length(data) FROM {dialect.messages} WHERE stream = ?"
        f" AND created_at < {LATEST} ORDER BY created_at DESC LIMIT 1",
        (streamKey(project, stream),),
    )
    row = cursor.fetchone()
    if row is None:
        return None
    topic, createdAt, length = row
    if length > size:
        return TooLong()
    dialect.execute(
        cursor,
        f"SELECT {COLUMNS} FROM {dialect.messages} WHERE room_id = ? AND created_at = ?",
        (topic, createdAt),
    )
    found = readRows(cursor.fetchall())
    return found[0] if found else None


def selectPage(
    cursor: Any, dialect: Dialect, topic: str, limit: int, before: int | None, size: int
) -> list[Kept]:
    """
    Read a page of a topic's messages, newest first.

    @param size: The limit of the page, in characters of data; at least one message is read.
    """
    before = LATEST if before is None else min(before, LATEST)
    page: list[Kept] = []
    left = size
    while len(page) < limit and (left > 0 or not page):
        rows = _select(
            cursor,
            dialect,
            "room_id = ? AND created_at < ?",
            (topic, before),
            "DESC",
            limit - len(page),
            left,
        )
        if not rows:
            break
        page += readRows(rows)
        before = rows[-1][CREATED_AT]
        left -= sum(len(str(row[DATA])) for row in rows)
    return page


def _select(
    cursor: Any,
    dialect: Dialect,
    condition: str,
    parameters: Sequence[Any],
    order: str,
    limit: int,
    size: int,
) -> Sequence[Sequence[Any]]:
    """
    Read at most C{limit} rows, and no more once they have C{size} characters of data, but at
    least one row.  The database adds up the lengths, so that rows beyond the limit never leave
    it.
    """
    dialect.execute(
        cursor,
        f"SELECT {COLUMNS} FROM (SELECT {COLUMNS}, sum(length(data)) OVER (ORDER BY created_at"
        f" {order} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before"
        f" FROM (SELECT {COLUMNS} FROM {dialect.messages} WHERE {condition}"
        f" ORDER BY created_at {order} LIMIT ?) AS found) AS counted"
        f" WHERE coalesce(before, 0) < ? ORDER BY created_at {order}",
        (*parameters, limit, max(1, size)),
    )
    rows: Sequence[Sequence[Any]] = cursor.fetchall()
    return rows


def _mayLack(
    cursor: Any, dialect: Dialect, topic: str, after: int, oldest: int | None, maxCount: int | None
) -> bool:
    """
    Whether a message of a topic that was kept after another one may have been deleted.

    The oldest messages of a topic are deleted first.  So while a message exists that is not newer
    than C{after}, no newer message was deleted.

    @param oldest: Messages before this time may have been deleted because of their age; L{None}
        without a limit of age.
    @param maxCount: How many messages of a topic are kept, the newest.  While fewer messages than
        that follow, no following message was deleted because of the number.
    """
    dialect.execute(
        cursor,
        f"SELECT 1 FROM {dialect.messages} WHERE room_id = ? AND created_at <= ? LIMIT 1",
        (topic, after),
    )
    if cursor.fetchone() is not None:
        return False
    if isReplaced(cursor, dialect, topic, after, includes=False):
        return True
    if oldest is not None and after < oldest:
        return True
    if maxCount is None:
        return False
    dialect.execute(
        cursor,
        f"SELECT count(*) FROM (SELECT 1 FROM {dialect.messages} WHERE room_id = ?"
        " AND created_at > ? LIMIT ?) AS found",
        (topic, after, maxCount),
    )
    return int(cursor.fetchone()[0]) >= maxCount


def surveyMessages(
    cursor: Any,
    dialect: Dialect,
    topic: str,
    after: int,
    until: int,
    most: int,
    oldest: int | None,
    maxCount: int | None,
    seen: bool,
) -> str | None:
    """
    Find out whether all messages that were kept after a message still exist.

    @param oldest: See L{_mayLack}.
    @param maxCount: See L{_mayLack}.
    @param seen: Whether the client has seen a message at C{after}; otherwise C{after} is only a
        time.
    @return: See L{IHistory.surveyPast}.
    """
    dialect.execute(
        cursor,
        f"SELECT count(*) FROM (SELECT 1 FROM {dialect.messages} WHERE room_id = ?"
        " AND created_at > ? AND created_at <= ? LIMIT ?) AS found",
        (topic, after, until, most + 1),
    )
    (count,) = cursor.fetchone()
    if count > most:
        return LIMIT.reason
    if _mayLack(cursor, dialect, topic, after, oldest, maxCount):
        return EXPIRED.reason
    found = f"SELECT 1 FROM {dialect.messages} WHERE room_id = ?"
    if seen:
        # Unless a newer message replaces it, it was not deleted: the database never had it.
        dialect.execute(cursor, f"{found} AND created_at = ?", (topic, after))
        if cursor.fetchone() is not None or isReplaced(cursor, dialect, topic, after, True):
            return None
        return UNKNOWN.reason
    if count:
        return None
    dialect.execute(cursor, f"{found} LIMIT 1", (topic,))
    return UNKNOWN.reason if cursor.fetchone() is None else None


def locateNewest(cursor: Any, dialect: Dialect, topic: str, until: int, count: int) -> int:
    """
    Find where the newest messages of a topic begin.

    @return: See L{IKeptMessages.locatePast}.
    """
    dialect.execute(
        cursor,
        f"SELECT min(created_at) FROM (SELECT created_at FROM {dialect.messages} WHERE room_id = ?"
        " AND created_at <= ? ORDER BY created_at DESC LIMIT ?) AS found",
        (topic, until, count),
    )
    (first,) = cursor.fetchone()
    return until if first is None else int(first) - 1


def selectPast(
    cursor: Any,
    dialect: Dialect,
    topic: str,
    after: int,
    until: int,
    limit: int,
    size: int,
    oldest: Callable[[], int | None],
    maxCount: int | None,
    partial: bool,
) -> list[Kept] | None:
    """
    Read messages of a topic, oldest first.

    @param size: See L{selectPage}.
    @param partial: See L{IKeptMessages.readPast}.
    @param oldest: Gives C{oldest} of L{_mayLack}, when the messages have been read.
    @return: L{None} if one of them may have been deleted.
    """
    began = after
    past: list[Kept] = []
    condition = "room_id = ? AND created_at > ? AND created_at <= ?"
    while not past:
        rows = _select(cursor, dialect, condition, (topic, after, until), "ASC", limit, size)
        if not rows:
            break
        past = readRows(rows)
        # The caller takes an empty page for the last one.
        after = rows[-1][CREATED_AT]
    if partial:
        return past
    # If the messages are complete now, they were complete when they were read.
    return None if _mayLack(cursor, dialect, topic, began, oldest(), maxCount) else past
