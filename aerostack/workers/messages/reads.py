"""
The messages about what workers read of the database through the hub.

Rows and messages that were read come before the answer, in pieces, so that they do not delay what
else goes to the worker.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import Raw, Struct

from aerostack.core.replay.publications import Kept
from aerostack.core.rows.columns import ColumnType
from aerostack.core.rows.conditions import Condition
from aerostack.core.rows.selection import Bounds, Selection
from aerostack.workers.messages.values import (
    decoderOf,
    decodeValues,
    encodeList,
    encodeValues,
    unpackHashable,
)


class Piece(Struct, frozen=True, array_like=True, tag=49):
    """
    A part of what was read.

    @ivar number: The number that the question has for its pieces.
    @ivar data: The next bytes of an encoded list.
    @ivar isLast: Whether the list ends here.  Another list of the same may follow.
    """

    number: int
    data: bytes
    isLast: bool


class ReadRows(Struct, frozen=True, array_like=True, tag=50):
    """
    See L{aerostack.interfaces.tracking.IChangeTracker.snapshot}.  The answer is L{RowsRead}.

    @ivar number: See L{Piece}.
    @ivar selection: What L{encodeSelection} made of it.
    """

    number: int
    table: str
    selection: Raw
    bounds: Bounds


class RowsRead(Struct, frozen=True, array_like=True, tag=51):
    """
    All rows were sent.  The fields are those of L{aerostack.core.rows.selection.Snapshot}.

    @ivar reached: The number of the newest change that was delivered, of any table.
    """

    position: int
    lineage: str
    size: int
    reached: int


class SurveyChanges(Struct, frozen=True, array_like=True, tag=52):
    """
    See L{aerostack.interfaces.tracking.IChangeTracker.surveyPast}.  The answer is L{Surveyed}.
    """

    table: str
    lineage: str
    after: int
    until: int
    most: int | None


class ReadChanges(Struct, frozen=True, array_like=True, tag=53):
    """
    See L{aerostack.interfaces.tracking.IChangeTracker.readPast}.  The answer is L{Sent}.

    @ivar number: See L{Piece}.
    """

    number: int
    table: str
    lineage: str
    after: int
    until: int
    limit: int
    size: int | None


class SurveyMessages(Struct, frozen=True, array_like=True, tag=54):
    """
    See L{aerostack.interfaces.messaging.IKeptMessages.surveyPast}.  The answer is L{Surveyed}.
    """

    topic: str
    after: int
    until: int
    most: int
    now: int
    seen: bool


class ReadMessages(Struct, frozen=True, array_like=True, tag=55):
    """
    See L{aerostack.interfaces.messaging.IKeptMessages.readPast}.  The answer is L{Sent}.

    @ivar number: See L{Piece}.
    """

    number: int
    topic: str
    after: int
    until: int
    limit: int
    size: int
    partial: bool


class ReadPage(Struct, frozen=True, array_like=True, tag=56):
    """
    See L{aerostack.interfaces.messaging.IKeptMessages.page}.  The answer is L{Sent}.

    @ivar number: See L{Piece}.
    """

    number: int
    topic: str
    limit: int
    before: int | None


class RunQuery(Struct, frozen=True, array_like=True, tag=57):
    """
    Run a statement of C{db.query}.  The answer is L{QueryRun}.

    @ivar number: See L{Piece}.
    @ivar parameters: A list, encoded by L{encodeValues}.
    """

    number: int
    sql: str
    parameters: Raw


class Surveyed(Struct, frozen=True, array_like=True, tag=58):
    """
    The result of a survey: why not everything can be read, or L{None} if it can.
    """

    reason: str | None


class Sent(Struct, frozen=True, array_like=True, tag=59):
    """
    Everything that was read has been sent.
    """


class QueryRun(Struct, frozen=True, array_like=True, tag=60):
    """
    All rows of the statement were sent.

    @ivar rest: The rest of the result, encoded by L{encodeValues}.
    """

    rest: Raw


class Unreadable(Struct, frozen=True, array_like=True, tag=61):
    """
    The database could not be asked.

    @ivar reason: What went wrong, for the log.
    @ivar fault: The state of the database, in the words of L{aerostack.tracker.faults.known};
        L{None} if that is not to blame.
    """

    reason: str
    fault: str | None


class LocateMessages(Struct, frozen=True, array_like=True, tag=62):
    """
    See L{aerostack.interfaces.messaging.IKeptMessages.locatePast}.  The answer is L{Located}.
    """

    topic: str
    until: int
    count: int


class Located(Struct, frozen=True, array_like=True, tag=63):
    """
    Where messages begin: the C{createdAt} after which they were kept.
    """

    after: int


KINDS: tuple[type[Struct], ...] = (
    Piece,
    ReadRows,
    RowsRead,
    SurveyChanges,
    ReadChanges,
    SurveyMessages,
    ReadMessages,
    ReadPage,
    RunQuery,
    Surveyed,
    Sent,
    QueryRun,
    Unreadable,
    LocateMessages,
    Located,
)


def encodeSelection(selection: Selection) -> Raw:
    """
    Encode a selection.
    """
    conditions = [
        (each.column, each.operator, each.value, each.type.value) for each in selection.conditions
    ]
    return Raw(encodeValues([conditions, selection.order, selection.limit]))


def decodeSelection(encoded: Raw) -> Selection:
    """
    Decode what L{encodeSelection} has encoded.
    """
    conditions, order, limit = decodeValues(encoded)
    return Selection(
        tuple(
            Condition(column, operator, unpackHashable(value), ColumnType(type))
            for column, operator, value, type in conditions
        ),
        tuple((column, isDescending) for column, isDescending in order),
        limit,
    )


def encodeKept(messages: Iterable[Kept]) -> Iterator[bytes]:
    """
    Encode kept messages, as lists of about L{aerostack.workers.messages.values.PIECE} bytes.
    """
    return encodeList(messages)


decodeKept = decoderOf(list[Kept]).decode
"""Decodes a list of kept messages."""


def encodeResult(result: dict[str, Any]) -> Raw:
    """
    Encode what the result of a statement has beside its rows.
    """
    return Raw(encodeValues({name: each for name, each in result.items() if name != "results"}))
