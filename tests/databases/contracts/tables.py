"""
Tests of tables that are dropped, made again and renamed, for every database.
"""

from __future__ import annotations

from aerostack.core.rows.changes import Change
from aerostack.core.rows.journal import Loss
from aerostack.errors import RealtimeError
from tests.databases.contracts.journal import JournalContract, T
from tests.databases.support import brief


class TableContract(JournalContract):
    """
    Tables dropped, made again and renamed.
    """

    rebuiltRows = 3

    def setUp(self) -> None:
        super().setUp()  # type: ignore[misc]
        self.follow("t", T)

    def test_dropped(self) -> None:
        """
        A dropped table is reported as lost once, after its last changes.  When it exists again,
        its changes are reported again.
        """
        self.changes("INSERT INTO t VALUES (1, 'x')")
        self.run_("DELETE FROM t", "DROP TABLE t")
        delete, *rest = self.events()
        self.assertEqual(brief([delete]), [("DELETE", 1, "x")])
        self.assertEqual(self.assertLost(rest, "dropped"), [])
        self.assertEqual(self.reader.missing, {"t"})
        self.assertEqual(self.changes("CREATE TABLE u (a INTEGER)", "DROP TABLE u"), [])
        self.assertEqual(
            self.summary("CREATE TABLE t (b INTEGER, c INTEGER)", "INSERT INTO t VALUES (3, 4)"),
            [("INSERT", 3, 4)],
        )
        self.assertEqual(self.reader.missing, frozenset())
        self.assertEqual(self.summary("INSERT INTO t VALUES (5, 6)"), [("INSERT", 5, 6)])

    def test_madeAgain(self) -> None:
        """
        A table that is dropped and made again between two polls is reported as lost, and each of
        its rows as an INSERT.
        """
        self.run_("DROP TABLE t", "CREATE TABLE t (b INTEGER UNIQUE, c INTEGER)")
        self.run_("INSERT INTO t VALUES (1, 2), (2, NULL)", "UPDATE t SET c = 3 WHERE b = 1")
        rest = self.assertLost(self.events(), "2 rows")
        self.assertEqual(sorted(brief(rest), key=repr), [("INSERT", 1, 3), ("INSERT", 2, None)])
        self.assertEqual(self.summary("DELETE FROM t WHERE b = 1"), [("DELETE", 1, 3)])

    def test_neverMissing(self) -> None:
        """
        A table that is made again between two polls is lost, but never missing.
        """
        self.run_("DROP TABLE t", "CREATE TABLE t (b INTEGER)")
        self.assertEqual(len(self.losses()), 1)
        self.assertEqual(self.reader.missing, frozenset())

    def test_madeAgainLarge(self) -> None:
        """
        If it has too many rows for that, the loss asks subscribers to reload it.
        """
        again = ["CREATE TABLE t (b INTEGER)", "INSERT INTO t VALUES (1), (2), (3), (4)"]
        self.run_("DROP TABLE t", *again)
        self.assertEqual(self.assertLost(self.events(), "more than 3 rows", "reload"), [])
        self.assertEqual(self.summary("INSERT INTO t VALUES (5)"), [("INSERT", 5)])
        self.run_("DROP TABLE t")
        self.assertLost(self.events())
        self.run_(*again)
        self.assertEqual(self.assertLost(self.events(), "more than 3 rows"), [])

    def test_rebuilt(self) -> None:
        """
        After a migration that copies the table, drops it and renames the copy, the copy is
        followed.
        """
        self.run_("INSERT INTO t VALUES (1, 'x')")
        self.events()
        self.run_(
            "BEGIN",
            "CREATE TABLE t_new (id INTEGER PRIMARY KEY, a TEXT NOT NULL)",
            "INSERT INTO t_new SELECT * FROM t",
            "DROP TABLE t",
            "ALTER TABLE t_new RENAME TO t",
            "COMMIT",
        )
        rest = self.assertLost(self.events(), "1 rows")
        self.assertEqual(brief(rest), [("INSERT", 1, "x")])
        self.assertEqual(self.summary("UPDATE t SET a = 'y'"), [("UPDATE", 1, "y")])

    def test_renamed(self) -> None:
        """
        A renamed table is lost, and its new name is not followed; renamed back it is found again.
        """
        self.changes("INSERT INTO t VALUES (1, 'x'), (2, 'y')")
        self.run_("DELETE FROM t WHERE id = 2", "ALTER TABLE t RENAME TO u")
        delete, *rest = self.events()
        self.assertEqual(brief([delete]), [("DELETE", 2, "y")])
        self.assertEqual(self.assertLost(rest, "renamed"), [])
        self.assertEqual(self.changes("INSERT INTO u VALUES (2, 'y')"), [])
        self.assertEqual(
            self.summary("DELETE FROM u WHERE id = 2", "ALTER TABLE u RENAME TO t"),
            [("INSERT", 1, "x")],
        )

    def test_exchanged(self) -> None:
        """
        Two watched tables that exchange their names are both lost, and are followed under their
        new names.
        """
        self.follow("u", "CREATE TABLE u (b INTEGER)", "INSERT INTO u VALUES (7)")
        self.run_(
            "ALTER TABLE t RENAME TO x", "ALTER TABLE u RENAME TO t", "ALTER TABLE x RENAME TO u"
        )
        events = self.events()
        self.assertEqual({e.table for e in events if isinstance(e, Loss)}, {"t", "u"})
        self.assertEqual(
            [(e.table, e.data) for e in events if isinstance(e, Change)], [("t", {"b": 7})]
        )
        (change,) = self.changes("INSERT INTO u VALUES (1, 'z')")
        self.assertEqual((change.table, change.data), ("u", {"id": 1, "a": "z"}))

    def test_nowAView(self) -> None:
        """
        A view in a table's place means that the table is gone.
        """
        self.run_("DROP TABLE t", "CREATE VIEW t AS SELECT 1 AS b")
        self.assertEqual(len(self.losses()), 1)
        self.assertEqual(
            self.summary("DROP VIEW t", "CREATE TABLE t (b INTEGER)", "INSERT INTO t VALUES (1)"),
            [("INSERT", 1)],
        )

    def test_watchedAgain(self) -> None:
        """
        A lost table cannot be watched, with an error that says why.  Once it exists again it can,
        and no change is missed.
        """
        self.run_("DROP TABLE t")
        self.events()
        error = self.assertRaises(RealtimeError, self.reader.attach, "t")
        self.assertEqual(error.code, "unknown_table")
        self.run_("CREATE TABLE t (b INTEGER)", "INSERT INTO t VALUES (1)")
        self.assertEqual(self.reader.attach("t"), "t")
        self.assertEqual(self.summary("INSERT INTO t VALUES (2)"), [("INSERT", 1), ("INSERT", 2)])
