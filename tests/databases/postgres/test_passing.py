"""
Tests for L{aerostack.databases.postgres.passing}.
"""

from __future__ import annotations

from types import SimpleNamespace

import psycopg
from psycopg import errors
from psycopg.pq import Ping
from twisted.trial.unittest import SynchronousTestCase

from aerostack.databases.backend import Unready, Unusable
from aerostack.databases.open import openBackend
from aerostack.databases.postgres import passing as module
from aerostack.databases.postgres.connection import Locked, Unsuitable
from aerostack.databases.postgres.passing import passing
from aerostack.settings.settings import DatabaseConfig
from tests.ports import freePort
from tests.postgres import ADMIN, PASSWORD, ROLE, freshDatabase


class PassingTests(SynchronousTestCase):
    """
    Tests for L{passing}, without a server.
    """

    def test_states(self) -> None:
        """
        What passes by itself is known by its SQLSTATE.
        """
        for kind, passes in (
            (errors.CannotConnectNow, True),
            (errors.AdminShutdown, True),
            (errors.TooManyConnections, True),
            (errors.DiskFull, True),
            (errors.ReadOnlySqlTransaction, True),
            (errors.LockNotAvailable, True),
            (errors.InsufficientPrivilege, False),
            (errors.UndefinedTable, False),
            (errors.InvalidCatalogName, False),
        ):
            self.assertEqual(passing({}, kind("said")) is not None, passes, kind)

    def test_others(self) -> None:
        """
        Locks pass; a server that is not suitable stays so.
        """
        self.assertEqual(passing({}, Locked("said")), "is locked by another program")
        self.assertIsNone(passing({}, Unsuitable("said")))
        self.assertIsNone(passing({}, psycopg.ProgrammingError("said")))

    def test_full(self) -> None:
        """
        Where no SQLSTATE can be learned, a server without a free connection is known by its English
        words, and one that does not answer by a ping.
        """
        pings: list[Ping] = [Ping.OK]
        self.patch(module, "CAN_LEARN", False)
        self.patch(module, "PGconn", SimpleNamespace(ping=lambda conninfo: pings[-1]))
        self.patch(module, "_isStandby", lambda options: False)
        for words in ("sorry, too many clients already", "remaining connection slots are reserved"):
            error = psycopg.OperationalError(f"connection failed: FATAL:  {words}")
            self.assertEqual(passing({}, error), "has no connection left")
        other = psycopg.OperationalError("connection failed: FATAL:  zut")
        self.assertIsNone(passing({}, other))
        for ping in (Ping.REJECT, Ping.NO_RESPONSE):
            pings.append(ping)
            self.assertEqual(passing({}, other), "cannot be reached, or is starting")


class ServerTests(SynchronousTestCase):
    """
    Tests with a server.
    """

    def setUp(self) -> None:
        self.database = freshDatabase(self)

    def fault(self, url: str, password: str = PASSWORD) -> Unusable:
        """
        @return: With what a database refuses a question.
        """
        backend = openBackend(DatabaseConfig(url, password))
        return self.assertRaises(Unusable, backend.ask, lambda cursor, dialect: None)

    def test_unreachable(self) -> None:
        """
        A server that does not answer is waited for; one that refuses the daemon is not.
        """
        gone = self.fault(f"postgresql://rt@127.0.0.1:{freePort(self)}/shop")
        self.assertIsInstance(gone, Unready)
        for error in (
            self.fault(self.database.tcp(), "wr0ng"),
            self.fault(self.database.tcp().rpartition("/")[0] + "/nowhere"),
        ):
            self.assertNotIsInstance(error, Unready)

    def test_noConnectionLeft(self) -> None:
        """
        A server whose role has no connection left is waited for.
        """
        self.database.execute(f"ALTER ROLE {ROLE} CONNECTION LIMIT 0", user=ADMIN)
        self.addCleanup(self.database.execute, f"ALTER ROLE {ROLE} CONNECTION LIMIT -1", user=ADMIN)
        error = self.fault(self.database.tcp())
        self.assertEqual(getattr(error, "fault", None), "has no connection left")

    def test_standby(self) -> None:
        """
        A standby is waited for, because it may take over.
        """
        self.database.execute(
            f"ALTER ROLE {ROLE} SET default_transaction_read_only = on", user=ADMIN
        )
        self.addCleanup(self.database.execute, f"ALTER ROLE {ROLE} RESET ALL", user=ADMIN)
        error = self.fault(self.database.tcp())
        self.assertIsInstance(error, Unready)
        self.assertEqual(getattr(error, "fault", None), "is a standby")
        self.patch(module, "_isStandby", lambda options: False)
        self.assertNotIsInstance(self.fault(self.database.tcp()), Unready)
