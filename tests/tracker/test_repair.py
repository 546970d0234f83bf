"""
Tests of L{aerostack.tracker.repair}: the user's schema changes while a table is watched,
and nothing of ours is ever in the way.
"""

from __future__ import annotations

import sqlite3
import subprocess

from aerostack.core.changes import INSERT, Change
from aerostack.errors import RealtimeError
from aerostack.tracker import ledger
from aerostack.tracker.journal import Loss

from .support import JournalCase, Mirror, Reader, brief, lossOf, tableRows


class ColumnTests(JournalCase):
    """
    Columns added, dropped and renamed.
    """

    def setUp(self) -> None:
        super().setUp()
        self.follow("t", "CREATE TABLE t (id INTEGER PRIMARY KEY, a, b)")

    def test_added(self) -> None:
        """
        An added column is told from the poll on that sees it.
        """
        self.run_("INSERT INTO t VALUES (1, 'x', 'y')", "ALTER TABLE t ADD COLUMN c DEFAULT 7")
        self.assertEqual(self.inserted(), [{"id": 1, "a": "x", "b": "y", "c": 7}])
        self.assertEqual(
            self.updated("UPDATE t SET c = 8"),
            [
                (
                    {"id": 1, "a": "x", "b": "y", "c": 7},
                    {"id": 1, "a": "x", "b": "y", "c": 8},
                )
            ],
        )

    def test_writtenBeforeSeen(self) -> None:
        """
        What is written to an added column before the next poll is told, where the row
        still stands; else the default is.
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
        An older entry is told with the default as the column keeps it.
        """
        before = self.reader.after
        self.run_("INSERT INTO t (id) VALUES (1)")
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
        A computed column that is added is told with its values.
        """
        self.assertEqual(
            self.summary("ALTER TABLE t ADD COLUMN g AS (id * 2)", "INSERT INTO t (id) VALUES (4)"),
            [("INSERT", 4, None, None, 8)],
        )

    def test_dropped(self) -> None:
        """
        A dropped column is told no more, also of what was written before.
        """
        self.assertEqual(
            self.inserted(
                "INSERT INTO t VALUES (1, 2, 3)",
                "ALTER TABLE t DROP COLUMN a",
                "INSERT INTO t VALUES (4, 5)",
            ),
            [{"id": 1, "b": 3}, {"id": 4, "b": 5}],
        )

    def test_renamed(self) -> None:
        """
        A renamed column is told under its new name, also of what was written before.
        """
        self.assertEqual(
            self.inserted(
                "INSERT INTO t VALUES (1, 2, 3)",
                'ALTER TABLE t RENAME COLUMN a TO "new ""name"',
                "ALTER TABLE t RENAME COLUMN id TO key",
                "INSERT INTO t VALUES (4, 5, 6)",
            ),
            [{"key": 1, 'new "name': 2, "b": 3}, {"key": 4, 'new "name': 5, "b": 6}],
        )

    def test_swapped(self) -> None:
        """
        Columns that exchange their names keep their values.
        """
        self.assertEqual(
            self.inserted(
                "INSERT INTO t VALUES (1, 2, 3)",
                "ALTER TABLE t RENAME COLUMN a TO c",
                "ALTER TABLE t RENAME COLUMN b TO a",
                "ALTER TABLE t RENAME COLUMN c TO b",
            ),
            [{"id": 1, "b": 2, "a": 3}],
        )

    def test_nameOfADropped(self) -> None:
        """
        A column that takes over a dropped one's name has its own values.
        """
        self.assertEqual(
            self.inserted(
                "INSERT INTO t VALUES (1, 2, 3)",
                "ALTER TABLE t DROP COLUMN b",
                "ALTER TABLE t RENAME COLUMN a TO b",
                "INSERT INTO t VALUES (4, 5)",
            ),
            [{"id": 1, "b": 2}, {"id": 4, "b": 5}],
        )

    def test_manyTimes(self) -> None:
        """
        Columns that come and go leave no trace in what is told.
        """
        for i in range(30):
            self.run_(f"ALTER TABLE t ADD COLUMN x{i} DEFAULT {i}")
            self.assertEqual(
                self.inserted(f"INSERT INTO t (id) VALUES ({i})"),
                [{"id": i, "a": None, "b": None, f"x{i}": i}],
            )
            self.assertEqual(self.changes(f"ALTER TABLE t DROP COLUMN x{i}"), [])

    def test_placesUsedUp(self) -> None:
        """
        A table whose columns have come and gone too often for the journal begins anew in
        it, and says so.
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
        An index that is made while the table is watched counts from the next poll on.
        """
        self.events()
        self.run_("CREATE UNIQUE INDEX i ON t (a)")
        self.events()
        self.assertEqual(
            self.summary("INSERT INTO t VALUES (1, 'x', 0)", "REPLACE INTO t VALUES (2, 'x', 0)"),
            [("INSERT", 1, "x", 0), ("DELETE", 1, "x", 0), ("INSERT", 2, "x", 0)],
        )

    def test_otherSchemaChanges(self) -> None:
        """
        A change of the schema in the same moment as a table is attached is seen.
        """
        self.run_("CREATE TABLE u (a)", "DROP TABLE t")
        self.reader.attach("u")
        self.assertEqual([table for table, _ in self.losses()], ["t"])


class TableTests(JournalCase):
    """
    Tables dropped, made again and renamed.
    """

    rebuiltRows = 3

    def setUp(self) -> None:
        super().setUp()
        self.follow("t", "CREATE TABLE t (id INTEGER PRIMARY KEY, a)")

    def assertLost(self, events: list[Change | Loss], *words: str) -> list[Change | Loss]:
        """
        Check that the first event is the table's loss.

        @return: The others.
        """
        first, *rest = events
        loss = lossOf(first)
        self.assertEqual((loss.table, loss.error.code), ("t", "table_lost"))
        for word in ("'t'", *words):
            self.assertIn(word, loss.error.message)
        return rest

    def test_dropped(self) -> None:
        """
        A dropped table is told to be lost once, after what was written to it; when it is
        there again, so are its changes.
        """
        self.run_("INSERT INTO t VALUES (1, 'x')", "DROP TABLE t")
        insert, *rest = self.events()
        self.assertEqual(brief([insert]), [("INSERT", 1, "x")])
        self.assertEqual(self.assertLost(rest, "dropped"), [])
        self.assertEqual(self.changes("CREATE TABLE u (a)", "DROP TABLE u"), [])
        self.assertEqual(
            self.summary("CREATE TABLE t (b, c)", "INSERT INTO t VALUES (3, 4)"),
            [("INSERT", 3, 4)],
        )
        self.assertEqual(self.summary("INSERT INTO t VALUES (5, 6)"), [("INSERT", 5, 6)])

    def test_madeAgain(self) -> None:
        """
        A table that is dropped and made again between two polls is told to be lost, and
        the rows that it has are told as INSERTs.
        """
        self.run_("DROP TABLE t", "CREATE TABLE t (b UNIQUE, c)")
        self.run_("INSERT INTO t VALUES (1, x'00'), (2, NULL)", "REPLACE INTO t VALUES (1, 3)")
        rest = self.assertLost(self.events(), "2 rows")
        self.assertEqual(brief(rest), [("INSERT", 2, None), ("INSERT", 1, 3)])
        self.assertEqual(self.summary("DELETE FROM t WHERE b = 1"), [("DELETE", 1, 3)])

    def test_madeAgainLarge(self) -> None:
        """
        Where it has too many rows for that, its subscribers are told to reload it.
        """
        self.run_("DROP TABLE t", "CREATE TABLE t (b)", "INSERT INTO t VALUES (1), (2), (3), (4)")
        self.assertEqual(self.assertLost(self.events(), "more than 3 rows", "reload"), [])
        self.assertEqual(self.summary("INSERT INTO t VALUES (5)"), [("INSERT", 5)])
        self.run_("DROP TABLE t")
        self.assertLost(self.events())
        self.run_("CREATE TABLE t (b)", "INSERT INTO t VALUES (1), (2), (3), (4)")
        self.assertEqual(self.assertLost(self.events(), "more than 3 rows"), [])

    def test_rebuilt(self) -> None:
        """
        A migration that copies the table, drops it and renames the copy goes on with the
        copy.
        """
        self.run_("INSERT INTO t VALUES (1, 'x')")
        self.events()
        self.run_(
            "BEGIN",
            "CREATE TABLE t_new (id INTEGER PRIMARY KEY, a TEXT NOT NULL) WITHOUT ROWID",
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
        A table that is renamed is lost, and its new name costs nothing; renamed back it
        is found again.
        """
        self.run_("INSERT INTO t VALUES (1, 'x')", "ALTER TABLE t RENAME TO u")
        insert, *rest = self.events()
        self.assertEqual(brief([insert]), [("INSERT", 1, "x")])
        self.assertEqual(self.assertLost(rest, "renamed"), [])
        self.assertEqual(self.changes("INSERT INTO u VALUES (2, 'y')"), [])
        self.assertEqual(self.triggers("u"), 0)
        self.assertEqual(
            self.summary("ALTER TABLE u RENAME TO t", "DELETE FROM t WHERE id = 2"),
            [("INSERT", 1, "x")],
        )

    def triggers(self, table: str) -> int:
        row = self.writer.execute(
            "SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?", (table,)
        ).fetchone()
        return int(row[0])

    def test_exchanged(self) -> None:
        """
        Two watched tables that exchange their names are both lost, and go on under the
        names that they have.
        """
        self.follow("u", "CREATE TABLE u (b)", "INSERT INTO u VALUES (7)")
        self.run_(
            "ALTER TABLE t RENAME TO x", "ALTER TABLE u RENAME TO t", "ALTER TABLE x RENAME TO u"
        )
        events = self.events()
        self.assertEqual({e.table for e in events if isinstance(e, Loss)}, {"t", "u"})
        self.assertEqual(
            [(e.table, e.data) for e in events if isinstance(e, Change)], [("t", {"b": 7})]
        )
        (change,) = self.changes("INSERT INTO u VALUES (1, 2)")
        self.assertEqual((change.table, change.data), ("u", {"id": 1, "a": 2}))

    def test_onlyCase(self) -> None:
        """
        A table whose name changes only in case is told under the name by which it is
        watched.
        """
        (change,) = self.changes(
            "ALTER TABLE t RENAME TO u",
            "ALTER TABLE u RENAME TO T",
            "INSERT INTO T VALUES (1, 2)",
        )
        self.assertEqual((change.table, change.operation), ("t", INSERT))

    def test_nowAView(self) -> None:
        """
        A view in a table's place is as if the table were gone.
        """
        self.run_("DROP TABLE t", "CREATE VIEW t AS SELECT 1 AS b")
        self.assertEqual(self.assertLost(self.events()), [])
        self.assertEqual(
            self.summary("DROP VIEW t", "CREATE TABLE t (b)", "INSERT INTO t VALUES (1)"),
            [("INSERT", 1)],
        )

    def test_watchedAgain(self) -> None:
        """
        A lost table cannot be watched by another, who is told why; one that is there again
        can, and nobody misses anything.
        """
        self.run_("DROP TABLE t")
        self.events()
        error = self.assertRaises(RealtimeError, self.reader.attach, "t")
        self.assertEqual(error.code, "unknown_table")
        self.run_("CREATE TABLE t (b)", "INSERT INTO t VALUES (1)")
        self.assertEqual(self.reader.attach("t"), "t")
        self.assertEqual(self.summary("INSERT INTO t VALUES (2)"), [("INSERT", 1), ("INSERT", 2)])

    def test_newTriggers(self) -> None:
        """
        A trigger of the user's that is newer than ours is overtaken at the next poll.
        """
        self.run_("INSERT INTO t VALUES (1, 'x')")
        self.events()
        self.run_(
            "CREATE TRIGGER touch AFTER INSERT ON t BEGIN"
            " UPDATE t SET a = a || '!' WHERE id = new.id; END"
        )
        self.events()
        names = self.writer.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger' ORDER BY rowid"
        ).fetchall()
        self.assertEqual(names[0], ("touch",))
        self.assertEqual(
            self.summary("INSERT INTO t VALUES (2, 'y')"),
            [("INSERT", 2, "y"), ("UPDATE", 2, "y!")],
        )
        self.assertEqual(self.changes("DROP TRIGGER touch", "VACUUM"), [])


