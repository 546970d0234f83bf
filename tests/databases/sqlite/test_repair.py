"""
Tests for L{aerostack.databases.sqlite.repair}.
"""

from __future__ import annotations

from aerostack.core.rows.journal import Loss
from aerostack.databases.sqlite import ledger
from tests.databases.support import JournalCase, Mirror, brief, lossOf, tableRows


class ColumnTests(JournalCase):
    """
    Columns that are added, dropped and renamed.
    """

    def setUp(self) -> None:
        super().setUp()
        self.follow("t", "CREATE TABLE t (id INTEGER PRIMARY KEY, a, b)")

    def test_writtenBeforeSeen(self) -> None:
        """
        The values of an added column from before the next poll are reported if the row still
        exists; otherwise the default is.
        """
        for columns in (
            "(a, id INTEGER PRIMARY KEY)",
            "(a, id TEXT PRIMARY KEY)",
            "(a, id, PRIMARY KEY (id)) WITHOUT ROWID",
        ):
            self.run_("DROP TABLE IF EXISTS u")
            self.events()
            self.follow("u", f"CREATE TABLE u {columns}")
            changes = self.changes(
                "ALTER TABLE u ADD COLUMN n INTEGER DEFAULT '5'",
                "INSERT INTO u VALUES ('x', 1, 11), ('y', 2, 22), ('z', 3, 33)",
                "UPDATE u SET n = 12 WHERE id = 1",
                "UPDATE u SET id = 9 WHERE id = 3",
                "DELETE FROM u WHERE id = 2",
            )
            self.assertEqual(
                [(c.operation, c.data["a"], c.data["n"]) for c in changes],
                [
                    *[("INSERT", "x", 5), ("INSERT", "y", 5), ("INSERT", "z", 5)],
                    *[("UPDATE", "x", 12), ("UPDATE", "z", 33), ("DELETE", "y", 5)],
                ],
            )
            mirror = Mirror()
            mirror.apply(changes)
            self.assertEqual(mirror.sorted(), Mirror(tableRows(self.writer, "u")).sorted())

    def test_defaults(self) -> None:
        """
        An older row is reported with the default as the column stores it.
        """
        self.run_("INSERT INTO t (id) VALUES (1)")
        self.events()
        before = self.reader.after
        self.run_("DELETE FROM t")
        self.events()
        for number, (declared, expected) in enumerate(
            (
                ("", None),
                ("TEXT DEFAULT 5", "5"),
                ("REAL DEFAULT -5", -5.0),
                ("INT DEFAULT 'x''y'", "x'y"),
                ("VARCHAR(20) DEFAULT x'00'", {"base64": "AA=="}),
                ("DEFAULT 9007199254740993", "9007199254740993"),
                ("DEFAULT NULL", None),
                ("AS (id + 1)", None),
            )
        ):
            self.run_(f"ALTER TABLE t ADD COLUMN n{number} {declared}")
            self.events()
            self.reader.after = before
            (change,) = self.changes()
            self.assertEqual(repr(change.data[f"n{number}"]), repr(expected), declared)

    def test_generatedAdded(self) -> None:
        """
        An added computed column is reported with its values.
        """
        self.assertEqual(
            self.summary("ALTER TABLE t ADD COLUMN g AS (id * 2)", "INSERT INTO t (id) VALUES (4)"),
            [("INSERT", 4, None, None, 8)],
        )

    def test_placesUsedUp(self) -> None:
        """
        A table whose columns have come and gone too often for the journal is recorded anew, and
        its subscribers hear of that.
        """
        self.patch(ledger, "MAX_POSITIONS", 4)
        self.run_("ALTER TABLE t ADD COLUMN c", "ALTER TABLE t DROP COLUMN c")
        self.assertEqual(self.changes(), [])
        for name in "cd":
            self.run_(f"ALTER TABLE t ADD COLUMN {name}")
            events = self.events()
            self.run_(f"ALTER TABLE t DROP COLUMN {name}")
            self.events()
        (loss,) = events
        self.assertEqual(lossOf(loss).table, "t")
        self.assertEqual(self.summary("INSERT INTO t VALUES (1, 2, 3)"), [("INSERT", 1, 2, 3)])

    def test_indexes(self) -> None:
        """
        An index that is created while the table is watched counts from the next poll on.
        """
        self.events()
        self.run_("CREATE UNIQUE INDEX i ON t (a)")
        self.events()
        self.assertEqual(
            self.summary("INSERT INTO t VALUES (1, 'x', 0)", "REPLACE INTO t VALUES (2, 'x', 0)"),
            [("INSERT", 1, "x", 0), ("DELETE", 1, "x", 0), ("INSERT", 2, "x", 0)],
        )


