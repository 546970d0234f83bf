"""
The table that a name means, and tables that cannot be followed:
L{aerostack.databases.postgres.catalog}.
"""

from __future__ import annotations

from tests.databases.postgres.tablecase import TableCase
from tests.databases.support import brief, lossOf
from tests.postgres import OWNER, ROLE


class NameTests(TableCase):
    """
    The table that a name means.
    """

    def test_schemas(self) -> None:
        """
        A table that is found without its schema has a name without it; any other has a name with
        it.
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
        A table is also found in lower case, and reported as the database spells it; a table whose
        name differs only in case is another one.
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
        A table is lost when another one hides it on the search path, and the other one is
        reported.
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
        Only ordinary tables can be followed, and the error says what the object is.
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
        Neither a foreign table nor a table with a foreign part can be followed.
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
        The database's own tables and the daemon's cannot be followed.
        """
        for name in ("pg_class", "pg_catalog.pg_class", "information_schema.tables"):
            self.assertRefused(name, "table_not_allowed", repr(name))
        self.assertRefused("_aerostack.captured", "table_not_allowed")

    def test_parts(self) -> None:
        """
        A part of another table cannot be followed, because it is also changed through that one.
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
        A table on which the daemon's role may create no trigger cannot be followed, and the error
        says what to grant.
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
