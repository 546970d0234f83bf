"""
Tests for L{aerostack.databases.revocations}, in every database.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from aerostack.databases.postgres.dialect import POSTGRES
from aerostack.databases.sqlite.connection import SQLITE
from aerostack.testing import SynchronousDatabase
from tests.databases.contracts.revocations import RevocationContract
from tests.databases.synchronous import SynchronousPostgres
from tests.postgres import ROLE, freshDatabase


class SQLiteTests(RevocationContract, SynchronousTestCase):
    """
    Revocations are kept in SQLite.
    """

    dialect = SQLITE

    def setUp(self) -> None:
        self.path = self.mktemp()
        super().setUp()

    def open(self) -> SynchronousDatabase:
        return SynchronousDatabase(self.path)

    def execute(self, *statements: str) -> None:
        for statement in statements:
            self.database.connection.execute(statement)

    def test_forgedTypes(self) -> None:
        """
        SQLite holds values of any type in any column; such rows are left out.
        """
        for values in ("'p', x'00', '', 1, 9000, ''", "'p', 'a', '', 1, 'never', ''"):
            self.execute(f"INSERT INTO realtime_revocations VALUES ({values})")
        self.assertEqual(self.read(), [])


class PostgresTests(RevocationContract, SynchronousTestCase):
    """
    Revocations are kept in PostgreSQL.
    """

    dialect = POSTGRES

    def setUp(self) -> None:
        self.postgres = freshDatabase(self)
        super().setUp()

    def open(self) -> SynchronousPostgres:
        return SynchronousPostgres(self.postgres)

    def execute(self, *statements: str) -> Any:
        return self.postgres.execute(*statements, user=ROLE)
