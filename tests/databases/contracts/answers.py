"""
Tests of the store of running answers, for every database.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from msgspec import structs
from twisted.logger import globalLogPublisher

from aerostack.core.answers.checkpoints import (
    VALUE,
    AnswerRecord,
    Checkpoint,
    Claim,
    Piece,
    StoredAnswer,
    StoredPart,
)
from aerostack.core.replay.publications import EVENT, Message, StreamMark
from aerostack.databases import answers
from aerostack.databases.answers import AnswerStore, selectAnswers
from aerostack.databases.dialect import Dialect
from aerostack.databases.history import History
from aerostack.databases.migrations import migrate
from aerostack.errors import RealtimeError

RECORD = AnswerRecord("m1", "a1", "ai-chat/7/p", "node", "ann", 1, "run", b'{"lease":30000}', "r1")
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
        self.assertEqual(self.writeAs("r1", *pieces, records=records), set())

    def writeAs(self, run: str, *pieces: Piece, records: tuple[AnswerRecord, ...] = ()) -> set[str]:
        """
        Write a checkpoint of a run; give the ids of what is left out.
        """
        checkpoint = Checkpoint(records, pieces, run)
        foreign: set[str] = self.successResultOf(self.store.write(checkpoint))
        return foreign

    def take(self, run: str, **fields: Any) -> list[StoredAnswer]:
        """
        Take answers over, for a run of another node.
        """
        claim = Claim("taker", run, **fields)
        taken: list[StoredAnswer] = self.successResultOf(self.store.take(claim))
        return taken

    def load(self) -> list[StoredAnswer]:
        """
        Read what the next daemon would read.
        """
        other = self.open()
        self.addCleanup(other.close)
        ids = self.successResultOf(other.run(_ids, self.dialect.answers))
        found = self.successResultOf(other.run(selectAnswers, self.dialect, ids))
        answers: list[StoredAnswer] = self.store.check(found)
        return answers

    def message(self, **differing: Any) -> Message:
        """
        The end of the answer.
        """
        message = Message(
            "m1", "ai-chat/7/p", EVENT, "ai:done", b'{"id":"a1"}', None, 5, stream=END, run="r1"
        )
        return structs.replace(message, **differing)

    def end(self, **differing: Any) -> Message:
        """
        Keep the end of the answer.
        """
        message = self.message(**differing)
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

    def test_takenBack(self) -> None:
        """
        A part of which text was taken back begins anew; its value and other parts stay.
        """
        self.write(
            piece(0, "Hello"),
            piece(VALUE, "[1]"),
            piece(5, " wrold"),
            piece(0, "why", part="r0", place=1, kind="reasoning"),
            records=(RECORD,),
        )
        taken = Checkpoint((), (piece(0, "Hey"),), RECORD.run, ((RECORD.id, "0"),))
        for run in (RECORD.run, RECORD.run, "other"):
            self.successResultOf(self.store.write(replace(taken, run=run)))
        parts = (StoredPart("0", "text", "Hey", "[1]"), StoredPart("r0", "reasoning", "why", None))
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
        A daemon takes over the answers of its own name, those of a run that is gone, or all; each
        is taken once.
        """
        records = tuple(
            replace(RECORD, id=f"m{number}", node=node, run=run)
            for number, (node, run) in enumerate((("n", "r1"), ("n", "r2"), ("o", "r3")), 1)
        )
        for record in records:
            self.assertEqual(self.writeAs(record.run, records=(record,)), set())
        self.assertEqual(self.successResultOf(self.store.runs()), {"r1", "r2", "r3"})
        self.assertEqual(
            [
                (each.record.id, each.record.node, each.record.run)
                for each in self.take("r4", ofNode="n")
            ],
            [("m1", "taker", "r4"), ("m2", "taker", "r4")],
        )
        self.assertEqual(self.take("r5", ofNode="n"), [])
        self.assertEqual([each.record.id for each in self.take("r5", ofRun="r4", most=1)], ["m1"])
        self.assertEqual(len(self.take("r6")), 3)
        # What a daemon has itself, it reads as often as it wants.
        for _ in range(2):
            self.assertEqual(len(self.take("r6", ofRun="r6")), 3)
        self.assertEqual(self.take("r7", ofRun="r7"), [])
        self.assertEqual(self.successResultOf(self.store.runs()), {"r6"})
        self.assertEqual(self.successResultOf(self.store.owned("r6")), {"m1", "m2", "m3"})
        self.assertEqual(self.successResultOf(self.store.owned("r1")), set())

    def test_runOf(self) -> None:
        """
        An answer is found by its project and its name.
        """
        self.write(records=(RECORD, replace(RECORD, id="m2", topic="ai-chat/7/q", name="a2")))
        found = [
            self.successResultOf(self.store.runOf(project, name))
            for project, name in (("p", "a1"), ("q", "a1"), ("q", "a2"), ("p", "a3"))
        ]
        self.assertEqual(found, ["r1", None, "r1", None])

    def test_lost(self) -> None:
        """
        A run whose answer was taken over writes no more of it and does not end it, and learns it
        each time.
        """
        self.write(piece(0, "a"), records=(RECORD,))
        self.take("r2", ofRun="r1")
        self.assertEqual(self.writeAs("r1", piece(1, "b")), {"m1"})
        again = replace(RECORD, about=b"{}")
        self.assertEqual(self.writeAs("r1", records=(again,)), {"m1"})
        error = self.failureResultOf(self.history.append(self.message()), RealtimeError).value
        self.assertEqual(error.code, "stream_fenced")
        self.assertEqual(self.writeAs("r2", piece(1, "c", answer="m1")), set())
        (answer,) = self.load()
        self.assertEqual((answer.parts[0].text, answer.record.run), ("ac", "r2"))
        self.assertEqual((answer.record.node, answer.record.about), ("taker", RECORD.about))
        self.end(run="r2")
        self.assertEqual(self.writeAs("r1", piece(1, "b")), {"m1"})
        error = self.failureResultOf(self.history.append(self.message()), RealtimeError).value
        self.assertEqual(error.code, "stream_fenced")
        self.assertEqual(self.rows(), 0)

    def test_lostAmong(self) -> None:
        """
        Messages that are kept together with the end of a lost answer are kept all the same.
        """
        self.write(records=(RECORD, replace(RECORD, id="m2", name="a2")))
        self.take("r2", ofRun="r1", most=1)
        lost = self.history.append(self.message())
        others = [
            self.history.append(self.message(id=name, stream=stream))
            for name, stream in (("m2", END), ("m3", None))
        ]
        self.failureResultOf(lost, RealtimeError)
        for other in others:
            self.successResultOf(other)
        self.assertEqual([answer.record.id for answer in self.load()], ["m1"])

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
        self.assertEqual(self.writeAs("r1", piece(1, "b"), records=(RECORD,)), {"m1"})
        self.assertEqual(self.rows(), 0)

    def test_notKept(self) -> None:
        """
        If the end could not be kept, the checkpoints stay.
        """
        self.write(piece(0, "a"), records=(RECORD,))
        self.execute(f"ALTER TABLE {self.dialect.messages} RENAME COLUMN data TO gone")
        self.failureResultOf(self.history.append(self.message()), RealtimeError)
        # The log has it once.
        self.assertEqual(len(self.flushLoggedErrors()), 1)
        self.assertEqual([answer.record for answer in self.load()], [RECORD])

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
            lambda: self.store.take(Claim("n", "r2")),
            lambda: self.store.runs(),
            lambda: self.store.owned("r1"),
            lambda: self.store.runOf("p", "a1"),
        ):
            error = self.failureResultOf(call(), RealtimeError).value
            self.assertEqual((error.code, error.retryAfter), ("database_unavailable", 1000))
            self.assertIn("has lost the table", error.message)
        self.successResultOf(self.database.run(migrate, self.dialect))
        self.write(records=(RECORD,))
        self.assertEqual([answer.record for answer in self.load()], [RECORD])


def _ids(cursor: Any, table: str) -> list[str]:
    cursor.execute(f"SELECT id FROM {table} ORDER BY id")
    return [answer for (answer,) in cursor.fetchall()]


def _count(cursor: Any, table: str) -> int:
    cursor.execute(f"SELECT count(*) FROM {table}")
    return int(cursor.fetchone()[0])
