"""
Programs that lock the daemon's tables in a PostgreSQL database, and the errors about them.
"""

from __future__ import annotations

from psycopg.errors import InsufficientPrivilege

from aerostack.core.rows.selection import Bounds, Selection
from aerostack.databases.postgres import ledger
from aerostack.tracker.faults import describe
from tests.databases.postgres.case import PostgresCase
from tests.postgres import ADMIN, OWNER

BOUNDS = Bounds(1000, 1_000_000, 60.0)

_TABLES = """
SELECT oid::regclass::text FROM pg_class
WHERE relnamespace = '_aerostack'::regnamespace AND relkind = 'r'
"""


class LockTests(PostgresCase):
    """
    The locks of the journal.
    """

    def setUp(self) -> None:
        super().setUp()
        self.follow("t", "CREATE TABLE t (id int)")

    def test_noAdvisoryLocks(self) -> None:
        """
        The journal takes no lock that every role may take.
        """
        self.run_("INSERT INTO t VALUES (1)")
        self.reader.journal.snapshot(self.reader.cursor, "t", Selection(), BOUNDS)
        self.changes()
        locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
        self.assertEqual(self.writer.execute(locks).fetchone(), (0,))

    def test_strangers(self) -> None:
        """
        A role that may only connect cannot lock the daemon's tables.  The owner of the database
        can only read them, which does not disturb the feed.
        """
        self.database.server.execute("CREATE ROLE mallory LOGIN")
        self.addCleanup(self.database.server.execute, "DROP ROLE mallory")
        stranger = self.connect("mallory")
        owner = self.connect(OWNER)
        owner.execute("BEGIN")
        tables = [name for (name,) in self.writer.execute(_TABLES).fetchall()]
        self.assertIn("_aerostack.numbering", tables)
        for name in tables:
            lock = f"LOCK TABLE {name} IN ACCESS SHARE MODE"
            self.assertRaises(InsufficientPrivilege, stranger.execute, f"BEGIN; {lock}")
            stranger.execute("ROLLBACK")
            owner.execute(lock)
        self.assertEqual(len(self.changes("INSERT INTO t VALUES (1)")), 1)
        self.reader.attach("t")
        self.reader.journal.renew(self.reader.cursor, 0)
        stronger = "LOCK TABLE _aerostack.numbering IN SHARE MODE"
        self.assertRaises(InsufficientPrivilege, owner.execute, stronger)
        owner.execute("ROLLBACK")
        stranger.close()

    def test_holder(self) -> None:
        """
        The daemon waits only so long for a lock on the ledger, which a superuser may take.
        """
        self.patch(ledger, "PATIENCE", 10)
        holder = self.connect(ADMIN)
        holder.execute("BEGIN")
        holder.execute("LOCK TABLE _aerostack.journal IN EXCLUSIVE MODE")
        error = self.assertRaises(
            ledger.LedgerLocked, self.reader.journal.renew, self.reader.cursor, 0
        )
        self.assertEqual(describe(error), "is locked by another program")
        holder.execute("ROLLBACK")
        self.reader.journal.renew(self.reader.cursor, 0)
