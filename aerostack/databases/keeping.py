"""
Writes the table of the kept messages, many messages in one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from aerostack.core.replay.publications import EVENT, Kept, Message
from aerostack.databases.answers import deleteAnswers, foreignAnswers
from aerostack.databases.dialect import Dialect
from aerostack.databases.messagerows import rowOf
from aerostack.databases.messages import selectNewest
from aerostack.databases.replacing import makeRoom
from aerostack.databases.values import keepValues, takeBackValues
from aerostack.errors import RealtimeError, TakenElsewhere


class InDoubt(Exception):
    """
    The database may or may not have committed a transaction: its answer did not come.
    """


@dataclass(frozen=True, slots=True)
class Refused:
    """
    A message that is not kept, whatever is kept beside it.

    @ivar error: The database's error; or L{RealtimeError} C{stream_fenced} for the end of an answer
        that another daemon has taken over, C{history_full} for a topic whose messages do not expire
        and are too many, C{invalid_arguments} for a message that replaces others from after the
        newest; or L{TakenElsewhere}.
    """

    error: Exception


Again = Callable[[Any, Sequence[Message]], Mapping[str, Kept]]
"""Finds those of some messages that another daemon has kept, with a cursor of the transaction, and
gives them by the messages' ids."""


def keepMessages(
    cursor: Any,
    dialect: Dialect,
    messages: Sequence[Message],
    unkept: Collection[str] = (),
    again: Again | None = None,
    maxCount: int | None = None,
    doubtful: Mapping[str, str] = MappingProxyType({}),
) -> list[Kept | Refused]:
    """
    Keep messages, in one transaction.

    Each gets its own C{created_at} within its topic: the time at which it came, or the next free
    millisecond after the topic's newest.  So new messages always come after the pages that a
    client has already read.  If a message ends an answer, the answer's checkpoints are deleted.
    What a message replaces is deleted, too.  If it is an event that a transaction emitted, the
    event's row is deleted, unless daemons share their topics.

    @param messages: At least one.
    @param unkept: The ids of messages to delete, if they exist.
    @param again: Finds messages that are there already, because their publishers have sent them to
        another daemon before.  They are not kept twice.
    @param maxCount: How many messages a topic keeps whose messages do not expire; L{None} for any
        number.
    @param doubtful: The ids of messages that an earlier transaction may have kept of the same
        emitted events, by the events' keys.
    @return: Each message as it is kept, in their order.
    @raise InDoubt: The database may or may not have kept them.
    """
    try:
        with dialect.together(cursor):
            _begin(cursor, dialect, unkept)
            newest = _newest(cursor, dialect, messages)
        result = _insert(cursor, dialect, messages, again, maxCount, newest, doubtful)
    except dialect.refusing:
        # The database refuses the statement, and does not say which of the messages is to blame.
        cursor.execute("ROLLBACK")
        _begin(cursor, dialect, unkept)
        result = _insertParts(cursor, dialect, messages, again, maxCount, doubtful)
    try:
        cursor.execute("COMMIT")
    except Exception as error:
        # Whatever broke, the database may have committed before.
        raise InDoubt(str(error)) from error
    return result


def _begin(cursor: Any, dialect: Dialect, unkept: Collection[str]) -> None:
    dialect.transact(cursor)
    takeBackValues(cursor, dialect, unkept)
    for messageId in unkept:
        dialect.execute(cursor, f"DELETE FROM {dialect.messages} WHERE id = ?", (messageId,))


def _insertParts(
    cursor: Any,
    dialect: Dialect,
    messages: Sequence[Message],
    again: Again | None,
    maxCount: int | None,
    doubtful: Mapping[str, str],
) -> list[Kept | Refused]:
    """
    Write messages of which the database refuses some: each half on its own, and so on.  One that
    is refused costs the others a few statements, however many they are.
    """
    half = len(messages) // 2
    return [
        *_insertPart(cursor, dialect, messages[:half], again, maxCount, doubtful),
        *_insertPart(cursor, dialect, messages[half:], again, maxCount, doubtful),
    ]


def _insertPart(
    cursor: Any,
    dialect: Dialect,
    messages: Sequence[Message],
    again: Again | None,
    maxCount: int | None,
    doubtful: Mapping[str, str],
) -> list[Kept | Refused]:
    """Write messages, so that the transaction goes on if the database refuses some."""
    if not messages:
        return []
    refusal: Exception
    cursor.execute("SAVEPOINT part")
    try:
        newest = _newest(cursor, dialect, messages)
        result = _insert(cursor, dialect, messages, again, maxCount, newest, doubtful)
        cursor.execute("RELEASE part")
        return result
    except dialect.refusing as error:
        refusal = error
    cursor.execute("ROLLBACK TO part")
    cursor.execute("RELEASE part")
    if len(messages) == 1:
        return [Refused(refusal)]
    return _insertParts(cursor, dialect, messages, again, maxCount, doubtful)


