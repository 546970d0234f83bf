"""
Tests for L{aerostack.databases.answers}, in every database.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from aerostack.databases.postgres.dialect import POSTGRES
from aerostack.databases.sqlite.connection import SQLITE
from aerostack.testing import SynchronousDatabase
from tests.databases.contracts.answers import RECORD, AnswerContract
from tests.databases.synchronous import SynchronousPostgres
from tests.postgres import ROLE, freshDatabase


class SQLiteTests(AnswerContract, SynchronousTestCase):
    """
    Running answers are kept in SQLite.
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
        SQLite holds values of any type in any column; such answers are left out.
        """
        for values in (
            "'m', 'a', 't', 'n', NULL, 'one', NULL, '{}', ''",
            "'n', x'00', 't', 'n', NULL, 1, NULL, '', ''",
        ):
            self.execute(f"INSERT INTO realtime_answers VALUES ({values})")
        self.write(records=(RECORD,))
        self.execute(
            "INSERT INTO realtime_answer_pieces VALUES ('m1', '0', 'x', 'text', 0, '\"a\"')"
        )
        self.assertEqual(self.load(), [])


class PostgresTests(AnswerContract, SynchronousTestCase):
    """
    Running answers are kept in PostgreSQL.
    """

    dialect = POSTGRES

    def setUp(self) -> None:
        self.postgres = freshDatabase(self)
        super().setUp()

    def open(self) -> SynchronousPostgres:
        return SynchronousPostgres(self.postgres)

    def execute(self, *statements: str) -> Any:
        return self.postgres.execute(*statements, user=ROLE)
