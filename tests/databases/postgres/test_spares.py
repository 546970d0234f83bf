"""
Tests for L{aerostack.databases.postgres.spares}.
"""

from __future__ import annotations

from contextlib import closing
from threading import Thread

import psycopg
from twisted.trial.unittest import SynchronousTestCase

from aerostack.databases.postgres.spares import SpareConnections
from tests.databases.synchronous import optionsOf
from tests.postgres import ADMIN, freshDatabase


class SpareTests(SynchronousTestCase):
    """
    Tests for L{SpareConnections}.
    """

    def setUp(self) -> None:
        self.postgres = freshDatabase(self)
        self.spares = SpareConnections(optionsOf(self.postgres), "spare")
        self.addCleanup(self.spares.close)

    def pid(self) -> int:
        with self.spares.lend() as connection:
            (pid,) = connection.execute("SELECT pg_backend_pid()").fetchone() or (0,)
            return int(pid)

    def count(self) -> int:
        (count,) = self.postgres.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'aerostack-rt spare'"
            f" AND datname = '{self.postgres.name}'",
            user=ADMIN,
        )[0]
        return int(count)

    def test_again(self) -> None:
        """
        Connections are lent repeatedly, and there are as many as are lent at once.
        """
        self.assertEqual({self.pid() for _ in range(5)}, {self.pid()})
        with self.spares.lend(), self.spares.lend():
            self.assertEqual(self.count(), 2)
        self.assertEqual(self.count(), 2)

    def test_failed(self) -> None:
        """
        A connection is closed after an error, which releases its locks.
        """

        def fail() -> None:
            with self.spares.lend() as connection:
                connection.execute("SELECT pg_advisory_lock(1)")
                connection.execute("SELECT 1 / 0")

        self.assertRaises(psycopg.errors.DivisionByZero, fail)
        with closing(self.postgres.connect()) as other:
            other.execute("SET lock_timeout = '30s'")
            other.execute("SELECT pg_advisory_lock(1)")

    def test_dead(self) -> None:
        """
        A connection that the server has ended is not lent.
        """
        pid = self.pid()
        with closing(self.postgres.connect(ADMIN)) as other:
            other.execute("SELECT pg_terminate_backend(%s, 30000)", (pid,))
        self.assertNotEqual(self.pid(), pid)

    def test_severed(self) -> None:
        """
        A call that waits for an answer can be given up.
        """

        def wait() -> None:
            with self.spares.lend() as connection:
                connection.execute("SELECT pg_sleep(600)")

        failed: list[Exception] = []

        def run() -> None:
            try:
                wait()
            except psycopg.OperationalError as error:
                failed.append(error)

        thread = Thread(target=run)
        thread.start()
        while thread.is_alive():
            self.spares.sever()
            thread.join(0.01)
        self.assertEqual(len(failed), 1)
