"""
Tests for L{aerostack.databases.sqlite.journal}.
"""

from __future__ import annotations

import sqlite3
import subprocess
import time
from typing import Any

from aerostack.databases.sqlite.ledger import LEASE
from aerostack.tracker.faults import NewerJournal
from tests.databases.contracts.changes import ChangeContract
from tests.databases.contracts.columns import ColumnContract
from tests.databases.contracts.mirrors import MirrorContract
from tests.databases.contracts.pastchanges import PastChangeContract
from tests.databases.contracts.readers import ReaderContract
from tests.databases.contracts.snapshots import SnapshotContract
from tests.databases.contracts.tables import TableContract
from tests.databases.support import JournalCase, brief, tableRows


class Case(JournalCase):
    """
    The database of the contracts.
    """

    refusal = sqlite3.IntegrityError
    error = sqlite3.Error

    def letReadersIn(self) -> None:
        self.run_("PRAGMA journal_mode = WAL")

    def rows(self, table: str) -> list[Any]:
        return tableRows(self.writer, table)

    def inventory(self) -> list[Any]:
        return self.writer.execute("SELECT sql FROM sqlite_master ORDER BY 1").fetchall()

    def isOpen(self) -> bool:
        return self.writer.in_transaction


class ChangeContractTests(ChangeContract, Case):
    """
    See L{ChangeContract}.
    """


class ReaderContractTests(ReaderContract, Case):
    """
    See L{ReaderContract}.
    """


class PastContractTests(PastChangeContract, Case):
    """
    See L{PastChangeContract}.
    """


class SnapshotContractTests(SnapshotContract, Case):
    """
    See L{SnapshotContract}.
    """

    collation = "NOCASE"


class TableContractTests(TableContract, Case):
    """
    See L{TableContract}.
    """


class ColumnContractTests(ColumnContract, Case):
    """
    See L{ColumnContract}.
    """


class MirrorContractTests(MirrorContract, Case):
    """
    See L{MirrorContract}.
    """


class ChangeTests(JournalCase):
    """
    INSERT, UPDATE and DELETE.
    """

    def test_spelling(self) -> None:
        """
        A table is found in any case, and reported as the database spells it.
        """
        self.run_('CREATE TABLE "Orders" (a)')
        self.assertEqual(self.reader.attach("oRDERS"), "Orders")
        self.assertEqual(self.reader.attach("Orders"), "Orders")
        self.assertEqual(
            [c.table for c in self.changes("INSERT INTO orders VALUES (1)")], ["Orders"]
        )

    def test_shell(self) -> None:
        """
        Changes of the C{sqlite3} shell are reported.
        """
        self.follow("t", "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT)")
        script = "INSERT INTO t (a) VALUES ('x'); REPLACE INTO t VALUES (1, 'y'); DELETE FROM t;"
        subprocess.run(["sqlite3", self.path, script], check=True, timeout=60)
        self.assertEqual(
            self.summary(),
            [("INSERT", 1, "x"), ("DELETE", 1, "x"), ("INSERT", 1, "y"), ("DELETE", 1, "y")],
        )

    def test_attachedDatabase(self) -> None:
        """
        Changes of a writer that reaches the table through ATTACH are reported.
        """
        self.follow("t", "CREATE TABLE t (a UNIQUE)", "INSERT INTO t VALUES (1)")
        other = sqlite3.connect(":memory:", isolation_level=None)
        self.addCleanup(other.close)
        other.execute("ATTACH ? AS theirs", (self.path,))
        other.execute("CREATE TABLE t (nonsense)")
        other.execute("REPLACE INTO theirs.t VALUES (1)")
        self.assertEqual(self.summary(), [("DELETE", 1), ("INSERT", 1)])

    def test_writersResults(self) -> None:
        """
        The triggers do not change a writer's C{changes()}, C{last_insert_rowid()} and RETURNING.
        """
        self.follow("t", "CREATE TABLE t (id INTEGER PRIMARY KEY, a)")
        cursor = self.writer.execute("INSERT INTO t (id, a) VALUES (41, 1), (42, 2)")
        self.assertEqual((cursor.rowcount, cursor.lastrowid), (2, 42))
        rows = self.writer.execute("REPLACE INTO t VALUES (42, 3) RETURNING *").fetchall()
        self.assertEqual(rows, [(42, 3)])
        self.assertEqual(self.writer.execute("SELECT changes()").fetchone(), (1,))


