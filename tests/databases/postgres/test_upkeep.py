"""
How a PostgreSQL journal is kept, and what happens if somebody meddles with it:
L{aerostack.databases.postgres.following}.
"""

from __future__ import annotations

import time
from typing import Any

import psycopg

from aerostack.databases.postgres import following as postgresfollowing
from aerostack.databases.postgres import journal as postgres
from aerostack.databases.postgres.following import LEASE
from aerostack.errors import RealtimeError
from tests.databases.postgres.case import PostgresCase
from tests.databases.support import Reader, brief, lossOf
from tests.postgres import ADMIN, ROLE


class KeptCase(PostgresCase):
    """
    A table that is followed.
    """

    def setUp(self) -> None:
        super().setUp()
        self.follow("t", "CREATE TABLE t (a int PRIMARY KEY)")

    def assertHealed(self, *statements: str) -> None:
        """
        Run statements as the superuser, then check that the table is told to be lost, once,
        and goes on.
        """
        before = self.reader.after
        self.database.execute(*statements, user=ADMIN)
        events = self.events()
        losses = [lossOf(event) for event in events]
        self.assertEqual([loss.table for loss in losses], ["t"], statements)
        self.assertIn("missing", losses[0].error.message)
        changes = self.changes("INSERT INTO t VALUES (1)", "DELETE FROM t")
        self.assertEqual(brief(changes), [("INSERT", 1), ("DELETE", 1)])
        self.assertTrue(before < changes[0].seq < changes[1].seq)
        self.assertEqual(self.events(), [])


class TamperTests(KeptCase):
    """
    Somebody takes away what is ours.
    """

    def names(self) -> list[str]:
        return [
            name
            for (name,) in self.writer.execute(
                "SELECT tgname FROM pg_trigger WHERE tgrelid = 't'::regclass"
            ).fetchall()
        ]

    def test_trigger(self) -> None:
        """
        One trigger dropped by hand: changes may be missing, and it is there again.
        """
        for letter in "iudt":
            (name,) = (name for name in self.names() if name.endswith(letter))
            self.assertHealed(f'DROP TRIGGER "{name}" ON t')

    def test_switchedOff(self) -> None:
        """
        Triggers that were switched off, if only for a moment: changes may be missing.
        """
        self.assertHealed("ALTER TABLE t DISABLE TRIGGER ALL")
        self.assertHealed(
            "ALTER TABLE t DISABLE TRIGGER USER",
            "INSERT INTO t VALUES (2)",
            "DELETE FROM t",
            "ALTER TABLE t ENABLE TRIGGER USER",
        )

    def test_function(self) -> None:
        """
        A function that does something else, or is gone.
        """
        (name,) = self.writer.execute(
            "SELECT proname FROM pg_proc WHERE proname LIKE 'capture%'"
        ).fetchone()
        self.assertHealed(
            f"CREATE OR REPLACE FUNCTION _aerostack.{name}() RETURNS trigger LANGUAGE plpgsql"
            " AS 'BEGIN RETURN NULL; END'"
        )
        (name,) = self.writer.execute(
            "SELECT proname FROM pg_proc WHERE proname LIKE 'capture%'"
        ).fetchone()
        self.assertHealed(f"DROP FUNCTION _aerostack.{name} CASCADE")

    def test_tables(self) -> None:
        """
        A table or a function of ours dropped by hand.
        """
        for name in ("captured", "changes", "tables", "shapes", "follows", "journal"):
            self.assertHealed(f"DROP TABLE _aerostack.{name} CASCADE")
        for name in ("sequence()", "prune(bigint, bigint)", "unsequenced()"):
            self.assertHealed(f"DROP FUNCTION _aerostack.{name}")
        self.assertHealed("DROP SEQUENCE _aerostack.readers")

    def test_schema(self) -> None:
        """
        All of it.
        """
        self.assertHealed("DROP SCHEMA _aerostack CASCADE")

    def test_emptied(self) -> None:
        """
        A journal emptied by hand: its numbers go on, and nothing is told twice.
        """
        self.run_("INSERT INTO t VALUES (7)", "DELETE FROM t")
        self.events()
        self.assertHealed("TRUNCATE _aerostack.changes")
        self.assertHealed("TRUNCATE _aerostack.changes, _aerostack.captured")

    def test_forgotten(self) -> None:
        """
        The list of tables emptied by hand.
        """
        self.assertHealed("DELETE FROM _aerostack.tables")

    def test_removed(self) -> None:
        """
        Removed under a running daemon.
        """
        other = self.connect(ROLE).cursor()
        type(self.reader.journal)().remove(other)
        self.assertHealed("SELECT 1")

    def test_attachHeals(self) -> None:
        """
        A table attached before the next poll finds a whole journal.
        """
        self.run_("CREATE TABLE u (a int)")
        self.database.execute("DROP TABLE _aerostack.changes CASCADE", user=ADMIN)
        self.reader.attach("u")
        (loss,) = self.events()
        self.assertEqual(lossOf(loss).table, "t")
        self.assertEqual([c.table for c in self.changes("INSERT INTO u VALUES (1)")], ["u"])

    def test_otherVersion(self) -> None:
        """
        A journal of another version is not touched.
        """
        self.database.execute("UPDATE _aerostack.journal SET version = 99", user=ADMIN)
        error = self.assertRaises(RuntimeError, self.reader.journal.prepare, self.reader.cursor)
        self.assertIn("newer version", str(error))