class TamperTests(JournalCase):
    """
    A program removes objects of the daemon.
    """

    def setUp(self) -> None:
        super().setUp()
        self.follow("t", "CREATE TABLE t (a UNIQUE)")
        self.run_("INSERT INTO t VALUES (1)")
        self.events()

    def assertHealed(self, *statements: str) -> None:
        """
        Check that the statements cause a loss, and that changes are reported correctly
        afterwards.
        """
        self.run_(*statements)
        before = self.reader.after
        losses = [event for event in self.events() if isinstance(event, Loss)]
        self.assertEqual([loss.table for loss in losses], ["t"], statements)
        self.assertIn("missing", losses[0].error.message)
        # A connection that saw a broken schema reads it anew only when it reads a table.
        tableRows(self.writer, "t")
        (delete, insert) = self.changes("REPLACE INTO t VALUES (1)")
        self.assertEqual(brief([delete, insert]), [("DELETE", 1), ("INSERT", 1)])
        self.assertTrue(before < delete.seq < insert.seq)
        self.assertEqual(self.events(), [])

    def test_trigger(self) -> None:
        """
        After a trigger was dropped, changes may be missing, and the trigger is created again.
        """
        for kind in ("bi", "bu", "ad", "ai", "au"):
            (name,) = self.writer.execute(
                "SELECT name FROM sqlite_master WHERE name LIKE ?", (f"%_{kind}",)
            ).fetchone()
            self.assertHealed(f"DROP TRIGGER {name}")

    def test_alteredTrigger(self) -> None:
        """
        A changed trigger is restored.
        """
        name, sql = self.writer.execute(
            "SELECT name, sql FROM sqlite_master WHERE name LIKE '%_au'"
        ).fetchone()
        self.assertHealed(f"DROP TRIGGER {name}", sql[: sql.index("BEGIN")] + "BEGIN SELECT 1; END")

    def test_tables(self) -> None:
        """
        After a table of the daemon was dropped, changes may be missing, and the table is created
        again.
        """
        for name in ("changes", "pending", "tables", "columns", "meta"):
            self.assertHealed(f"DROP TABLE _aerostack_{name}")
        self.assertHealed("DROP INDEX _aerostack_pending_tid")

    def test_emptied(self) -> None:
        """
        After the journal was emptied, changes may be missing, and its numbers continue.
        """
        self.assertHealed("DELETE FROM _aerostack_changes")

    def test_forgotten(self) -> None:
        """
        After the list of tables was emptied, the table is found again when the schema changes.
        """
        self.assertHealed("DELETE FROM _aerostack_tables", "CREATE TABLE u (a)")

    def test_removed(self) -> None:
        """
        After everything was removed under a running daemon, changes may be missing, and
        everything is created again.
        """
        self.reader.journal.remove(self.connect().cursor())
        self.assertHealed()

    def test_attachHeals(self) -> None:
        """
        Attaching a table before the next poll restores the journal.
        """
        self.run_("CREATE TABLE u (a)", "DROP TABLE _aerostack_changes")
        self.reader.attach("u")
        (event, *_) = self.events()
        self.assertIsInstance(event, Loss)
        self.assertEqual([c.table for c in self.changes("INSERT INTO u VALUES (1)")], ["u"])
