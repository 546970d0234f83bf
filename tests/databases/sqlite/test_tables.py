"""
Tables that come and go, and writers that must not notice the daemon:
L{aerostack.databases.sqlite.repair}.
"""

from __future__ import annotations

import sqlite3
import subprocess

from aerostack.core.rows.changes import INSERT
from tests.databases.support import JournalCase


class TableTests(JournalCase):
    """
    Tables that are dropped, made again and renamed.
    """

    rebuiltRows = 3

    def setUp(self) -> None:
        super().setUp()
        self.follow("t", "CREATE TABLE t (id INTEGER PRIMARY KEY, a)")

    def test_renamedCostsNothing(self) -> None:
        """
        A renamed table has no triggers under its new name.
        """
        self.run_("ALTER TABLE t RENAME TO u")
        self.assertEqual([table for table, _ in self.losses()], ["t"])
        self.assertEqual(self.triggers("u"), 0)

    def triggers(self, table: str) -> int:
        row = self.writer.execute(
            "SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?", (table,)
        ).fetchone()
        return int(row[0])

    def test_onlyCase(self) -> None:
        """
        A table whose name changes only in case is reported under the name by which it is watched.
        """
        (change,) = self.changes(
            "ALTER TABLE t RENAME TO u",
            "ALTER TABLE u RENAME TO T",
            "INSERT INTO T VALUES (1, 2)",
        )
        self.assertEqual((change.table, change.operation), ("t", INSERT))

    def test_newTriggers(self) -> None:
        """
        At the next poll the daemon's triggers are created anew after a newer trigger of the
        user's.
        """
        self.run_("INSERT INTO t VALUES (1, 'x')")
        self.events()
        self.run_(
            "CREATE TRIGGER touch AFTER INSERT ON t BEGIN"
            " UPDATE t SET a = a || '!' WHERE id = new.id; END"
        )
        self.events()
        names = self.writer.execute(
            "SELECT name FROM sqlite_master WHERE tbl_name = 't' AND type = 'trigger'"
            " ORDER BY rowid"
        ).fetchall()
        self.assertEqual(names[0], ("touch",))
        self.assertEqual(
            self.summary("INSERT INTO t VALUES (2, 'y')"),
            [("INSERT", 2, "y"), ("UPDATE", 2, "y!")],
        )
        self.assertEqual(self.changes("DROP TRIGGER touch", "VACUUM"), [])


class HarmlessTests(JournalCase):
    """
    The daemon's objects in a user's database cannot make the user's statements fail.
    """

    def leave(self, *tables: str) -> None:
        """
        Follow tables, and stop for good.
        """
        for table in tables:
            self.reader.attach(table)
        self.reader.connection.close()

    def test_alter(self) -> None:
        """
        Without a daemon, indexes and columns can be dropped, added and renamed, and the table
        written, in any order; a daemon that comes back continues.
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
        self.reader = self.makeReader()
        self.reader.attach("t")
        self.assertEqual(
            self.inserted("INSERT INTO t VALUES (1, 2, 3, 4)"), [{"id": 1, "a2": 2, "c": 3, "e": 4}]
        )

    def test_renamedThenDropped(self) -> None:
        """
        Only one statement can fail, the drop of a column that was renamed while no daemon ran.
        It succeeds at once or, where SQLite was built to read no double-quoted name as text,
        fails as a whole and succeeds after the daemon has run.
        """
        self.follow("t", "CREATE TABLE t (id INTEGER PRIMARY KEY, a)")
        drop = "ALTER TABLE t DROP COLUMN b"
        self.run_("ALTER TABLE t RENAME COLUMN a TO b", "INSERT INTO t VALUES (2, 1)")
        self.events()
        self.run_("ALTER TABLE t RENAME COLUMN b TO c")
        try:
            self.run_(drop.replace("b", "c"), "UPDATE t SET id = 5")
        except sqlite3.OperationalError as error:
            self.assertIn("no such column", str(error))
            self.events()
            self.run_(drop.replace("b", "c"), "UPDATE t SET id = 5")
        self.assertEqual(self.summary("DELETE FROM t"), [("UPDATE", 5), ("DELETE", 5)])
        self.run_("ALTER TABLE t ADD COLUMN b")
        self.events()
        self.assertEqual(self.summary("INSERT INTO t VALUES (1, 2)"), [("INSERT", 1, 2)])
        self.assertEqual(self.summary(drop, "INSERT INTO t VALUES (3)"), [("INSERT", 3)])

    def test_legacyRename(self) -> None:
        """
        Under C{legacy_alter_table}, writes to a renamed table fail until the next poll; those of
        the connection that renamed it, until it has read something.
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
        Django's migration of a table, which needs C{legacy_alter_table}, works.
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
        A writer with an untrusted schema and enforced foreign keys works.
        """
        self.follow("t", "CREATE TABLE t (a UNIQUE)")
        self.run_("PRAGMA trusted_schema = OFF", "PRAGMA foreign_keys = ON")
        self.assertEqual(
            self.summary("INSERT INTO t VALUES (1)", "REPLACE INTO t VALUES (1)"),
            [("INSERT", 1), ("DELETE", 1), ("INSERT", 1)],
        )

    def test_dump(self) -> None:
        """
        A dump of the database can be loaded into another one.
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
        C{remove} leaves the schema byte for byte as it was, and names what it removed.
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
