"""
Streamed answers that are kept in memory while they run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TypeVar

from twisted.internet.defer import Deferred
from zope.interface import implementer

from aerostack.core.answers.checkpoints import (
    VALUE,
    AnswerRecord,
    Checkpoint,
    Claim,
    Piece,
    StoredAnswer,
    join,
)
from aerostack.core.topics.topics import projectOf
from aerostack.errors import RealtimeError
from aerostack.interfaces.answers import IAnswerStore

T = TypeVar("T")


@implementer(IAnswerStore)
class MemoryAnswers:
    """
    The running answers of a database in memory.

    @ivar records: The record of each answer, by its id.
    @ivar pieces: The pieces of all answers, by answer, part and base.
    @ivar written: How many characters of text have been written.
    @ivar isDown: Whether the database fails.
    @ivar held: While this is a list, calls wait in it; the test calls them.
    """

    def __init__(self) -> None:
        self.records: dict[str, AnswerRecord] = {}
        self.pieces: dict[tuple[str, str, int], Piece] = {}
        self.written = 0
        self.isDown = False
        self.held: list[Callable[[], None]] | None = None
        self._ended: set[str] = set()

    def write(self, checkpoint: Checkpoint) -> Deferred[set[str]]:
        return self._do(lambda: self._write(checkpoint))

    def take(self, claim: Claim) -> Deferred[list[StoredAnswer]]:
        return self._do(lambda: self._take(claim))

    def runs(self) -> Deferred[set[str]]:
        return self._do(lambda: {record.run for record in self.records.values()})

    def owned(self, run: str) -> Deferred[set[str]]:
        return self._do(
            lambda: {record.id for record in self.records.values() if record.run == run}
        )

    def runOf(self, project: str, name: str) -> Deferred[str | None]:
        def find() -> str | None:
            found = (
                record.run
                for record in self.records.values()
                if record.name == name and projectOf(record.topic) == project
            )
            return next(found, None)

        return self._do(find)

    def isForeign(self, run: str, answer: str) -> bool:
        """
        Whether a run of a daemon may not write of an answer.

        @param answer: The id of its record.
        """
        record = self.records.get(answer)
        return answer in self._ended or (record is not None and record.run != run)

    def end(self, answer: str) -> None:
        """
        Delete an answer because its end is kept.

        @param answer: The id of its record.
        """
        self._ended.add(answer)
        self._delete((answer,))

    def _do(self, call: Callable[[], T]) -> Deferred[T]:
        done: Deferred[T] = Deferred()

        def now() -> None:
            if self.isDown:
                done.errback(RealtimeError("database_unavailable", "The database is down.", 1000))
                return
            done.callback(call())

        if self.held is None:
            now()
        else:
            self.held.append(now)
        return done

    def _write(self, checkpoint: Checkpoint) -> set[str]:
        run, foreign = checkpoint.run, set[str]()
        for record in checkpoint.records:
            if self.isForeign(run, record.id):
                foreign.add(record.id)
            else:
                self.records[record.id] = record
        self.pieces = {
            key: each
            for key, each in self.pieces.items()
            if key[:2] not in checkpoint.taken
            or each.base == VALUE
            or self.isForeign(run, each.answer)
        }
        for piece in checkpoint.pieces:
            if self.isForeign(run, piece.answer):
                foreign.add(piece.answer)
            elif piece.answer in self.records:
                self.pieces[piece.answer, piece.part, piece.base] = piece
                self.written += len(piece.text)
        return foreign

    def _delete(self, answers: Iterable[str]) -> None:
        gone = set(answers)
        self.pieces = {key: each for key, each in self.pieces.items() if key[0] not in gone}
        self.records = {key: each for key, each in self.records.items() if key not in gone}

    def _take(self, claim: Claim) -> list[StoredAnswer]:
        wanted = [
            record
            for record in self.records.values()
            if (record.run == claim.run) == (claim.ofRun == claim.run)
            and claim.ofNode in (None, record.node)
            and claim.ofRun in (None, record.run)
        ]
        taken = [replace(each, node=claim.node, run=claim.run) for each in wanted[: claim.most]]
        self.records.update((record.id, record) for record in taken)
        return [
            StoredAnswer(record, join(p for p in self.pieces.values() if p.answer == record.id))
            for record in taken
        ]
