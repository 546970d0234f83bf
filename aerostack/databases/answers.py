"""
Keeps the answers that run in the database.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, DeferredLock
from twisted.logger import Logger
from zope.interface import implementer

from aerostack.core.answers.checkpoints import (
    AnswerRecord,
    Checkpoint,
    Piece,
    StoredAnswer,
    join,
)
from aerostack.databases.dialect import Dialect
from aerostack.databases.unavailable import orUnavailable
from aerostack.interfaces.answers import IAnswerStore
from aerostack.interfaces.tracking import IDatabase

T = TypeVar("T")

MOST = 100_000
"""How many answers are read at the most.  Another program may have filled the table."""

CHARACTERS = 268_435_456
"""How many characters of text are read at the most, of all answers."""

_RECORD = "id, name, topic, node, owner, epoch, producer, about"

_PIECE = "answer, part, place, kind, base, text"


def writeCheckpoint(cursor: Any, dialect: Dialect, checkpoint: Checkpoint) -> None:
    """
    Keep what is new of the answers, in one transaction.
    """
    answers, pieces = dialect.answers, dialect.pieces
    dialect.transact(cursor)
    if checkpoint.records:
        # The end may have been committed since the checkpoint was made.
        dialect.executeMany(
            cursor,
            f"INSERT INTO {answers} ({_RECORD}) SELECT ?, ?, ?, ?, ?, ?, ?, ?"
            f" WHERE NOT EXISTS (SELECT 1 FROM {dialect.messages} WHERE id = ?)"
            " ON CONFLICT (id) DO UPDATE SET node = excluded.node, owner = excluded.owner,"
            " epoch = excluded.epoch, producer = excluded.producer, about = excluded.about",
            [(*_rowOf(record), record.id) for record in checkpoint.records],
        )
    if checkpoint.pieces:
        dialect.executeMany(
            cursor,
            f"INSERT INTO {pieces} ({_PIECE}) SELECT ?, ?, ?, ?, ?, ?"
            f" WHERE EXISTS (SELECT 1 FROM {answers} WHERE id = ?)"
            " ON CONFLICT (answer, part, base) DO UPDATE SET text = excluded.text",
            [(*_rowOfPiece(piece), piece.answer) for piece in checkpoint.pieces],
        )
    cursor.execute("COMMIT")


def _rowOf(record: AnswerRecord) -> tuple[Any, ...]:
    return (
        record.id,
        record.name,
        record.topic,
        record.node,
        record.owner,
        record.epoch,
        record.producer,
        record.about.decode(),
    )


def _rowOfPiece(piece: Piece) -> tuple[Any, ...]:
    # As JSON the text has no character that a database cannot store.
    text = json.dumps(piece.text, ensure_ascii=False)
    return (piece.answer, piece.part, piece.place, piece.kind, piece.base, text)


def deleteAnswers(cursor: Any, dialect: Dialect, answers: Sequence[str]) -> None:
    """
    Delete answers, in a transaction of the caller's.
    """
    for answer in answers:
        dialect.execute(cursor, f"DELETE FROM {dialect.pieces} WHERE answer = ?", (answer,))
        dialect.execute(cursor, f"DELETE FROM {dialect.answers} WHERE id = ?", (answer,))


def forgetAnswers(cursor: Any, dialect: Dialect, answers: Sequence[str]) -> None:
    """
    Delete answers, in one transaction.
    """
    dialect.transact(cursor)
    deleteAnswers(cursor, dialect, answers)
    cursor.execute("COMMIT")


def selectAnswers(
    cursor: Any, dialect: Dialect, node: str | None
) -> tuple[list[StoredAnswer], int]:
    """
    Read the answers that daemons have left, at most L{MOST} with L{CHARACTERS} characters.

    @param node: The name of the daemon; L{None} for all.
    @return: The answers, and how many are left out: no daemon can have written them, or there is
        too much.
    """
    dialect.execute(
        cursor,
        f"SELECT {_RECORD} FROM {dialect.answers}"
        f"{'' if node is None else ' WHERE node = ?'} ORDER BY id LIMIT {MOST}",
        () if node is None else (node,),
    )
    found: list[StoredAnswer] = []
    strange, left = 0, CHARACTERS
    for row in cursor.fetchall():
        record = _recordOf(row)
        pieces = None if record is None else _selectPieces(cursor, dialect, record.id, left)
        if record is None or pieces is None:
            strange += 1
            continue
        left -= sum(len(piece.text) for piece in pieces)
        found.append(StoredAnswer(record, join(pieces)))
    return found, strange


def _selectPieces(cursor: Any, dialect: Dialect, answer: str, most: int) -> list[Piece] | None:
    """
    Read the pieces of an answer.

    @return: L{None} if they have more than C{most} characters, or no daemon can have written them.
    """
    table = dialect.pieces
    dialect.execute(
        cursor, f"SELECT coalesce(sum(length(text)), 0) FROM {table} WHERE answer = ?", (answer,)
    )
    if int(cursor.fetchone()[0]) > most:
        return None
    dialect.execute(
        cursor, f"SELECT {_PIECE} FROM {table} WHERE answer = ? ORDER BY part, base", (answer,)
    )
    pieces = [_pieceOf(row) for row in cursor.fetchall()]
    return None if None in pieces else [piece for piece in pieces if piece is not None]


def _recordOf(row: Sequence[Any]) -> AnswerRecord | None:
    answer, name, topic, node, owner, epoch, producer, about = row
    texts = (answer, name, topic, node, owner or "", producer or "", about)
    if not all(isinstance(each, str) for each in texts) or not isinstance(epoch, int):
        return None
    return AnswerRecord(answer, name, topic, node, owner, epoch, producer, about.encode())


def _pieceOf(row: Sequence[Any]) -> Piece | None:
    answer, part, place, kind, base, text = row
    if not all(isinstance(each, str) for each in (answer, part, kind, text)):
        return None
    if not all(isinstance(each, int) for each in (place, base)):
        return None
    try:
        content = json.loads(text)
    except ValueError:
        return None
    return Piece(answer, part, place, kind, base, content) if isinstance(content, str) else None


@implementer(IAnswerStore)
class AnswerStore:
    """
    The answers in the database.
    """

    log = Logger()

    def __init__(self, database: IDatabase, dialect: Dialect) -> None:
        self._database = database
        self._dialect = dialect
        # The pool has several connections, and a deletion must not overtake a checkpoint.
        self._order = DeferredLock()

    def write(self, checkpoint: Checkpoint) -> Deferred[None]:
        return self._run(writeCheckpoint, "The running streams could not be kept", checkpoint)

    def forget(self, answers: Sequence[str]) -> Deferred[None]:
        return self._run(forgetAnswers, "Streams that have ended stay", tuple(answers))

    def load(self, node: str | None) -> Deferred[list[StoredAnswer]]:
        loading = self._run(selectAnswers, "The running streams cannot be read", node)
        return loading.addCallback(self.check)

    def check(self, found: tuple[list[StoredAnswer], int]) -> list[StoredAnswer]:
        """
        Log that some answers are left out.

        @param found: The result of L{selectAnswers}.
        @return: The answers.
        """
        answers, strange = found
        if strange:
            self.log.warn(
                "{n} streams in {table} are left out: no daemon wrote them, or they are too large",
                n=strange,
                table=self._dialect.answers,
            )
        return answers

    def _run(self, interaction: Callable[..., T], what: str, *args: Any) -> Deferred[T]:
        running: Deferred[T] = self._order.run(
            self._database.run, interaction, self._dialect, *args
        )
        return orUnavailable(running, what, self._dialect, self.log)
