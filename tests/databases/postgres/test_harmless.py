"""
Writers that must not notice the daemon: L{aerostack.databases.postgres.triggers}.
"""

from __future__ import annotations

import psycopg

from aerostack.databases.postgres import sweeping
from aerostack.errors import RealtimeError
from tests.databases.postgres.case import PostgresCase
from tests.databases.support import Reader
from tests.postgres import ADMIN, OWNER, ROLE


class HarmlessTests(PostgresCase):
    """
    Writers do not notice the daemon.
    """

    def test_strangers(self) -> None:
        """
        A writer needs no rights except those on the table, and no particular search path.
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
        A writer's own versions of the database's functions and operators are not called with the
        daemon's rights.
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
        A writer's own settings apply to it, before and after.
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
        The strictest checks of PL/pgSQL, the highest isolation and old string syntax cause no
        error for a writer.
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
        Serializable writers of different rows do not conflict because of the daemon.
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
        While a transaction that recorded changes stays open, others are written, reported and
        pruned; and reads delay no writer.
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
        A table that a long transaction has locked can be neither attached nor detached for now:
        the error comes at once, and its writers wait only for a moment.
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
        Triggers that cannot be dropped, because a transaction has locked their table, are not
        tried again at each attachment, because writers would wait each time.
        """
        self.follow("t", "CREATE TABLE t (id int)", "CREATE TABLE u (id int)")
        other = self.connect()
        other.execute("BEGIN")
        other.execute("SELECT * FROM t")
        tried: list[object] = []
        drop = sweeping.dropFunctions
        self.patch(
            sweeping,
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
        A writer gets the same results as without the daemon.
        """
        self.follow("t", "CREATE TABLE t (id int)")
        cursor = self.writer.execute("INSERT INTO t VALUES (1), (2)")
        self.assertEqual((cursor.rowcount, cursor.statusmessage), (2, "INSERT 0 2"))
        rows = self.writer.execute("UPDATE t SET id = id + 1 RETURNING id").fetchall()
        self.assertEqual(rows, [(2,), (3,)])
        self.assertEqual(self.writer.execute("DELETE FROM t").rowcount, 2)

    def test_dump(self) -> None:
        """
        A copy of a database gets a new journal.
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
