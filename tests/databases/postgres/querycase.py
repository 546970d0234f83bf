"""
What the tests of C{db.query} on PostgreSQL share.
"""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.rows.selection import Bounds
from aerostack.databases.migrations import migrate
from aerostack.databases.postgres.dialect import POSTGRES
from aerostack.databases.postgres.query import runQuery
from aerostack.errors import RealtimeError
from aerostack.protocol.codec import encodeValue
from tests.databases.synchronous import SynchronousPostgres
from tests.postgres import freshDatabase

TYPES = (
    "CREATE TYPE mood AS ENUM ('happy', 'not so \"happy\"')",
    "CREATE TYPE pair AS (a int, b text, c mood[])",
    "CREATE TYPE nothing AS ()",
    "CREATE DOMAIN price AS numeric CHECK (VALUE >= 0)",
    "CREATE TYPE span AS RANGE (subtype = numeric)",
)


class QueryCase(SynchronousTestCase):
    """
    Has a database with a table.
    """

    def setUp(self) -> None:
        self.postgres = freshDatabase(self)
        self.postgres.execute("CREATE TABLE orders (id serial PRIMARY KEY, a int, b text)", *TYPES)
        self.database = SynchronousPostgres(self.postgres)
        self.addCleanup(self.database.close)
        self.successResultOf(self.database.run(migrate, POSTGRES))

    def query(
        self,
        sql: str,
        *parameters: Any,
        rows: int = 100,
        size: int = 1_000_000,
        seconds: float = 60.0,
    ) -> Any:
        """
        Run a statement as C{db.query} does.
        """
        asked = self.database.run(runQuery, sql, list(parameters), Bounds(rows, size, seconds))
        # The form in which it is sent.
        return json.loads(encodeValue(self.successResultOf(asked)))

    def value(self, expression: str, *parameters: Any) -> Any:
        """
        The JSON form of an expression's value.
        """
        ((value,),) = [
            row.values() for row in self.query(f"SELECT {expression}", *parameters)["results"]
        ]
        return value

    def refused(self, sql: str, *parameters: Any, **limits: Any) -> RealtimeError:
        """
        Run a statement that is refused, and check that it left nothing behind.

        @return: The error.
        """
        limits = {"rows": 100, "size": 1_000_000, "seconds": 60.0, **limits}
        asked = self.database.run(runQuery, sql, list(parameters), Bounds(**limits))
        error: RealtimeError = self.failureResultOf(asked, RealtimeError).value
        if not self.database.connection.closed:
            self.assertEqual(self.database.connection.info.transaction_status.name, "IDLE")
        return error
