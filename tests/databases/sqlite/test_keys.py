"""
Rows with unusual keys, and rows that replace others: L{aerostack.databases.sqlite.journal}.
"""

from __future__ import annotations

from aerostack.core.rows.changes import UPDATE, Change
from tests.databases.support import JournalCase, brief, lossOf


class KeyTests(JournalCase):
    """
    Rows that replace others.
    """

    def test_deleteStopped(self) -> None:
        """
        A DELETE that a trigger of the user's stops is not reported, also if the trigger is newer
        than the daemon's; once there is none, each DELETE is reported again.
        """
        stop = (
            "CREATE TRIGGER stop BEFORE DELETE ON t WHEN old.a = 'x' BEGIN"
            " SELECT RAISE(IGNORE); END"
        )
        self.follow(
            "t",
            "CREATE TABLE t (a, id INTEGER PRIMARY KEY)",
            "INSERT INTO t VALUES ('x', 1), ('y', 2), ('x', 3)",
        )
        self.assertEqual(self.triggers("t"), 5)
        self.assertEqual(self.changes(stop), [])
        self.assertEqual(self.triggers("t"), 6)
        self.assertEqual(self.summary("DELETE FROM t"), [("DELETE", "y", 2)])
        self.assertEqual(
            self.summary("REPLACE INTO t VALUES ('z', 3)"), [("DELETE", "x", 3), ("INSERT", "z", 3)]
        )
        self.assertEqual(self.changes("DROP TRIGGER stop"), [])
        self.assertEqual(self.triggers("t"), 5)
        self.assertEqual(
            self.summary("DELETE FROM t WHERE id = 1", "INSERT INTO t VALUES ('w', 1)"),
            [("DELETE", "x", 1), ("INSERT", "w", 1)],
        )

    def triggers(self, table: str) -> int:
        """
        How many of the daemon's triggers are on a table.
        """
        count: int = self.writer.execute(
            "SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?"
            " AND name LIKE '%aerostack%'",
            (table,),
        ).fetchone()[0]
        return count

    def test_keyRenamed(self) -> None:
        """
        A renamed key column is reported under its present name, and columns are reported in the
        table's order wherever the key is.
        """
        for columns in ("id INTEGER PRIMARY KEY, a", "a, id INTEGER PRIMARY KEY"):
            self.follow("t", f"CREATE TABLE t ({columns})", "INSERT INTO t (id, a) VALUES (1, 'x')")
            self.run_("UPDATE t SET id = 2", "ALTER TABLE t RENAME COLUMN id TO number")
            self.run_("ALTER TABLE t ADD COLUMN b DEFAULT 'y'", "DELETE FROM t")
            update, delete = self.events()
            assert isinstance(update, Change) and isinstance(delete, Change)
            names = ["a", "number"] if columns.startswith("a") else ["number", "a"]
            self.assertEqual([*update.data], [*names, "b"])
            self.assertEqual(update.old, {"number": 1, "a": "x", "b": "y"})
            self.assertEqual(update.data, {"number": 2, "a": "x", "b": "y"})
            self.assertEqual(delete.data, update.data)
            self.run_("DROP TABLE t")
            self.reader.journal.detach(self.reader.cursor, "t")
            self.events()

    def test_upsert(self) -> None:
        """
        An UPSERT is reported as an INSERT, as an UPDATE, or not at all.
        """
        self.follow("t", "CREATE TABLE t (id INTEGER PRIMARY KEY, n DEFAULT 1)")
        upsert = "INSERT INTO t (id) VALUES (1), (2), (1) ON CONFLICT (id) DO UPDATE SET n = n + 1"
        self.assertEqual(
            self.summary(upsert, "INSERT INTO t VALUES (2, 0) ON CONFLICT DO NOTHING"),
            [("INSERT", 1, 1), ("INSERT", 2, 1), ("UPDATE", 1, 2)],
        )

    def test_keyChange(self) -> None:
        """
        A change of a primary key is one UPDATE from the old key to the new one.
        """
        for number, table in enumerate(
            (
                "(id INTEGER PRIMARY KEY, a)",
                "(id TEXT PRIMARY KEY, a)",
                "(id PRIMARY KEY, a) WITHOUT ROWID",
            )
        ):
            self.follow(f"t{number}", f"CREATE TABLE t{number} {table}")
            self.run_(f"INSERT INTO t{number} VALUES (1, 'x')")
            self.events()
            (change,) = self.changes(f"UPDATE t{number} SET id = 2")
            self.assertEqual(change.operation, UPDATE)
            assert change.old is not None
            self.assertEqual((int(change.old["id"]), int(change.data["id"])), (1, 2))

    def test_withoutRowid(self) -> None:
        """
        A table without a rowid, with a key of several columns in another order, is reported like
        any other.
        """
        self.follow(
            "t",
            "CREATE TABLE t (v UNIQUE, a, b, PRIMARY KEY (b, a)) WITHOUT ROWID",
            "INSERT INTO t VALUES ('x', 1, 1), ('y', 1, 2)",
        )
        self.assertEqual(
            self.summary(
                "REPLACE INTO t VALUES ('y', 1, 1)",
                "UPDATE t SET a = 5",
                "UPDATE OR REPLACE t SET v = 'z'",
                "DELETE FROM t",
            ),
            [
                *[("DELETE", "x", 1, 1), ("DELETE", "y", 1, 2), ("INSERT", "y", 1, 1)],
                *[("UPDATE", "y", 5, 1), ("UPDATE", "z", 5, 1), ("DELETE", "z", 5, 1)],
            ],
        )

    def test_foreignKeys(self) -> None:
        """
        Changes by foreign keys are reported, also after the parent was replaced.
        """
        self.run_("PRAGMA foreign_keys = ON", "CREATE TABLE p (id INTEGER PRIMARY KEY, a)")
        self.follow("p")
        self.follow(
            "c",
            "CREATE TABLE c (id INTEGER PRIMARY KEY, p REFERENCES p ON DELETE CASCADE"
            " ON UPDATE CASCADE)",
            "INSERT INTO p VALUES (1, 'x'), (2, 'y')",
            "INSERT INTO c VALUES (10, 1), (20, 2)",
        )
        changes = self.changes(
            "UPDATE p SET id = 3 WHERE id = 1",
            "REPLACE INTO p VALUES (3, 'z')",
            "DELETE FROM p WHERE id = 2",
        )
        self.assertEqual(
            sorted((c.table, c.operation, c.data["id"]) for c in changes),
            [
                *[("c", "DELETE", 10), ("c", "DELETE", 20), ("c", "UPDATE", 10)],
                *[("p", "DELETE", 2), ("p", "DELETE", 3), ("p", "INSERT", 3), ("p", "UPDATE", 3)],
            ],
        )

    def test_ownTriggers(self) -> None:
        """
        A row that a trigger of the user's changes again is reported twice, in that order,
        whichever trigger was created first.
        """
        self.follow("t", "CREATE TABLE t (id INTEGER PRIMARY KEY, a, seen DEFAULT 0)")
        self.run_(
            "CREATE TRIGGER touch AFTER UPDATE OF a ON t BEGIN"
            " UPDATE t SET seen = seen + 1 WHERE id = new.id; END"
        )
        self.events()
        self.assertEqual(
            self.summary("INSERT INTO t (id, a) VALUES (1, 'x')", "UPDATE t SET a = 'y'"),
            [("INSERT", 1, "x", 0), ("UPDATE", 1, "y", 0), ("UPDATE", 1, "y", 1)],
        )

    def test_keyAlone(self) -> None:
        """
        In a table with no unique index beside its key, a row that replaces another is reported
        after it, and a conflicting row that stays is not reported.
        """
        self.follow("t", "CREATE TABLE t (id INTEGER PRIMARY KEY, a)")
        for recursive in (0, 1):
            self.run_(f"PRAGMA recursive_triggers = {recursive}", "DELETE FROM t")
            self.run_("INSERT INTO t VALUES (1, 'x'), (2, 'y'), (3, 'z')")
            self.events()
            self.assertEqual(
                self.summary(
                    "INSERT OR IGNORE INTO t VALUES (1, 'w')",
                    "REPLACE INTO t VALUES (1, 'v')",
                    "REPLACE INTO t VALUES (1, 'u')",
                    "UPDATE OR REPLACE t SET id = 2 WHERE id = 3",
                    "INSERT INTO t VALUES (2, 'no') ON CONFLICT DO UPDATE SET a = 'up'",
                    "DELETE FROM t WHERE id = 1",
                    "INSERT INTO t VALUES (1, 'again')",
                ),
                [
                    *[("DELETE", 1, "x"), ("INSERT", 1, "v")],
                    *[("DELETE", 1, "v"), ("INSERT", 1, "u")],
                    *[("DELETE", 2, "y"), ("UPDATE", 2, "z"), ("UPDATE", 2, "up")],
                    *[("DELETE", 1, "u"), ("INSERT", 1, "again")],
                ],
            )

    def test_numbers(self) -> None:
        """
        A reader between the two changes of a replacement continues with the second.
        """
        self.follow("t", "CREATE TABLE t (id INTEGER PRIMARY KEY, a)")
        before = self.reader.after
        changes = self.changes("INSERT INTO t VALUES (1, 'x')", "REPLACE INTO t VALUES (1, 'y')")
        journal, cursor, end = self.reader.journal, self.reader.cursor, self.reader.after
        lineage = journal.lineage(cursor, "t")
        for count, start in enumerate([before, *(change.seq for change in changes)]):
            rest = [change.seq for change in changes[count:]]
            self.assertIsNone(journal.surveyPast(cursor, "t", lineage, start, end, 9))
            past = journal.readPast(cursor, "t", lineage, start, end, 9)
            self.assertEqual([change.seq for change in past], rest)
            events = journal.poll(cursor, start, 9).events
            self.assertEqual([change.seq for change in events], rest)

    def test_minusOne(self) -> None:
        """
        A row that is inserted under the key -1 is reported, or the table is lost if the row may
        have replaced another.
        """
        self.follow("t", "CREATE TABLE t (id INTEGER PRIMARY KEY, a)")
        self.run_("INSERT INTO t VALUES (-1, 'x')", "REPLACE INTO t VALUES (-1, 'y')")
        self.assertEqual({lossOf(event).error.code for event in self.events()}, {"table_lost"})
        self.assertEqual(
            self.summary("DELETE FROM t", "INSERT INTO t VALUES (-1, 'z')"),
            [("DELETE", -1, "y"), ("INSERT", -1, "z")],
        )
        self.assertEqual(self.summary("UPDATE t SET a = 'w'"), [("UPDATE", -1, "w")])

    def test_vacuum(self) -> None:
        """
        A VACUUM that changes rowids does not affect changes from before.
        """
        self.follow("t", "CREATE TABLE t (a TEXT PRIMARY KEY, b)", "INSERT INTO t VALUES ('x', 1)")
        self.assertEqual(
            self.summary(
                "INSERT INTO t VALUES ('y', 1), ('z', 1)",
                "DELETE FROM t WHERE a = 'x'",
                "VACUUM",
                "UPDATE t SET b = 2 WHERE a = 'z'",
            ),
            [
                *[("INSERT", "y", 1), ("INSERT", "z", 1)],
                *[("DELETE", "x", 1), ("UPDATE", "z", 2)],
            ],
        )

    def test_chain(self) -> None:
        """
        Each of many changes of a row has the row as it was then, in whatever pieces the journal
        is read.
        """
        self.follow("t", "CREATE TABLE t (id INTEGER PRIMARY KEY, a)")
        self.run_("INSERT INTO t VALUES (1, 0)", *["UPDATE t SET a = a + 1"] * 4, "DELETE FROM t")
        events = self.reader.events(limit=1)
        self.assertEqual(
            brief(events),
            [("INSERT", 1, 0), *(("UPDATE", 1, n) for n in (1, 2, 3, 4)), ("DELETE", 1, 4)],
        )
