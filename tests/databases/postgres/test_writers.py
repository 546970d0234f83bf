"""
All changes of PostgreSQL's writers are reported, and the writers do not notice:
L{aerostack.databases.postgres.triggers}.
"""

from __future__ import annotations

from tests.databases.postgres.case import PostgresCase
from tests.databases.support import Mirror
from tests.postgres import ADMIN


class StatementTests(PostgresCase):
    """
    Every kind of statement that changes rows.
    """

    def setUp(self) -> None:
        super().setUp()
        self.follow("t", "CREATE TABLE t (id int PRIMARY KEY, a text)")

    def test_copy(self) -> None:
        """
        Rows of a COPY are reported.
        """
        with self.writer.cursor().copy("COPY t FROM STDIN") as copy:
            for i in range(3):
                copy.write_row((i, f"x{i}"))
        self.assertEqual(self.summary(), [("INSERT", i, f"x{i}") for i in range(3)])

    def test_upsert(self) -> None:
        """
        An upsert is reported as its effect on each row.
        """
        self.assertEqual(
            self.summary(
                "INSERT INTO t VALUES (1, 'x')",
                "INSERT INTO t VALUES (1, 'y'), (2, 'z') ON CONFLICT (id) DO UPDATE"
                " SET a = excluded.a",
                "INSERT INTO t VALUES (1, 'w') ON CONFLICT DO NOTHING",
            ),
            [("INSERT", 1, "x"), ("UPDATE", 1, "y"), ("INSERT", 2, "z")],
        )

    def test_merge(self) -> None:
        """
        A MERGE reports its deletions, then its updates, then its insertions.
        """
        if self.writer.info.server_version < 150000:
            return
        self.assertEqual(
            self.summary(
                "INSERT INTO t VALUES (1, 'x'), (2, 'y')",
                "MERGE INTO t USING (VALUES (1, 'd'), (2, 'u'), (3, 'i')) AS v (id, a)"
                " ON t.id = v.id WHEN MATCHED AND v.a = 'd' THEN DELETE"
                " WHEN MATCHED THEN UPDATE SET a = v.a WHEN NOT MATCHED THEN"
                " INSERT VALUES (v.id, v.a)",
            ),
            [
                *[("INSERT", 1, "x"), ("INSERT", 2, "y")],
                *[("DELETE", 1, "x"), ("UPDATE", 2, "u"), ("INSERT", 3, "i")],
            ],
        )

    def test_keyChange(self) -> None:
        """
        A change of a key is one UPDATE, also of many rows that exchange keys.
        """
        self.follow(
            "u", "CREATE TABLE u (id int UNIQUE DEFERRABLE, b int, PRIMARY KEY (id, b) DEFERRABLE)"
        )
        self.run_("INSERT INTO u SELECT i, 1 FROM generate_series(1, 3) i")
        self.events()
        self.assertEqual(
            [(o and o["id"], n["id"]) for o, n in self.updated("UPDATE u SET id = id + 1")],
            [(1, 2), (2, 3), (3, 4)],
        )

    def test_noKey(self) -> None:
        """
        Identical rows are reported as many times as there are.
        """
        self.follow("u", "CREATE TABLE u (a int)")
        self.assertEqual(
            self.summary("INSERT INTO u VALUES (1), (1), (2)", "DELETE FROM u WHERE a = 1"),
            [("INSERT", 1), ("INSERT", 1), ("INSERT", 2), ("DELETE", 1), ("DELETE", 1)],
        )

    def test_modifyingQuery(self) -> None:
        """
        A query with modifying parts reports all of them.
        """
        self.follow("u", "CREATE TABLE u (id int, a text)")
        changes = self.changes(
            "INSERT INTO t VALUES (1, 'x')",
            "WITH gone AS (DELETE FROM t RETURNING *) INSERT INTO u SELECT * FROM gone",
        )
        self.assertEqual(
            [(c.table, c.operation) for c in changes],
            [("t", "INSERT"), ("t", "DELETE"), ("u", "INSERT")],
        )

    def test_cursor(self) -> None:
        """
        A change of a cursor's row is reported.
        """
        self.assertEqual(
            self.summary(
                "INSERT INTO t VALUES (1, 'x')",
                "BEGIN",
                "DECLARE c CURSOR FOR SELECT * FROM t FOR UPDATE",
                "FETCH c",
                "UPDATE t SET a = 'y' WHERE CURRENT OF c",
                "COMMIT",
            ),
            [("INSERT", 1, "x"), ("UPDATE", 1, "y")],
        )

    def test_nothingChanged(self) -> None:
        """
        A statement that finds no row reports nothing.
        """
        self.assertEqual(self.changes("DELETE FROM t", "UPDATE t SET a = 'x'"), [])

    def test_large(self) -> None:
        """
        A statement that changes many rows reports them all, in order, in one transaction.
        """
        changes = self.changes(
            "INSERT INTO t SELECT i, 'x' FROM generate_series(1, 20000) i",
            "UPDATE t SET a = id",
        )
        self.assertEqual(len(changes), 40000)
        for change in changes[20000:]:
            assert change.old is not None
            self.assertEqual(change.data["a"], str(change.data["id"]))
            self.assertEqual((change.old["id"], change.old["a"]), (change.data["id"], "x"))
        self.assertEqual(len({c.transaction for c in changes}), 2)
        self.assertEqual([i for i, c in enumerate(changes) if c.last], [19999, 39999])

    def test_twoPhase(self) -> None:
        """
        A prepared transaction is reported once it is committed, and delays no other.
        """
        self.run_("BEGIN", "INSERT INTO t VALUES (1, 'x')", "PREPARE TRANSACTION 'one'")
        self.run_("BEGIN", "INSERT INTO t VALUES (2, 'y')", "PREPARE TRANSACTION 'two'")
        self.assertEqual(self.summary("INSERT INTO t VALUES (3, 'z')"), [("INSERT", 3, "z")])
        self.assertEqual(self.changes("ROLLBACK PREPARED 'two'"), [])
        self.assertEqual(self.summary("COMMIT PREPARED 'one'"), [("INSERT", 1, "x")])

    def test_replica(self) -> None:
        """
        Writes by replication fire no triggers, and are not reported.
        """
        admin = self.connect(ADMIN)
        admin.execute("SET session_replication_role = replica")
        admin.execute("INSERT INTO t VALUES (1, 'x')")
        self.assertEqual(self.changes(), [])