class TamperTests(JournalCase):
    """
    Somebody takes away what is ours.
    """

    def setUp(self) -> None:
        super().setUp()
        self.follow("t", "CREATE TABLE t (a UNIQUE)")
        self.run_("INSERT INTO t VALUES (1)")
        self.events()

    def assertHealed(self, *statements: str) -> None:
        """
        Check that the statements are told as a loss, and that all is well then.
        """
        self.run_(*statements)
        before = self.reader.after
        losses = [event for event in self.events() if isinstance(event, Loss)]
        self.assertEqual([loss.table for loss in losses], ["t"], statements)
        self.assertIn("missing", losses[0].error.message)
        # A connection that saw a broken schema takes another look only when it reads.
        tableRows(self.writer, "t")
        (delete, insert) = self.changes("REPLACE INTO t VALUES (1)")
        self.assertEqual(brief([delete, insert]), [("DELETE", 1), ("INSERT", 1)])
        self.assertTrue(before < delete.seq < insert.seq)
        self.assertEqual(self.events(), [])

    def test_trigger(self) -> None:
        """
        One trigger dropped by hand: changes may be missing, and it is there again.
        """
        for kind in ("bi", "bu", "ad", "ai", "au"):
            (name,) = self.writer.execute(
                "SELECT name FROM sqlite_master WHERE name LIKE ?", (f"%_{kind}",)
            ).fetchone()
            self.assertHealed(f"DROP TRIGGER {name}")

    def test_alteredTrigger(self) -> None:
        """
        A trigger that says something else is put right.
        """
        name, sql = self.writer.execute(
            "SELECT name, sql FROM sqlite_master WHERE name LIKE '%_au'"
        ).fetchone()
        self.assertHealed(f"DROP TRIGGER {name}", sql[: sql.index("BEGIN")] + "BEGIN SELECT 1; END")

    def test_tables(self) -> None:
        """
        A table of ours dropped by hand: changes may be missing, and it is there again.
        """
        for name in ("changes", "pending", "tables", "columns", "meta"):
            self.assertHealed(f"DROP TABLE _aerostack_{name}")
        self.assertHealed("DROP INDEX _aerostack_pending_tid")

    def test_emptied(self) -> None:
        """
        A journal emptied by hand: changes may be missing, and its numbers go on.
        """
        self.assertHealed("DELETE FROM _aerostack_changes")

    def test_forgotten(self) -> None:
        """
        The list of tables emptied by hand: the table is found again when the schema
        changes.
        """
        self.assertHealed("DELETE FROM _aerostack_tables", "CREATE TABLE u (a)")

    def test_removed(self) -> None:
        """
        Removed under a running daemon: changes may be missing, and all is there again.
        """
        self.reader.journal.remove(self.connect().cursor())
        self.assertHealed()

    def test_attachHeals(self) -> None:
        """
        A table attached before the next poll finds a whole journal.
        """
        self.run_("CREATE TABLE u (a)", "DROP TABLE _aerostack_changes")
        self.reader.attach("u")
        (event, *_) = self.events()
        self.assertIsInstance(event, Loss)
        self.assertEqual([c.table for c in self.changes("INSERT INTO u VALUES (1)")], ["u"])


