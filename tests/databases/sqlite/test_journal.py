"""
Tests for L{aerostack.databases.sqlite.journal}.
"""

from __future__ import annotations

import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from twisted.logger import capturedLogs

from aerostack.databases.restored import Note
from aerostack.databases.sqlite.ledger import LEASE
from tests.databases import journals as contract
from tests.databases.support import JournalCase, brief, tableRows


class Case(JournalCase):
    """
    What the contract asks of a database.
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


class ChangeContractTests(contract.ChangeContract, Case):
    """
    See L{contract.ChangeContract}.
    """


class ReaderContractTests(contract.ReaderContract, Case):
    """
    See L{contract.ReaderContract}.
    """


class PastContractTests(contract.PastContract, Case):
    """
    See L{contract.PastContract}.
    """


class SnapshotContractTests(contract.SnapshotContract, Case):
    """
    See L{contract.SnapshotContract}.
    """


class TableContractTests(contract.TableContract, Case):
    """
    See L{contract.TableContract}.
    """


class ColumnContractTests(contract.ColumnContract, Case):
    """
    See L{contract.ColumnContract}.
    """


class MirrorContractTests(contract.MirrorContract, Case):
    """
    See L{contract.MirrorContract}.
    """


class ChangeTests(JournalCase):
    """
    INSERT, UPDATE and DELETE.
    """

    def test_spelling(self) -> None:
        """
        A table is found in any case, and told as the database spells it.
        """
        self.run_('CREATE TABLE "Orders" (a)')
        self.assertEqual(self.reader.attach("oRDERS"), "Orders")
        self.assertEqual(self.reader.attach("Orders"), "Orders")
        self.assertEqual(
            [c.table for c in self.changes("INSERT INTO orders VALUES (1)")], ["Orders"]
        )

    def test_shell(self) -> None:
        """
        What the C{sqlite3} shell writes is told.
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
        A writer that reaches the table through ATTACH is told like any.
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
        A writer's C{changes()}, C{last_insert_rowid()} and RETURNING are as without us.
        """
        self.follow("t", "CREATE TABLE t (id INTEGER PRIMARY KEY, a)")
        cursor = self.writer.execute("INSERT INTO t (id, a) VALUES (41, 1), (42, 2)")
        self.assertEqual((cursor.rowcount, cursor.lastrowid), (2, 42))
        rows = self.writer.execute("REPLACE INTO t VALUES (42, 3) RETURNING *").fetchall()
        self.assertEqual(rows, [(42, 3)])
        self.assertEqual(self.writer.execute("SELECT changes()").fetchone(), (1,))


class ReaderTests(JournalCase):
    """
    How the journal is read and kept.
    """

    def statements(self) -> list[str]:
        """
        Collect what the daemon's connection runs from here on.
        """
        found: list[str] = []
        self.reader.connection.set_trace_callback(found.append)
        return found

    def test_idle(self) -> None:
        """
        While nothing is committed, a poll asks one thing, and not the journal.
        """
        self.follow("t", "CREATE TABLE t (a)", "INSERT INTO t VALUES (1)")
        statements = self.statements()
        self.events()
        self.assertEqual(statements, ["PRAGMA data_version"])

    def test_unrelatedSchema(self) -> None:
        """
        A change of the schema that concerns no followed table takes no lock.
        """
        self.follow("t", "CREATE TABLE t (a)")
        statements = self.statements()
        self.assertEqual(self.changes("CREATE TABLE u (a)", "INSERT INTO u VALUES (1)"), [])
        self.assertIn("BEGIN", statements)
        self.assertNotIn("BEGIN IMMEDIATE", statements)

    def test_locked(self) -> None:
        """
        While a writer holds the database locked a poll fails, and leaves nothing open;
        then all is told.
        """
        self.follow("t", "CREATE TABLE t (a)")
        self.run_("BEGIN EXCLUSIVE", "INSERT INTO t VALUES (1)")
        for _ in range(3):
            self.assertRaises(sqlite3.OperationalError, self.events)
            self.assertFalse(self.reader.connection.in_transaction)
        self.assertEqual(self.summary("COMMIT"), [("INSERT", 1)])

    def test_lockedAttach(self) -> None:
        """
        An attempt to follow a table while a writer is at work fails whole, and can be
        made again.
        """
        self.run_("PRAGMA journal_mode = WAL", "CREATE TABLE t (a)", "BEGIN IMMEDIATE")
        self.assertRaises(sqlite3.OperationalError, self.reader.attach, "t")
        self.assertFalse(self.reader.connection.in_transaction)
        self.run_("COMMIT")
        self.follow("t")
        self.assertEqual(self.summary("INSERT INTO t VALUES (1)"), [("INSERT", 1)])

    def test_abandoned(self) -> None:
        """
        A journal that nobody has read for a day is cut; one that somebody reads is not.
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
        Old changes are forgotten seldom, all at once and while nobody writes; where somebody
        always does, they wait three times as long.
        """
        self.follow("t", "CREATE TABLE t (id INTEGER PRIMARY KEY)")
        reader = self.makeReader(hold=600.0, whole=1000)
        self.changes(*[f"INSERT INTO t VALUES ({number})" for number in range(10)])

        def prune(oldest: int, newest: int) -> int:
            """Prune what is older than an hour, of entries of that many seconds ago."""
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
        A program that reads in a transaction and then writes is not in the way of what is
        forgotten, nor is that in its way.
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
        That somebody reads is written down when half of the time is over, and so gets in the
        way of no writer before.
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
        A journal of the first version gives way to a new one, of which the positions of before
        are no part, and the writers go on.
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
        So does one of the second version.
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

    def test_restored(self) -> None:
        """
        An older backup in the database's place is noticed when the daemon starts: the positions
        of before are answered with a gap, also where the journal has grown past them again.
        """
        note = Note(Path(self.path))
        reader = self.makeReader(note=note)
        self.run_("CREATE TABLE t (id INTEGER PRIMARY KEY)")
        reader.attach("t")
        self.run_("INSERT INTO t VALUES (1)")
        reader.events()
        with closing(sqlite3.connect(f"{self.path}-backup")) as backup:
            self.writer.backup(backup)
        self.run_("INSERT INTO t VALUES (2)", "INSERT INTO t VALUES (3)")
        reader.events()
        reader.journal.lag(reader.cursor)
        lineage = reader.journal.lineage(reader.cursor, "t")
        again = self.makeReader(note=Note(Path(self.path)))
        self.assertEqual(again.journal.lineage(again.cursor, "t"), lineage)
        with closing(sqlite3.connect(f"{self.path}-backup")) as backup:
            backup.backup(self.writer)
        restarted = self.makeReader(note=Note(Path(self.path)))
        restarted.attach("t")
        self.run_(*[f"INSERT INTO t VALUES ({number})" for number in range(4, 9)])
        restarted.events()
        survey = restarted.journal.surveyPast
        self.assertEqual(
            survey(restarted.cursor, "t", lineage, reader.after, restarted.after, 10), "expired"
        )
        restarted.journal.remove(restarted.cursor)
        self.assertFalse(note.path.exists())

    def startNoting(self) -> tuple[str, bool]:
        """
        Start, as a daemon does that notes how far the journal is.

        @return: The lineage of the table C{t}, and whether it was said that the database is an
            older one.
        """
        with capturedLogs() as logs:
            reader = self.makeReader(note=Note(Path(self.path)))
            reader.attach("t")
            self.run_("INSERT INTO t DEFAULT VALUES")
            reader.events()
            reader.journal.lag(reader.cursor)
        return reader.journal.lineage(reader.cursor, "t"), bool(logs)

    def copy(self) -> bytes:
        """
        Copy the database.
        """
        with closing(sqlite3.connect(":memory:")) as backup:
            self.writer.backup(backup)
            return backup.serialize()

    def putBack(self, copy: bytes) -> None:
        """
        Put a copy in the database's place.
        """
        with closing(sqlite3.connect(":memory:")) as backup:
            backup.deserialize(copy)
            backup.backup(self.writer)

    def test_restoredAgain(self) -> None:
        """
        The same backup in the database's place once more, or that of the database as it was
        before that, is noticed each time, and nothing else is: not a restart, not a VACUUM.
        """
        self.run_("CREATE TABLE t (id INTEGER PRIMARY KEY)")
        lineages, told = [self.startNoting()[0]], []
        copies = [self.copy()]
        for step in ("restart", "back", "restart", "back", "VACUUM", "new"):
            if step == "back":
                copies.append(self.copy())
                self.putBack(copies[0])
            elif step == "new":
                # Further on than what was there before the first time.
                self.run_(*["INSERT INTO t DEFAULT VALUES"] * 9)
                self.startNoting()
                self.putBack(copies[1])
            elif step == "VACUUM":
                self.run_(step)
            lineage, isTold = self.startNoting()
            told.append((step, isTold))
            self.assertEqual(lineage not in lineages, isTold, step)
            lineages.append(lineage)
        self.assertEqual([step for step, isTold in told if isTold], ["back", "back", "new"])

    def test_copied(self) -> None:
        """
        A copy that was put in another place, without the file that is beside the database, may
        be an older one.  A database of which nothing could be noted is none.
        """
        self.run_("CREATE TABLE t (id INTEGER PRIMARY KEY)")
        lineage, isTold = self.startNoting()
        self.assertFalse(isTold)
        note = Note(Path(self.path))
        note.remove()
        other, isTold = self.startNoting()
        self.assertTrue(isTold and other != lineage)
        self.assertEqual(self.startNoting(), (other, False))
        self.patch(Note, "write", lambda *_: False)
        self.assertEqual(self.startNoting(), (other, False))
        note.remove()
        self.assertEqual(self.startNoting(), (other, False))

    def test_unnoted(self) -> None:
        """
        Where no file can be written beside the database, that is said once, and a file of
        somebody else's is not taken for a note.
        """
        note = Note(Path(self.mktemp()) / "nowhere")
        with capturedLogs() as logs:
            reader = self.makeReader(note=note)
            self.run_("CREATE TABLE t (id INTEGER PRIMARY KEY)")
            reader.attach("t")
            self.run_("INSERT INTO t VALUES (1)")
            reader.journal.lag(reader.cursor)
        self.assertEqual(len(logs), 1)
        note.path.parent.mkdir()
        for text in ("", "x", "x y", "x 7 8"):
            note.path.write_text(text)
            self.assertIsNone(note.read())

    def test_otherVersion(self) -> None:
        """
        A journal of another version is not touched.
        """
        self.run_("UPDATE _aerostack_meta SET value = 99 WHERE key = 'version'")
        error = self.assertRaises(RuntimeError, self.reader.journal.prepare, self.reader.cursor)
        self.assertIn("another version", str(error))
