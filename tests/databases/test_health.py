"""
Tests for L{aerostack.databases.health}.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from aerostack.databases.health import DatabaseProbe, Trouble
from aerostack.errors import GivenUp


class SilentDatabase:
    """
    A database that answers when the test says so.

    @ivar asked: The questions that wait for an answer.
    """

    def __init__(self) -> None:
        self.asked: list[Deferred[Any]] = []

    def run(self, interaction: Callable[..., Any], *args: Any) -> Deferred[Any]:
        self.asked.append(Deferred())
        return self.asked[-1]

    def answer(self, found: Trouble | None = None) -> None:
        """
        Answer.
        """
        self.asked.pop().callback(found)

    def fail(self, error: Exception) -> None:
        """
        Fail.
        """
        self.asked.pop().errback(error)


class ProbeTests(SynchronousTestCase):
    """
    Tests for L{DatabaseProbe}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.database = SilentDatabase()
        self.severed = 0
        self.probe = DatabaseProbe(self.clock, self.database, lambda cursor: None, self.sever)
        self.probe.startService()
        self.addCleanup(self.probe.stopService)

    def sever(self) -> None:
        """
        Fail the questions that wait.
        """
        self.severed += 1

    def test_givenUp(self) -> None:
        """
        The stop of the daemon is no fault of the database.
        """
        with capturedLogs() as events:
            self.database.fail(GivenUp("database_unavailable", "The daemon stopped meanwhile."))
        self.assertEqual(events, [])

    def test_well(self) -> None:
        """
        A database that answers is healthy, and gets one question at a time.
        """
        for _ in range(10):
            self.assertEqual(len(self.database.asked), 1)
            self.database.answer()
            self.clock.advance(1.5)
            self.assertIsNone(self.probe.fault())
            self.clock.advance(0.5)

    def test_failing(self) -> None:
        """
        A database that fails is at fault until it answers.  Each new message is logged once, and
        clients do not get it.
        """
        with capturedLogs() as logs:
            for said in ("it closed", "refused:\n\tis it there?", "refused:\n\tis it there?"):
                self.database.fail(OSError(said))
                self.assertEqual(
                    self.probe.fault(), "The database does not answer; the log says why."
                )
                self.clock.advance(2)
            self.assertIsNotNone(self.probe.fault())
            self.database.answer()
        self.assertIsNone(self.probe.fault())
        self.assertEqual(
            [formatEvent(event) for event in logs],
            [
                "the database does not answer: it closed",
                "the database does not answer: refused: is it there?",
                "the database answers again",
            ],
        )

    def test_trouble(self) -> None:
        """
        Clients get the fault of a database that answers; the log gets its details once, and its
        end.
        """
        with capturedLogs() as logs:
            for _ in range(3):
                self.database.answer(Trouble("is held by x", "the database is held by x of y"))
                self.assertEqual(self.probe.fault(), "The database is held by x.")
                self.clock.advance(2)
            self.database.answer()
        self.assertIsNone(self.probe.fault())
        self.assertEqual(
            [formatEvent(event) for event in logs],
            [
                "the database is held by x of y",
                "this fault is over: the database is held by x of y",
            ],
        )

    def test_silent(self) -> None:
        """
        A database that does not answer is at fault after a while, and gets no more questions
        meanwhile.
        """
        self.clock.advance(5)
        self.assertIsNone(self.probe.fault())
        self.clock.advance(2)
        self.assertEqual(self.probe.fault(), "The database has not answered for 7 s.")
        self.assertEqual(len(self.database.asked), 1)
        self.database.answer()
        self.assertIsNone(self.probe.fault())

    def test_severed(self) -> None:
        """
        After a longer silence the probe severs the connections.
        """
        self.clock.pump([1.0] * 14)
        self.assertEqual(self.severed, 0)
        self.clock.pump([1.0] * 2)
        self.assertEqual(self.severed, 1)
        self.database.fail(OSError("severed"))
        self.clock.pump([1.0] * 4)
        self.assertEqual((self.severed, len(self.database.asked)), (1, 1))

    def test_stopped(self) -> None:
        """
        A stopped probe asks nothing.
        """
        self.database.answer()
        self.probe.stopService()
        self.clock.advance(100)
        self.assertEqual(self.database.asked, [])
        self.probe.startService()
