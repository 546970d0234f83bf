"""
Tests of the store of running answers, for every database.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.logger import globalLogPublisher

from aerostack.core.answers.checkpoints import (
    VALUE,
    AnswerRecord,
    Checkpoint,
    Piece,
    StoredAnswer,
    StoredPart,
)
from aerostack.core.replay.publications import EVENT, Message, StreamMark
from aerostack.databases import answers
from aerostack.databases.answers import AnswerStore
from aerostack.databases.dialect import Dialect
from aerostack.databases.history import History
from aerostack.databases.migrations import migrate
from aerostack.errors import RealtimeError

RECORD = AnswerRecord("m1", "a1", "ai-chat/7/p", "node", "ann", 1, "run", b'{"lease":30000}')
END = StreamMark("a1", state="done")
TEXT = 'Zürich \x00 😀 "quoted" \\ \u2028\n%s ?'


def piece(base: int, text: str, **differing: Any) -> Piece:
    """
    A piece of the answer.
    """
    return replace(Piece("m1", "0", 0, "text", base, text), **differing)


class AnswerContract:
    """
    To be mixed into a test case that has a database.

    @cvar dialect: The SQL of the database.
    """

    dialect: Dialect

    # The test case provides these.
    addCleanup: Any
    assertEqual: Any
    assertIn: Any
    failureResultOf: Any
    flushLoggedErrors: Any
    patch: Any
    successResultOf: Any

    def open(self) -> Any:
        """
        Open the test's database, also for a second time; its interactions run at once.
        """
        raise NotImplementedError

    def execute(self, *statements: str) -> Any:
        """
        Run statements as another program.
        """
        raise NotImplementedError

    def setUp(self) -> None:
        self.database = self.open()
        self.addCleanup(self.database.close)
        self.successResultOf(self.database.run(migrate, self.dialect))
        self.store = AnswerStore(self.database, self.dialect)
        self.history = History(self.database, self.dialect, None, None)

    def write(self, *pieces: Piece, records: tuple[AnswerRecord, ...] = ()) -> None:
        """
        Write a checkpoint.
        """
        self.successResultOf(self.store.write(Checkpoint(records, pieces)))

    def load(self, node: str | None = None) -> list[StoredAnswer]:
        """
        Read what the next daemon would read.
        """
        other = self.open()
        self.addCleanup(other.close)
        found: list[StoredAnswer] = self.successResultOf(
            AnswerStore(other, self.dialect).load(node)
        )
        return found

    def end(self, **differing: Any) -> Message:
        """
        Keep the end of the answer.
        """
        message = Message(
            "m1", "ai-chat/7/p", EVENT, "ai:done", b'{"id":"a1"}', None, 5, stream=END
        )
        message = replace(message, **differing)
        self.successResultOf(self.history.append(message))
        return message

    def rows(self) -> int:
        """
        How many rows the tables of the answers have.
        """
        return sum(
            self.successResultOf(self.database.run(_count, table))
            for table in (self.dialect.answers, self.dialect.pieces)
        )

    def test_grows(self) -> None:
        """
        Each checkpoint adds to the one before; the next daemon finds every part whole.
        """
        self.write(records=(RECORD,))
        self.assertEqual(self.load(), [StoredAnswer(RECORD, ())])
        self.write(piece(0, "Hel"), piece(0, "", part="r0", place=1, kind="reasoning"))
        self.write(piece(3, TEXT), piece(VALUE, "[1]", part="c1", place=2, kind="tool"))
        self.write(piece(VALUE, '{"b":2}', part="c1", place=2, kind="tool"))
        parts = (
            StoredPart("0", "text", "Hel" + TEXT, None),
            StoredPart("r0", "reasoning", "", None),
            StoredPart("c1", "tool", "", '{"b":2}'),
        )
        self.assertEqual(self.load(), [StoredAnswer(RECORD, parts)])

    def test_repeated(self) -> None:
        """
        A checkpoint that is written again, also with other cuts, changes nothing.
        """
        self.write(piece(0, "He"), piece(2, "llo"), records=(RECORD,))
        for _ in range(2):
            self.write(piece(0, "Hello"), piece(5, " you"), records=(RECORD,))
        self.assertEqual(
            self.load(), [StoredAnswer(RECORD, (StoredPart("0", "text", "Hello you", None),))]
        )

    def test_takenOver(self) -> None:
        """
        Another producer's epoch replaces the one before.
        """
        self.write(piece(0, "a"), records=(RECORD,))
        taken = replace(RECORD, epoch=2, producer=None, owner=None, node="other", about=b"{}")
        self.write(records=(taken,))
        self.assertEqual([answer.record for answer in self.load()], [taken])

    def test_nodes(self) -> None:
        """
        A daemon finds its own answers, or those of all daemons.
        """
        other = replace(RECORD, id="m2", node="other")
        self.write(records=(RECORD, other))
        for node, found in (("node", [RECORD]), ("other", [other]), ("third", [])):
            self.assertEqual([answer.record for answer in self.load(node)], found)
        self.assertEqual([answer.record for answer in self.load()], [RECORD, other])

    def test_ended(self) -> None:
        """
        The transaction that keeps the end deletes the checkpoints, and those of no other answer.
        """
        other = replace(RECORD, id="m2", name="a2")
        self.write(piece(0, "a"), piece(0, "b", answer="m2"), records=(RECORD, other))
        self.end(id="m3", stream=None)
        self.assertEqual(len(self.load()), 2)
        end = self.end()
        self.assertEqual([answer.record for answer in self.load()], [other])
        self.assertEqual(self.rows(), 2)
        page = self.successResultOf(self.history.page("ai-chat/7/p", 1, None))
        self.assertEqual([(kept.message.id, kept.message.stream) for kept in page], [(end.id, END)])

    def test_late(self) -> None:
        """
        A checkpoint that comes after the end brings nothing back.
        """
        self.write(piece(0, "a"), records=(RECORD,))
        self.end()
        self.write(piece(1, "b"), records=(RECORD,))
        self.assertEqual(self.rows(), 0)

    def test_notKept(self) -> None:
        """
        If the end could not be kept, the checkpoints stay.
        """
        self.write(piece(0, "a"), records=(RECORD,))
        self.execute(f"ALTER TABLE {self.dialect.messages} RENAME COLUMN data TO gone")
        message = Message("m1", "ai-chat/7/p", EVENT, "ai:done", b"{}", None, 5, stream=END)
        self.failureResultOf(self.history.append(message), RealtimeError)
        # The log has it once.
        self.assertEqual(len(self.flushLoggedErrors()), 1)
        self.assertEqual([answer.record for answer in self.load()], [RECORD])

    def test_forgotten(self) -> None:
        """
        Answers that are not kept in the history are deleted.
        """
        other = replace(RECORD, id="m2", name="a2")
        self.write(piece(0, "a"), piece(0, "b", answer="m2"), records=(RECORD, other))
        self.successResultOf(self.store.forget(["m2", "m3"]))
        self.assertEqual([answer.record for answer in self.load()], [RECORD])
        self.assertEqual(self.rows(), 2)

    def test_strange(self) -> None:
        """
        Answers that no daemon wrote, or that are too large, are left out, and the log says so.
        """
        self.patch(answers, "CHARACTERS", 20)
        large, other = (replace(RECORD, id=f"m{number}") for number in (2, 3))
        self.write(
            piece(0, "a" * 10),
            piece(0, "b" * 20, answer="m2"),
            records=(RECORD, large, other),
        )
        self.execute(
            f"INSERT INTO {self.dialect.pieces} (answer, part, place, kind, base, text)"
            " VALUES ('m3', '0', 0, 'text', 0, '\"half')",
        )
        logged: list[Any] = []
        globalLogPublisher.addObserver(logged.append)
        self.addCleanup(globalLogPublisher.removeObserver, logged.append)
        self.assertEqual([answer.record for answer in self.load()], [RECORD])
        self.assertEqual([event["n"] for event in logged if "n" in event], [2])

    def test_unavailable(self) -> None:
        """
        The caller gets C{database_unavailable}, with what is wrong and nothing secret.
        """
        self.execute(f"DROP TABLE {self.dialect.answers}")
        for call in (
            lambda: self.store.write(Checkpoint((RECORD,), ())),
            lambda: self.store.forget(["m1"]),
            lambda: self.store.load(None),
        ):
            error = self.failureResultOf(call(), RealtimeError).value
            self.assertEqual((error.code, error.retryAfter), ("database_unavailable", 1000))
            self.assertIn("has lost the table", error.message)
        self.successResultOf(self.database.run(migrate, self.dialect))
        self.write(records=(RECORD,))
        self.assertEqual([answer.record for answer in self.load()], [RECORD])


def _count(cursor: Any, table: str) -> int:
    cursor.execute(f"SELECT count(*) FROM {table}")
    return int(cursor.fetchone()[0])
