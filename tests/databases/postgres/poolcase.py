"""
What the tests of PostgreSQL connections share.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import TestCase

from aerostack.databases.postgres.connection import (
    PostgresDatabase,
)
from tests.databases.synchronous import optionsOf
from tests.postgres import freshDatabase


def ping(cursor: Any) -> None:
    """
    Run the simplest query.
    """
    cursor.execute("SELECT 1")


class PoolCase(TestCase):
    """
    Has a pool of connections to a database with a table C{t}.
    """

    def setUp(self) -> None:
        from twisted.internet import reactor

        self.reactor: Any = reactor
        self.postgres = freshDatabase(self)
        self.postgres.execute("CREATE TABLE t (a int)")
        self.database = self.open(2)

    def make(self, threads: int, **options: Any) -> PostgresDatabase:
        """
        Open the database; the caller closes it.
        """
        known = {"options": optionsOf(self.postgres), "purpose": "test", "ours": False}
        options = {**known, **options}
        database = PostgresDatabase(self.reactor, threads=threads, **options)
        database.start()
        return database

    def open(self, threads: int, **options: Any) -> PostgresDatabase:
        """
        Open the database.
        """
        database = self.make(threads, **options)
        self.addCleanup(database.close)
        return database

    def rows(self) -> list[Any]:
        """
        The rows that another connection sees.
        """
        return [a for (a,) in self.postgres.execute("SELECT a FROM t ORDER BY a")]

    async def ask(self, sql: str, database: PostgresDatabase | None = None) -> Any:
        """
        Ask for a single value.
        """

        def interaction(cursor: Any) -> Any:
            return cursor.execute(sql).fetchone()[0]

        return await (database or self.database).run(interaction)

    async def fails(self, sql: str, error: type[Exception]) -> Exception:
        """
        Run a query that fails.
        """
        try:
            await self.ask(sql)
        except error as found:
            return found
        raise AssertionError(f"no {error.__name__}")
