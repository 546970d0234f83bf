"""
Keeps the newest values of keyed topics.

They are written in the transaction that keeps their messages.  A message may be deleted later
because of its age; the value stays until another one follows, or until it is removed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from aerostack.core.keyed.values import REMOVED
from aerostack.core.replay.publications import EVENT, Kept, Publication
from aerostack.databases.dialect import Dialect
from aerostack.protocol.codec import makeReadable

_COLUMNS = "room_id, state_key, event, data, user_id, created_at"


def keepValues(cursor: Any, dialect: Dialect, messages: Sequence[Kept]) -> None:
    """
    Keep the values that messages bring, in a transaction of the caller's.

    @param messages: They have keys.  Those of one topic are in their order.
    """
    newest = {(kept.message.topic, kept.message.key): kept for kept in messages}
    rows = [_rowOf(kept) for kept in newest.values() if kept.message.data != REMOVED]
    gone = [key for key, kept in newest.items() if kept.message.data == REMOVED]
    if rows:
        dialect.executeMany(
            cursor,
            f"INSERT INTO {dialect.values} ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (room_id, state_key) DO UPDATE SET event = excluded.event,"
            " data = excluded.data, user_id = excluded.user_id, created_at = excluded.created_at",
            rows,
        )
    if gone:
        dialect.executeMany(
            cursor, f"DELETE FROM {dialect.values} WHERE room_id = ? AND state_key = ?", gone
        )


def takeBackValues(cursor: Any, dialect: Dialect, unkept: Iterable[str]) -> None:
    """
    Take back the values of messages that are about to be deleted, because their publishers were
    told that they were not kept.  What the history has of the same key from before takes their
    place.

    @param unkept: The ids of the messages, if these exist.
    """
    for messageId in unkept:
        dialect.execute(
            cursor,
            f"SELECT room_id, state_key, created_at FROM {dialect.messages}"
            " WHERE id = ? AND state_key IS NOT NULL",
            (messageId,),
        )
        found = cursor.fetchone()
        if found is None:
            continue
        dialect.execute(
            cursor,
            f"DELETE FROM {dialect.values} WHERE room_id = ? AND state_key = ? AND created_at = ?",
            found,
        )
        dialect.execute(
            cursor,
            f"INSERT INTO {dialect.values} ({_COLUMNS}) SELECT {_COLUMNS} FROM {dialect.messages}"
            " WHERE room_id = ? AND state_key = ? AND created_at < ? AND data <> ?"
            " AND created_at = (SELECT max(created_at) FROM"
            f" {dialect.messages} WHERE room_id = ? AND state_key = ? AND created_at < ?)"
            " ON CONFLICT (room_id, state_key) DO NOTHING",
            (*found, REMOVED.decode(), *found),
        )


def _rowOf(kept: Kept) -> tuple[Any, ...]:
    message = kept.message
    data = message.data.decode()
    return message.topic, message.key, message.event, data, message.userId, kept.createdAt


def selectValues(cursor: Any, dialect: Dialect, topic: str | None = None) -> list[Publication]:
    """
    Read values, in the order in which they were kept.

    @param topic: The canonical topic; L{None} for those of all topics.
    @return: The publications that brought them.  Rows that no daemon can have written are left
        out.
    """
    where, parameters = ("", ()) if topic is None else ("WHERE room_id = ?", (topic,))
    dialect.execute(
        cursor,
        f"SELECT {_COLUMNS} FROM {dialect.values} {where} ORDER BY created_at, room_id",
        parameters,
    )
    found = (_publicationOf(row) for row in cursor.fetchall())
    return [publication for publication in found if publication is not None]


def _publicationOf(row: Sequence[Any]) -> Publication | None:
    topic, key, event, text, userId, createdAt = row
    texts = (topic, key, event, text, userId or "")
    if not all(isinstance(each, str) for each in texts) or not isinstance(createdAt, int):
        return None
    data = makeReadable(text.encode("utf-8", "replace"))
    if data is None:
        return None
    return Publication(topic, EVENT, event, data, userId, createdAt, createdAt, key=key)