class HarmlessTests(JournalCase):
    """
    What we leave in a user's database cannot make the user's own statements fail.
    """

    def leave(self, *tables: str) -> None:
        """
        Follow tables, and go away for good.
        """
        for table in tables:
            self.reader.attach(table)
        self.reader.connection.close()

    def test_alter(self) -> None:
        """
        Without a daemon, indexes and columns can be dropped, added and renamed, and the
        table written, in whatever order; a daemon that comes back finds its way.
        """
        self.run_(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, a, b, c, d)",
            "CREATE UNIQUE INDEX i1 ON t (a, b)",
            "CREATE UNIQUE INDEX i2 ON t (c) WHERE d > t.b",
        )
        self.leave("t")
        for name, statement in (
            ("t", "DROP INDEX i1"),
            ("t", "DROP INDEX i2"),
            ("t", "ALTER TABLE t DROP COLUMN b"),
            ("t", "ALTER TABLE t RENAME COLUMN a TO a2"),
            ("t", "ALTER TABLE t DROP COLUMN d"),
            ("t", "ALTER TABLE t ADD COLUMN d"),
            ("u", "ALTER TABLE t RENAME TO u"),
            ("u", "ALTER TABLE u RENAME COLUMN d TO e"),
            ("t", "ALTER TABLE u RENAME TO t"),
            ("t", "CREATE VIEW v AS SELECT * FROM t"),
            ("t", "REINDEX"),
            ("t", "ANALYZE"),
            ("t", "VACUUM"),
        ):
            self.run_(
                statement,
                f"REPLACE INTO {name} (id, c) VALUES (1, 2)",
                f"UPDATE OR REPLACE {name} SET id = 3",
                f"DELETE FROM {name}",
            )
        self.reader = Reader(self.path)
        self.addCleanup(self.reader.connection.close)
        self.reader.attach("t")
        self.assertEqual(
            self.inserted("INSERT INTO t VALUES (1, 2, 3, 4)"), [{"id": 1, "a2": 2, "c": 3, "e": 4}]
        )

    def test_renamedThenDropped(self) -> None:
        """
        The one statement that can be in the way, the drop of a column that was renamed
        when no daemon saw it, fails whole and goes through once the daemon has been there.
        """
        self.follow("t", "CREATE TABLE t (id INTEGER PRIMARY KEY, a)")
        self.run_("ALTER TABLE t RENAME COLUMN a TO b")
        drop = "ALTER TABLE t DROP COLUMN b"
        self.assertRaises(sqlite3.OperationalError, self.run_, drop)
        self.assertEqual(self.summary("INSERT INTO t VALUES (1, 2)"), [("INSERT", 1, 2)])
        self.assertEqual(self.summary(drop, "INSERT INTO t VALUES (3)"), [("INSERT", 3)])

    def test_legacyRename(self) -> None:
        """
        Under C{legacy_alter_table} writes to a renamed table fail until the next poll;
        those of the connection that renamed it, until it has read something.
        """
        self.follow("t", "CREATE TABLE t (a)")
        self.run_("PRAGMA legacy_alter_table = ON", "ALTER TABLE t RENAME TO u")
        self.assertRaises(sqlite3.OperationalError, self.run_, "INSERT INTO u VALUES (1)")
        self.assertEqual(len(self.losses()), 1)
        self.connect().execute("INSERT INTO u VALUES (0)")
        self.run_("SELECT * FROM u", "INSERT INTO u VALUES (1)", "ALTER TABLE u RENAME TO t")
        self.assertEqual(self.summary(), [("INSERT", 0), ("INSERT", 1)])
        self.assertEqual(
            self.summary("ALTER TABLE t RENAME COLUMN a TO b", "INSERT INTO t VALUES (2)"),
            [("INSERT", 2)],
        )

    def test_legacyRebuild(self) -> None:
        """
        The migration by which Django alters a table, which needs C{legacy_alter_table}, is
        not disturbed.
        """
        self.run_("CREATE TABLE t (id INTEGER PRIMARY KEY, a)", "INSERT INTO t VALUES (1, 2)")
        self.leave("t")
        self.run_(
            "PRAGMA legacy_alter_table = ON",
            'CREATE TABLE "new__t" (id INTEGER PRIMARY KEY, b)',
            'INSERT INTO "new__t" SELECT * FROM t',
            "DROP TABLE t",
            'ALTER TABLE "new__t" RENAME TO t',
            "INSERT INTO t VALUES (3, 4)",
        )

    def test_strictWriters(self) -> None:
        """
        A writer that trusts no schema and enforces foreign keys is not disturbed.
        """
        self.follow("t", "CREATE TABLE t (a UNIQUE)")
        self.run_("PRAGMA trusted_schema = OFF", "PRAGMA foreign_keys = ON")
        self.assertEqual(
            self.summary("INSERT INTO t VALUES (1)", "REPLACE INTO t VALUES (1)"),
            [("INSERT", 1), ("DELETE", 1), ("INSERT", 1)],
        )

    def test_dump(self) -> None:
        """
        A dump of the database can be read into another.
        """
        self.run_("CREATE TABLE t (a UNIQUE)")
        self.leave("t")
        self.run_("INSERT INTO t VALUES (1)")
        dump = subprocess.run(
            ["sqlite3", self.path, ".dump"], check=True, capture_output=True, timeout=60
        ).stdout
        copy = self.mktemp()
        subprocess.run(["sqlite3", "-bail", copy], input=dump, check=True, timeout=60)
        self.path = copy
        self.writer = self.connect()
        self.run_("REPLACE INTO t VALUES (1)")

    def test_remove(self) -> None:
        """
        C{remove} leaves the schema as it was to the byte, and says what it took.
        """
        self.reader.journal.remove(self.reader.cursor)
        self.run_(
            "CREATE TABLE _aerostack_mine (a)",
            "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, a UNIQUE)",
            'CREATE TABLE "größe" (a, b, PRIMARY KEY (b)) WITHOUT ROWID',
            "CREATE TRIGGER _aerostack_touch AFTER INSERT ON t BEGIN SELECT 1; END",
            "INSERT INTO t VALUES (1, 2)",
        )
        before = self.schema()
        self.reader.after = self.reader.journal.prepare(self.reader.cursor)
        self.reader.attach("t")
        self.reader.attach("größe")
        self.changes("REPLACE INTO t VALUES (2, 2)", "REINDEX")
        names = self.reader.journal.remove(self.connect().cursor())
        self.assertEqual(len(names), len(set(names)))
        self.assertEqual(len([name for name in names if name.endswith("_au")]), 2)
        self.assertIn("_aerostack_changes", names)
        self.assertEqual(self.schema(), before)
        self.assertEqual(self.reader.journal.remove(self.connect().cursor()), [])
        self.run_("REPLACE INTO t VALUES (3, 2)")

    def schema(self) -> list[tuple[str]]:
        return self.writer.execute("SELECT sql FROM sqlite_master").fetchall()