class UpkeepTests(KeptCase):
    """
    How it is kept small, and reading it cheap.
    """

    def test_idle(self) -> None:
        """
        While nothing is committed, a poll asks one thing, and not the journal.
        """
        self.events()
        self.events()
        queries: list[str] = []

        class Spy:
            def __init__(self, cursor: Any) -> None:
                self.connection = cursor.connection
                self._cursor = cursor

            def execute(self, query: str, *args: Any) -> Any:
                queries.append(query)
                return self._cursor.execute(query, *args)

        self.reader.cursor = Spy(self.reader.cursor)
        self.events()
        self.assertEqual(len(queries), 1)
        self.assertNotIn("_aerostack", queries[0])
        self.run_("CREATE TABLE u (a int)")
        self.events()
        self.assertFalse([query for query in queries if "INSERT" in query or "LOCK" in query])

    def test_prunedWhole(self) -> None:
        """
        What is forgotten is gone from everywhere.
        """
        changes = self.changes(*[f"INSERT INTO t VALUES ({i})" for i in range(10)])
        journal, cursor = self.reader.journal, self.reader.cursor
        late = changes[-1].timestamp + 1000
        self.assertEqual(journal.prune(cursor, self.reader.after, late, 100), 9)
        # The newest stays, and the first, which tells nothing.
        self.assertEqual((self.count("changes"), self.count("captured")), (2, 1))

    def count(self, table: str) -> int:
        (count,) = self.database.execute(f"SELECT count(*) FROM _aerostack.{table}", user=ADMIN)[0]
        return int(count)

    def test_forgetsTables(self) -> None:
        """
        So is a table that was given up, once none of its entries is left.
        """
        changes = self.changes("INSERT INTO t VALUES (1)")
        self.reader.journal.detach(self.reader.cursor, "t")
        self.follow("u", "CREATE TABLE u (a int)")
        self.changes("INSERT INTO u VALUES (1)", "INSERT INTO u VALUES (2)")
        self.assertEqual((self.count("tables"), self.count("shapes")), (2, 2))
        late = changes[-1].timestamp + 60_000
        self.reader.journal.prune(self.reader.cursor, self.reader.after, late, 100)
        self.assertEqual((self.count("tables"), self.count("shapes")), (1, 1))

    def test_abandoned(self) -> None:
        """
        A journal that nobody has read for long records no more; who comes back is told,
        and gets nothing older than that.
        """
        journal, cursor = self.reader.journal, self.reader.cursor
        lineage = journal.lineage(cursor, "t")
        now = int(time.time() * 1000)
        journal.renew(cursor, now - LEASE + 60_000)
        self.assertEqual(self.summary("INSERT INTO t VALUES (1)"), [("INSERT", 1)])
        journal.renew(cursor, now - LEASE - 60_000)
        # What was set is in force once the functions are written anew.
        self.events()
        self.assertNotEqual(journal.lineage(cursor, "t"), lineage)
        journal.renew(cursor, now)
        self.events()
        self.assertEqual(self.summary("INSERT INTO t VALUES (2)"), [("INSERT", 2)])

    def test_abandonedByAll(self) -> None:
        """
        So it is for a daemon that starts after that.
        """
        journal, cursor = self.reader.journal, self.reader.cursor
        now = int(time.time() * 1000)
        journal.renew(cursor, now - LEASE + 60_000)
        self.events()
        until = "'2001-01-01 00:00:00+00:00'"
        (source,) = self.writer.execute(
            "SELECT pg_get_functiondef(oid) FROM pg_proc WHERE proname LIKE 'capture%'"
        ).fetchone()
        start = source.index("clock_timestamp() > '") + len("clock_timestamp() > ")
        end = source.index("::timestamptz", start)
        self.database.execute(
            source[:start] + until + source[end:],
            "UPDATE _aerostack.journal SET until = 5",
            user=ADMIN,
        )
        self.leave(self.reader.connection)
        self.run_("INSERT INTO t VALUES (1)")
        self.assertEqual(self.count("captured"), 0)
        self.reader = self.makeReader()
        self.assertEqual(self.reader.journal.attached(self.reader.cursor), [])
        self.follow("t")
        self.assertEqual(self.summary("INSERT INTO t VALUES (2)"), [("INSERT", 2)])

    def test_renewed(self) -> None:
        """
        That somebody reads is written down now and then only, and stops no recording.
        """
        journal, cursor = self.reader.journal, self.reader.cursor
        now = int(time.time() * 1000)
        before = self.functions()
        journal.renew(cursor, now + 3600 * 1000)
        self.events()
        self.assertEqual(self.functions(), before)
        journal.renew(cursor, now + 13 * 3600 * 1000)
        self.assertEqual(self.summary("INSERT INTO t VALUES (1)"), [("INSERT", 1)])
        self.assertNotEqual(self.functions(), before)

    def functions(self) -> list[Any]:
        found: list[Any] = self.writer.execute(
            "SELECT prosrc FROM pg_proc WHERE proname LIKE 'capture%' ORDER BY proname"
        ).fetchall()
        return found

    def test_behind(self) -> None:
        """
        Where the database is an older one than was read, as after a failover, that is told,
        and its numbers are used for nothing else.
        """
        self.run_("INSERT INTO t VALUES (1)")
        self.events()
        self.reader.after += 100
        (loss,) = self.events()
        self.assertEqual(lossOf(loss).table, "t")
        self.assertGreater(self.reader.after, lossOf(loss).seq - 1)
        (change,) = self.changes("INSERT INTO t VALUES (2)")
        self.assertGreater(change.seq, 100)

    def test_crash(self) -> None:
        """
        A crash of the server loses and repeats nothing.
        """
        self.run_("INSERT INTO t VALUES (1)")
        self.events()
        self.run_("INSERT INTO t VALUES (2)")
        self.database.server.restart("immediate")
        self.writer = self.connect()
        self.reader.connection = self.connect(ROLE)
        self.reader.cursor = self.reader.connection.cursor()
        self.assertEqual(self.summary("INSERT INTO t VALUES (3)"), [("INSERT", 2), ("INSERT", 3)])

    def test_schemaMadeForUs(self) -> None:
        """
        A role that may make no schema uses one that was made for it, and leaves it there.
        """
        self.reader.journal.remove(self.reader.cursor)
        self.leave(self.reader.connection)
        name = self.database.name
        self.database.execute(
            f'REVOKE CREATE ON DATABASE "{name}" FROM {ROLE}',
            "CREATE SCHEMA _aerostack",
            f"GRANT USAGE, CREATE ON SCHEMA _aerostack TO {ROLE}",
            user=ADMIN,
        )
        self.reader = self.makeReader()
        self.follow("t")
        self.assertEqual(self.summary("INSERT INTO t VALUES (1)"), [("INSERT", 1)])
        self.reader.journal.remove(self.reader.cursor)
        self.assertEqual(
            self.writer.execute("SELECT to_regnamespace('_aerostack')::text").fetchone(),
            ("_aerostack",),
        )

    def test_forbidden(self) -> None:
        """
        A table that the database lets us put nothing on is told to be lost, with what the
        database says, and the others go on; it is found again when that is over.
        """
        self.follow("u", "CREATE TABLE u (a int)")
        self.patch(postgresfollowing, "PATIENCE", 0.0)
        self.database.execute(
            "CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN"
            " RAISE 'no triggers here' USING ERRCODE = '42501'; END $$",
            "CREATE EVENT TRIGGER refuse ON ddl_command_start WHEN TAG IN ('CREATE TRIGGER')"
            " EXECUTE FUNCTION refuse()",
            user=ADMIN,
        )
        self.run_("DROP TABLE t", "CREATE TABLE t (a int)", "CREATE TABLE v (a int)")
        ((table, lost),) = self.losses()
        self.assertEqual(table, "t")
        self.assertIn("no triggers here", lost.message)
        self.assertEqual(self.summary("INSERT INTO u VALUES (1)"), [("INSERT", 1)])
        refused = self.assertRaises(RealtimeError, self.reader.attach, "v")
        self.assertEqual(refused.code, "untrackable_table")
        self.assertIn("no triggers here", refused.message)
        self.run_("INSERT INTO t VALUES (2)")
        for _ in range(6):
            # However often it is tried.
            self.assertEqual(self.changes("INSERT INTO v VALUES (1)"), [])
        self.database.execute("DROP EVENT TRIGGER refuse", user=ADMIN)
        self.assertEqual(self.summary("INSERT INTO u VALUES (3)"), [("INSERT", 3), ("INSERT", 2)])
        self.assertEqual(self.summary("INSERT INTO t VALUES (4)"), [("INSERT", 4)])

    def test_heldRemove(self) -> None:
        """
        What cannot be taken out, because a table is in use, is all still there.
        """
        other = self.connect()
        other.execute("BEGIN")
        other.execute("SELECT * FROM t")
        self.patch(postgres, "REMOVING", 50)
        remove = self.reader.journal.remove
        self.assertRaises(psycopg.errors.LockNotAvailable, remove, self.reader.cursor)
        other.execute("COMMIT")
        self.assertEqual(self.summary("INSERT INTO t VALUES (1)"), [("INSERT", 1)])
        self.assertIn("_aerostack.captured", remove(self.reader.cursor))


