"""
The table of the kept messages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from twisted.logger import Logger

from aerostack.core.replay.log import EXPIRED, LIMIT, UNKNOWN
from aerostack.core.replay.publications import CHAT_MESSAGE, EVENT, Kept, Message
from aerostack.databases.dialect import Dialect
from aerostack.protocol.codec import makeReadable

_log = Logger()

_COLUMNS = "id, room_id, kind, event, data, user_id, created_at, publish_id"

LATEST = 253_402_300_799_999
"""The last millisecond of the year 9999.  A row that claims to be later was not written by a
daemon, and nothing is put behind it."""

PORTION = 400
"""How many messages are read at once at the start, ..."""

PORTION_CHARACTERS = 4_194_304
"""... and how many characters of data they have at the most, or a single larger one."""


class InDoubt(Exception):
    """
    Nobody knows whether a transaction was committed: the answer did not come.
    """


def insertMessages(
    cursor: Any, dialect: Dialect, messages: Sequence[Message], unkept: Iterable[str] = ()
) -> list[int]:
    """
    Keep messages, in one transaction.

    Each gets a C{created_at} of its own within its topic: the time at which it
    came, or the next free millisecond after the topic's newest.  New messages
    therefore always stand before the pages that somebody has already read.

    @param unkept: The ids of messages that are not to be there, whether they are or not.
    @return: The C{created_at} of each.
    @raise InDoubt: They may be kept, or not.
    """
    dialect.transact(cursor)
    for messageId in unkept:
        dialect.execute(cursor, f"DELETE FROM {dialect.messages} WHERE id = ?", (messageId,))
    times = []
    if messages:
        newest = _newest(cursor, dialect, list({message.topic for message in messages}))
        for message in messages:
            createdAt = max(message.timestamp, newest[message.topic] + 1)
            newest[message.topic] = createdAt
            times.append(createdAt)
        marks = ", ".join([dialect.mark] * 8)
        cursor.executemany(
            f"INSERT INTO {dialect.messages} ({_COLUMNS}) VALUES ({marks})",
            [
                (
                    message.id,
                    message.topic,
                    message.kind,
                    message.event,
                    message.data.decode("utf-8"),
                    message.userId,
                    createdAt,
                    message.publishId,
                )
                for message, createdAt in zip(messages, times, strict=True)
            ],
        )
    try:
        cursor.execute("COMMIT")
    except Exception as error:
        raise InDoubt(str(error)) from error
    return times


def tryToKeep(cursor: Any, dialect: Dialect, unkept: Iterable[str], isThorough: bool) -> None:
    """
    See whether messages could be kept.

    @param unkept: See L{insertMessages}.
    @param isThorough: Whether to write one and take it away again, which nobody else sees: a
        disk that is full is found only by that.
    """
    dialect.transact(cursor)
    for messageId in ("", *unkept):
        dialect.execute(cursor, f"DELETE FROM {dialect.messages} WHERE id = ?", (messageId,))
    if isThorough:
        marks = ", ".join([dialect.mark] * 8)
        cursor.execute(
            f"INSERT INTO {dialect.messages} ({_COLUMNS}) VALUES ({marks})",
            ("", "", EVENT, "", "null", None, 0, None),
        )
        dialect.execute(cursor, f"DELETE FROM {dialect.messages} WHERE id = ?", ("",))
    cursor.execute("COMMIT")


def _newest(cursor: Any, dialect: Dialect, topics: Sequence[str]) -> dict[str, int]:
    """The newest C{created_at} of each topic, in one question."""
    values = ", ".join(["(?)"] * len(topics))
    dialect.execute(
        cursor,
        f"WITH topics (topic) AS (VALUES {values}) SELECT topic, (SELECT max(created_at) FROM"
        f" {dialect.messages} WHERE room_id = topic AND created_at < {LATEST}) FROM topics",
        topics,
    )
    return {topic: newest or 0 for topic, newest in cursor.fetchall()}


def selectPage(
    cursor: Any, dialect: Dialect, topic: str, limit: int, before: int | None, size: int
) -> list[Kept]:
    """
    Read a page of a topic's messages, newest first.

    @param size: After how many characters of data to read no more; one message at least is
        read.
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
        page += _read(rows)
        before = rows[-1][_CREATED_AT]
        left -= sum(len(str(row[_DATA])) for row in rows)
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
    Read rows, no more of them than are wanted, and no more of them once there are that many
    characters of data; one at least.  The database adds the lengths up, so that what is too
    much never leaves it.
    """
    dialect.execute(
        cursor,
        f"SELECT {_COLUMNS} FROM (SELECT {_COLUMNS}, sum(length(data)) OVER (ORDER BY created_at"
        f" {order} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before"
        f" FROM (SELECT {_COLUMNS} FROM {dialect.messages} WHERE {condition}"
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
    Whether a message of a topic that was kept after another may have been forgotten.

    Of a topic the oldest messages are forgotten first.  So where there is still one that is
    not younger than C{after}, none that is younger has gone.

    @param oldest: Messages before this time may have been forgotten for their age; L{None}
        where they are not.
    @param maxCount: How many messages of a topic are kept, the newest.  As long as fewer than
        that follow, none of those that do was forgotten for their number.
    """
    dialect.execute(
        cursor,
        f"SELECT 1 FROM {dialect.messages} WHERE room_id = ? AND created_at <= ? LIMIT 1",
        (topic, after),
    )
    if cursor.fetchone() is not None:
        return False
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
    Look whether what was kept after a message is all there.

    @param oldest: See L{_mayLack}.
    @param maxCount: See L{_mayLack}.
    @param seen: Whether there was a message at C{after}, and not only that time.
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
        # It was not forgotten, so it was never kept in what the database holds now.
        dialect.execute(cursor, f"{found} AND created_at = ?", (topic, after))
    elif not count:
        dialect.execute(cursor, f"{found} LIMIT 1", (topic,))
    else:
        return None
    return UNKNOWN.reason if cursor.fetchone() is None else None


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
) -> list[Kept] | None:
    """
    Read messages of a topic, oldest first.

    @param size: See L{selectPage}.
    @param oldest: Tells the first argument of that name of L{_mayLack}, as it is then.
    @return: L{None} if one of them may have been forgotten.
    """
    began = after
    past: list[Kept] = []
    condition = "room_id = ? AND created_at > ? AND created_at <= ?"
    while not past:
        rows = _select(cursor, dialect, condition, (topic, after, until), "ASC", limit, size)
        if not rows:
            break
        past = _read(rows)
        # An empty page would be the last.
        after = rows[-1][_CREATED_AT]
    # What can be proven now held when they were read.
    return None if _mayLack(cursor, dialect, topic, began, oldest(), maxCount) else past


