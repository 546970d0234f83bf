"""
Tables whose rows are in other tables: L{aerostack.databases.postgres.repair}.
"""

from __future__ import annotations

from typing import Any

from tests.databases.postgres.tablecase import TableCase
from tests.databases.support import Mirror, brief, lossOf


class PartitionTests(TableCase):
    """
    A table whose rows are in other tables.
    """

    def setUp(self) -> None:
        super().setUp()
        self.run_(
            "CREATE TABLE t (id int, k int, v text) PARTITION BY RANGE (k)",
            "CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (10)",
            "CREATE TABLE t2 (v text, gone int, k int, id int)",
            "ALTER TABLE t2 DROP COLUMN gone",
            "ALTER TABLE t ATTACH PARTITION t2 FOR VALUES FROM (10) TO (20)",
            "CREATE TABLE t3 PARTITION OF t FOR VALUES FROM (20) TO (40) PARTITION BY LIST (k)",
            "CREATE TABLE t31 PARTITION OF t3 FOR VALUES IN (21, 22)",
        )
        self.follow("t")

    def test_everyWay(self) -> None:
        """
        Rows are reported once, in the table's own shape, through whichever table they are
        written.
        """
        self.assertEqual(
            self.summary(
                "INSERT INTO t VALUES (1, 1, 'a'), (2, 11, 'b'), (3, 21, 'c')",
                "INSERT INTO t2 (id, k, v) VALUES (4, 12, 'd')",
                "INSERT INTO t3 VALUES (5, 22, 'e')",
                "UPDATE t31 SET v = 'f' WHERE k = 22",
                "DELETE FROM t2 WHERE id = 2",
                "DELETE FROM t WHERE id = 1",
            ),
            [
                *[("INSERT", 1, 1, "a"), ("INSERT", 2, 11, "b"), ("INSERT", 3, 21, "c")],
                *[("INSERT", 4, 12, "d"), ("INSERT", 5, 22, "e"), ("UPDATE", 5, 22, "f")],
                *[("DELETE", 2, 11, "b"), ("DELETE", 1, 1, "a")],
            ],
        )

    def test_moved(self) -> None:
        """
        A row that moves to another partition is one UPDATE.
        """
        self.run_("INSERT INTO t VALUES (1, 1, 'a'), (2, 11, 'b'), (3, 2, 'c')")
        mirror = Mirror()
        mirror.apply(self.events())
        changes = self.changes("UPDATE t SET k = (k + 10) % 20, v = v || '!'")
        self.assertEqual({c.operation for c in changes}, {"UPDATE"})
        self.assertEqual(len(changes), 3)
        mirror.apply(changes)
        self.assertEqual(mirror.sorted(), Mirror(self.rows("t")).sorted())

    def test_newPartition(self) -> None:
        """
        Rows of a new partition are reported at once when written through the table, and when
        written directly after the daemon has seen it.
        """
        self.assertEqual(
            self.summary(
                "BEGIN",
                "CREATE TABLE t4 PARTITION OF t FOR VALUES FROM (40) TO (50)",
                "INSERT INTO t VALUES (1, 41, 'a')",
                "SAVEPOINT s",
                "COMMIT",
            ),
            [("INSERT", 1, 41, "a")],
        )
        self.assertEqual(
            self.summary("INSERT INTO t4 VALUES (2, 42, 'b')"), [("INSERT", 2, 42, "b")]
        )

    def test_attached(self) -> None:
        """
        A partition that comes with rows causes a loss; an empty one does not.
        """
        self.run_(
            "CREATE TABLE t4 (LIKE t)",
            "INSERT INTO t4 VALUES (1, 41, 'a')",
            "CREATE TABLE t5 (LIKE t)",
        )
        self.assertEqual(
            self.changes("ALTER TABLE t ATTACH PARTITION t5 FOR VALUES FROM (50) TO (60)"), []
        )
        self.run_("ALTER TABLE t ATTACH PARTITION t4 FOR VALUES FROM (40) TO (50)")
        self.assertLost("another part", "reload")
        self.assertEqual(
            self.summary("INSERT INTO t4 VALUES (2, 42, 'b')"), [("INSERT", 2, 42, "b")]
        )

    def test_directBeforeSeen(self) -> None:
        """
        Rows that were written directly to a new partition before the daemon saw it are missing,
        which causes a loss.
        """
        self.run_(
            "CREATE TABLE t4 PARTITION OF t FOR VALUES FROM (40) TO (50)",
            "INSERT INTO t VALUES (1, 41, 'a')",
            "INSERT INTO t4 VALUES (2, 42, 'b')",
        )
        change, loss = self.events()
        self.assertEqual(brief([change]), [("INSERT", 1, 41, "a")])
        self.assertIn("another part", lossOf(loss).error.message)

    def test_detached(self) -> None:
        """
        A partition that is detached or dropped takes rows away, which causes a loss; its later
        changes are not reported.
        """
        self.run_("INSERT INTO t1 VALUES (1, 1, 'a')", "INSERT INTO t VALUES (2, 11, 'b')")
        self.events()
        self.run_("ALTER TABLE t DETACH PARTITION t1")
        self.assertLost("taken from it", "reload")
        self.assertEqual(self.changes("INSERT INTO t1 VALUES (3, 3, 'c')"), [])
        self.assertEqual(self.inventoryOf("t1"), [])
        self.run_("DROP TABLE t2")
        self.assertLost("taken from it")
        self.assertEqual(
            self.summary("INSERT INTO t VALUES (5, 22, 'e')"), [("INSERT", 5, 22, "e")]
        )

    def inventoryOf(self, table: str) -> list[Any]:
        found: list[Any] = self.writer.execute(
            "SELECT tgname FROM pg_trigger WHERE tgrelid = %s::regclass", (table,)
        ).fetchall()
        return found

    def test_resumed(self) -> None:
        """
        A client that comes back to before a part was taken away gets a gap.
        """
        journal, cursor = self.reader.journal, self.reader.cursor
        lineage, start = journal.lineage(cursor, "t"), self.reader.after
        self.run_("INSERT INTO t VALUES (1, 1, 'a')", "DROP TABLE t2")
        self.events()
        self.assertEqual(journal.lineage(cursor, "t"), lineage)
        self.assertEqual(
            journal.surveyPast(cursor, "t", lineage, start, self.reader.after, 10), "expired"
        )

    def test_becomesAPart(self) -> None:
        """
        A watched table that becomes a part of another is lost, and the error says that it can be
        watched there.
        """
        self.follow("u", "CREATE TABLE u (a int)", "CREATE TABLE p (a int) PARTITION BY LIST (a)")
        ((table, error),) = self.losses("ALTER TABLE p ATTACH PARTITION u FOR VALUES IN (1)")
        self.assertEqual(table, "u")
        self.assertIn("partition of p", error.message)
        self.assertEqual(self.changes("INSERT INTO u VALUES (1)"), [])

    def test_columns(self) -> None:
        """
        Columns of a table with partitions change like those of any table.
        """
        self.assertEqual(
            self.inserted(
                "INSERT INTO t2 (id, k, v) VALUES (1, 12, 'a')",
                "ALTER TABLE t RENAME COLUMN v TO w",
                "ALTER TABLE t ADD COLUMN n int DEFAULT 5",
                "ALTER TABLE t DROP COLUMN id",
                "INSERT INTO t2 (k, w) VALUES (12, 'b')",
                "INSERT INTO t VALUES (12, 'c')",
            ),
            [
                {"k": 12, "w": "a", "n": 5},
                {"k": 12, "w": "b", "n": 5},
                {"k": 12, "w": "c", "n": 5},
            ],
        )

    def test_truncated(self) -> None:
        """
        The rows of truncated partitions are reported as DELETEs.
        """
        self.run_("INSERT INTO t VALUES (1, 1, 'a'), (2, 11, 'b'), (3, 21, 'c')")
        self.events()
        self.assertEqual(self.summary("TRUNCATE t2"), [("DELETE", 2, 11, "b")])
        self.assertEqual(
            sorted(self.summary("TRUNCATE t")), [("DELETE", 1, 1, "a"), ("DELETE", 3, 21, "c")]
        )


