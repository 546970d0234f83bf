"""
The rows of the table of the kept messages.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.logger import Logger

from aerostack.core.replay.publications import CHAT_MESSAGE, EVENT, Kept, Message, StreamMark
from aerostack.core.topics.topics import projectOf
from aerostack.protocol.codec import makeReadable

_log = Logger()

COLUMNS = (
    "id, room_id, kind, event, data, user_id, created_at, publish_id, stream, state, replaces,"
    " state_key"
)

DATA, CREATED_AT = 4, 6
"""The places of these columns in L{COLUMNS}."""

LATEST = 253_402_300_799_999
"""The last millisecond of the year 9999.  No daemon wrote a row with a later time, and no message
is kept behind such a row."""


def readRows(rows: Sequence[Sequence[Any]]) -> list[Kept]:
    """
    The messages in rows, without rows that no daemon can have written.
    """
    messages = [keptOf(row) for row in rows]
    logUnread([row[0] for row, kept in zip(rows, messages, strict=True) if kept is None])
    return [kept for kept in messages if kept is not None]


def logUnread(unread: Sequence[Any]) -> None:
    """
    Log that some rows are left out.

    @param unread: Their ids, as they are in the database.
    """
    if unread:
        # A program that writes to the table can fill it, and must not fill the log with that.
        _log.warn(
            "{n} rows of the message table are left out, because no daemon wrote them; the first"
            " is {id}",
            n=len(unread),
            id=repr(unread[0])[:100],
        )


def keptOf(row: Sequence[Any]) -> Kept | None:
    """
    The message in a row; L{None} if no daemon can have written the row.
    """
    messageId, room, kind, event, text, userId, createdAt, publishId, *others = row
    stream, state, replaces, key = others
    optional = (userId, publishId, stream, state, key)
    texts = (messageId, room, event, text, *(each or "" for each in optional))
    if not all(isinstance(each, str) for each in texts) or not isinstance(createdAt, int):
        return None
    if not isinstance(replaces, int | None):
        return None
    data = makeReadable(text.encode("utf-8", "replace"))
    if kind not in (EVENT, CHAT_MESSAGE) or data is None:
        return None
    mark = None if stream is None else _markOf(room, stream, state)
    if mark is None and stream is not None:
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
        stream=mark,
        replaces=replaces,
        key=key,
    )
    return Kept(message, createdAt)


def rowOf(kept: Kept) -> tuple[Any, ...]:
    """
    The row of a message, with the columns of L{COLUMNS}.
    """
    message, mark = kept.message, kept.message.stream
    return (
        message.id,
        message.topic,
        message.kind,
        message.event,
        message.data.decode(),
        message.userId,
        kept.createdAt,
        message.publishId,
        None if mark is None else streamKey(projectOf(message.topic), mark.stream),
        None if mark is None else mark.state,
        message.replaces,
        message.key,
    )


def streamKey(project: str, stream: str) -> str:
    """
    What the column C{stream} has in a row that keeps the end of a streamed answer.  Two projects
    may have streams of the same id.

    @param stream: The answer's id.
    """
    return f"{project}/{stream}"


def _markOf(room: str, stream: str, state: str | None) -> StreamMark | None:
    """The end that a row keeps; L{None} if no daemon can have written it."""
    begin = streamKey(projectOf(room), "")
    name = stream.removeprefix(begin)
    return StreamMark(name, state=state) if name and state and name != stream else None
