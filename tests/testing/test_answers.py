"""
Tests for L{aerostack.testing.answers}.
"""

from __future__ import annotations

from dataclasses import replace

from msgspec import structs
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.answers.checkpoints import (
    AnswerRecord,
    Checkpoint,
    Claim,
    Piece,
    StoredAnswer,
    StoredPart,
)
from aerostack.core.replay.publications import EVENT, Message, StreamMark
from aerostack.errors import RealtimeError
from aerostack.testing import MemoryHistory

RECORD = AnswerRecord("m1", "a1", "ai-chat/7/p", "node", None, 1, None, b"{}", "r1")
GROWN = Checkpoint((RECORD,), (Piece("m1", "0", 0, "text", 0, "Hi"),), "r1")


class MemoryAnswersTests(SynchronousTestCase):
    """
    The fake keeps what the databases keep.
    """

    def setUp(self) -> None:
        self.history = MemoryHistory()
        self.store = self.history.answers

    def take(self, run: str, node: str | None = None) -> list[StoredAnswer]:
        """
        Take all answers over.
        """
        return self.successResultOf(self.store.take(Claim("node", run, ofNode=node)))

    def test_grows(self) -> None:
        """
        Checkpoints add up, and answers that are forgotten are gone.
        """
        self.successResultOf(self.store.write(GROWN))
        more = Checkpoint((), (Piece("m1", "0", 0, "text", 2, " you"),), "r1")
        self.successResultOf(self.store.write(more))
        parts = (StoredPart("0", "text", "Hi you", None),)
        self.assertEqual(self.take("r2", "other"), [])
        taken = replace(RECORD, run="r2")
        self.assertEqual(self.take("r2", "node"), [StoredAnswer(taken, parts)])
        again = Checkpoint((), (Piece("m1", "0", 0, "text", 0, "Ho"),), "r2", (("m1", "0"),))
        for run in ("r1", "r2"):
            self.successResultOf(self.store.write(replace(again, run=run)))
        parts = (StoredPart("0", "text", "Ho", None),)
        self.assertEqual(self.take("r3", "node"), [StoredAnswer(replace(RECORD, run="r3"), parts)])
        self.take("r2", "node")
        self.assertEqual(self.store.written, 8)
        self.assertEqual(self.successResultOf(self.store.write(more)), {"m1"})
        self.assertEqual(self.successResultOf(self.store.runs()), {"r2"})
        self.assertEqual(self.successResultOf(self.store.runOf("p", "a1")), "r2")
        self.assertEqual(self.successResultOf(self.store.owned("r2")), {"m1"})
        self.assertEqual(self.successResultOf(self.store.owned("r1")), set())

    def test_ended(self) -> None:
        """
        A message that keeps the end deletes the checkpoints; a later one brings nothing back.
        """
        self.store.write(GROWN)
        message = Message("m1", "ai-chat/7/p", EVENT, "ai:done", b"{}", None, 1)
        self.history.append(structs.replace(message, id="m2"))
        end = StreamMark("a1", state="done")
        self.assertEqual(len(self.store.records), 1)
        lost = self.history.append(structs.replace(message, stream=end, run="r2"))
        self.failureResultOf(lost, RealtimeError)
        self.history.append(structs.replace(message, stream=end, run="r1"))
        self.assertEqual(self.successResultOf(self.store.write(GROWN)), {"m1"})
        self.assertEqual(self.store.records, {})

    def test_trouble(self) -> None:
        """
        The database can be down, or slow.
        """
        self.store.isDown = True
        for call in (self.store.write(GROWN), self.store.runs()):
            self.failureResultOf(call, RealtimeError)
        self.store.isDown = False
        self.store.held = held = []
        writing = self.store.write(GROWN)
        self.assertNoResult(writing)
        self.store.held = None
        held[0]()
        self.assertEqual(self.successResultOf(writing), set())
        self.assertEqual(len(self.store.records), 1)
