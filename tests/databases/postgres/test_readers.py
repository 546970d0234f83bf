"""
Several daemons on one PostgreSQL database: L{aerostack.databases.postgres.readers}.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import Any

from aerostack.core.rows.changes import Change
from aerostack.databases.postgres import journal, sweeping
from tests.databases.postgres.case import PostgresCase
from tests.databases.support import Reader, brief, lossOf
from tests.postgres import ADMIN, ROLE

# A daemon in another process: it follows a table, says so, and then only keeps its session.
_DAEMON = """
import sys
import psycopg
from aerostack.databases.postgres.journal import PostgresJournal
cursor = psycopg.connect(sys.argv[1], autocommit=True).cursor()
journal = PostgresJournal()
after = journal.prepare(cursor)
journal.attach(cursor, "t")
journal.poll(cursor, after, 10)
print("ready", flush=True)
sys.stdin.read()
"""


class TwoCase(PostgresCase):
    """
    Two journals; the first one leads.
    """

    def setUp(self) -> None:
        super().setUp()
        # These tests must not depend on how fast the machine is.
        self.patch(journal, "LATE", 3600.0)
        self.run_("CREATE TABLE t (id int PRIMARY KEY)", "CREATE TABLE u (id int)")
        self.first = self.reader
        self.first.attach("t")
        self.first.events()
        self.second = self.makeReader()
        self.second.attach("t")
        self.second.events()

    def kill(self, reader: Reader) -> None:
        """
        Have the server end a reader's connection.
        """
        pid = reader.connection.info.backend_pid
        admin = self.connect(ADMIN)
        admin.execute("SELECT pg_terminate_backend(%s, 10000)", (pid,))

    def reconnect(self, reader: Reader) -> None:
        reader.connection = self.connect(ROLE)
        reader.cursor = reader.connection.cursor()

    def triggers(self, table: str) -> int:
        row: Any = self.writer.execute(
            "SELECT count(*) FROM pg_trigger WHERE tgrelid = %s::regclass", (table,)
        ).fetchone()
        return int(row[0])


class SharingTests(TwoCase):
    """
    Two readers; one of them leads.
    """

    def test_both(self) -> None:
        """
        Both report the same changes under the same numbers; the other waits for changes that the
        leader has not seen.
        """
        self.run_("INSERT INTO t VALUES (1), (2)")
        self.assertEqual(self.second.events(), [])
        told = self.first.events()
        self.assertEqual(brief(told), [("INSERT", 1), ("INSERT", 2)])
        self.assertEqual(self.second.events(), told)

    def test_lateLeader(self) -> None:
        """
        A reader does not wait for a leader that is too late.
        """
        self.run_("INSERT INTO t VALUES (1)")
        self.assertEqual(self.second.events(), [])
        self.patch(journal, "LATE", 0.0)
        told = self.second.events()
        self.assertEqual(brief(told), [("INSERT", 1)])
        self.assertEqual(self.first.events(), told)

    def test_takeOver(self) -> None:
        """
        When the leader's connection ends, the other reader takes over at its next poll; the
        former leader continues as a reader, and neither misses a change or gets one twice.
        """
        self.run_("INSERT INTO t VALUES (1)")
        self.first.events()
        self.run_("INSERT INTO t VALUES (2)")
        self.kill(self.first)
        told = self.second.events()
        self.assertEqual(brief(told), [("INSERT", 1), ("INSERT", 2)])
        self.reconnect(self.first)
        self.assertEqual(self.first.events(), told[1:])
        self.run_("INSERT INTO t VALUES (3)")
        self.assertEqual(self.first.events(), [])
        self.assertEqual(brief(self.second.events()), [("INSERT", 3)])
        self.assertEqual(brief(self.first.events()), [("INSERT", 3)])

    def test_killed(self) -> None:
        """
        The same holds when a daemon's process is killed.
        """
        self.leave(self.first.connection)
        self.leave(self.second.connection)
        daemon = subprocess.Popen(
            [sys.executable, "-c", _DAEMON, self.database.url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.addCleanup(daemon.wait)
        self.addCleanup(daemon.kill)
        assert daemon.stdin is not None and daemon.stdout is not None
        self.addCleanup(daemon.stdout.close)
        self.addCleanup(daemon.stdin.close)
        self.assertEqual(daemon.stdout.readline(), b"ready\n")
        third = self.makeReader()
        third.attach("t")
        third.events()
        self.run_("INSERT INTO t VALUES (1)")
        self.assertEqual(third.events(), [])
        os.kill(daemon.pid, signal.SIGKILL)
        daemon.wait()
        told: list[Any] = []
        while not told:
            # The server notices the killed process by itself.
            told = third.events()
        self.assertEqual(brief(told), [("INSERT", 1)])

    def test_idleLeader(self) -> None:
        """
        A leader that follows no table any more yields.
        """
        self.first.journal.detach(self.first.cursor, "t")
        self.first.events()
        self.run_("INSERT INTO t VALUES (1)")
        self.assertEqual(brief(self.second.events()), [("INSERT", 1)])

    def test_prune(self) -> None:
        """
        Only the leader prunes.
        """
        self.run_("INSERT INTO t VALUES (1), (2)")
        changes = [e for e in self.first.events() if isinstance(e, Change)]
        self.second.events()
        late = changes[-1].timestamp + 1
        second, first = self.second.journal.prune, self.first.journal.prune
        self.assertEqual(second(self.second.cursor, self.second.after, late, 10), 0)
        self.assertEqual(first(self.first.cursor, self.first.after, late, 10), 1)

    def test_schema(self) -> None:
        """
        The leader follows the schema for both, also of a table that only the other wants.
        """
        self.second.attach("u")
        self.run_("ALTER TABLE u ADD COLUMN n int DEFAULT 3", "INSERT INTO u VALUES (1)")
        self.run_("DROP TABLE t")
        self.first.events()
        change, loss = self.second.events()
        assert isinstance(change, Change)
        self.assertEqual((change.table, change.data), ("u", {"id": 1, "n": 3}))
        self.assertEqual(lossOf(loss).table, "t")


class FollowingTests(TwoCase):
    """
    The tables that each reader follows.
    """

    def test_detach(self) -> None:
        """
        A table that one reader detaches stays followed while the other follows it.
        """
        lineage = self.second.journal.lineage(self.second.cursor, "t")
        self.first.journal.detach(self.first.cursor, "t")
        self.run_("INSERT INTO t VALUES (1)")
        self.assertEqual(brief(self.second.events()), [("INSERT", 1)])
        self.assertEqual(self.second.journal.lineage(self.second.cursor, "t"), lineage)
        self.second.journal.detach(self.second.cursor, "t")
        self.assertEqual(self.triggers("t"), 0)

    def test_newDaemon(self) -> None:
        """
        A starting daemon detaches no table that others follow.
        """
        third = self.makeReader()
        for name in third.journal.attached(third.cursor):
            third.journal.detach(third.cursor, name)
        self.assertEqual(self.triggers("t"), 4)
        self.run_("INSERT INTO t VALUES (1)")
        self.assertEqual(brief(self.first.events()), [("INSERT", 1)])

    def test_deadDaemon(self) -> None:
        """
        The next daemon to start takes over the tables of a dead one, and gives up those that it
        does not want.
        """
        self.leave(self.first.connection)
        self.leave(self.second.connection)
        third = self.makeReader()
        self.assertEqual(third.journal.attached(third.cursor), ["t"])
        third.journal.detach(third.cursor, "t")
        self.assertEqual(self.triggers("t"), 0)

    def test_orphans(self) -> None:
        """
        The leader gives up the tables of a dead daemon after a while; a daemon that comes back
        before loses nothing.
        """
        self.second.attach("u")
        self.leave(self.second.connection)
        prune = self.first.journal.prune
        prune(self.first.cursor, 0, 0, 1)
        self.reconnect(self.second)
        self.second.events()
        self.patch(sweeping, "ORPHANED", 0.0)
        prune(self.first.cursor, 0, 0, 1)
        self.assertEqual(self.triggers("u"), 4)
        self.leave(self.second.connection)
        prune(self.first.cursor, 0, 0, 1)
        self.assertEqual((self.triggers("u"), self.triggers("t")), (0, 4))

    def test_comesBackLate(self) -> None:
        """
        A daemon that comes back after its table was given up hears of that, and follows the table
        anew.
        """
        self.second.attach("u")
        self.leave(self.second.connection)
        self.patch(sweeping, "ORPHANED", 0.0)
        self.first.journal.prune(self.first.cursor, 0, 0, 1)
        self.reconnect(self.second)
        self.second.events()
        self.first.events()
        (loss,) = self.second.events()
        self.assertEqual(lossOf(loss).table, "u")
        self.run_("INSERT INTO u VALUES (1)")
        self.first.events()
        self.assertEqual(brief(self.second.events()), [("INSERT", 1)])


class LagTests(TwoCase):
    """
    The backlog.
    """

    def test_unsequenced(self) -> None:
        """
        A committed change that waits for the leader has an age.
        """
        lag = self.second.journal.lag
        self.assertEqual(lag(self.second.cursor).age, 0.0)
        self.run_("INSERT INTO t VALUES (1)", "SELECT pg_sleep(0.01)")
        self.assertGreater(lag(self.second.cursor).age, 0.009)
        self.first.events()
        self.assertEqual(lag(self.second.cursor).age, 0.0)

    def test_open(self) -> None:
        """
        The oldest open transaction is reported, with its holder, its age, and whether it recorded
        changes.  A transaction of another role has at least the age since the daemon first saw
        it; one that only reads is reported if the daemon's role may see it.
        """
        lag = self.first.journal.lag
        self.assertIsNone(lag(self.first.cursor).holder)
        writer = self.connect(application_name="the writer")
        writer.execute("BEGIN")
        writer.execute("INSERT INTO t VALUES (1)")
        holder = lag(self.first.cursor).holder
        assert holder is not None
        pid = writer.info.backend_pid
        self.assertEqual(
            (holder.who, holder.role, holder.remedy),
            (f"process {pid} (the writer)", "shop", f"SELECT pg_terminate_backend({pid})"),
        )
        self.assertTrue(holder.isRecorded)
        self.run_("SELECT pg_sleep(0.01)")
        again = lag(self.first.cursor).holder
        assert again is not None
        self.assertGreaterEqual(again.age, holder.age + 0.009)
        writer.execute("COMMIT")
        self.database.server.execute(f"GRANT pg_read_all_stats TO {ROLE}")
        self.addCleanup(self.database.server.execute, f"REVOKE pg_read_all_stats FROM {ROLE}")
        reader = self.connect(application_name="the reader")
        reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT FROM t")
        holder = lag(self.first.cursor).holder
        assert holder is not None
        self.assertIn("the reader", holder.who)
        self.assertFalse(holder.isRecorded)

    def test_prepared(self) -> None:
        """
        A prepared transaction that stays open is reported by its name.
        """
        self.run_("BEGIN", "INSERT INTO t VALUES (1)", "PREPARE TRANSACTION 'left''s'")
        self.addCleanup(self.run_, "ROLLBACK PREPARED 'left''s'")
        holder = self.first.journal.lag(self.first.cursor).holder
        assert holder is not None
        self.assertEqual(
            (holder.who, holder.role, holder.remedy),
            (
                "prepared transaction 'left''s'",
                "shop",
                "COMMIT PREPARED 'left''s' or ROLLBACK PREPARED 'left''s'",
            ),
        )
        self.assertTrue(holder.isRecorded)
        self.run_("INSERT INTO t VALUES (2)")
        self.assertEqual(brief(self.first.events()), [("INSERT", 2)])
