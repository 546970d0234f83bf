"""
The kinds of PostgreSQL tables: L{aerostack.databases.postgres.catalog} and
L{aerostack.databases.postgres.repair}.
"""

from __future__ import annotations

from aerostack.databases.postgres import following
from aerostack.errors import RealtimeError
from tests.databases.postgres.tablecase import TableCase
from tests.databases.support import brief, lossOf
from tests.postgres import ROLE


class AlteredTests(TableCase):
    """
    Other changes of a watched table.
    """

    def setUp(self) -> None:
        super().setUp()
        self.follow("t", "CREATE TABLE t (id int, a int)")

    def test_anotherType(self) -> None:
        """
        A column's new type is a loss, because its values were rewritten; a greater length is not.
        """
        self.run_("INSERT INTO t VALUES (1, 2)")
        self.events()
        self.run_("ALTER TABLE t ALTER COLUMN a TYPE text USING 'x' || a")
        self.assertLost("another type", "reload")
        self.assertEqual(self.summary("DELETE FROM t"), [("DELETE", 1, "x2")])
        self.run_("ALTER TABLE t ALTER COLUMN a TYPE varchar(10)")
        self.assertEqual(self.events(), [])
        self.run_("ALTER TABLE t ALTER COLUMN a TYPE varchar(20)")
        self.assertEqual(self.summary("INSERT INTO t VALUES (1, 'y')"), [("INSERT", 1, "y")])

    def test_defaults(self) -> None:
        """
        Rows that are older than an added column are reported with its default, in its own form.
        """
        before = self.reader.after
        self.run_("INSERT INTO t VALUES (1, 2)")
        self.events()
        self.run_(
            "ALTER TABLE t ADD COLUMN b bytea DEFAULT '\\x00', ADD COLUMN c timestamptz"
            " DEFAULT '2024-01-01 00:00+01', ADD COLUMN d bigint DEFAULT 9007199254740993,"
            " ADD COLUMN e jsonb"
        )
        self.events()
        self.reader.after = before
        (change,) = self.changes()
        self.assertEqual(
            change.data,
            {
                "id": 1,
                "a": 2,
                "b": {"base64": "AA=="},
                "c": "2023-12-31T23:00:00+00:00",
                "d": "9007199254740993",
                "e": None,
            },
        )

    def test_keysAndIndexes(self) -> None:
        """
        Keys, indexes, constraints, statistics and storage have no effect.
        """
        self.assertEqual(
            self.summary(
                "ALTER TABLE t ADD PRIMARY KEY (id)",
                "CREATE INDEX ON t (a)",
                "ALTER TABLE t ADD CHECK (a > 0)",
                "ANALYZE t",
                "VACUUM FULL t",
                "CLUSTER t USING t_pkey",
                "ALTER TABLE t SET (fillfactor = 50)",
                "INSERT INTO t VALUES (1, 2)",
                "ALTER TABLE t REPLICA IDENTITY FULL",
            ),
            [("INSERT", 1, 2)],
        )

    def test_truncate(self) -> None:
        """
        Truncated rows are reported as DELETEs, up to a limit; beyond that the table is lost, and
        then continues.
        """
        self.assertEqual(self.changes("TRUNCATE t"), [])
        self.run_("INSERT INTO t SELECT i, i FROM generate_series(1, 1000) i")
        self.events()
        changes = self.changes("TRUNCATE t", "INSERT INTO t VALUES (1, 2)")
        self.assertEqual(len(changes), 1001)
        self.assertEqual({c.operation for c in changes[:-1]}, {"DELETE"})
        self.run_("INSERT INTO t SELECT i, i FROM generate_series(1, 1000) i")
        self.events()
        self.run_("TRUNCATE t", "INSERT INTO t VALUES (5, 6)")
        loss, *rest = self.events()
        self.assertIn("'t' was truncated", lossOf(loss).error.message)
        self.assertEqual(brief(rest), [("INSERT", 5, 6)])

    def test_truncateUnseen(self) -> None:
        """
        If the daemon may not read the rows, or might not see all, a TRUNCATE is a loss.
        """
        self.run_("INSERT INTO t VALUES (1, 2)")
        self.events()
        self.run_("BEGIN ISOLATION LEVEL REPEATABLE READ", "TRUNCATE t", "COMMIT")
        self.assertLost("truncated")
        self.run_("INSERT INTO t VALUES (1, 2)", f"REVOKE SELECT ON t FROM {ROLE}")
        self.events()
        self.run_("TRUNCATE t")
        self.assertLost("truncated")

    def test_rowSecurity(self) -> None:
        """
        The daemon refuses a table with policies that apply to its role.  A followed table is lost
        once it gets such a policy.  If the role bypasses policies, the daemon follows the table.
        """
        self.run_("ALTER TABLE t ENABLE ROW LEVEL SECURITY")
        self.assertLost("row level security", "BYPASSRLS")
        self.assertEqual(self.changes("INSERT INTO t VALUES (1, 2)"), [])
        error = self.assertRaises(RealtimeError, self.reader.attach, "t")
        self.assertEqual(error.code, "untrackable_table")
        self.admin(f"ALTER ROLE {ROLE} BYPASSRLS")
        self.addCleanup(self.admin, f"ALTER ROLE {ROLE} NOBYPASSRLS")
        self.reader.attach("t")
        self.events()
        self.assertEqual(self.summary("INSERT INTO t VALUES (2, 3)"), [("INSERT", 2, 3)])

    def test_unreadable(self) -> None:
        """
        A table that is made again, and that the daemon may not read, is lost without its rows.
        """
        self.run_(
            "BEGIN",
            "DROP TABLE t",
            "CREATE TABLE t (b int)",
            "INSERT INTO t VALUES (1)",
            f"REVOKE SELECT ON t FROM {ROLE}",
            "COMMIT",
        )
        self.assertLost("made again", "reload")
        self.assertEqual(self.summary("INSERT INTO t VALUES (2)"), [("INSERT", 2)])

    def test_noMoreRights(self) -> None:
        """
        A table on which the daemon may have no more triggers is lost, and found again.
        """
        self.run_(f"REVOKE TRIGGER ON t FROM {ROLE}")
        self.assertLost("TRIGGER")
        self.assertEqual(self.changes("INSERT INTO t VALUES (1, 2)"), [])
        self.assertEqual(
            self.summary(f"GRANT TRIGGER ON t TO {ROLE}", "INSERT INTO t VALUES (3, 4)"),
            [("INSERT", 1, 2), ("INSERT", 3, 4)],
        )

    def test_prepared(self) -> None:
        """
        Statements that were planned before the table was altered are still reported.
        """
        insert = "INSERT INTO t (id) VALUES (%s)"
        for i in range(8):
            self.writer.execute(insert, (i,), prepare=True)
        self.writer.execute("UPDATE t SET a = 1")
        self.events()
        self.run_("ALTER TABLE t ADD COLUMN b text DEFAULT 'x'", "ALTER TABLE t DROP COLUMN a")
        self.writer.execute(insert, (9,), prepare=True)
        update = self.changes("UPDATE t SET b = 'y' WHERE id = 9", "DELETE FROM t WHERE id = 9")
        self.assertEqual(
            brief(update), [("INSERT", 9, "x"), ("UPDATE", 9, "y"), ("DELETE", 9, "y")]
        )

    def test_betweenLooks(self) -> None:
        """
        The schema is not checked all the time.  But a row with other columns is reported in the
        table's present shape, and a missing table is noticed a little later.
        """
        self.patch(following, "CHECKING", 3600.0)
        self.run_("INSERT INTO t VALUES (1, 2)")
        self.events()
        self.assertEqual(
            self.inserted(
                "ALTER TABLE t ADD COLUMN b int DEFAULT 7", "INSERT INTO t VALUES (3, 4)"
            ),
            [{"id": 3, "a": 4, "b": 7}],
        )
        self.assertEqual(
            self.inserted("ALTER TABLE t RENAME a TO c", "INSERT INTO t VALUES (5, 6)"),
            [{"id": 5, "c": 6, "b": 7}],
        )
        self.assertEqual(self.changes("DROP TABLE t"), [])
        self.assertEqual(self.changes(), [])
        self.patch(following, "CHECKING", 0.0)
        self.assertLost("dropped")
