"""
Tests for L{aerostack.testing.answers}.
"""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.answers.checkpoints import (
    AnswerRecord,
    Checkpoint,
    Piece,
    StoredAnswer,
    StoredPart,
)
from aerostack.core.replay.publications import EVENT, Message, StreamMark
from aerostack.errors import RealtimeError
from aerostack.testing import MemoryHistory

RECORD = AnswerRecord("m1", "a1", "ai-chat/7/p", "node", None, 1, None, b"{}")
GROWN = Checkpoint((RECORD,), (Piece("m1", "0", 0, "text", 0, "Hi"),))


class MemoryAnswersTests(SynchronousTestCase):
    """
    The fake keeps what the databases keep.
    """

    def setUp(self) -> None:
        self.history = MemoryHistory()
        self.store = self.history.answers

    def load(self, node: str | None = None) -> list[StoredAnswer]:
        """
        Read all answers.
        """
        return self.successResultOf(self.store.load(node))

    def test_grows(self) -> None:
        """
        Checkpoints add up, and answers that are forgotten are gone.
        """
        self.successResultOf(self.store.write(GROWN))
        more = Checkpoint((), (Piece("m1", "0", 0, "text", 2, " you"),))
        self.successResultOf(self.store.write(more))
        parts = (StoredPart("0", "text", "Hi you", None),)
        self.assertEqual(self.load("node"), [StoredAnswer(RECORD, parts)])
        self.assertEqual(self.load("other"), [])
        self.assertEqual(self.store.written, 6)
        self.successResultOf(self.store.forget(["m1"]))
        self.assertEqual(self.load(), [])

    def test_ended(self) -> None:
        """
        A message that keeps the end deletes the checkpoints; a later one brings nothing back.
        """
        self.store.write(GROWN)
        message = Message("m1", "ai-chat/7/p", EVENT, "ai:done", b"{}", None, 1)
        self.history.append(replace(message, id="m2"))
        self.assertEqual(len(self.load()), 1)
        self.history.append(replace(message, stream=StreamMark("a1", state="done")))
        self.store.write(GROWN)
        self.assertEqual(self.load(), [])

    def test_trouble(self) -> None:
        """
        The database can be down, or slow.
        """
        self.store.isDown = True
        for call in (self.store.write(GROWN), self.store.forget([]), self.store.load(None)):
            self.failureResultOf(call, RealtimeError)
        self.store.isDown = False
        self.store.held = held = []
        writing = self.store.write(GROWN)
        self.assertNoResult(writing)
        self.store.held = None
        held[0]()
        self.assertIsNone(self.successResultOf(writing))
        self.assertEqual(len(self.load()), 1)
