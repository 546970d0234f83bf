"""
How a PostgreSQL journal is kept, and repaired after other programs change it:
L{aerostack.databases.postgres.following}.
"""

from __future__ import annotations

import time
from typing import Any

import psycopg

from aerostack.databases.postgres import following, journal
from aerostack.databases.postgres.following import LEASE
from aerostack.errors import RealtimeError
from tests.databases.postgres.case import PostgresCase
from tests.databases.postgres.keptcase import KeptCase
from tests.databases.support import Reader, lossOf
from tests.postgres import ADMIN, ROLE


class KeepingTests(KeptCase):
    """
    Pruning, and cheap reads.
    """

    def test_idle(self) -> None:
        """
        While nothing is committed, a poll runs one query, which does not read the journal.
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
        Pruned entries are deleted from all tables.
        """
        changes = self.changes(*[f"INSERT INTO t VALUES ({i})" for i in range(10)])
        journal, cursor = self.reader.journal, self.reader.cursor
        late = changes[-1].timestamp + 1000
        self.assertEqual(journal.prune(cursor, self.reader.after, late, 100), 9)
        # The newest entry stays, and the first, which reports nothing.
        self.assertEqual((self.count("changes"), self.count("captured")), (2, 1))

    def count(self, table: str) -> int:
        (count,) = self.database.execute(f"SELECT count(*) FROM _aerostack.{table}", user=ADMIN)[0]
        return int(count)

    def test_forgetsTables(self) -> None:
        """
        A given-up table's record is deleted once none of its entries is left.
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
        A journal that no daemon has read for long records no more; a daemon that comes back hears
        of that, and gets no older change.
        """
        journal, cursor = self.reader.journal, self.reader.cursor
        lineage = journal.lineage(cursor, "t")
        now = int(time.time() * 1000)
        journal.renew(cursor, now - LEASE + 60_000)
        self.assertEqual(self.summary("INSERT INTO t VALUES (1)"), [("INSERT", 1)])
        journal.renew(cursor, now - LEASE - 60_000)
        # The settings take effect once the functions are rewritten.
        self.events()
        self.assertNotEqual(journal.lineage(cursor, "t"), lineage)
        journal.renew(cursor, now)
        self.events()
        self.assertEqual(self.summary("INSERT INTO t VALUES (2)"), [("INSERT", 2)])

    def test_abandonedByAll(self) -> None:
        """
        The same holds for a daemon that starts after that.
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
        The lease is renewed only now and then, which stops no recording.
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
        If the database is older than what was read, as after a failover, subscribers hear of it,
        and its numbers are not used again.
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
        A crash of the server neither loses nor repeats a change.
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
        A role that may create no schema uses one that was created for it, and leaves it there.
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
        A table that the database lets the daemon put nothing on is lost, with the database's
        message; the others continue, and it is found again later.
        """
        self.follow("u", "CREATE TABLE u (a int)")
        self.patch(following, "PATIENCE", 0.0)
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
            # The loss is reported once, however often the daemon tries.
            self.assertEqual(self.changes("INSERT INTO v VALUES (1)"), [])
        self.database.execute("DROP EVENT TRIGGER refuse", user=ADMIN)
        self.assertEqual(self.summary("INSERT INTO u VALUES (3)"), [("INSERT", 3), ("INSERT", 2)])
        self.assertEqual(self.summary("INSERT INTO t VALUES (4)"), [("INSERT", 4)])

    def test_heldRemove(self) -> None:
        """
        A removal that fails, because a table is in use, leaves everything in place.
        """
        other = self.connect()
        other.execute("BEGIN")
        other.execute("SELECT * FROM t")
        self.patch(journal, "REMOVING", 50)
        remove = self.reader.journal.remove
        self.assertRaises(psycopg.errors.LockNotAvailable, remove, self.reader.cursor)
        other.execute("COMMIT")
        self.assertEqual(self.summary("INSERT INTO t VALUES (1)"), [("INSERT", 1)])
        self.assertIn("_aerostack.captured", remove(self.reader.cursor))


class NotifyTests(PostgresCase):
    """
    Writers that notify readers.
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
        If notifications are switched off, or transactions may be prepared and notifications are
        not switched on, no writer notifies, and transactions can be prepared.
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
        The setting of the daemon that started last applies to every table.
        """
        listener = self.listen(False)
        second = Reader(self.connect(ROLE), type(self.reader.journal)(notify=True))
        self.events()
        self.run_("INSERT INTO t VALUES (1)")
        (heard,) = listener.notifies(timeout=60, stop_after=1)
        self.assertEqual(heard.payload, "")
        self.leave(second.connection)
