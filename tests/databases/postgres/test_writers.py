"""
Whatever writers do in PostgreSQL is told, and they do not notice:
L{aerostack.databases.postgres.triggers}.
"""

from __future__ import annotations

import psycopg

from aerostack.databases.postgres import following as postgresfollowing
from aerostack.errors import RealtimeError
from tests.databases.postgres.case import PostgresCase
from tests.databases.support import Mirror, Reader
from tests.postgres import ADMIN, OWNER, ROLE


class StatementTests(PostgresCase):
    """
    Every way to change rows.
    """

    def setUp(self) -> None:
        super().setUp()
        self.follow("t", "CREATE TABLE t (id int PRIMARY KEY, a text)")

    def test_copy(self) -> None:
        """
        Rows that come by COPY are told.
        """
        with self.writer.cursor().copy("COPY t FROM STDIN") as copy:
            for i in range(3):
                copy.write_row((i, f"x{i}"))
        self.assertEqual(self.summary(), [("INSERT", i, f"x{i}") for i in range(3)])

    def test_upsert(self) -> None:
        """
        An upsert is told as what it did to each row.
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
        A MERGE tells what it deleted, then what it updated, then what it inserted.
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
        A change of a key is one UPDATE, also of many rows that step aside for each other.
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
        Rows that nothing tells apart are told as many times as there are.
        """
        self.follow("u", "CREATE TABLE u (a int)")
        self.assertEqual(
            self.summary("INSERT INTO u VALUES (1), (1), (2)", "DELETE FROM u WHERE a = 1"),
            [("INSERT", 1), ("INSERT", 1), ("INSERT", 2), ("DELETE", 1), ("DELETE", 1)],
        )

    def test_modifyingQuery(self) -> None:
        """
        A query that modifies in its parts tells them all.
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
        So does a change of a cursor's row.
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
        A statement that finds no row tells nothing.
        """
        self.assertEqual(self.changes("DELETE FROM t", "UPDATE t SET a = 'x'"), [])

    def test_large(self) -> None:
        """
        A statement that changes many rows tells them all, in order, in one transaction.
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
        A prepared transaction is told once it is committed, and holds up nobody else.
        """
        self.run_("BEGIN", "INSERT INTO t VALUES (1, 'x')", "PREPARE TRANSACTION 'one'")
        self.run_("BEGIN", "INSERT INTO t VALUES (2, 'y')", "PREPARE TRANSACTION 'two'")
        self.assertEqual(self.summary("INSERT INTO t VALUES (3, 'z')"), [("INSERT", 3, "z")])
        self.assertEqual(self.changes("ROLLBACK PREPARED 'two'"), [])
        self.assertEqual(self.summary("COMMIT PREPARED 'one'"), [("INSERT", 1, "x")])

    def test_replica(self) -> None:
        """
        What is written by replication fires no triggers, and is not told.
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
        What foreign keys delete and change is told, also in the table itself.
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
        A row that the user's trigger changes once more is told twice, first the change that
        set it off, however the trigger is named and whenever it was made.
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
        So is one that a trigger for the statement changes.
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
        What a trigger does before a row is changed is told before it.
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
        Statements within statements, in several tables, over several statements of one
        transaction with a savepoint in it, are told in order.
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
        So are those of a trigger on one partition alone.
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
        # Who makes a partition needs no rights on what is ours.
        self.assertEqual(
            self.summary(
                "CREATE TABLE t3 PARTITION OF t FOR VALUES IN (3)", "INSERT INTO t VALUES (3, 1)"
            ),
            [("INSERT", 3, 1)],
        )


class HarmlessTests(PostgresCase):
    """
    Writers do not notice.
    """

    def test_strangers(self) -> None:
        """
        A writer needs no rights but those on the table, and no particular search path.
        """
        self.follow("t", "CREATE TABLE t (id int)")
        self.database.server.execute("DROP ROLE IF EXISTS stranger", "CREATE ROLE stranger LOGIN")
        self.run_("GRANT INSERT, UPDATE, DELETE, SELECT, TRUNCATE ON t TO stranger")
        stranger = self.connect("stranger")
        for statement in (
            "SET search_path = pg_temp",
            "CREATE TEMP TABLE captured (a int)",
            "INSERT INTO public.t VALUES (1)",
            "UPDATE public.t SET id = 2",
            "DELETE FROM public.t",
            "TRUNCATE public.t",
        ):
            stranger.execute(statement)
        self.assertEqual(self.summary(), [("INSERT", 1), ("UPDATE", 2), ("DELETE", 2)])
        for table in ("captured", "changes", "tables"):
            self.assertRaises(
                psycopg.errors.InsufficientPrivilege,
                stranger.execute,
                f"SELECT FROM _aerostack.{table}",
            )
        stranger.close()
        self.run_("REVOKE ALL ON t FROM stranger")

    def test_searchPath(self) -> None:
        """
        What a writer puts in the place of the database's own functions and operators is not
        called with the daemon's rights.
        """
        self.run_(
            "CREATE TABLE t (id int)",
            "CREATE SCHEMA evil",
            f"GRANT USAGE ON SCHEMA evil TO {ROLE}",
            "CREATE FUNCTION evil.to_json(anyelement) RETURNS json LANGUAGE plpgsql"
            " AS $$ BEGIN RAISE 'caught'; END $$",
            "CREATE FUNCTION evil.later(timestamptz, timestamptz) RETURNS bool LANGUAGE plpgsql"
            " AS $$ BEGIN RAISE 'caught'; END $$",
            "CREATE OPERATOR evil.> (LEFTARG = timestamptz, RIGHTARG = timestamptz,"
            " FUNCTION = evil.later)",
        )
        self.follow("t", "SET search_path = evil, public, pg_catalog")
        self.assertEqual(
            self.summary("INSERT INTO t VALUES (1)", "TRUNCATE t"), [("INSERT", 1), ("DELETE", 1)]
        )

    def test_settings(self) -> None:
        """
        A writer's own settings are in force for it, before and after.
        """
        self.follow("t", "CREATE TABLE t (at timestamptz, f float8, b bytea)")
        self.run_("SET TimeZone = 'Asia/Tokyo'", "SET bytea_output = 'escape'")
        shown = self.writer.execute(
            "INSERT INTO t VALUES ('2024-01-01 00:00+00', 0.1, '\\x61') RETURNING at::text, b::text"
        ).fetchone()
        self.assertIn("09:00", shown[0])
        self.assertEqual(shown[1], "a")
        self.assertEqual(self.writer.execute("SHOW TimeZone").fetchone(), ("Asia/Tokyo",))

    def test_strict(self) -> None:
        """
        Neither the strictest checks of PL/pgSQL nor the highest isolation, nor old ways to
        write strings, get a writer into trouble.
        """
        self.run_("CREATE TABLE t (id int PRIMARY KEY, a text)")
        self.follow("t")
        admin = self.connect(ADMIN)
        for statement in (
            "SET plpgsql.extra_errors = 'all'",
            "SET standard_conforming_strings = off",
            "SET quote_all_identifiers = on",
            "SET row_security = off",
            "SET default_transaction_isolation = 'serializable'",
            "INSERT INTO t VALUES (1, 'x')",
            "UPDATE t SET a = 'y'",
            "DELETE FROM t",
            "TRUNCATE t",
        ):
            admin.execute(statement)
        kinds = [type(event).__name__ for event in self.events()]
        self.assertEqual(kinds[:3], ["Change"] * 3)

    def test_serializable(self) -> None:
        """
        Serializable writers of different rows do not come into conflict because of us.
        """
        self.follow("t", "CREATE TABLE t (id int PRIMARY KEY)", "CREATE TABLE u (id int)")
        others = [self.connect() for _ in range(3)]
        for i, other in enumerate(others):
            other.execute("BEGIN ISOLATION LEVEL SERIALIZABLE")
            other.execute("INSERT INTO t VALUES (%s)", (i,))
        self.events()
        for other in others:
            other.execute("COMMIT")
        self.assertEqual(len(self.changes()), 3)

    def test_nobodyWaits(self) -> None:
        """
        However a transaction that recorded something stays open, others are written, told
        and pruned; and reading holds up no writer.
        """
        self.follow("t", "CREATE TABLE t (id int PRIMARY KEY)")
        other = self.connect()
        other.execute("BEGIN")
        other.execute("INSERT INTO t VALUES (1)")
        self.run_("SET lock_timeout = '1ms'", "INSERT INTO t VALUES (2)")
        (change,) = self.changes("INSERT INTO t VALUES (3)", "DELETE FROM t WHERE id = 3")[:1]
        journal, cursor = self.reader.journal, self.reader.cursor
        self.assertEqual(journal.prune(cursor, self.reader.after, change.timestamp + 60000, 9), 2)
        journal.renew(cursor, change.timestamp + 60 * 3600 * 1000)
        self.assertEqual(self.summary("DELETE FROM t WHERE id = 2"), [("DELETE", 2)])
        other.execute("COMMIT")
        self.assertEqual(self.summary(), [("INSERT", 1)])

    def test_heldTable(self) -> None:
        """
        A table that a long transaction holds can neither be attached nor detached for now:
        that is told at once, and its writers wait for a moment only.
        """
        self.run_("CREATE TABLE t (id int)", "CREATE TABLE u (id int)")
        other = self.connect()
        other.execute("BEGIN")
        other.execute("INSERT INTO t VALUES (1)")
        error = self.assertRaises(RealtimeError, self.reader.attach, "t")
        self.assertEqual((error.code, error.retryAfter), ("database_unavailable", 1000))
        self.assertFalse(self.isOpen())
        self.follow("u")
        self.run_("SET lock_timeout = '1s'")
        self.assertEqual(self.summary("INSERT INTO u VALUES (1)"), [("INSERT", 1)])
        other.execute("COMMIT")
        self.follow("t")
        other.execute("BEGIN")
        other.execute("SELECT * FROM t")
        self.reader.journal.detach(self.reader.cursor, "t")
        self.assertEqual(self.changes("INSERT INTO t VALUES (2)"), [])
        self.assertEqual(self.countTriggers("t"), 4)
        other.execute("COMMIT")
        self.reader.journal.prune(self.reader.cursor, 0, 0, 1)
        self.assertEqual(self.countTriggers("t"), 0)

    def test_heldTriggers(self) -> None:
        """
        Triggers that cannot be taken off, because a transaction holds their table, are not
        tried again each time that a table is attached: writers would wait each time.
        """
        self.follow("t", "CREATE TABLE t (id int)", "CREATE TABLE u (id int)")
        other = self.connect()
        other.execute("BEGIN")
        other.execute("SELECT * FROM t")
        tried: list[object] = []
        drop = postgresfollowing.dropFunctions
        self.patch(
            postgresfollowing,
            "dropFunctions",
            lambda cursor, names: (tried.append(names), drop(cursor, names)),
        )
        self.reader.journal.detach(self.reader.cursor, "t")
        first = len(tried)
        self.assertGreater(first, 0)
        for _ in range(5):
            self.follow("u")
            self.events()
            self.reader.journal.detach(self.reader.cursor, "u")
        self.assertEqual(len(tried), first)

    def countTriggers(self, table: str) -> int:
        count: int = self.writer.execute(
            "SELECT count(*) FROM pg_trigger WHERE tgrelid = %s::regclass", (table,)
        ).fetchone()[0]
        return count

    def test_results(self) -> None:
        """
        What a writer is answered is as without us.
        """
        self.follow("t", "CREATE TABLE t (id int)")
        cursor = self.writer.execute("INSERT INTO t VALUES (1), (2)")
        self.assertEqual((cursor.rowcount, cursor.statusmessage), (2, "INSERT 0 2"))
        rows = self.writer.execute("UPDATE t SET id = id + 1 RETURNING id").fetchall()
        self.assertEqual(rows, [(2,), (3,)])
        self.assertEqual(self.writer.execute("DELETE FROM t").rowcount, 2)

    def test_dump(self) -> None:
        """
        A copy of a database is another one: its journal begins anew.
        """
        self.follow("t", "CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1)")
        journal = self.reader.journal
        lineage = journal.lineage(self.reader.cursor, "t")
        for connection in (self.writer, self.reader.connection):
            self.leave(connection)
        name = f"{self.database.name} copy"
        self.database.server.execute(
            f'CREATE DATABASE "{name}" TEMPLATE "{self.database.name}" OWNER {OWNER}',
            f'GRANT CREATE ON DATABASE "{name}" TO {ROLE}',
        )
        server = self.database.server
        self.addCleanup(server.execute, f'DROP DATABASE "{name}" WITH (FORCE)')
        self.writer = server.connect(name, OWNER)
        self.run_("INSERT INTO t VALUES (2)")
        self.reader = Reader(server.connect(name, ROLE), type(journal)())
        self.follow("t")
        self.assertNotEqual(self.reader.journal.lineage(self.reader.cursor, "t"), lineage)
        self.assertEqual(self.summary("INSERT INTO t VALUES (3)"), [("INSERT", 3)])
