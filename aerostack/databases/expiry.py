"""
Deletes kept messages that are too old, or too many for their topic.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aerostack.databases.dialect import Dialect


def deleteExpired(
    cursor: Any,
    dialect: Dialect,
    oldest: int | None,
    maxCount: int | None,
    grown: set[str] | None,
    limit: int,
    since: int = 0,
    lasts: Callable[[str], bool] = lambda topic: False,
) -> tuple[int, set[str]]:
    """
    Delete messages that are older than a time, or too many for their topic.  Messages that do not
    expire stay.

    @param oldest: Messages with a lower C{created_at} are deleted; L{None} for no limit of age.
    @param maxCount: How many messages a topic keeps; L{None} for all.
    @param grown: The topics that may hold too many messages; L{None} for every topic.
    @param limit: How many messages to delete at most, so that no writer waits long.
    @param since: Messages from before this time, ms, stay.
    @param lasts: Whether the messages of a topic stay, however many they are.
    @return: How many were deleted, and the topics that may still hold too many.
    """
    if grown is None and maxCount is not None:
        grown = _topics(cursor, dialect)
    dialect.transact(cursor)
    deleted = 0
    if oldest is not None:
        deleted += _delete(
            cursor,
            dialect,
            "created_at >= ? AND created_at < ? AND replaces IS NULL",
            (since, oldest),
            limit,
        )
    unfinished: set[str] = set()
    if maxCount is not None and grown is not None:
        for topic in grown:
            if lasts(topic):
                continue
            if deleted >= limit:
                unfinished.add(topic)
                continue
            here = _delete(
                cursor,
                dialect,
                "room_id = ? AND created_at <= (SELECT created_at FROM"
                f" {dialect.messages} WHERE room_id = ? ORDER BY created_at DESC LIMIT 1 OFFSET ?)",
                (topic, topic, maxCount),
                limit - deleted,
            )
            deleted += here
            if deleted >= limit:
                unfinished.add(topic)
    cursor.execute("COMMIT")
    return deleted, unfinished


def _topics(cursor: Any, dialect: Dialect) -> set[str]:
    """
    Every topic that has messages.  The query finds each topic from the one before, because
    DISTINCT would read the whole table.
    """
    cursor.execute(
        f"WITH RECURSIVE topics (topic) AS (SELECT min(room_id) FROM {dialect.messages}"
        f" UNION ALL SELECT (SELECT min(room_id) FROM {dialect.messages} WHERE room_id > topic)"
        " FROM topics WHERE topic IS NOT NULL) SELECT topic FROM topics WHERE topic IS NOT NULL"
    )
    return {topic for (topic,) in cursor.fetchall()}


def _delete(
    cursor: Any, dialect: Dialect, condition: str, parameters: tuple[Any, ...], limit: int
) -> int:
    """Delete the oldest messages that meet a condition, at most C{limit} of them."""
    dialect.execute(
        cursor,
        f"DELETE FROM {dialect.messages} WHERE id IN (SELECT id FROM {dialect.messages}"
        f" WHERE {condition} ORDER BY created_at LIMIT ?)",
        (*parameters, limit),
    )
    return int(cursor.rowcount)
