"""
The kinds of tables there are in PostgreSQL: L{aerostack.databases.postgres.catalog} and
L{aerostack.databases.postgres.repair}.
"""

from __future__ import annotations

from typing import Any

from aerostack.databases.postgres import following as postgresfollowing
from aerostack.errors import RealtimeError
from tests.databases.postgres.case import PostgresCase
from tests.databases.support import Mirror, brief, lossOf
from tests.postgres import ADMIN, OWNER, ROLE


class TableCase(PostgresCase):
    """
    What the tests of tables share.
    """

    def assertRefused(self, table: str, code: str, *words: str) -> None:
        error = self.assertRaises(RealtimeError, self.reader.attach, table)
        self.assertEqual(error.code, code)
        for word in words:
            self.assertIn(word, error.message)

    def assertLost(self, *words: str) -> None:
        """
        Check that the next poll tells one loss, and no more.
        """
        (event,) = self.events()
        loss = lossOf(event)
        self.assertEqual((loss.table, loss.error.code), ("t", "table_lost"))
        for word in words:
            self.assertIn(word, loss.error.message)

    def admin(self, *statements: str) -> None:
        self.database.execute(*statements, user=ADMIN)


class NameTests(TableCase):
    """
    Which table a name means.
    """

    def test_schemas(self) -> None:
        """
        A table that is found without its schema is known without it; any other is known
        with it.
        """
        self.run_(
            "CREATE SCHEMA sales",
            f"GRANT USAGE ON SCHEMA sales TO {ROLE}",
            "CREATE TABLE sales.orders (id int)",
            f"GRANT SELECT, TRIGGER ON sales.orders TO {ROLE}",
            "CREATE TABLE orders (id int)",
        )
        self.assertEqual(self.reader.attach("sales.orders"), "sales.orders")
        self.assertEqual(self.reader.attach("orders"), "orders")
        self.assertEqual(self.reader.attach("public.orders"), "orders")
        changes = self.changes(
            "INSERT INTO sales.orders VALUES (1)", "INSERT INTO orders VALUES (2)"
        )
        self.assertEqual(
            [(c.table, c.data["id"]) for c in changes], [("sales.orders", 1), ("orders", 2)]
        )

    def test_spelling(self) -> None:
        """
        A table is found in small letters too, and told as the database spells it; one
        that differs in case alone is another.
        """
        self.run_("CREATE TABLE orders (a int)", 'CREATE TABLE "Orders" (a int)')
        self.assertEqual(self.reader.attach("ORDERS"), "orders")
        self.assertEqual(self.reader.attach("Orders"), "Orders")
        changes = self.changes("INSERT INTO Orders VALUES (1)", 'INSERT INTO "Orders" VALUES (2)')
        self.assertEqual([(c.table, c.data["a"]) for c in changes], [("orders", 1), ("Orders", 2)])

    def test_dots(self) -> None:
        """
        A dot may be part of a table's or a schema's name.
        """
        self.run_(
            'CREATE TABLE "a.b" (x int)',
            'CREATE SCHEMA "s.t"',
            f'GRANT USAGE ON SCHEMA "s.t" TO {ROLE}',
            'CREATE TABLE "s.t"."u.v" (x int)',
            f'GRANT TRIGGER ON "s.t"."u.v" TO {ROLE}',
        )
        for name in ("a.b", "s.t.u.v"):
            self.assertEqual(self.reader.attach(name), name)
        changes = self.changes('INSERT INTO "a.b" VALUES (1)', 'INSERT INTO "s.t"."u.v" VALUES (2)')
        self.assertEqual([c.table for c in changes], ["a.b", "s.t.u.v"])

    def test_schemaRenamed(self) -> None:
        """
        A table whose schema is renamed is lost.
        """
        self.run_(
            "CREATE SCHEMA s",
            f"GRANT USAGE ON SCHEMA s TO {ROLE}",
            "CREATE TABLE s.t (x int)",
            f"GRANT TRIGGER ON s.t TO {ROLE}",
        )
        self.reader.attach("s.t")
        self.events()
        self.assertEqual([table for table, _ in self.losses("ALTER SCHEMA s RENAME TO r")], ["s.t"])
        self.assertEqual(self.changes("INSERT INTO r.t VALUES (1)"), [])

    def test_shadowed(self) -> None:
        """
        A table that another one comes to stand before on the search path is lost, and the
        other is told.
        """
        self.admin(
            f'ALTER ROLE {ROLE} IN DATABASE "{self.database.name}" SET search_path = s, public'
        )
        self.run_("CREATE SCHEMA s", f"GRANT USAGE ON SCHEMA s TO {ROLE}")
        self.leave(self.reader.connection)
        self.reader = self.makeReader()
        self.follow("t", "CREATE TABLE t (x int)")
        self.run_(
            "BEGIN",
            "CREATE TABLE s.t (y int)",
            f"GRANT SELECT, TRIGGER ON s.t TO {ROLE}",
            "INSERT INTO s.t VALUES (1)",
            "COMMIT",
        )
        loss, change = self.events()
        self.assertEqual(lossOf(loss).table, "t")
        self.assertEqual(brief([change]), [("INSERT", 1)])


