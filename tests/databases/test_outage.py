"""
Tests for L{aerostack.databases.outage}.
"""

from __future__ import annotations

import psycopg
from psycopg import errors
from twisted.internet.task import Clock
from twisted.logger import formatEvent
from twisted.logger import globalLogPublisher as publisher
from twisted.trial.unittest import SynchronousTestCase

from aerostack.databases.outage import LONG, Outage
from aerostack.errors import GivenUp

REFUSED = psycopg.OperationalError("connection failed:\n\tConnection refused")
STOPS = errors.AdminShutdown("terminating connection due to administrator command")


class OutageTests(SynchronousTestCase):
    """
    Tests for L{Outage}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(100)
        self.outage = Outage(self.clock.seconds)
        self.said: list[tuple[str, str]] = []
        publisher.addObserver(self.observe)
        self.addCleanup(publisher.removeObserver, self.observe)

    def observe(self, event: dict[str, object]) -> None:
        """Record the log."""
        level = getattr(event["log_level"], "name", "")
        self.said.append((level, formatEvent(event)))

    def fail(self, *found: BaseException) -> None:  # type: ignore[override]
        """Let interactions fail, one each second."""
        for error in found:
            self.outage.failed(error)
            self.clock.advance(1)

    def test_once(self) -> None:
        """However many parts meet an outage, it has one warning and one line at its end."""
        self.fail(STOPS, REFUSED, psycopg.OperationalError("the database system is starting up"))
        for _ in range(2):
            self.outage.worked(self.clock.seconds())
        self.assertEqual(
            self.said,
            [
                (
                    "warn",
                    "the database is lost; the daemon tries again: terminating connection due to"
                    " administrator command",
                ),
                ("info", "the database answers again, after 3 s"),
            ],
        )
        self.fail(STOPS)
        self.assertEqual([level for level, _ in self.said], ["warn", "info", "warn"])

    def test_before(self) -> None:
        """An interaction that began before the failure does not show that the database is back."""
        began = self.clock.seconds()
        self.clock.advance(1)
        self.fail(STOPS)
        self.outage.worked(began)
        self.assertEqual(len(self.said), 1)
        self.outage.worked(self.clock.seconds())
        self.assertEqual(len(self.said), 2)

    def test_long(self) -> None:
        """An outage that is no restart any more is an error, which is said once."""
        self.fail(REFUSED)
        self.clock.advance(LONG)
        self.fail(REFUSED, REFUSED)
        self.assertEqual(
            self.said[1:],
            [
                (
                    "error",
                    "the database has not been reached for 31 s; the daemon tries again: connection"
                    " failed: Connection refused",
                )
            ],
        )

    def test_refused(self) -> None:
        """A server that answers and does not let the daemon in is an error at once."""
        wrong = 'connection failed: FATAL:  password authentication failed for user "rt"'
        for states in (
            "the database system is starting up",
            "the database system is shutting down",
        ):
            self.fail(psycopg.OperationalError(f"failed: FATAL:  the database system {states}"))
        self.fail(*[psycopg.OperationalError(wrong)] * 2)
        self.assertEqual([level for level, _ in self.said], ["warn", "error"])
        self.assertIn("password authentication failed", self.said[1][1])

    def test_others(self) -> None:
        """Errors of a database that is there, and the daemon's own stop, are no outage."""
        stopping = GivenUp("database_unavailable", "The daemon stopped meanwhile.")
        self.fail(errors.LockNotAvailable("lock timeout"), errors.DiskFull("full"), stopping)
        self.fail(ValueError("a bug"))
        self.outage.worked(self.clock.seconds())
        self.assertEqual(self.said, [])