class NotifyTests(PostgresCase):
    """
    Writers that wake readers.
    """

    def listen(self, notify: bool | None) -> Any:
        self.reader.journal.remove(self.reader.cursor)
        self.leave(self.reader.connection)
        self.reader = self.makeReader(notify=notify)
        self.follow("t", "CREATE TABLE t (a int)")
        listener = self.connect(ROLE)
        listener.execute('LISTEN "_aerostack"')
        return listener

    def test_notified(self) -> None:
        """
        A transaction notifies once, whatever it did, and not if it changed nothing.
        """
        listener = self.listen(True)
        self.run_("UPDATE t SET a = 1", "DELETE FROM t", "BEGIN")
        self.run_("INSERT INTO t VALUES (1)", "UPDATE t SET a = 2", "TRUNCATE t", "COMMIT")
        self.run_("NOTIFY \"_aerostack\", 'end'")
        heard = []
        for notification in listener.notifies(timeout=60):
            heard.append((notification.channel, notification.payload))
            if notification.payload == "end":
                break
        self.assertEqual(heard, [("_aerostack", ""), ("_aerostack", "end")])

    def test_switchedOff(self) -> None:
        """
        Where it is switched off, and where transactions may be prepared unless it is switched
        on, nobody is notified, and they can be.
        """
        for notify in (False, None):
            listener = self.listen(notify)
            self.run_("BEGIN", "INSERT INTO t VALUES (1)", "PREPARE TRANSACTION 'p'")
            self.run_("COMMIT PREPARED 'p'", "NOTIFY \"_aerostack\", 'end'")
            (heard,) = listener.notifies(timeout=60, stop_after=1)
            self.assertEqual(heard.payload, "end")
            self.assertEqual(self.summary(), [("INSERT", 1)])
            self.run_("DROP TABLE t")

    def test_switched(self) -> None:
        """
        What the daemon that started last says is in force for every table.
        """
        listener = self.listen(False)
        second = Reader(self.connect(ROLE), type(self.reader.journal)(notify=True))
        self.events()
        self.run_("INSERT INTO t VALUES (1)")
        (heard,) = listener.notifies(timeout=60, stop_after=1)
        self.assertEqual(heard.payload, "")
        self.leave(second.connection)