def _newest(cursor: Any, dialect: Dialect, messages: Sequence[Message]) -> dict[str, int]:
    """Read the newest times of the topics of some messages."""
    return selectNewest(cursor, dialect, list({message.topic for message in messages}))


def _insert(
    cursor: Any,
    dialect: Dialect,
    messages: Sequence[Message],
    again: Again | None,
    maxCount: int | None,
    newest: dict[str, int],
    doubtful: Mapping[str, str],
) -> list[Kept | Refused]:
    """
    Write messages with one statement.

    @param newest: See L{_newest}.
    @param doubtful: See L{keepMessages}.
    """
    result: list[Kept | Refused] = []
    foreign = _foreignEnds(cursor, dialect, messages)
    known = {} if again is None else again(cursor, messages)
    if again is None:
        ours = _takeEmitted(cursor, dialect, messages, doubtful)
    else:
        ours = _findEmitted(cursor, dialect, messages, known)
    gone = {each.id for each in messages if each.emitted and each.emitted.key not in ours}
    lasting = [
        each
        for each in messages
        if each.replaces is not None and each.id not in known and each.id not in gone
    ]
    refused = makeRoom(cursor, dialect, lasting, newest, maxCount) if lasting else {}
    new: list[Kept] = []
    for message in messages:
        if message.id in gone:
            result.append(Refused(TakenElsewhere()))
            continue
        if (refusal := refused.get(message.id)) is not None:
            result.append(Refused(refusal))
            continue
        if message.stream is not None and message.id in foreign:
            error = RealtimeError("stream_fenced", "Another daemon has taken the stream over.")
            result.append(Refused(error))
            continue
        kept = known.get(message.id)
        if kept is None:
            before = newest[message.topic]
            kept = Kept(message, max(message.timestamp, before + 1), before)
            newest[message.topic] = kept.createdAt
            new.append(kept)
        result.append(kept)
    if new:
        dialect.insertMessages(cursor, [rowOf(kept) for kept in new])
        keepValues(cursor, dialect, [kept for kept in new if kept.message.key is not None])
    ended = [message.id for message in messages if message.stream is not None]
    deleteAnswers(cursor, dialect, [each for each in ended if each not in foreign])
    return result


def _takeEmitted(
    cursor: Any, dialect: Dialect, messages: Sequence[Message], doubtful: Mapping[str, str]
) -> set[str]:
    """
    Delete the rows of emitted events.

    @return: The keys of the events that this daemon is to keep: their rows were there, or were
        deleted by a transaction of this daemon of which it did not know whether it was committed.
        The message that the transaction has kept is deleted: the event is kept again, behind what
        was kept meanwhile, because subscribers get it only now.
    """
    marks = [message.emitted for message in messages if message.emitted is not None]
    if not marks:
        return set()
    ours = dialect.takeEmitted(cursor, marks)
    for mark in marks:
        if mark.key not in ours and mark.key in doubtful:
            sql = f"DELETE FROM {dialect.messages} WHERE id = ?"
            dialect.execute(cursor, sql, (doubtful[mark.key],))
            if cursor.rowcount:
                ours.add(mark.key)
    return ours


def _findEmitted(
    cursor: Any, dialect: Dialect, messages: Sequence[Message], known: Mapping[str, Kept]
) -> set[str]:
    """
    Find emitted events that are not published yet, where daemons share their topics.  Their rows
    stay until the engine has them: if a daemon dies before that, another one finds the row and the
    message, and publishes it before the events behind it.

    @param known: The messages that are kept already.
    @return: The keys of the events that are kept, or whose rows are there.
    """
    events = [(each.id, each.emitted) for each in messages if each.emitted is not None]
    there = {mark.key for messageId, mark in events if messageId in known}
    asked = [mark.number for _, mark in events if mark.key not in there]
    if asked:
        places = ", ".join("?" * len(asked))
        sql = f"SELECT {dialect.emittedKey} FROM {dialect.emitted} WHERE id IN ({places})"
        dialect.execute(cursor, sql, asked)
        there.update(key for (key,) in cursor.fetchall())
    return there


def _foreignEnds(cursor: Any, dialect: Dialect, messages: Sequence[Message]) -> set[str]:
    """Find the ends of answers that other daemons have taken over; all are of one run."""
    ends = [message for message in messages if message.stream is not None]
    if not ends:
        return set()
    return foreignAnswers(cursor, dialect, ends[0].run, [message.id for message in ends])


def tryToKeep(cursor: Any, dialect: Dialect, unkept: Collection[str], isThorough: bool) -> None:
    """
    Find out whether messages can be kept.

    @param unkept: See L{keepMessages}.
    @param isThorough: Whether to write a message and delete it again in the same transaction:
        only that finds a full disk.
    """
    _begin(cursor, dialect, ("", *unkept))
    if isThorough:
        row = ("", "", EVENT, "", "null", None, 0, *[None] * 5)
        dialect.insertMessages(cursor, [row])
        dialect.execute(cursor, f"DELETE FROM {dialect.messages} WHERE id = ?", ("",))
    cursor.execute("COMMIT")
