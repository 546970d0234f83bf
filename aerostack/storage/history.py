"""
The kept messages of every topic.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from aerostack.core.messages import Kept, Message
from aerostack.core.stream import EXPIRED, LIMIT, UNKNOWN
from aerostack.errors import RealtimeError
from aerostack.interfaces import IDatabase, IHistory
from aerostack.storage.schema import MESSAGES

_COLUMNS = "id, room_id, kind, event, data, user_id, created_at, publish_id"


@implementer(IHistory)
class History:
    """
    Keeps messages in the database, in the order in which they come.

    What comes while a commit is under way is kept together in the next one, so
    that many publishers share the cost of a commit.

    @ivar batch: How many messages go into one transaction at the most.
    @ivar maxWaiting: How many messages may wait for the database.
    """

    log = Logger()
    batch = 500
    maxWaiting = 10_000

    def __init__(self, database: IDatabase, maxAge: float | None, maxCount: int | None) -> None:
        """
        @param maxAge: For how many seconds a message is kept; L{None} for ever.
        @param maxCount: How many messages of a topic are kept; L{None} for all.
        """
        self._database = database
        self._maxAge = maxAge
        self._maxCount = maxCount
        self._waiting: deque[tuple[Message, Deferred[Kept]]] = deque()
        self._writing: Deferred[None] | None = None
        # Topics that may hold too many messages; None for any may.
        self._grown: set[str] | None = None

    def append(self, message: Message) -> Deferred[Kept]:
        if len(self._waiting) >= self.maxWaiting:
            return fail(
                RealtimeError("database_unavailable", "Too much waits for the database.", 1000)
            )
        kept: Deferred[Kept] = Deferred()
        self._waiting.append((message, kept))
        if self._writing is None:
            self._write()
        return kept

    def _write(self) -> None:
        count = min(self.batch, len(self._waiting))
        batch = [self._waiting.popleft() for _ in range(count)]
        self._writing = Deferred()

        def done(times: list[int]) -> None:
            for (message, kept), createdAt in zip(batch, times, strict=True):
                if self._grown is not None:
                    self._grown.add(message.topic)
                kept.callback(Kept(message, createdAt))

        def failed(failure: Failure) -> None:
            self.log.error(
                "{count} messages were not kept: {error}", count=len(batch), error=failure.value
            )
            error = RealtimeError(
                "database_unavailable", "The message could not be kept; send it again.", 1000
            )
            for _, kept in batch:
                kept.errback(error)

        def next(_: None) -> None:
            finished, self._writing = self._writing, None
            if self._waiting:
                self._write()
            assert finished is not None
            finished.callback(None)

        messages = [message for message, _ in batch]
        self._database.run(insertMessages, messages).addCallbacks(done, failed).addCallback(next)

    def flushed(self) -> Deferred[None]:
        """
        Wait until everything that was appended is kept, or has failed.
        """
        if self._writing is None:
            return succeed(None)
        waiting: Deferred[None] = Deferred()

        def again(_: None) -> None:
            self.flushed().chainDeferred(waiting)

        self._writing.addCallback(again)
        return waiting

    def page(self, topic: str, limit: int, before: int | None) -> Deferred[list[Kept]]:
        return self._database.run(selectPage, topic, limit, before)

    def surveyPast(
        self, topic: str, after: int, until: int, most: int, now: int
    ) -> Deferred[str | None]:
        if self._maxAge is not None and after < now - int(self._maxAge * 1000):
            # What followed may have been forgotten since.
            return succeed(EXPIRED.reason)
        return self._database.run(surveyMessages, topic, after, until, most, self._maxCount)

    def readPast(self, topic: str, after: int, until: int, limit: int) -> Deferred[list[Kept]]:
        return self._database.run(selectPast, topic, after, until, limit)

    def expire(self, now: int) -> Deferred[int]:
        """
        Forget what is too old, or too much for its topic, in one small step.

        @param now: Milliseconds since the epoch.
        @return: How many messages were forgotten; call again while it is not 0.
        """
        grown = self._grown
        self._grown = set()
        oldest = None if self._maxAge is None else now - int(self._maxAge * 1000)
        step = self._database.run(deleteExpired, oldest, self._maxCount, grown, self.batch)

        def done(result: tuple[int, set[str]]) -> int:
            deleted, unfinished = result
            assert self._grown is not None
            self._grown |= unfinished
            return deleted

        def failed(failure: Failure) -> int:
            failure.trap(sqlite3.OperationalError)
            # Somebody holds the database; there is no hurry.
            self._grown = None if grown is None or self._grown is None else self._grown | grown
            return 0

        return step.addCallbacks(done, failed)


def insertMessages(cursor: Any, messages: Sequence[Message]) -> list[int]:
    """
    Keep messages, in one transaction.

    Each gets a C{created_at} of its own within its topic: the time at which it
    came, or the next free millisecond after the topic's newest.  New messages
    therefore always stand before the pages that somebody has already read.

    @return: The C{created_at} of each.
    """
    cursor.execute("BEGIN IMMEDIATE")
    newest: dict[str, int] = {}
    times = []
    for message in messages:
        if message.topic not in newest:
            cursor.execute(
                f"SELECT coalesce(max(created_at), 0) FROM {MESSAGES} WHERE room_id = ?",
                (message.topic,),
            )
            (newest[message.topic],) = cursor.fetchone()
        newest[message.topic] = max(message.timestamp, newest[message.topic] + 1)
        times.append(newest[message.topic])
    cursor.executemany(
        f"INSERT INTO {MESSAGES} ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
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
    cursor.execute("COMMIT")
    return times


def selectPage(cursor: Any, topic: str, limit: int, before: int | None) -> list[Kept]:
    """
    Read a page of a topic's messages, newest first.
    """
    older = "" if before is None else " AND created_at < ?"
    parameters = (topic, limit) if before is None else (topic, before, limit)
    cursor.execute(
        f"SELECT {_COLUMNS} FROM {MESSAGES} WHERE room_id = ?{older}"
        " ORDER BY created_at DESC LIMIT ?",
        parameters,
    )
    return [_kept(row) for row in cursor.fetchall()]


def surveyMessages(
    cursor: Any, topic: str, after: int, until: int, most: int, maxCount: int | None
) -> str | None:
    """
    Look whether what was kept after a message is all there.

    @param maxCount: How many messages of a topic are kept, the newest.  As long as
        fewer than that follow, none of those that do was forgotten for their number.
    @return: See L{IHistory.surveyPast}.
    """
    cursor.execute(
        f"SELECT count(*) FROM (SELECT 1 FROM {MESSAGES} WHERE room_id = ? AND created_at > ?"
        " AND created_at <= ? LIMIT ?)",
        (topic, after, until, most + 1),
    )
    (count,) = cursor.fetchone()
    if count > most:
        return LIMIT.reason
    if maxCount is not None:
        cursor.execute(
            f"SELECT count(*) FROM (SELECT 1 FROM {MESSAGES} WHERE room_id = ?"
            " AND created_at > ? LIMIT ?)",
            (topic, after, maxCount),
        )
        if cursor.fetchone()[0] >= maxCount:
            return EXPIRED.reason
    if not count:
        cursor.execute(f"SELECT 1 FROM {MESSAGES} WHERE room_id = ? LIMIT 1", (topic,))
        if cursor.fetchone() is None:
            return UNKNOWN.reason
    return None


def selectPast(cursor: Any, topic: str, after: int, until: int, limit: int) -> list[Kept]:
    """
    Read messages of a topic, oldest first.
    """
    cursor.execute(
        f"SELECT {_COLUMNS} FROM {MESSAGES} WHERE room_id = ? AND created_at > ?"
        " AND created_at <= ? ORDER BY created_at LIMIT ?",
        (topic, after, until, limit),
    )
    return [_kept(row) for row in cursor.fetchall()]


def selectRepeatable(cursor: Any, since: int, limit: int) -> list[Kept]:
    """
    Read the newest messages that their publishers may send again, oldest first.

    @param since: Only messages kept since then, ms.
    """
    cursor.execute(
        f"SELECT {_COLUMNS} FROM {MESSAGES} WHERE created_at >= ? AND publish_id IS NOT NULL"
        " ORDER BY created_at DESC LIMIT ?",
        (since, limit),
    )
    return [_kept(row) for row in reversed(cursor.fetchall())]


def newestMessage(cursor: Any) -> int:
    """
    The C{created_at} of the newest message of all, 0 if there is none.
    """
    cursor.execute(f"SELECT coalesce(max(created_at), 0) FROM {MESSAGES}")
    return int(cursor.fetchone()[0])


def _kept(row: Sequence[Any]) -> Kept:
    messageId, room, kind, event, data, userId, createdAt, publishId = row
    message = Message(
        id=messageId,
        topic=room,
        kind=kind,
        event=event,
        data=data.encode("utf-8"),
        userId=userId,
        timestamp=createdAt,
        publishId=publishId,
    )
    return Kept(message, createdAt)


def deleteExpired(
    cursor: Any, oldest: int | None, maxCount: int | None, grown: set[str] | None, limit: int
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
    cursor.execute("BEGIN IMMEDIATE")
    deleted = 0
    if oldest is not None:
        deleted += _delete(cursor, "created_at < ?", (oldest,), limit)
    unfinished: set[str] = set()
    if maxCount is not None:
        if grown is None:
            cursor.execute(f"SELECT DISTINCT room_id FROM {MESSAGES}")
            grown = {room for (room,) in cursor.fetchall()}
        for topic in grown:
            if deleted >= limit:
                unfinished.add(topic)
                continue
            here = _delete(
                cursor,
                "room_id = ? AND created_at <= (SELECT created_at FROM"
                f" {MESSAGES} WHERE room_id = ? ORDER BY created_at DESC LIMIT 1 OFFSET ?)",
                (topic, topic, maxCount),
                limit - deleted,
            )
            deleted += here
            if deleted >= limit:
                unfinished.add(topic)
    cursor.execute("COMMIT")
    return deleted, unfinished


def _delete(cursor: Any, condition: str, parameters: tuple[Any, ...], limit: int) -> int:
    """Delete the oldest messages that meet a condition, at most so many."""
    cursor.execute(
        f"DELETE FROM {MESSAGES} WHERE id IN (SELECT id FROM {MESSAGES} WHERE {condition}"
        " ORDER BY created_at LIMIT ?)",
        (*parameters, limit),
    )
    return int(cursor.rowcount)