class InheritanceTests(TableCase):
    """
    Tables that inherit from others.
    """

    def test_children(self) -> None:
        """
        Rows of an inheritor are also the watched table's, in its columns.
        """
        self.follow(
            "t", "CREATE TABLE t (id int, v text)", "CREATE TABLE c (extra int) INHERITS (t)"
        )
        self.assertEqual(
            self.summary(
                "INSERT INTO c VALUES (1, 'a', 7)",
                "INSERT INTO t VALUES (2, 'b')",
                "UPDATE t SET v = v || '!'",
                "DELETE FROM c",
                "INSERT INTO c VALUES (3, 'c', 8)",
                "TRUNCATE ONLY t",
                "TRUNCATE t",
            ),
            [
                *[("INSERT", 1, "a"), ("INSERT", 2, "b"), ("UPDATE", 2, "b!")],
                *[("UPDATE", 1, "a!"), ("DELETE", 1, "a!"), ("INSERT", 3, "c")],
                *[("DELETE", 2, "b!"), ("DELETE", 3, "c")],
            ],
        )

    def test_newChild(self) -> None:
        """
        Rows of a new inheritor are reported from the next poll on.
        """
        self.follow("t", "CREATE TABLE t (id int, v text)")
        self.assertEqual(self.changes("CREATE TABLE c (extra int) INHERITS (t)"), [])
        self.assertEqual(self.summary("INSERT INTO c VALUES (1, 'a', 7)"), [("INSERT", 1, "a")])
        self.run_("ALTER TABLE c NO INHERIT t")
        self.assertLost("taken from it")
