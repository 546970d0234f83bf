"""
A PostgreSQL database with a journal, for tests.
"""

from __future__ import annotations

from contextlib import closing
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.rows.changes import Row
from aerostack.databases.postgres import following
from aerostack.databases.postgres.journal import PostgresJournal
from aerostack.protocol.values import toJSON
from tests.databases.support import Reader, Steps
from tests.postgres import ADMIN, OWNER, ROLE, freshDatabase

# All objects that a program could have made, and their definitions.
_INVENTORY = """
SELECT 'schema', nspname, '' FROM pg_namespace WHERE nspname !~ '^pg_(toast|temp)'
UNION ALL SELECT 'relation', oid::regclass::text, relkind::text FROM pg_class
WHERE relnamespace NOT IN ('pg_catalog'::regnamespace, 'pg_toast'::regnamespace)
UNION ALL SELECT 'trigger', tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT 'function', oid::regprocedure::text, '' FROM pg_proc
WHERE pronamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
UNION ALL SELECT 'privilege', relname, relacl::text FROM pg_class WHERE relacl IS NOT NULL
ORDER BY 1, 2, 3
"""


class PostgresCase(Steps, SynchronousTestCase):
    """
    A database with a journal, and a writer that is another program.
    """

    refusal = psycopg.IntegrityError
    error = psycopg.Error

    def setUp(self) -> None:
        # Every poll checks the tables.
        self.patch(following, "CHECKING", 0.0)
        self.database = freshDatabase(self)
        self.writer = self.connect()
        self.reader = self.makeReader()

    def connect(self, user: str = OWNER, **options: Any) -> Any:
        connection = self.database.connect(user, **options)
        self.addCleanup(connection.close)
        return connection

    def leave(self, connection: Any) -> None:
        """
        Close a connection, and wait until the server has released its locks.
        """
        pid = connection.info.backend_pid
        connection.close()
        with closing(self.database.connect(ADMIN)) as admin:
            while admin.execute("SELECT FROM pg_stat_activity WHERE pid = %s", (pid,)).rowcount:
                pass

    def makeReader(self, **options: Any) -> Reader:
        journal = PostgresJournal(
            **{
                "rebuiltRows": self.rebuiltRows,
                "lend": lambda: closing(self.database.connect(ROLE)),
                **options,
            }
        )
        return Reader(self.connect(ROLE), journal)

    def letReadersIn(self) -> None:
        """
        PostgreSQL's writers never keep readers out.
        """

    def rows(self, table: str) -> list[Row]:
        cursor = self.writer.execute(f"SELECT * FROM {table}")
        names = [column.name for column in cursor.description]
        return [dict(zip(names, map(toJSON, row), strict=True)) for row in cursor]

    def inventory(self) -> list[Any]:
        found: list[Any] = self.writer.execute(_INVENTORY).fetchall()
        return found

    def isOpen(self) -> bool:
        status: TransactionStatus = self.writer.info.transaction_status
        return status is not TransactionStatus.IDLE