class RefusalTests(TableCase):
    """
    Tables that cannot be followed.
    """

    def test_kinds(self) -> None:
        """
        What is no ordinary table cannot be followed, and the error says what it is.
        """
        self.run_(
            "CREATE TABLE t (a int)",
            "CREATE VIEW v AS SELECT * FROM t",
            "CREATE MATERIALIZED VIEW m AS SELECT * FROM t",
            "CREATE UNLOGGED TABLE u (a int)",
            "CREATE SEQUENCE s",
        )
        self.reader.cursor.execute("CREATE TEMP TABLE mine (a int)")
        self.assertRefused("v", "untrackable_table", "'v'", "a view")
        self.assertRefused("m", "untrackable_table", "a materialized view")
        self.assertRefused("u", "untrackable_table", "unlogged")
        self.assertRefused("mine", "table_not_allowed")
        self.assertRefused("s", "unknown_table")

    def test_foreign(self) -> None:
        """
        A foreign table cannot be followed, nor a table that has one as a part.
        """
        self.admin(
            "CREATE FOREIGN DATA WRAPPER nowhere",
            "CREATE SERVER elsewhere FOREIGN DATA WRAPPER nowhere",
            f"GRANT USAGE ON FOREIGN SERVER elsewhere TO {OWNER}",
        )
        self.run_(
            "CREATE FOREIGN TABLE f (a int) SERVER elsewhere",
            "CREATE TABLE t (a int) PARTITION BY LIST (a)",
            "CREATE FOREIGN TABLE t1 PARTITION OF t FOR VALUES IN (1) SERVER elsewhere",
        )
        self.assertRefused("f", "untrackable_table", "a foreign table")
        self.assertRefused("t", "untrackable_table", '"t1"', "a foreign table")

    def test_internal(self) -> None:
        """
        The database's own tables and ours cannot be followed.
        """
        for name in ("pg_class", "pg_catalog.pg_class", "information_schema.tables"):
            self.assertRefused(name, "table_not_allowed", repr(name))
        self.assertRefused("_aerostack.captured", "table_not_allowed")

    def test_parts(self) -> None:
        """
        A part of another table cannot be followed, because it is changed through that too.
        """
        self.run_(
            "CREATE TABLE t (a int) PARTITION BY LIST (a)",
            "CREATE TABLE t1 PARTITION OF t FOR VALUES IN (1)",
            "CREATE TABLE h (a int)",
            "CREATE TABLE hc () INHERITS (h)",
        )
        self.assertRefused("t1", "untrackable_table", "partition of public.t", "subscribe to that")
        self.assertRefused("hc", "untrackable_table", "inherits from public.h")

    def test_rights(self) -> None:
        """
        A table on which the daemon's role may put no trigger cannot be followed, and the
        error says what to grant.
        """
        self.run_(
            "CREATE TABLE t (a int)",
            f"REVOKE TRIGGER ON t FROM {ROLE}",
            "CREATE SCHEMA s",
            "CREATE TABLE s.t (a int)",
            f"GRANT TRIGGER ON s.t TO {ROLE}",
        )
        self.assertRefused("t", "untrackable_table", '"public"."t"', "TRIGGER")
        self.assertRefused("s.t", "untrackable_table", "'s'", "USAGE")
        self.run_(f"GRANT TRIGGER ON t TO {ROLE}")
        self.follow("t")
        self.assertEqual(self.summary("INSERT INTO t VALUES (1)"), [("INSERT", 1)])


