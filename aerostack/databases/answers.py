"""
Keeps the answers that run in the database.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, DeferredLock
from twisted.logger import Logger
from zope.interface import implementer

from aerostack.core.answers.checkpoints import (
    AnswerRecord,
    Checkpoint,
    Claim,
    Piece,
    StoredAnswer,
    join,
)
from aerostack.core.topics.topics import projectOf
from aerostack.databases.dialect import Dialect
from aerostack.databases.unavailable import Availability
from aerostack.interfaces.answers import IAnswerStore
from aerostack.interfaces.tracking import IDatabase

T = TypeVar("T")

MOST = 100_000
"""How many runs and answers are named at the most.  Another program may have filled the table."""

PORTION = 400
"""For how many answers one statement asks."""

CHARACTERS = 268_435_456
"""How many characters of text are read at the most, of all answers."""

_RECORD = "id, name, topic, node, owner, epoch, producer, about, run"

_PIECE = "answer, part, place, kind, base, text"


def writeCheckpoint(cursor: Any, dialect: Dialect, checkpoint: Checkpoint) -> set[str]:
    """
    Keep what is new of the answers, in one transaction.

    @return: The ids of those whose ends are kept, or which other runs of daemons have.
    """
    answers, pieces, run = dialect.answers, dialect.pieces, checkpoint.run
    dialect.transact(cursor)
    if checkpoint.records:
        # The end may have been committed since the checkpoint was made.
        dialect.executeMany(
            cursor,
            f"INSERT INTO {answers} ({_RECORD}) SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?"
            f" WHERE NOT EXISTS (SELECT 1 FROM {dialect.messages} WHERE id = ?)"
            " ON CONFLICT (id) DO UPDATE SET node = excluded.node, owner = excluded.owner,"
            " epoch = excluded.epoch, producer = excluded.producer, about = excluded.about"
            f" WHERE {answers}.run = excluded.run",
            [(*_rowOf(record), record.id) for record in checkpoint.records],
        )
    if checkpoint.taken:
        dialect.executeMany(
            cursor,
            f"DELETE FROM {pieces} WHERE answer = ? AND part = ? AND base >= 0"
            f" AND EXISTS (SELECT 1 FROM {answers} WHERE id = ? AND run = ?)",
            [(answer, part, answer, run) for answer, part in checkpoint.taken],
        )
    if checkpoint.pieces:
        dialect.executeMany(
            cursor,
            f"INSERT INTO {pieces} ({_PIECE}) SELECT ?, ?, ?, ?, ?, ?"
            f" WHERE EXISTS (SELECT 1 FROM {answers} WHERE id = ? AND run = ?)"
            " ON CONFLICT (answer, part, base) DO UPDATE SET text = excluded.text",
            # Each text is copied when its turn comes, not all of them at once.
            ((*_rowOfPiece(piece), piece.answer, run) for piece in checkpoint.pieces),
        )
    written = [record.id for record in checkpoint.records]
    written += [piece.answer for piece in checkpoint.pieces]
    foreign = foreignAnswers(cursor, dialect, run, list(dict.fromkeys(written)))
    cursor.execute("COMMIT")
    return foreign


def foreignAnswers(cursor: Any, dialect: Dialect, run: str, answers: Sequence[str]) -> set[str]:
    """
    Find out which answers are not to be written of any more, in a transaction of the caller's.

    @param run: The run of the daemon that wants to write.
    @return: The ids of those whose ends are kept, or which other runs have.
    """
    found: set[str] = set()
    for portion in _portions(answers):
        marks = ", ".join(["?"] * len(portion))
        dialect.execute(
            cursor,
            f"SELECT id FROM {dialect.answers} WHERE run <> ? AND id IN ({marks})"
            f" UNION SELECT id FROM {dialect.messages} WHERE id IN ({marks})",
            (run, *portion, *portion),
        )
        found.update(answer for (answer,) in cursor.fetchall())
    return found


def _portions(answers: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(answers), PORTION):
        yield answers[start : start + PORTION]


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
        record.run,
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


def takeAnswers(cursor: Any, dialect: Dialect, claim: Claim) -> tuple[list[StoredAnswer], int]:
    """
    Take over the answers that daemons have left, and read them.

    @return: See L{selectAnswers}.
    """
    wanted = {"node": claim.ofNode, "run": claim.ofRun}
    conditions = [f"{name} = ?" for name, value in wanted.items() if value is not None]
    # Else nothing would be left of what a daemon claims again.
    other = "run = ?" if claim.ofRun == claim.run else "run <> ?"
    dialect.transact(cursor)
    dialect.execute(
        cursor,
        f"SELECT id FROM {dialect.answers} WHERE {' AND '.join([other, *conditions])}"
        f" ORDER BY id LIMIT {claim.most}",
        (claim.run, *(value for value in wanted.values() if value is not None)),
    )
    found = [answer for (answer,) in cursor.fetchall()]
    for portion in _portions(found):
        marks = ", ".join(["?"] * len(portion))
        dialect.execute(
            cursor,
            f"UPDATE {dialect.answers} SET node = ?, run = ? WHERE id IN ({marks})",
            (claim.node, claim.run, *portion),
        )
    cursor.execute("COMMIT")
    # From here on no other daemon writes of them, so they are read without holding others up.
    return selectAnswers(cursor, dialect, found)


def selectAnswers(
    cursor: Any, dialect: Dialect, answers: Sequence[str]
) -> tuple[list[StoredAnswer], int]:
    """
    Read answers, with L{CHARACTERS} characters at the most.

    @param answers: Their ids.
    @return: The answers, and how many are left out: no daemon can have written them, or there is
        too much.
    """
    found: list[StoredAnswer] = []
    strange, left = 0, CHARACTERS
    for portion in _portions(answers):
        marks = ", ".join(["?"] * len(portion))
        dialect.execute(
            cursor,
            f"SELECT {_RECORD} FROM {dialect.answers} WHERE id IN ({marks}) ORDER BY id",
            portion,
        )
        for row in cursor.fetchall():
            record = _recordOf(row)
            pieces = None if record is None else _selectPieces(cursor, dialect, record.id, left)
            if record is None or pieces is None:
                strange += 1
                continue
            left -= sum(len(piece.text) for piece in pieces)
            found.append(StoredAnswer(record, join(pieces)))
    return found, strange


def selectRuns(cursor: Any, dialect: Dialect) -> set[str]:
    """
    Name the runs of daemons that have answers.
    """
    dialect.execute(cursor, f"SELECT DISTINCT run FROM {dialect.answers} LIMIT {MOST}")
    return {run for (run,) in cursor.fetchall() if isinstance(run, str)}


def selectOwned(cursor: Any, dialect: Dialect, run: str) -> set[str]:
    """
    Name the answers that a run of a daemon has.
    """
    dialect.execute(cursor, f"SELECT id FROM {dialect.answers} WHERE run = ? LIMIT {MOST}", (run,))
    return {answer for (answer,) in cursor.fetchall()}


def selectRun(cursor: Any, dialect: Dialect, project: str, name: str) -> str | None:
    """
    Name the run of the daemon that has an answer of a project; L{None} if there is no such answer.
    """
    dialect.execute(
        cursor,
        f"SELECT topic, run FROM {dialect.answers} WHERE name = ? ORDER BY id LIMIT {PORTION}",
        (name,),
    )
    runs = [str(run) for topic, run in cursor.fetchall() if projectOf(str(topic)) == project]
    return runs[0] if runs else None


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
    answer, name, topic, node, owner, epoch, producer, about, run = row
    texts = (answer, name, topic, node, owner or "", producer or "", about, run)
    if not all(isinstance(each, str) for each in texts) or not isinstance(epoch, int):
        return None
    return AnswerRecord(answer, name, topic, node, owner, epoch, producer, about.encode(), run)


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


_UNREADABLE = "The running streams cannot be read"


@implementer(IAnswerStore)
class AnswerStore:
    """
    The answers in the database.
    """

    log = Logger()

    def __init__(self, database: IDatabase, dialect: Dialect) -> None:
        self._database = database
        self._dialect = dialect
        self._availability = Availability(dialect, self.log)
        # The pool has several connections, and no call may overtake a checkpoint.
        self._order = DeferredLock()

    def write(self, checkpoint: Checkpoint) -> Deferred[set[str]]:
        return self._run(writeCheckpoint, "The running streams could not be kept", checkpoint)

    def take(self, claim: Claim) -> Deferred[list[StoredAnswer]]:
        taking = self._run(takeAnswers, "The running streams cannot be taken over", claim)
        return taking.addCallback(self.check)

    def runs(self) -> Deferred[set[str]]:
        return self._run(selectRuns, _UNREADABLE)

    def owned(self, run: str) -> Deferred[set[str]]:
        return self._run(selectOwned, _UNREADABLE, run)

    def runOf(self, project: str, name: str) -> Deferred[str | None]:
        return self._run(selectRun, _UNREADABLE, project, name)

    def check(self, found: tuple[list[StoredAnswer], int]) -> list[StoredAnswer]:
        """
        Log that some answers are left out.

        @param found: The result of L{takeAnswers}.
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
        return self._availability.guard(running, what)
