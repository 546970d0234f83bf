"""
Tests for L{aerostack.tracker.newer}, through the tracker: the journal of a newer daemon.
"""

from __future__ import annotations

from typing import Any

from psycopg.errors import InsufficientPrivilege
from twisted.internet.defer import Deferred
from twisted.logger import formatEvent, globalLogPublisher

from aerostack.errors import RealtimeError
from aerostack.tracker.faults import NewerJournal
from tests.tracker.fakes import TrackerCase

NEWER = NewerJournal(99, 3)


class NewerTests(TrackerCase):
    """
    A journal that a newer version of the daemon has made.
    """

    def setUp(self) -> None:
        super().setUp()
        self.lines: list[str] = []

        def observe(event: dict[str, Any]) -> None:
            if event.get("log_namespace") == "aerostack.tracker.newer.NewerNotice":
                self.lines.append(formatEvent(event))

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)

    def found(self, *names: str) -> None:
        """
        Let interactions find such a journal.
        """
        self.database.faults = dict.fromkeys(names, NEWER)

    def assertRefused(self, watching: Deferred[str]) -> None:
        """
        Assert that a table is not followed, and that the client gets the reason.
        """
        error = self.failureResultOf(watching, RealtimeError).value
        self.assertEqual(error.code, "untrackable_table")
        self.assertIn("newer version of aerostack-rt", error.message)
        # A client would try again by itself, and the application would hear nothing.
        self.assertIsNone(error.retryAfter)

    def assertNamed(self) -> None:
        """
        Assert that an operator learns of the journal, in the log once.
        """
        self.assertIn("aerostack-rt detach --keep-history", str(self.tracker.health()))
        (line,) = self.lines
        self.assertIn("version 99, and this daemon knows 3", line)
        self.assertIn("aerostack-rt detach --keep-history --config /etc/rt.toml", line)

    def test_watched(self) -> None:
        """
        Every client that wants a table gets an error at once, until the journal is another one.
        """
        self.tracker = self.makeTracker(config="/etc/rt.toml")
        self.tracker.start(self.listener)
        self.found("prepare", "check")
        for _ in range(3):
            watching = self.tracker.watch("a")
            self.tick(20)
            self.assertRefused(watching)
            self.assertNamed()
        self.found()
        self.tick(20)
        self.assertIsNone(self.tracker.health())
        self.assertEqual(self.watch("a"), ["a"])
        self.assertEqual(len(self.lines), 2)

    def test_start(self) -> None:
        """
        What the start has found is named without a client, and its end as well; the journal is not
        made before a client asks for a table.
        """
        self.tracker = self.makeTracker(config="/etc/rt.toml")
        self.tracker.refuse(NEWER)
        self.assertNamed()
        self.tracker.start(self.listener)
        self.found("check")
        self.tick(20)
        self.assertNamed()
        self.found()
        self.tick(20)
        self.assertIsNone(self.tracker.health())
        self.assertEqual(set(self.database.calls), {"check"})
        self.tick(20)
        self.assertEqual(len(self.lines), 2)

    def test_taken(self) -> None:
        """
        When a newer daemon takes the journal over, subscribers are told that no changes come.
        """
        self.watch("a")
        self.found("poll", "check")
        self.tick(20)
        (reason,) = self.listener.down
        self.assertIn("newer version of aerostack-rt has made; no changes come", str(reason))
        watching = self.tracker.watch("b")
        self.tick(20)
        self.assertRefused(watching)
        self.assertEqual(len(self.lines), 1)
        self.found()
        self.tick(20)
        self.assertEqual(self.listener.down, [reason, None])

    def test_attaching(self) -> None:
        """
        Also an attempt to follow a table may find it.
        """
        self.found("attach", "check")
        watching = self.tracker.watch("a")
        self.tick()
        self.assertRefused(watching)

    def test_stopped(self) -> None:
        """
        A tracker that stops asks no more.
        """
        self.tracker.refuse(NEWER)
        self.successResultOf(self.tracker.stop())
        self.tick(20)
        self.assertEqual(self.database.calls, [])

    def test_rights(self) -> None:
        """
        A right that the daemon lacks is as lasting: clients get an error.
        """
        self.database.faults = {"prepare": InsufficientPrivilege("permission denied")}
        watching = self.tracker.watch("a")
        self.tick()
        error = self.failureResultOf(watching, RealtimeError).value
        self.assertEqual(error.code, "untrackable_table")
        self.assertIn("docs/database.rst says what to grant", error.message)
        self.flushLoggedErrors(InsufficientPrivilege)
