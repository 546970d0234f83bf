"""
The kept messages that their publishers may send again, as they are read at the start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from aerostack.core.replay.publications import Kept, Message
from aerostack.databases.dialect import Dialect
from aerostack.databases.messagerows import COLUMNS, LATEST, keptOf, logUnread, readRows

PORTION = 400
"""How many messages are read at once at the start."""

SAME = 8
"""How many messages with one id are read: some clients number theirs from one at every start."""

ASKED = 32
"""Of how many messages the same ids are read at once.  Memory may not hold those of a whole
transaction."""

PORTION_CHARACTERS = 4_194_304
"""How many characters of data these messages have at most, or a single larger one."""


def selectRepeatable(
    cursor: Any, dialect: Dialect, since: int, limit: int, remember: Callable[[Kept], None]
) -> None:
    """
    Read the newest messages that their publishers may send again, oldest first.  They are read in
    portions, because memory may not hold all of them.

    @param since: Only messages kept since this time, ms.
    @param remember: Receives each message.
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
            f"SELECT {COLUMNS} FROM {dialect.messages}"
            f" WHERE (room_id, created_at) IN (VALUES {values}) ORDER BY created_at",
            places,
        )
        for row in cursor.fetchall():
            kept = keptOf(row)
            if kept is None:
                unread.append(row[0])
            else:
                remember(kept)
    logUnread(unread)


def findAgain(
    cursor: Any, dialect: Dialect, messages: Sequence[Message], since: int
) -> Iterator[Kept]:
    """
    Read the messages that the same users have published on the same topics under the same ids as
    some messages.

    @param messages: All have an id of their publisher.
    @param since: Only messages kept since this time, ms.
    @return: For each message at most L{SAME}, the newest at first.
    """
    for at in range(0, len(messages), ASKED):
        asked = [(each.topic, each.publishId, each.userId) for each in messages[at : at + ASKED]]
        yield from readRows(dialect.selectRepeated(cursor, asked, since, SAME))


def findByIds(cursor: Any, dialect: Dialect, ids: Sequence[str]) -> Iterator[Kept]:
    """
    Read messages by their own ids.
    """
    for at in range(0, len(ids), ASKED):
        asked = ids[at : at + ASKED]
        places = ", ".join("?" * len(asked))
        sql = f"SELECT {COLUMNS} FROM {dialect.messages} WHERE id IN ({places})"
        dialect.execute(cursor, sql, asked)
        yield from readRows(cursor.fetchall())


def _portions(rows: Iterable[Sequence[Any]]) -> Iterator[list[Any]]:
    """
    Divide messages into portions that are read at once.

    @param rows: The topic, time and number of characters of each message.
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
    Read the messages that an earlier run left, for publishers that send them again.

    @param since: Publishers do not send messages from before this time (ms) again.
    @param limit: How many such messages to read.
    @param remember: See L{selectRepeatable}.
    @return: The C{createdAt} of the newest message; 0 without messages.
    """
    cursor.execute(
        f"SELECT coalesce(max(created_at), 0) FROM {dialect.messages} WHERE created_at < {LATEST}"
    )
    newest = int(cursor.fetchone()[0])
    selectRepeatable(cursor, dialect, since, limit, remember)
    return newest
