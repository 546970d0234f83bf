"""
Rows that replace others: L{aerostack.databases.sqlite.triggers}.
"""

from __future__ import annotations

from tests.databases.support import JournalCase


class ReplaceTests(JournalCase):
    """
    Rows that replace others.
    """

    def test_replace(self) -> None:
        """
        INSERT OR REPLACE is reported as a DELETE of each replaced row, then an INSERT, with
        C{recursive_triggers} on or off.
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
        UPDATE OR REPLACE is reported as a DELETE of each replaced row, then an UPDATE.
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
        A row that is replaced because of a unique index is reported: of several columns, with a
        collation, or partial.
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
        A row that is replaced because NULL became a default is reported.
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
        A row that is replaced because of an index on an expression is reported, and an expression
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
        A conflicting row that stays is not reported, neither then nor later.
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

    def test_goneLater(self) -> None:
        """
        A row that once conflicted is reported once when it is deleted, in whatever way.
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
        A row that conflicts by its key and by an index is replaced once.
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
        An UPDATE of a column in no index can still replace a row: it brings the row into a
        partial index, or changes a computed unique value.
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
        An UPDATE that a foreign key makes in the middle of a REPLACE does not hide the replaced
        row.
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
