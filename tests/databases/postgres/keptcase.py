"""
What the tests of a kept journal share.
"""

from __future__ import annotations

from tests.databases.postgres.case import PostgresCase
from tests.databases.support import brief, lossOf
from tests.postgres import ADMIN


class KeptCase(PostgresCase):
    """
    A followed table.
    """

    def setUp(self) -> None:
        super().setUp()
        self.follow("t", "CREATE TABLE t (a int PRIMARY KEY)")

    def assertHealed(self, *statements: str) -> None:
        """
        Run statements as the superuser, then check that the table is lost once, and continues.
        """
        before = self.reader.after
        self.database.execute(*statements, user=ADMIN)
        events = self.events()
        losses = [lossOf(event) for event in events]
        self.assertEqual([loss.table for loss in losses], ["t"], statements)
        self.assertIn("missing", losses[0].error.message)
        changes = self.changes("INSERT INTO t VALUES (1)", "DELETE FROM t")
        self.assertEqual(brief(changes), [("INSERT", 1), ("DELETE", 1)])
        self.assertTrue(before < changes[0].seq < changes[1].seq)
        self.assertEqual(self.events(), [])