def selectRepeatable(
    cursor: Any, dialect: Dialect, since: int, limit: int, remember: Callable[[Kept], None]
) -> None:
    """
    Read the newest messages that their publishers may send again, oldest first.  They are read
    a portion at a time: all of them may be more than there is memory for.

    @param since: Only messages kept since then, ms.
    @param remember: Gets each of them.
    """
    dialect.execute(
        cursor,
        f"SELECT room_id, created_at, length(data) FROM {dialect.messages}"
        " WHERE created_at >= ? AND created_at < ? AND publish_id IS NOT NULL"
        " ORDER BY created_at DESC LIMIT ?",
        (since, LATEST, limit),
    )
    unread: list[Any] = []
    for places in _portions(cursor.fetchall()[::-1]):
        values = ", ".join(["(?, ?)"] * (len(places) // 2))
        dialect.execute(
            cursor,
            f"SELECT {_COLUMNS} FROM {dialect.messages}"
            f" WHERE (room_id, created_at) IN (VALUES {values}) ORDER BY created_at",
            places,
        )
        for row in cursor.fetchall():
            kept = _kept(row)
            if kept is None:
                unread.append(row[0])
            else:
                remember(kept)
    _tellUnread(unread)


def _portions(rows: Iterable[Sequence[Any]]) -> Iterator[list[Any]]:
    """
    Divide messages into portions that may be read at once.

    @param rows: Of each its topic, time and number of characters.
    @return: The topics and times of each portion.
    """
    places: list[Any] = []
    characters = 0
    for topic, time, size in rows:
        if places and (len(places) == 2 * PORTION or characters + size > PORTION_CHARACTERS):
            yield places
            places, characters = [], 0
        places += (topic, time)
        characters += size
    if places:
        yield places


def findMessages(
    cursor: Any, dialect: Dialect, since: int, limit: int, remember: Callable[[Kept], None]
) -> int:
    """
    Look for what an earlier run left.

    @param since: Messages kept before this time, ms, are not sent again any more.
    @param limit: How many such messages to read.
    @param remember: See L{selectRepeatable}.
    @return: The C{createdAt} of the newest message, 0 for none.
    """
    cursor.execute(
        f"SELECT coalesce(max(created_at), 0) FROM {dialect.messages} WHERE created_at < {LATEST}"
    )
    newest = int(cursor.fetchone()[0])
    selectRepeatable(cursor, dialect, since, limit, remember)
    return newest


_DATA, _CREATED_AT = 4, 6


def _read(rows: Sequence[Sequence[Any]]) -> list[Kept]:
    """The messages in rows, without those that no daemon can have kept."""
    messages = [_kept(row) for row in rows]
    _tellUnread([row[0] for row, kept in zip(rows, messages, strict=True) if kept is None])
    return [kept for kept in messages if kept is not None]


def _tellUnread(unread: Sequence[Any]) -> None:
    """
    Log that some messages are left out.

    @param unread: Their ids, as they stand in the database.
    """
    if unread:
        # Who can write the table can fill it; that must not fill the log.
        _log.warn(
            "{n} kept messages are left out, because they are none; the first is {id}",
            n=len(unread),
            id=repr(unread[0])[:100],
        )


def _kept(row: Sequence[Any]) -> Kept | None:
    messageId, room, kind, event, text, userId, createdAt, publishId = row
    texts = (messageId, room, event, text, userId or "", publishId or "")
    if not all(isinstance(each, str) for each in texts) or not isinstance(createdAt, int):
        return None
    data = makeReadable(text.encode("utf-8", "replace"))
    if kind not in (EVENT, CHAT_MESSAGE) or data is None:
        return None
    message = Message(
        id=messageId,
        topic=room,
        kind=kind,
        event=event,
        data=data,
        userId=userId,
        timestamp=createdAt,
        publishId=publishId,
    )
    return Kept(message, createdAt)


def deleteExpired(
    cursor: Any,
    dialect: Dialect,
    oldest: int | None,
    maxCount: int | None,
    grown: set[str] | None,
    limit: int,
) -> tuple[int, set[str]]:
    """
    Delete messages that are older than a time, or too many for their topic.

    @param oldest: Messages with a lower C{created_at} go; L{None} for none.
    @param maxCount: How many messages a topic keeps; L{None} for all.
    @param grown: The topics to look at for too many; L{None} for every topic.
    @param limit: How many messages are deleted at the most, so that no writer
        waits long.
    @return: How many were deleted, and the topics not looked at to the end.
    """
    if grown is None and maxCount is not None:
        grown = _topics(cursor, dialect)
    dialect.transact(cursor)
    deleted = 0
    if oldest is not None:
        deleted += _delete(cursor, dialect, "created_at < ?", (oldest,), limit)
    unfinished: set[str] = set()
    if maxCount is not None and grown is not None:
        for topic in grown:
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
    Every topic that has messages.  Each is looked up behind the one before: DISTINCT would
    read the whole table.
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
    """Delete the oldest messages that meet a condition, at most so many."""
    dialect.execute(
        cursor,
        f"DELETE FROM {dialect.messages} WHERE id IN (SELECT id FROM {dialect.messages}"
        f" WHERE {condition} ORDER BY created_at LIMIT ?)",
        (*parameters, limit),
    )
    return int(cursor.rowcount)
