"""
Deletes kept messages that new ones replace, and refuses what does not fit a topic whose messages do
not expire.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aerostack.core.replay.publications import LASTS, Message
from aerostack.databases.dialect import Dialect
from aerostack.errors import RealtimeError


def makeRoom(
    cursor: Any,
    dialect: Dialect,
    messages: Sequence[Message],
    newest: Mapping[str, int],
    maxCount: int | None,
) -> dict[str, RealtimeError]:
    """
    Delete what some messages replace, in the transaction that keeps these.

    @param messages: Their C{replaces} is a number.
    @param newest: The C{createdAt} of the newest message of each topic, before the transaction.
    @param maxCount: How many messages a topic keeps; L{None} for any number.
    @return: Why messages cannot be kept, by their ids.
    """
    refused: dict[str, RealtimeError] = {}
    counts: dict[str, int] = {}
    for message in messages:
        topic = message.topic
        until = LASTS if message.replaces is None else message.replaces
        if until > newest[topic]:
            refused[message.id] = RealtimeError(
                "invalid_arguments",
                "replaces has to be the created_at of a kept message of the topic, or less.",
            )
            continue
        if until > 0:
            dialect.execute(
                cursor,
                f"DELETE FROM {dialect.messages} WHERE room_id = ? AND created_at <= ?",
                (topic, until),
            )
            counts.pop(topic, None)
        if maxCount is None:
            continue
        if topic not in counts:
            counts[topic] = _count(cursor, dialect, topic, 2 * maxCount)
        # What replaces messages may need several messages itself, when the topic is full.
        if counts[topic] < (maxCount if until == LASTS else 2 * maxCount):
            counts[topic] += 1
        else:
            refused[message.id] = RealtimeError(
                "history_full",
                f"The topic has {maxCount} kept messages, which do not expire. Replace them first.",
            )
    return refused


def isReplaced(cursor: Any, dialect: Dialect, topic: str, time: int, includes: bool) -> bool:
    """
    Whether messages of a topic that were kept after a time were deleted, because a newer message
    replaces them.

    @param includes: Whether a message that was kept right at the time counts, too.
    """
    compare = ">=" if includes else ">"
    dialect.execute(
        cursor,
        f"SELECT 1 FROM {dialect.messages} WHERE room_id = ? AND replaces {compare} ? LIMIT 1",
        (topic, time),
    )
    return cursor.fetchone() is not None


def _count(cursor: Any, dialect: Dialect, topic: str, most: int) -> int:
    """Count the messages of a topic, up to a number."""
    dialect.execute(
        cursor,
        f"SELECT count(*) FROM (SELECT 1 FROM {dialect.messages} WHERE room_id = ? LIMIT ?)"
        " AS found",
        (topic, most),
    )
    return int(cursor.fetchone()[0])