class TriggerTests(PostgresCase):
    """
    Rows that change because others did.
    """

    def test_foreignKeys(self) -> None:
        """
        Deletions and changes by foreign keys are reported, also in the table itself.
        """
        self.follow(
            "t",
            "CREATE TABLE t (id int PRIMARY KEY, up int REFERENCES t"
            " ON DELETE CASCADE ON UPDATE CASCADE)",
        )
        self.follow("u", "CREATE TABLE u (t int REFERENCES t ON UPDATE CASCADE ON DELETE SET NULL)")
        mirrors = {"t": Mirror(), "u": Mirror()}
        for statements in (
            ["INSERT INTO t VALUES (1, 1), (2, 1), (3, 2)", "INSERT INTO u VALUES (2)"],
            ["UPDATE t SET id = id + 10"],
            ["DELETE FROM t WHERE id = 11"],
        ):
            for change in self.changes(*statements):
                mirrors[change.table].apply([change])
            for table, mirror in mirrors.items():
                self.assertEqual(mirror.sorted(), Mirror(self.rows(table)).sorted())

    def test_ownTriggers(self) -> None:
        """
        A row that the user's trigger changes once more is reported twice, first the change that
        fired the trigger, whatever the trigger's name and age.
        """
        self.run_(
            "CREATE TABLE t (id int PRIMARY KEY, n int)",
            "CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " IF new.n < 3 THEN UPDATE t SET n = n + 1 WHERE id = new.id; END IF;"
            " RETURN NULL; END $$",
            'CREATE TRIGGER "0" AFTER INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION again()',
        )
        self.follow("t")
        expected = [
            *[("INSERT", 1, 1), ("INSERT", 2, 2)],
            *[("UPDATE", 1, 2), ("UPDATE", 1, 3), ("UPDATE", 2, 3)],
        ]
        self.assertEqual(self.summary("INSERT INTO t VALUES (1, 1), (2, 2)"), expected)
        self.follow("t", 'DROP TRIGGER "0" ON t', "TRUNCATE t")
        self.assertEqual(self.summary("INSERT INTO t VALUES (1, 1)"), [("INSERT", 1, 1)])
        self.run_("TRUNCATE t")
        self.events()
        self.run_(
            "CREATE TRIGGER late AFTER INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION again()"
        )
        self.assertEqual(self.events(), [])
        self.assertEqual(self.summary("INSERT INTO t VALUES (1, 1), (2, 2)"), expected)

    def test_statementTrigger(self) -> None:
        """
        The same holds for a statement trigger.
        """
        self.run_(
            "CREATE TABLE t (n int)",
            "CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " UPDATE t SET n = n + 1 WHERE n < 2; RETURN NULL; END $$",
            'CREATE TRIGGER "AAA" AFTER INSERT ON t EXECUTE FUNCTION again()',
        )
        self.follow("t")
        self.assertEqual(self.summary("INSERT INTO t VALUES (1)"), [("INSERT", 1), ("UPDATE", 2)])

    def test_beforeAndAfter(self) -> None:
        """
        A change by a trigger before a row's change is reported before it.
        """
        self.run_(
            "CREATE TABLE t (id int PRIMARY KEY, n int)",
            "CREATE FUNCTION replace() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " DELETE FROM t WHERE id = new.id; RETURN new; END $$",
            "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " UPDATE t SET n = n + 1 WHERE id = new.id; RETURN NULL; END $$",
            "CREATE TRIGGER a BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION replace()",
            "CREATE TRIGGER b AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION touch()",
        )
        self.follow("t", "INSERT INTO t VALUES (1, 1)")
        self.assertEqual(
            self.summary("INSERT INTO t VALUES (1, 5)"),
            [("DELETE", 1, 2), ("INSERT", 1, 5), ("UPDATE", 1, 6)],
        )

    def test_depths(self) -> None:
        """
        Statements within statements, in several tables and over several statements of a
        transaction with a savepoint, are reported in order.
        """
        self.run_(
            "CREATE TABLE t (id int PRIMARY KEY, n int)",
            "CREATE TABLE u (id int PRIMARY KEY, n int)",
            "CREATE FUNCTION down() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " IF new.n < 4 THEN IF TG_TABLE_NAME = 't' THEN"
            " INSERT INTO u VALUES (new.id, new.n + 1)"
            " ON CONFLICT (id) DO UPDATE SET n = new.n + 1;"
            " ELSE UPDATE t SET n = new.n + 1 WHERE id = new.id; END IF; END IF;"
            " RETURN NULL; END $$",
            "CREATE TRIGGER d AFTER INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION down()",
            "CREATE TRIGGER d AFTER INSERT OR UPDATE ON u FOR EACH ROW EXECUTE FUNCTION down()",
        )
        self.follow("t")
        self.follow("u")
        mirrors = {"t": Mirror(), "u": Mirror()}
        changes = self.changes(
            "BEGIN",
            "INSERT INTO t VALUES (1, 1), (2, 3)",
            "SAVEPOINT s",
            "INSERT INTO t VALUES (3, 1)",
            "ROLLBACK TO s",
            "UPDATE t SET n = 2 WHERE id = 2",
            "DELETE FROM t WHERE id = 1",
            "COMMIT",
        )
        for change in changes:
            mirrors[change.table].apply([change])
        for table, mirror in mirrors.items():
            self.assertEqual(mirror.sorted(), Mirror(self.rows(table)).sorted())
        self.assertEqual(
            [(c.table, *c.data.values()) for c in changes][:4],
            [("t", 1, 1), ("t", 2, 3), ("u", 1, 2), ("t", 1, 3)],
        )

    def test_partitions(self) -> None:
        """
        Changes by a trigger on one partition alone are reported in order too.
        """
        self.run_(
            "CREATE TABLE t (id int, n int) PARTITION BY LIST (id)",
            "CREATE TABLE t1 PARTITION OF t FOR VALUES IN (1)",
            "CREATE TABLE t2 PARTITION OF t FOR VALUES IN (2)",
            "CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " UPDATE t SET n = n + 1 WHERE id = new.id; RETURN NULL; END $$",
            "CREATE TRIGGER a AFTER INSERT ON t1 FOR EACH ROW EXECUTE FUNCTION again()",
        )
        self.follow("t")
        self.assertEqual(
            self.summary("INSERT INTO t VALUES (2, 1), (1, 1)", "INSERT INTO t1 VALUES (1, 5)"),
            [
                *[("INSERT", 2, 1), ("INSERT", 1, 1), ("UPDATE", 1, 2)],
                *[("INSERT", 1, 5), ("UPDATE", 1, 3), ("UPDATE", 1, 6)],
            ],
        )
        # The role that makes a partition needs no rights on the daemon's objects.
        self.assertEqual(
            self.summary(
                "CREATE TABLE t3 PARTITION OF t FOR VALUES IN (3)", "INSERT INTO t VALUES (3, 1)"
            ),
            [("INSERT", 3, 1)],
        )
