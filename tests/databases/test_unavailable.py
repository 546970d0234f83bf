"""
Tests for L{aerostack.databases.unavailable}.
"""

from __future__ import annotations

import sqlite3
from typing import Any

import psycopg
from twisted.internet.defer import Deferred, fail, succeed
from twisted.logger import Logger, formatEvent
from twisted.logger import globalLogPublisher as publisher
from twisted.trial.unittest import SynchronousTestCase

from aerostack.databases.sqlite.connection import SQLITE
from aerostack.databases.unavailable import Availability
from aerostack.errors import RealtimeError

LOST = psycopg.OperationalError("connection failed: Connection refused")


def locked() -> sqlite3.OperationalError:
    """What SQLite says of a lock."""
    error = sqlite3.OperationalError("database is locked")
    error.sqlite_errorname = "SQLITE_BUSY"  # type: ignore[attr-defined]
    return error


class AvailabilityTests(SynchronousTestCase):
    """
    Tests for L{Availability}.
    """

    def setUp(self) -> None:
        self.availability = Availability(SQLITE, Logger())
        self.events: list[dict[str, Any]] = []
        publisher.addObserver(self.events.append)
        self.addCleanup(publisher.removeObserver, self.events.append)

    def meet(self, error: Exception, what: str = "It stays") -> RealtimeError:
        """Let an interaction fail."""
        running: Deferred[None] = self.availability.guard(fail(error), what)
        found = self.failureResultOf(running).value
        assert isinstance(found, RealtimeError), found
        return found

    def said(self) -> list[tuple[str, str]]:
        """Give the lines of the log since the last call, without those of the level debug."""
        lines = [(each["log_level"].name, formatEvent(each)) for each in self.events]
        self.events.clear()
        return [each for each in lines if each[0] != "debug"]

    def test_once(self) -> None:
        """Many clients that meet a lock make one line, and its end another one."""
        for _ in range(3):
            error = self.meet(locked())
        self.assertEqual((error.code, error.retryAfter), ("database_unavailable", 1000))
        self.assertIn("It stays; try again. The database is locked", error.message)
        self.assertEqual(self.said(), [("warn", "It stays: database is locked")])
        # Other work goes on meanwhile, and says nothing of it.
        self.successResultOf(self.availability.guard(succeed(None), "It cannot be read"))
        self.meet(locked())
        self.assertEqual(self.said(), [])
        for _ in range(2):
            self.assertEqual(
                self.successResultOf(self.availability.guard(succeed(5), "It stays")), 5
            )
        self.assertEqual(self.said(), [("info", "this is over: It stays")])
        self.meet(locked())
        self.assertEqual(len(self.said()), 1)

    def test_lost(self) -> None:
        """That the database is lost is not said here."""
        self.meet(LOST)
        self.successResultOf(self.availability.guard(succeed(None), "It stays"))
        self.assertEqual(self.said(), [])

    def test_others(self) -> None:
        """An error of the daemon's own stays as it is."""
        running: Deferred[None] = self.availability.guard(fail(KeyError("x")), "It stays")
        self.failureResultOf(running, KeyError)
