"""
What becomes of rows that are told apart in odd ways: L{aerostack.databases.sqlite.journal}.
"""

from __future__ import annotations

from aerostack.core.rows.changes import UPDATE, Change
from tests.databases.support import JournalCase, brief, lossOf


class KeyTests(JournalCase):
    """
    Rows that take the place of others.
    """

    def test_replace(self) -> None:
        """
        INSERT OR REPLACE is a DELETE of each row that it replaced, then an INSERT, whether
        C{recursive_triggers} is on or off.
        """
        self.follow("t", "CREATE TABLE t (id INTEGER PRIMARY KEY, a UNIQUE, b)")
        for recursive in (0, 1):
            self.run_(f"PRAGMA recursive_triggers = {recursive}", "DELETE FROM t")
            self.run_("INSERT INTO t VALUES (1, 'x', 1), (2, 'y', 2), (3, 'z', 3)")
            self.events()
            self.assertEqual(
                self.summary("INSERT OR REPLACE INTO t VALUES (1, 'y', 9)"),
                [("DELETE", 1, "x", 1), ("DELETE", 2, "y", 2), ("INSERT", 1, "y", 9)],
            )
            self.assertEqual(
                self.summary("REPLACE INTO t VALUES (7, 'new', 0)"), [("INSERT", 7, "new", 0)]
            )

    def test_replaceByUpdate(self) -> None:
        """
        UPDATE OR REPLACE is a DELETE of each row that it replaced, then an UPDATE.
        """
        self.follow("t", "CREATE TABLE t (id INTEGER PRIMARY KEY, a UNIQUE)")
        for recursive in (0, 1):
            self.run_(f"PRAGMA recursive_triggers = {recursive}", "DELETE FROM t")
            self.run_("INSERT INTO t VALUES (1, 'x'), (2, 'y'), (3, 'z')")
            self.events()
            self.assertEqual(
                self.summary("UPDATE OR REPLACE t SET id = 2, a = 'z' WHERE id = 1"),
                [("DELETE", 2, "y"), ("DELETE", 3, "z"), ("UPDATE", 2, "z")],
            )
            self.assertEqual(
                self.summary("UPDATE OR REPLACE t SET rowid = 5"), [("UPDATE", 5, "z")]
            )

    def test_replaceByIndex(self) -> None:
        """
        A row that is replaced because of an index of its own is told: of several columns,
        with a collation, or of some rows only.
        """
        self.follow(
            "t",
            "CREATE TABLE t (a, b, c)",
            "CREATE UNIQUE INDEX i1 ON t (a, b)",
            "CREATE UNIQUE INDEX i2 ON t (c COLLATE NOCASE)",
            "CREATE UNIQUE INDEX i3 ON t (b) WHERE a IS NULL",
            "INSERT INTO t VALUES (1, 1, 'x'), (1, 2, 'y'), (NULL, 3, 'z'), (2, 3, 'w')",
        )
        self.assertEqual(
            self.summary("REPLACE INTO t VALUES (1, 1, 'Y')"),
            [("DELETE", 1, 1, "x"), ("DELETE", 1, 2, "y"), ("INSERT", 1, 1, "Y")],
        )
        self.assertEqual(
            self.summary("UPDATE OR REPLACE t SET a = NULL WHERE c = 'w'"),
            [("DELETE", None, 3, "z"), ("UPDATE", None, 3, "w")],
        )

    def test_replaceOfDefault(self) -> None:
        """
        A row that is replaced because NULL became a default is told.
        """
        for name, shape, *indexes in (
            ("t1", "(a NOT NULL DEFAULT 'x' UNIQUE, b)"),
            ("t2", "(a NOT NULL DEFAULT 'x' PRIMARY KEY, b)"),
            ("t3", "(a NOT NULL DEFAULT ('x' || '') UNIQUE, b)"),
            ("t4", "(a NOT NULL DEFAULT 'x', b, [g, (] AS (a || 1) UNIQUE)"),
            ("t5", "(a NOT NULL DEFAULT 'x', b, g AS (a || 1) STORED UNIQUE)"),
            ("t6", "(a NOT NULL DEFAULT 'x', b)", "CREATE UNIQUE INDEX i6 ON t6 (lower(a))"),
            ("t7", "(a NOT NULL DEFAULT 'x', b)", "CREATE UNIQUE INDEX i7 ON t7 (a) WHERE b > 0"),
            ("t8", "(a NOT NULL DEFAULT 'x', b, PRIMARY KEY (a)) WITHOUT ROWID"),
        ):
            self.follow(
                name,
                f"CREATE TABLE {name} {shape}",
                *indexes,
                f"INSERT INTO {name} (a, b) VALUES ('x', 1)",
            )
            changes = self.changes(f"REPLACE INTO {name} (a, b) VALUES (NULL, 2)")
            self.assertEqual(
                [(c.operation, c.data["a"], c.data["b"]) for c in changes],
                [("DELETE", "x", 1), ("INSERT", "x", 2)],
                shape,
            )

    def test_replaceByExpression(self) -> None:
        """
        A row that is replaced because of an index on an expression is told, and an expression
        that can fail makes no write fail.
        """
        self.follow(
            "t",
            "CREATE TABLE t (id INTEGER PRIMARY KEY, a, j)",
            "CREATE UNIQUE INDEX i ON t (lower(a) DESC, substr(a, 1, 2) COLLATE NOCASE)",
            "CREATE UNIQUE INDEX k ON t (json_extract(j, '$.n')) WHERE json_valid(j)",
            "INSERT INTO t VALUES (1, 'x', 'no JSON')",
        )
        self.assertEqual(
            self.summary("REPLACE INTO t VALUES (2, 'X', 'none')", "UPDATE t SET j = 'nor here'"),
            [
                ("DELETE", 1, "x", "no JSON"),
                ("INSERT", 2, "X", "none"),
                ("UPDATE", 2, "X", "nor here"),
            ],
        )
        self.assertEqual(
            self.summary(
                "INSERT INTO t VALUES (3, 'y', NULL)",
                "UPDATE OR REPLACE t SET a = 'Y' WHERE id = 2",
            ),
            [("INSERT", 3, "y", None), ("DELETE", 3, "y", None), ("UPDATE", 2, "Y", "nor here")],
        )

    def test_ignored(self) -> None:
        """
        A row that was in the way and stayed is not told, neither then nor later.
        """
        self.follow(
            "t",
            "CREATE TABLE t (id INTEGER PRIMARY KEY, a UNIQUE, n DEFAULT 0)",
            "INSERT INTO t (id, a) VALUES (1, 'x'), (2, 'y')",
        )
        self.assertEqual(
            self.summary(
                "INSERT OR IGNORE INTO t (id, a) VALUES (1, 'z')",
                "UPDATE OR IGNORE t SET a = 'y' WHERE id = 1",
                "UPDATE t SET n = 1 WHERE id = 2",
                "UPDATE t SET a = 'w' WHERE id = 2",
                "DELETE FROM t WHERE id = 1",
                "INSERT INTO t (id, a) VALUES (9, 'x')",
            ),
            [
                *[("UPDATE", 2, "y", 1), ("UPDATE", 2, "w", 1)],
                *[("DELETE", 1, "x", 0), ("INSERT", 9, "x", 0)],
            ],
        )

    def test_deleteStopped(self) -> None:
        """
        A row that a trigger of the user's keeps from being deleted is not told, also where the
        trigger is newer than ours; where there is none any more, each DELETE is told again.
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
        How many triggers of ours stand on a table.
        """
        count: int = self.writer.execute(
            "SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?"
            " AND name LIKE '%aerostack%'",
            (table,),
        ).fetchone()[0]
        return count

    def test_keyRenamed(self) -> None:
        """
        A key's column that is renamed and gets neighbours is told under its present name, and
        columns are told in the table's order wherever it stands.
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

    def test_goneLater(self) -> None:
        """
        A row that was in the way once is told once when it goes, however it goes.
        """
        self.follow(
            "t",
            "CREATE TABLE t (id INTEGER PRIMARY KEY, a UNIQUE, n DEFAULT 0)",
            "INSERT INTO t (id, a) VALUES (1, 'x'), (2, 'y'), (3, 'z')",
        )
        self.assertEqual(
            self.summary(
                "UPDATE OR IGNORE t SET a = 'y' WHERE id = 1",
                "REPLACE INTO t (id, a) VALUES (9, 'y')",
                "UPDATE t SET n = 1 WHERE id = 1",
            ),
            [("DELETE", 2, "y", 0), ("INSERT", 9, "y", 0), ("UPDATE", 1, "x", 1)],
        )
        self.assertEqual(
            self.summary(
                "UPDATE OR REPLACE t SET a = 'z' WHERE id = 1", "UPDATE t SET n = 2 WHERE id = 1"
            ),
            [("DELETE", 3, "z", 0), ("UPDATE", 1, "z", 1), ("UPDATE", 1, "z", 2)],
        )
        self.assertEqual(
            self.summary(
                "INSERT OR IGNORE INTO t (id) VALUES (9)",
                "UPDATE t SET id = 7 WHERE id = 9",
                "INSERT INTO t (id) VALUES (8)",
            ),
            [("UPDATE", 7, "y", 0), ("INSERT", 8, None, 0)],
        )
        self.assertEqual(
            self.summary(
                "UPDATE OR IGNORE t SET id = 8 WHERE id = 7",
                "UPDATE t SET id = 6 WHERE id = 8",
                "UPDATE t SET n = 3 WHERE id = 7",
            ),
            [("UPDATE", 6, None, 0), ("UPDATE", 7, "y", 3)],
        )

    def test_twiceInTheWay(self) -> None:
        """
        A row that is in the way by its key and by an index is replaced once.
        """
        self.follow(
            "t",
            "CREATE TABLE t (id INTEGER PRIMARY KEY, a UNIQUE, b UNIQUE)",
            "INSERT INTO t VALUES (1, 'x', 'y'), (2, 'z', 'w')",
        )
        self.assertEqual(
            self.summary(
                "REPLACE INTO t VALUES (1, 'x', 'y')",
                "UPDATE OR REPLACE t SET id = 1, a = 'x', b = 'y' WHERE id = 2",
            ),
            [
                *[("DELETE", 1, "x", "y"), ("INSERT", 1, "x", "y")],
                *[("DELETE", 1, "x", "y"), ("UPDATE", 1, "x", "y")],
            ],
        )

    def test_replaceByAnyColumn(self) -> None:
        """
        An UPDATE of a column that stands in no index can still replace a row: it brings
        the row into a partial index, or what is unique is computed from it.
        """
        self.follow(
            "t",
            "CREATE TABLE t (id INTEGER PRIMARY KEY, a, live)",
            "CREATE UNIQUE INDEX i ON t (a) WHERE live",
            "INSERT INTO t VALUES (1, 'x', 1), (2, 'x', 0)",
        )
        self.assertEqual(
            self.summary("UPDATE OR REPLACE t SET live = 2 WHERE id = 2"),
            [("DELETE", 1, "x", 1), ("UPDATE", 2, "x", 2)],
        )
        self.follow(
            "u",
            "CREATE TABLE u (id INTEGER PRIMARY KEY, a, g AS (a % 10) UNIQUE)",
            "INSERT INTO u VALUES (1, 3), (2, 4)",
        )
        self.assertEqual(
            self.summary("UPDATE OR REPLACE u SET a = 13 WHERE id = 2"),
            [("DELETE", 1, 3, 3), ("UPDATE", 2, 13, 3)],
        )

    def test_updatedInBetween(self) -> None:
        """
        An UPDATE that a foreign key makes in the middle of a REPLACE does not hide the row
        that was replaced.
        """
        self.follow(
            "t",
            "PRAGMA foreign_keys = ON",
            "CREATE TABLE t (id INTEGER PRIMARY KEY, up UNIQUE REFERENCES t ON DELETE SET NULL)",
            "INSERT INTO t VALUES (1, NULL), (2, 1)",
        )
        changes = self.summary("REPLACE INTO t VALUES (1, NULL)")
        self.assertEqual(
            sorted(changes, key=str),
            [("DELETE", 1, None), ("INSERT", 1, None), ("UPDATE", 2, None)],
        )

    def test_upsert(self) -> None:
        """
        An UPSERT is an INSERT or an UPDATE, as it turns out, or nothing.
        """
        self.follow("t", "CREATE TABLE t (id INTEGER PRIMARY KEY, n DEFAULT 1)")
        upsert = "INSERT INTO t (id) VALUES (1), (2), (1) ON CONFLICT (id) DO UPDATE SET n = n + 1"
        self.assertEqual(
            self.summary(upsert, "INSERT INTO t VALUES (2, 0) ON CONFLICT DO NOTHING"),
            [("INSERT", 1, 1), ("INSERT", 2, 1), ("UPDATE", 1, 2)],
        )

    def test_keyChange(self) -> None:
        """
        A change of a primary key is one UPDATE, from the old key to the new one.
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
        A table without a rowid, with a key of several columns in another order, is told
        like any.
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
        What a foreign key takes along is told, also when the parent was replaced.
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
        A row that a trigger of the user's changes again is told twice, in that order,
        whichever trigger was there first.
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
        In a table that has no unique index beside its key, a row that takes another one's
        place is told after it, and what was only in the way is not told.
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
        A reader that has heard of the row that was replaced, and not of the one that took
        its place, goes on between the two.
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
        A row that is inserted under the key that stands for no key is told, or the table is
        to be reloaded where the row may have taken the place of another.
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
        A VACUUM that gives rows other rowids takes nothing from what was written before.
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
        Each of many changes of a row is told with the row as it was then, however the reading
        of them is cut up.
        """
        self.follow("t", "CREATE TABLE t (id INTEGER PRIMARY KEY, a)")
        self.run_("INSERT INTO t VALUES (1, 0)", *["UPDATE t SET a = a + 1"] * 4, "DELETE FROM t")
        events = self.reader.events(limit=1)
        self.assertEqual(
            brief(events),
            [("INSERT", 1, 0), *(("UPDATE", 1, n) for n in (1, 2, 3, 4)), ("DELETE", 1, 4)],
        )
