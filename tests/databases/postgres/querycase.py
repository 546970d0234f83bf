"""
What the tests of C{db.query} on PostgreSQL share.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from aerostack.databases.migrations import migrate
from aerostack.databases.postgres.dialect import POSTGRES
from aerostack.databases.postgres.query import runQuery
from tests.databases.contracts.query import QuerySteps
from tests.databases.synchronous import SynchronousPostgres
from tests.postgres import freshDatabase

TYPES = (
    "CREATE TYPE mood AS ENUM ('happy', 'not so \"happy\"')",
    "CREATE TYPE pair AS (a int, b text, c mood[])",
    "CREATE TYPE nothing AS ()",
    "CREATE DOMAIN price AS numeric CHECK (VALUE >= 0)",
    "CREATE TYPE span AS RANGE (subtype = numeric)",
)


class QueryCase(QuerySteps, SynchronousTestCase):
    """
    Has a database with a table.
    """

    runQuery = staticmethod(runQuery)

    def setUp(self) -> None:
        self.postgres = freshDatabase(self)
        self.postgres.execute("CREATE TABLE orders (id serial PRIMARY KEY, a int, b text)", *TYPES)
        self.database = SynchronousPostgres(self.postgres)
        self.addCleanup(self.database.close)
        self.successResultOf(self.database.run(migrate, POSTGRES))

    def execute(self, statement: str) -> list[Any]:
        """
        Run a statement as the owner of the tables.
        """
        rows: list[Any] = self.postgres.execute(statement)
        return rows

    def assertIdle(self) -> None:
        """
        Check that the connection is in no transaction, if it is still open.
        """
        if not self.database.connection.closed:
            self.assertEqual(self.database.connection.info.transaction_status.name, "IDLE")

    def value(self, expression: str, *parameters: Any) -> Any:
        """
        The JSON form of an expression's value.
        """
        ((value,),) = [
            row.values() for row in self.query(f"SELECT {expression}", *parameters)["results"]
        ]
        return value
