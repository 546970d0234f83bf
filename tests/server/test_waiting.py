"""
Tests for L{aerostack.server.waiting}.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Event
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase, TestCase

from aerostack.databases.backend import Unready, Unusable
from aerostack.server import waiting
from aerostack.server.listening import StartError
from aerostack.server.waiting import PAUSE, DatabaseWait, Outcome, inThread

LATE = Unready("connection to 10.0.0.7 failed", "cannot be reached")


class WaitingTests(SynchronousTestCase):
    """
    Tests for L{DatabaseWait}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.said: list[str] = []
        self.answers: list[Exception | None] = []
        self.attempts = 0
        # What an attempt is told that has not ended yet.
        self.running: list[Outcome] = []
        self.wait = DatabaseWait(
            self.clock,
            "postgresql://db/shop",
            self.prepare,
            lambda: self.said.append("ready"),
            self.said.append,
            self.run_,
        )

    def prepare(self) -> None:
        self.attempts += 1
        error = self.answers.pop(0)
        if error is not None:
            raise error

    def run_(self, reactor: Any, attempt: Callable[[], None], outcome: Outcome) -> None:
        try:
            attempt()
        except Exception as error:
            outcome(error)
        else:
            outcome(None)

    def begin(self, *answers: Exception | None) -> None:
        """
        Make the first attempt, and begin to wait.

        @param answers: What the attempts lead to.
        """
        self.answers = list(answers)
        self.wait.begin()
        self.wait.start()

    def test_there(self) -> None:
        """
        A database that is there is not waited for.
        """
        self.begin(None)
        self.assertIsNone(self.wait.fault)
        self.successResultOf(self.wait.whenOver())
        self.assertEqual((self.said, self.clock.getDelayedCalls()), ([], []))

    def test_silent(self) -> None:
        """
        A database that answers nothing holds the start up for a short time only.  The attempt goes
        on meanwhile, and there is no other one beside it.
        """
        self.patch(waiting, "BLOCKING", 0.05)
        answered = Event()
        told = Event()
        outcomes: list[tuple[Any, ...]] = []
        self.wait._prepare = lambda: self.assertTrue(answered.wait(30))

        def callFromThread(*call: Any) -> None:
            outcomes.append(call)
            told.set()

        self.clock.callFromThread = callFromThread  # type: ignore[attr-defined]
        self.wait.begin()
        self.wait.start()
        self.assertIn("The database does not answer", str(self.wait.fault))
        self.assertEqual(self.clock.getDelayedCalls(), [])
        answered.set()
        self.assertTrue(told.wait(30))
        ((outcome, error),) = outcomes
        outcome(error)
        self.assertEqual((self.said, self.wait.fault), (["ready"], None))

    def test_unusable(self) -> None:
        """
        A database that cannot be used ends the start, and one that turns out so ends the daemon.
        """
        fault = Unusable("it is PostgreSQL 9")
        self.answers = [fault]
        error = self.assertRaises(StartError, self.wait.begin)
        self.assertEqual(str(error), "postgresql://db/shop cannot be used: it is PostgreSQL 9")
        self.begin(LATE, fault)
        self.clock.advance(PAUSE)
        self.assertEqual(self.said, ["postgresql://db/shop cannot be used: it is PostgreSQL 9"])

    def test_late(self) -> None:
        """
        A late database is asked again until it is there, and clients learn no address.
        """
        self.begin(LATE, LATE, None)
        over = self.wait.whenOver()
        said = "The database cannot be reached; the daemon waits for it, and lets no client in."
        self.assertEqual(self.wait.health(), {"status": "failing", "checks": {"database": said}})
        self.clock.advance(PAUSE)
        self.assertNoResult(over)
        self.clock.advance(PAUSE)
        self.successResultOf(over)
        self.assertIsNone(self.wait.fault)
        self.assertEqual((self.said, self.attempts), (["ready"], 3))

    def test_reasons(self) -> None:
        """
        The log has a reason once, and each further one.
        """
        other = Unready("it is starting", "is starting")
        logged = self.logged()
        self.begin(LATE, LATE, other, LATE, None)
        for _ in range(4):
            self.clock.advance(PAUSE)
        self.assertEqual(
            [line.rpartition(": ")[2] for line in logged],
            [str(LATE), str(other), str(LATE), "the database answers"],
        )

    def logged(self) -> list[str]:
        """
        @return: The lines that are logged from now on.
        """
        from twisted.logger import formatEvent, globalLogPublisher

        lines: list[str] = []

        def observe(event: dict[str, Any]) -> None:
            if event.get("log_namespace") == "aerostack.server.waiting.DatabaseWait":
                lines.append(formatEvent(event))

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        return lines

    def test_bug(self) -> None:
        """
        An unexpected failure ends the daemon, and is logged.
        """
        self.begin(LATE, ZeroDivisionError())
        self.clock.advance(PAUSE)
        self.assertEqual(self.said, ["the database could not be prepared"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_bugBehind(self) -> None:
        """
        A daemon whose parts cannot start behind the wait ends, and no client is let in.
        """
        self.begin(LATE, None)
        self.wait._ready = lambda: 1 // 0
        over = self.wait.whenOver()
        self.clock.advance(PAUSE)
        self.assertEqual(len(self.said), 1)
        self.assertIn("cannot begin to work", self.said[0])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertNoResult(over)

    def test_stopped(self) -> None:
        """
        After a stop there are no further attempts, and a running one has no effect.
        """
        self.wait._runner = lambda reactor, attempt, outcome: self.running.append(outcome)
        self.begin(LATE)
        self.clock.advance(PAUSE)
        self.wait.stop()
        self.running[0](None)
        self.assertEqual((self.said, self.clock.getDelayedCalls()), ([], []))


class ThreadTests(TestCase):
    """
    Tests for L{inThread}.
    """

    def test_outcome(self) -> Deferred[None]:
        """
        What an attempt in another thread leads to is told in the reactor's.
        """
        from twisted.internet import reactor
        from twisted.python.threadable import isInIOThread

        told: Deferred[tuple[Exception | None, bool]] = Deferred()
        where: list[bool] = []

        def attempt() -> None:
            where.append(isInIOThread())
            raise LATE

        inThread(reactor, attempt, lambda error: told.callback((error, isInIOThread())))

        def check(outcome: tuple[Exception | None, bool]) -> None:
            self.assertEqual((outcome, where), ((LATE, True), [False]))

        return told.addCallback(check)
