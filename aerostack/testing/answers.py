"""
Streamed answers that are kept in memory while they run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from twisted.internet.defer import Deferred
from zope.interface import implementer

from aerostack.core.answers.checkpoints import (
    AnswerRecord,
    Checkpoint,
    Piece,
    StoredAnswer,
    join,
)
from aerostack.errors import RealtimeError
from aerostack.interfaces.answers import IAnswerStore


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

    def write(self, checkpoint: Checkpoint) -> Deferred[None]:
        return self._do(lambda: self._write(checkpoint))

    def forget(self, answers: Iterable[str]) -> Deferred[None]:
        gone = tuple(answers)
        return self._do(lambda: self._delete(gone))

    def load(self, node: str | None) -> Deferred[list[StoredAnswer]]:
        loaded: Deferred[list[StoredAnswer]] = Deferred()
        self._do(lambda: None).addCallback(lambda _: self._load(node)).chainDeferred(loaded)
        return loaded

    def end(self, answer: str) -> None:
        """
        Delete an answer because its end is kept.

        @param answer: The id of its record.
        """
        self._ended.add(answer)
        self._delete((answer,))

    def _do(self, call: Callable[[], None]) -> Deferred[None]:
        done: Deferred[None] = Deferred()

        def now() -> None:
            if self.isDown:
                done.errback(RealtimeError("database_unavailable", "The database is down.", 1000))
                return
            call()
            done.callback(None)

        if self.held is None:
            now()
        else:
            self.held.append(now)
        return done

    def _write(self, checkpoint: Checkpoint) -> None:
        for record in checkpoint.records:
            if record.id not in self._ended:
                self.records[record.id] = record
        for piece in checkpoint.pieces:
            if piece.answer in self.records:
                self.pieces[piece.answer, piece.part, piece.base] = piece
                self.written += len(piece.text)

    def _delete(self, answers: Iterable[str]) -> None:
        gone = set(answers)
        self.pieces = {key: each for key, each in self.pieces.items() if key[0] not in gone}
        self.records = {key: each for key, each in self.records.items() if key not in gone}

    def _load(self, node: str | None) -> list[StoredAnswer]:
        return [
            StoredAnswer(record, join(p for p in self.pieces.values() if p.answer == record.id))
            for record in self.records.values()
            if node in (None, record.node)
        ]