class PartitionTests(TableCase):
    """
    A table of which other tables hold the rows.
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
        Rows are told once, in the table's own shape, by whatever table they are written.
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
        A partition that is made while the table is watched is told at once through the
        table, and by itself once the daemon has seen it.
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
        A partition that comes with rows is told as a loss; an empty one is not.
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
        Rows that were written to a new partition itself, before the daemon saw it, are
        missing, which is told.
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
        A partition that is detached or dropped takes rows with it, which is told; what it
        does then is not.
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
        Nobody comes back without a gap to before a part was taken away.
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
        A watched table that becomes a part of another is lost, and that it can be watched
        there is said.
        """
        self.follow("u", "CREATE TABLE u (a int)", "CREATE TABLE p (a int) PARTITION BY LIST (a)")
        ((table, error),) = self.losses("ALTER TABLE p ATTACH PARTITION u FOR VALUES IN (1)")
        self.assertEqual(table, "u")
        self.assertIn("partition of p", error.message)
        self.assertEqual(self.changes("INSERT INTO u VALUES (1)"), [])

    def test_columns(self) -> None:
        """
        Columns of a table with partitions change as any table's.
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
        The rows of truncated partitions are told as DELETEs.
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
        Rows of an inheritor are the watched table's too, as far as its columns go.
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
        A table that comes to inherit is told from the next poll on.
        """
        self.follow("t", "CREATE TABLE t (id int, v text)")
        self.assertEqual(self.changes("CREATE TABLE c (extra int) INHERITS (t)"), [])
        self.assertEqual(self.summary("INSERT INTO c VALUES (1, 'a', 7)"), [("INSERT", 1, "a")])
        self.run_("ALTER TABLE c NO INHERIT t")
        self.assertLost("taken from it")


class AlteredTests(TableCase):
    """
    What else may happen to a watched table.
    """

    def setUp(self) -> None:
        super().setUp()
        self.follow("t", "CREATE TABLE t (id int, a int)")

    def test_anotherType(self) -> None:
        """
        A column of another type is a loss, because its values were written anew; one that
        only becomes longer is not.
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
        What was written before a column was added is told with its default in its own
        form.
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
        Keys, indexes, constraints, statistics and storage change nothing.
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
        The rows that are truncated are told as DELETEs, up to a bound; beyond that the
        table is lost, and goes on.
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
        Where the daemon may not read the rows, or might not see all, a TRUNCATE is a loss.
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
        A table with policies that hold for the daemon's role is refused, and lost once it gets
        some; it is followed where the role passes them.
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
        A table that is made again, and that the daemon may not read, is a loss without its
        rows.
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
        A table on which we may have no more triggers is told to be lost, and found again.
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
        What a session has planned before the table was altered goes on to be told.
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
        It is not looked at the schema all the time; but a row with other columns is told
        in the shape that the table has now, and a table that is gone is noticed a little
        later.
        """
        self.patch(postgresfollowing, "CHECKING", 3600.0)
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
        self.patch(postgresfollowing, "CHECKING", 0.0)
        self.assertLost("dropped")
