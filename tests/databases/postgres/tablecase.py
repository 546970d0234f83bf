"""
What the tests of PostgreSQL tables share.
"""

from __future__ import annotations

from aerostack.errors import RealtimeError
from tests.databases.postgres.case import PostgresCase
from tests.databases.support import lossOf
from tests.postgres import ADMIN


class TableCase(PostgresCase):
    """
    What the tests of tables share.
    """

    def assertRefused(self, table: str, code: str, *words: str) -> None:
        error = self.assertRaises(RealtimeError, self.reader.attach, table)
        self.assertEqual(error.code, code)
        for word in words:
            self.assertIn(word, error.message)

    def assertLost(self, *words: str) -> None:
        """
        Check that the next poll reports one loss, and nothing else.
        """
        (event,) = self.events()
        loss = lossOf(event)
        self.assertEqual((loss.table, loss.error.code), ("t", "table_lost"))
        for word in words:
            self.assertIn(word, loss.error.message)

    def admin(self, *statements: str) -> None:
        self.database.execute(*statements, user=ADMIN)
