"""
Reads of the database, for workers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from aerostack.core.keyed.values import Value
from aerostack.core.replay.publications import Kept
from aerostack.core.rows.changes import Change
from aerostack.core.rows.columns import Columns
from aerostack.core.rows.selection import Snapshot
from aerostack.errors import RealtimeError
from aerostack.interfaces.keyed import IKeyedValues
from aerostack.interfaces.messaging import IKeptMessages
from aerostack.interfaces.tracking import IChangeTracker
from aerostack.tracker.faults import known
from aerostack.workers.hub.links import Link
from aerostack.workers.messages.keyed import ReadValues, encodeKeyed
from aerostack.workers.messages.reads import (
    Located,
    LocateMessages,
    Piece,
    QueryRun,
    ReadChanges,
    ReadMessages,
    ReadPage,
    ReadRows,
    RowsRead,
    RunQuery,
    Sent,
    SurveyChanges,
    Surveyed,
    SurveyMessages,
    Unreadable,
    decodeSelection,
    encodeKept,
    encodeResult,
)
from aerostack.workers.messages.tables import (
    AskColumns,
    TableColumns,
    columnsForm,
    encodeChanges,
)
from aerostack.workers.messages.values import PIECE, decodeValues, packRows

LONGEST = 2000
"""How many characters the worker gets of an error."""

Query = Callable[[str, list[Any]], Deferred[dict[str, Any]]]
"""Runs a statement of C{db.query} with its parameters."""

Handler = Callable[[Link, Any], Awaitable[Struct]]


class WorkerReads:
    """
    Reads what workers ask for.

    @ivar handlers: See L{aerostack.workers.hub}.
    """

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        tracker: IChangeTracker,
        history: IKeptMessages,
        values: IKeyedValues,
        query: Query,
    ) -> None:
        self._clock = clock
        self._tracker = tracker
        self._history = history
        self._values = values
        self._query = query
        reads: Mapping[type[Struct], Handler] = {
            AskColumns: self._columns,
            ReadRows: self._readRows,
            SurveyChanges: self._surveyChanges,
            ReadChanges: self._readChanges,
            SurveyMessages: self._surveyMessages,
            LocateMessages: self._locateMessages,
            ReadMessages: self._readMessages,
            ReadPage: self._readPage,
            ReadValues: self._readValues,
            RunQuery: self._runQuery,
        }
        self.handlers: Mapping[type[Struct], Callable[[Link, Any], Deferred[Struct]]] = {
            kind: self._guarded(read) for kind, read in reads.items()
        }

    def _guarded(self, read: Handler) -> Callable[[Link, Any], Deferred[Struct]]:
        async def ask(link: Link, question: Any) -> Struct:
            try:
                return await read(link, question)
            except RealtimeError:
                raise
            except Exception as error:
                # The asker decides what its client gets, and whether the log has the fault.
                self.log.debug("a read for a worker failed: {error}", error=error)
                said = f"{type(error).__name__}: {error}"[:LONGEST]
                return Unreadable(said, known(error))

        return lambda link, question: Deferred.fromCoroutine(ask(link, question))

    async def _columns(self, link: Link, question: AskColumns) -> Struct:
        columns: Columns = await self._tracker.columns(question.table)
        return TableColumns(columnsForm(columns))

    async def _readRows(self, link: Link, question: ReadRows) -> Struct:
        selection = decodeSelection(question.selection)
        read: Snapshot = await self._tracker.snapshot(question.table, selection, question.bounds)
        await self._send(link, question.number, packRows(read.rows))
        return RowsRead(read.position, read.lineage, read.size, self._tracker.position)

    async def _surveyChanges(self, link: Link, question: SurveyChanges) -> Struct:
        asked = question
        reason: str | None = await self._tracker.surveyPast(
            asked.table, asked.lineage, asked.after, asked.until, asked.most
        )
        return Surveyed(reason)

    async def _readChanges(self, link: Link, question: ReadChanges) -> Struct:
        asked = question
        found: list[Change] = await self._tracker.readPast(
            asked.table, asked.lineage, asked.after, asked.until, asked.limit, asked.size
        )
        return await self._send(link, asked.number, encodeChanges(found))

    async def _surveyMessages(self, link: Link, question: SurveyMessages) -> Struct:
        asked = question
        reason: str | None = await self._history.surveyPast(
            asked.topic, asked.after, asked.until, asked.most, asked.now, asked.seen
        )
        return Surveyed(reason)

    async def _locateMessages(self, link: Link, question: LocateMessages) -> Struct:
        asked = question
        return Located(await self._history.locatePast(asked.topic, asked.until, asked.count))

    async def _readMessages(self, link: Link, question: ReadMessages) -> Struct:
        asked = question
        found: list[Kept] = await self._history.readPast(
            asked.topic, asked.after, asked.until, asked.limit, asked.size, asked.partial
        )
        return await self._send(link, asked.number, encodeKept(found))

    async def _readPage(self, link: Link, question: ReadPage) -> Struct:
        found: list[Kept] = await self._history.page(
            question.topic, question.limit, question.before
        )
        return await self._send(link, question.number, encodeKept(found))

    async def _readValues(self, link: Link, question: ReadValues) -> Struct:
        asked = question
        found: list[Value] = await self._values.page(
            asked.topic, asked.after, asked.limit, asked.size
        )
        return await self._send(link, asked.number, encodeKeyed(found))

    async def _runQuery(self, link: Link, question: RunQuery) -> Struct:
        result = await self._query(question.sql, decodeValues(question.parameters))
        await self._send(link, question.number, packRows(result["results"]))
        return QueryRun(encodeResult(result))

    async def _send(self, link: Link, number: int, lists: Iterable[bytes]) -> Sent:
        """
        Send encoded lists in pieces, a piece in each turn of the reactor and no faster than the
        worker reads.
        """
        isFirst = True
        for encoded in lists:
            for start in range(0, len(encoded), PIECE):
                if not isFirst:
                    await deferLater(self._clock, 0)
                isFirst = False
                drained = link.whenDrained()
                if drained is not None:
                    await drained
                data = encoded[start : start + PIECE]
                link.send(Piece(number, data, start + PIECE >= len(encoded)))
        return Sent()