class ReaderTests(JournalCase):
    """
    Reading and pruning the journal.
    """

    def statements(self) -> list[str]:
        """
        Collect the statements of the daemon's connection from now on.
        """
        found: list[str] = []
        self.reader.connection.set_trace_callback(found.append)
        return found

    def test_idle(self) -> None:
        """
        While nothing is committed, a poll runs one query, which does not read the journal.
        """
        self.follow("t", "CREATE TABLE t (a)", "INSERT INTO t VALUES (1)")
        statements = self.statements()
        self.events()
        self.assertEqual(statements, ["PRAGMA data_version"])

    def test_unrelatedSchema(self) -> None:
        """
        A change of the schema without a followed table takes no lock.
        """
        self.follow("t", "CREATE TABLE t (a)")
        statements = self.statements()
        self.assertEqual(self.changes("CREATE TABLE u (a)", "INSERT INTO u VALUES (1)"), [])
        self.assertIn("BEGIN", statements)
        self.assertNotIn("BEGIN IMMEDIATE", statements)

    def test_locked(self) -> None:
        """
        While a writer has the database locked, a poll fails and leaves no transaction open; later
        all changes are reported.
        """
        self.follow("t", "CREATE TABLE t (a)")
        self.run_("BEGIN EXCLUSIVE", "INSERT INTO t VALUES (1)")
        for _ in range(3):
            self.assertRaises(sqlite3.OperationalError, self.events)
            self.assertFalse(self.reader.connection.in_transaction)
        self.assertEqual(self.summary("COMMIT"), [("INSERT", 1)])

    def test_lockedAttach(self) -> None:
        """
        An attempt to follow a table while a writer works fails as a whole, and can be repeated.
        """
        self.run_("PRAGMA journal_mode = WAL", "CREATE TABLE t (a)", "BEGIN IMMEDIATE")
        self.assertRaises(sqlite3.OperationalError, self.reader.attach, "t")
        self.assertFalse(self.reader.connection.in_transaction)
        self.run_("COMMIT")
        self.follow("t")
        self.assertEqual(self.summary("INSERT INTO t VALUES (1)"), [("INSERT", 1)])

    def test_abandoned(self) -> None:
        """
        A journal that no daemon has read for a day is cut; one that a daemon reads is not.
        """
        self.follow("t", "CREATE TABLE t (a)")
        fill = (
            "WITH RECURSIVE s (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM s WHERE x < 103000)"
            " INSERT INTO t SELECT x FROM s"
        )
        now = int(time.time() * 1000)
        day = 24 * 3600 * 1000
        self.run_(f"UPDATE _aerostack_meta SET value = {now - day + 3600_000} WHERE key = 'lease'")
        self.run_(fill)
        self.assertEqual(self.count("_aerostack_changes"), 103000)
        self.run_(f"UPDATE _aerostack_meta SET value = {now - day - 3600_000} WHERE key = 'lease'")
        self.run_("UPDATE t SET a = -a WHERE a <= 3000")
        self.assertLess(self.count("_aerostack_changes"), 101500)
        self.assertGreaterEqual(self.count("_aerostack_changes"), 100000)

    def test_pruned(self) -> None:
        """
        Old changes are pruned seldom, all at once, and while no program writes; while a program
        always writes, they are kept three times as long.
        """
        self.follow("t", "CREATE TABLE t (id INTEGER PRIMARY KEY)")
        reader = self.makeReader(hold=600.0, whole=1000)
        self.changes(*[f"INSERT INTO t VALUES ({number})" for number in range(10)])

        def prune(oldest: int, newest: int) -> int:
            """Prune changes older than an hour, among entries of the given ages in seconds."""
            now = time.time()
            self.run_(
                "UPDATE _aerostack_changes SET at = julianday('now') - CASE WHEN seq ="
                " (SELECT max(seq) FROM _aerostack_changes)"
                f" THEN {newest} ELSE {oldest} END / 86400.0"
            )
            pruned: int = reader.journal.prune(
                reader.cursor, self.reader.after, int((now - 3600) * 1000), 3
            )
            return pruned

        self.assertEqual(prune(3600 + 300, 60), 0)
        self.assertEqual(prune(3600 + 900, 0), 0)
        self.assertEqual(prune(3600 + 900, 60), 9)
        self.changes(*[f"INSERT INTO t VALUES ({number})" for number in range(10, 20)])
        self.assertEqual(prune(3600 + 1900, 0), 10)

    def test_beside(self) -> None:
        """
        A program that reads in a transaction and then writes does not block the pruning, and the
        pruning does not block the program.
        """
        self.run_("PRAGMA journal_mode = WAL")
        self.follow("t", "CREATE TABLE t (id INTEGER PRIMARY KEY)")
        reader = self.makeReader(hold=600.0)
        self.changes("INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (2)")
        self.run_("UPDATE _aerostack_changes SET at = at - 4500 / 86400.0 WHERE seq = 1")
        self.run_("BEGIN")
        self.assertEqual(len(tableRows(self.writer, "t")), 2)
        old = int((time.time() - 3600) * 1000)
        self.assertEqual(reader.journal.prune(reader.cursor, self.reader.after, old, 100), 0)
        self.run_("INSERT INTO t VALUES (3)", "COMMIT")

    def test_renewed(self) -> None:
        """
        The lease is renewed after half of its time, so that no writer is blocked before.
        """
        self.follow("t", "CREATE TABLE t (a)")
        now = int(time.time() * 1000)
        before = self.lease()
        self.assertGreater(before, now + LEASE * 3 // 4)
        self.run_("BEGIN IMMEDIATE")
        self.reader.journal.renew(self.reader.cursor, now)
        self.run_("COMMIT")
        self.assertEqual(self.lease(), before)
        self.reader.journal.renew(self.reader.cursor, before - LEASE // 2)
        self.assertEqual(self.lease(), before + LEASE // 2)

    def lease(self) -> int:
        lease: int = self.writer.execute(
            "SELECT value FROM _aerostack_meta WHERE key = 'lease'"
        ).fetchone()[0]
        return lease

    def count(self, table: str) -> int:
        count: int = self.writer.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        return count

    def test_earlierVersion(self) -> None:
        """
        A journal of the first version is replaced by a new one, in which earlier positions are
        invalid, and the writers continue.
        """
        self.reader.journal.remove(self.reader.cursor)
        self.run_(
            "CREATE TABLE t (a)",
            "CREATE TABLE _aerostack_changes (seq INTEGER PRIMARY KEY, tid, op, at, k, c0, o0)",
            "CREATE TABLE _aerostack_pending (tid, kind, k, c0)",
            "CREATE INDEX _aerostack_pending_tid ON _aerostack_pending (tid)",
            "CREATE TABLE _aerostack_tables (tid INTEGER PRIMARY KEY, name, missing, ended)",
            "CREATE TABLE _aerostack_columns (tid, position, name, since, fallback)",
            "CREATE TABLE _aerostack_meta (key TEXT PRIMARY KEY, value)",
            "INSERT INTO _aerostack_meta VALUES ('version', 1), ('epoch', 'old'), ('lease', 0)",
            "INSERT INTO _aerostack_tables (name) VALUES ('t')",
            "CREATE TRIGGER _aerostack_1_ai AFTER INSERT ON t BEGIN"
            " INSERT INTO _aerostack_changes(tid, op, c0) VALUES (1, 'I', new.a); END",
        )
        reader = self.makeReader()
        self.run_("INSERT INTO t VALUES (1)")
        reader.attach("t")
        survey = reader.journal.surveyPast
        self.assertEqual(survey(reader.cursor, "t", "oldt1", 0, reader.after, 10), "expired")
        self.run_("INSERT INTO t VALUES (2)")
        self.assertEqual(brief(reader.events()), [("INSERT", 2)])

    def test_version2(self) -> None:
        """
        A journal of the second version is replaced too.
        """
        self.follow("t", "CREATE TABLE t (a)")
        lineage = self.reader.journal.lineage(self.reader.cursor, "t")
        self.run_(
            "DROP INDEX _aerostack_images_of",
            "CREATE INDEX _aerostack_images ON _aerostack_changes (tid, k) WHERE op = 'B'",
            "UPDATE _aerostack_meta SET value = 2 WHERE key = 'version'",
        )
        reader = self.makeReader()
        reader.attach("t")
        survey = reader.journal.surveyPast
        self.assertEqual(survey(reader.cursor, "t", lineage, 0, reader.after, 10), "expired")
        self.run_("INSERT INTO t VALUES (2)")
        self.assertEqual(brief(reader.events()), [("INSERT", 2)])

    def test_sameObjects(self) -> None:
        """
        An older journal is replaced, also if its objects are the same, or if it does not say its
        version.
        """
        self.follow("t", "CREATE TABLE t (a)")
        for change in ("SET value = 2", "SET value = 'two'"):
            before = self.reader.journal.lineage(self.reader.cursor, "t")
            self.run_(f"UPDATE _aerostack_meta {change} WHERE key = 'version'")
            reader = self.makeReader()
            reader.attach("t")
            self.assertNotEqual(before, reader.journal.lineage(reader.cursor, "t"))
            self.run_("INSERT INTO t VALUES (2)")
            self.assertEqual(brief(reader.events()), [("INSERT", 2)])

    def test_newerVersion(self) -> None:
        """
        The journal of a newer version is not changed, whatever objects it has.
        """
        self.follow("t", "CREATE TABLE t (a)")
        self.run_("UPDATE _aerostack_meta SET value = 99 WHERE key = 'version'")
        for statement in ("SELECT 1", "DROP INDEX _aerostack_images_of"):
            self.run_(statement)
            found = self.writer.execute("SELECT * FROM sqlite_master").fetchall()
            for name in ("prepare", "check"):
                refused = getattr(self.reader.journal, name)
                error = self.assertRaises(NewerJournal, refused, self.reader.cursor)
                self.assertIn("version 99, and this daemon knows 3", str(error))
            self.assertEqual(self.writer.execute("SELECT * FROM sqlite_master").fetchall(), found)
        # The newer one took the place of the journal that this reader knows.
        self.assertRaises(NewerJournal, self.reader.events)
