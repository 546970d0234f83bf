"""
Tests for L{aerostack.workers.worker.questions}, at a hub in the same process.
"""

from __future__ import annotations

from twisted.internet.defer import fail, succeed

from aerostack.core.replay.publications import EVENT, Message
from aerostack.errors import RealtimeError
from aerostack.workers.frames import MAX_FRAME
from aerostack.workers.worker.questions import ReadFailed
from tests.workers.worker.trackercase import TrackerCase, change


class ReadsTests(TrackerCase):
    """
    Tests for reads of the past, of kept messages, and for statements.
    """

    def test_changes(self) -> None:
        """
        The past of a table is read through the hub.
        """
        for seq in range(1, 8):
            self.tracker.change(change(seq, text="x" * 50_000))
        found = self.answer(self.remote.readPast("a", "j1", 2, 6, 3))
        self.assertEqual(found, self.tracker.changes[2:5])
        self.assertEqual(self.answer(self.remote.surveyPast("a", "j9", 0, 6, 3)), "unknown")

    def test_messages(self) -> None:
        """
        Kept messages are read through the hub.
        """
        history = self.workers[0].history
        for n in range(5):
            self.history.append(Message(str(n), "t", EVENT, "e", b"1" * 50_000, None, 100 + n))
        kept = self.history.messages
        self.assertEqual(self.answer(history.page("t", 3, None)), kept[:1:-1])
        self.assertEqual(self.answer(history.page("t", 3, 102)), kept[1::-1])
        self.assertEqual(self.answer(history.readPast("t", 100, 103, 9, 9)), kept[1:4])
        self.assertIsNone(self.answer(history.surveyPast("t", 100, 103, 9, 200, True)))
        self.assertEqual(self.answer(history.locatePast("t", 103, 2)), 101)
        self.history.forget(102)
        self.assertEqual(self.answer(history.surveyPast("t", 100, 103, 9, 200)), "expired")
        self.assertEqual(self.answer(history.readPast("t", 100, 103, 9, 9, True)), kept[3:4])
        reading = history.readPast("t", 100, 103, 9, 9)
        self.turn()
        error = self.failureResultOf(reading, RealtimeError).value
        self.assertEqual((error.code, error.retryAfter), ("history_expired", 1000))

    def test_query(self) -> None:
        """
        A statement is run with its parameters, and its result comes whole.
        """
        rows = [{"n": n, "text": "x" * 1000, "none": None} for n in range(500)]
        result = {"results": rows, "success": True, "meta": {"changes": 1, "duration": 0.5}}
        self.result = succeed(result)
        parameters = [1, -0.0, "é\x00", None, True, b"\xff", 2**63 - 1]
        asked = self.workers[0].queries.run("SELECT ?", parameters)
        self.assertEqual(self.answer(asked), result)
        self.assertEqual(self.queries, [("SELECT ?", parameters)])

    def test_failed(self) -> None:
        """
        A fault of the database is no error for clients: who asked decides what they get.
        """
        self.tracker.fault = OSError("no")
        reading = self.remote.surveyPast("a", "j1", 0, 9, None)
        self.turn()
        self.assertEqual(str(self.failureResultOf(reading, ReadFailed).value), "OSError: no")
        self.result = fail(RealtimeError("sql_error", "No.", 3))
        asked = self.workers[0].queries.run("x", [])
        self.turn()
        self.assertEqual(self.failureResultOf(asked, RealtimeError).value.retryAfter, 3)

    def test_tooLarge(self) -> None:
        """
        A question that no message can carry is refused, and so is one with half a character.
        """
        run = self.workers[0].queries.run
        for sql, code in (("x" * (MAX_FRAME + 1), "too_large"), ("\ud800", "invalid_arguments")):
            error = self.failureResultOf(run(sql, []), RealtimeError).value
            self.assertEqual(error.code, code)
        self.assertEqual(self.queries, [])

    def test_cancelled(self) -> None:
        """
        What comes for a caller that has stopped waiting is dropped.
        """
        self.watched()
        self.tracker.change(change(1))
        reading = self.remote.readPast("a", "j1", 0, 9, 3)
        reading.addErrback(lambda failure: None)
        reading.cancel()
        self.turn()
        self.assertEqual(self.workers[0].questions._readings, {})
