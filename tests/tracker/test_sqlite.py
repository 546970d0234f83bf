"""
Tests for L{aerostack.tracker.sqlite}.
"""

from __future__ import annotations

import sqlite3
import subprocess
import time

from zope.interface.verify import verifyObject

from aerostack.core.changes import DELETE, INSERT, UPDATE
from aerostack.interfaces import IJournal
from aerostack.tracker.journal import Poll
from aerostack.tracker.sqlite import SQLiteJournal

from .support import JournalCase, Mirror, Reader, brief, lossOf, tableRows


class ChangeTests(JournalCase):
    """
    INSERT, UPDATE and DELETE.
    """

    def test_interface(self) -> None:
        """
        It is an L{IJournal}.
        """
        verifyObject(IJournal, self.reader.journal)

    def test_wholeRows(self) -> None:
        """
        Each change has the whole row, an UPDATE and a DELETE the row before as well.
        """
        self.follow("orders", "CREATE TABLE orders (id INTEGER PRIMARY KEY, name, price REAL)")
        insert, update, delete = self.changes(
            "INSERT INTO orders VALUES (1, 'tea', 2)",
            "UPDATE orders SET price = 2.5",
            "DELETE FROM orders",
        )
        first = {"id": 1, "name": "tea", "price": 2.0}
        second = {"id": 1, "name": "tea", "price": 2.5}
        self.assertEqual((insert.operation, insert.data, insert.old), (INSERT, first, None))
        self.assertEqual((update.operation, update.data, update.old), (UPDATE, second, first))
        self.assertEqual((delete.operation, delete.data, delete.old), (DELETE, second, second))
        self.assertEqual({c.table for c in (insert, update, delete)}, {"orders"})
        self.assertTrue(insert.seq < update.seq < delete.seq)

    def test_timestamp(self) -> None:
        """
        A change's timestamp is when it was written, in milliseconds.
        """
        self.follow("t", "CREATE TABLE t (a)")
        before = time.time()
        (change,) = self.changes("INSERT INTO t VALUES (1)")
        self.assertIsInstance(change.timestamp, int)
        self.assertTrue(before * 1000 - 2 <= change.timestamp <= time.time() * 1000 + 2)

    def test_multipleRows(self) -> None:
        """
        A statement that changes many rows tells each, in the order of its work.
        """
        self.follow("t", "CREATE TABLE t (id INTEGER PRIMARY KEY, a)")
        self.assertEqual(
            self.summary(
                "INSERT INTO t VALUES (1, 'x'), (2, 'y'), (3, 'z')",
                "UPDATE t SET a = a || id WHERE id > 1",
                "DELETE FROM t",
            ),
            [
                *[("INSERT", 1, "x"), ("INSERT", 2, "y"), ("INSERT", 3, "z")],
                *[("UPDATE", 2, "y2"), ("UPDATE", 3, "z3")],
                *[("DELETE", 1, "x"), ("DELETE", 2, "y2"), ("DELETE", 3, "z3")],
            ],
        )

    def test_rollback(self) -> None:
        """
        What was rolled back is never told, be it a transaction, a savepoint or a
        statement that failed.
        """
        self.follow("t", "CREATE TABLE t (a UNIQUE)")
        self.assertEqual(
            self.summary("BEGIN", "INSERT INTO t VALUES (1)", "ROLLBACK", "BEGIN")
            + self.summary("INSERT INTO t VALUES (2)", "SAVEPOINT s", "INSERT INTO t VALUES (3)")
            + self.summary("ROLLBACK TO s", "INSERT INTO t VALUES (4)", "COMMIT"),
            [("INSERT", 2), ("INSERT", 4)],
        )
        self.assertRaises(
            sqlite3.IntegrityError, self.run_, "INSERT INTO t VALUES (5), (6), (4), (7)"
        )
        self.assertEqual(self.changes(), [])

    def test_uncommitted(self) -> None:
        """
        Nothing is told before its commit, and then all of it.
        """
        self.follow("t", "PRAGMA journal_mode = WAL", "CREATE TABLE t (a)")
        self.assertEqual(self.summary("BEGIN", "INSERT INTO t VALUES (1), (2)"), [])
        self.assertEqual(self.summary("COMMIT"), [("INSERT", 1), ("INSERT", 2)])

    def test_commitOrder(self) -> None:
        """
        The changes of several writers and tables are told in the order of their commits.
        """
        self.follow("t", "PRAGMA journal_mode = WAL", "CREATE TABLE t (a)")
        self.follow("u", "CREATE TABLE u (a)")
        other = self.connect()
        self.run_("INSERT INTO t VALUES (1)")
        other.execute("INSERT INTO u VALUES (2)")
        self.run_("INSERT INTO t VALUES (3)")
        self.assertEqual(
            [(c.table, c.data["a"]) for c in self.changes()], [("t", 1), ("u", 2), ("t", 3)]
        )

    def test_otherTables(self) -> None:
        """
        A table that is not followed is not told, and no longer followed no more.
        """
        self.follow("t", "CREATE TABLE t (a)", "CREATE TABLE u (a)")
        self.assertEqual(self.changes("INSERT INTO u VALUES (1)"), [])
        self.reader.journal.detach(self.reader.cursor, "T")
        self.reader.journal.detach(self.reader.cursor, "nothing")
        self.assertEqual(self.changes("INSERT INTO t VALUES (1)"), [])
        self.assertEqual(self.reader.journal.attached(self.reader.cursor), [])

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

    def test_steps(self) -> None:
        """
        A reader that takes little at a time gets the same, in the same order.
        """
        self.follow("t", "CREATE TABLE t (a)")
        self.run_(*[f"INSERT INTO t VALUES ({i})" for i in range(25)])
        poll = self.reader.journal.poll(self.reader.cursor, self.reader.after, 10)
        self.assertEqual((len(poll.events), poll.more), (10, True))
        events = self.reader.events(limit=10)
        self.assertEqual(brief(events), [("INSERT", i) for i in range(25)])


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

    def test_newConnection(self) -> None:
        """
        The daemon's connection may be opened anew; nothing is lost or told twice.
        """
        self.follow("t", "CREATE TABLE t (a)", "INSERT INTO t VALUES (1)")
        self.run_("INSERT INTO t VALUES (2)")
        self.reader.connection.close()
        self.reader.connection = self.connect()
        self.reader.cursor = self.reader.connection.cursor()
        self.assertEqual(self.summary("INSERT INTO t VALUES (3)"), [("INSERT", 2), ("INSERT", 3)])

    def test_restart(self) -> None:
        """
        A daemon that starts again begins with what comes then; what was written
        meanwhile can still be read from an older position.
        """
        self.follow("t", "CREATE TABLE t (a)")
        before = self.reader.after
        self.run_("INSERT INTO t VALUES (1)")
        self.reader = Reader(self.path)
        self.addCleanup(self.reader.connection.close)
        self.assertEqual(self.reader.journal.attached(self.reader.cursor), ["t"])
        self.reader.attach("t")
        self.assertEqual(self.summary("INSERT INTO t VALUES (2)"), [("INSERT", 2)])
        self.reader.after = before
        self.assertEqual(self.summary(), [("INSERT", 1), ("INSERT", 2)])

    def test_prune(self) -> None:
        """
        Entries that are old and were read are forgotten, oldest first, no more than
        asked; the numbers go on.
        """
        self.follow("t", "CREATE TABLE t (a)")
        changes = self.changes(*[f"INSERT INTO t VALUES ({i})" for i in range(5)])
        prune = self.reader.journal.prune
        cursor = self.reader.cursor
        late = changes[-1].timestamp + 1
        self.assertEqual(prune(cursor, self.reader.after, changes[0].timestamp, 100), 0)
        self.assertEqual(prune(cursor, changes[1].seq, late, 100), 2)
        self.assertEqual(prune(cursor, self.reader.after, late, 1), 1)
        self.assertEqual(prune(cursor, self.reader.after, late, 100), 1)
        self.assertEqual(prune(cursor, self.reader.after, late, 100), 0)
        (change,) = self.changes("DELETE FROM t WHERE a = 0")
        self.assertEqual(change.seq, changes[-1].seq + 1)

    def test_gap(self) -> None:
        """
        A reader that comes too late for what was forgotten is told so, and goes on.
        """
        self.follow("t", "CREATE TABLE t (a)")
        after = self.reader.after
        changes = self.changes(*[f"INSERT INTO t VALUES ({i})" for i in range(5)])
        cursor = self.reader.cursor
        self.reader.journal.prune(cursor, changes[2].seq, changes[-1].timestamp + 1, 100)
        self.reader.after = after
        loss, *rest = self.events()
        self.assertEqual(lossOf(loss).table, "t")
        self.assertEqual(lossOf(loss).error.code, "table_lost")
        self.assertEqual(brief(rest), [("INSERT", 3), ("INSERT", 4)])

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
        self.reader.journal.renew(self.reader.cursor, now - day)
        self.run_(fill)
        self.assertEqual(self.count("_aerostack_changes"), 103000)
        self.reader.journal.renew(self.reader.cursor, now - day - 3 * 3600 * 1000)
        self.run_("DELETE FROM t WHERE a <= 3000")
        self.assertLess(self.count("_aerostack_changes"), 101500)
        self.assertGreaterEqual(self.count("_aerostack_changes"), 100000)

    def count(self, table: str) -> int:
        count: int = self.writer.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        return count

    def test_concurrentWriters(self) -> None:
        """
        Polls between the writes of several connections miss nothing.
        """
        self.follow("t", "PRAGMA journal_mode = WAL", "CREATE TABLE t (id INTEGER PRIMARY KEY, a)")
        mirror = Mirror()
        writers = [self.connect() for _ in range(3)]
        for i in range(60):
            writers[i % 3].execute("REPLACE INTO t VALUES (?, ?)", (i % 7, i))
            if i % 4 == 0:
                mirror.apply(self.events())
        mirror.apply(self.events())
        self.assertEqual(mirror.sorted(), Mirror(tableRows(self.writer, "t")).sorted())

    def test_nothingYet(self) -> None:
        """
        A journal that was never prepared makes itself ready.
        """
        path = self.mktemp()
        connection = sqlite3.connect(path, isolation_level=None)
        self.addCleanup(connection.close)
        cursor = connection.cursor()
        journal = SQLiteJournal()
        self.assertEqual(journal.prune(cursor, 5, 5, 5), 0)
        journal.renew(cursor, 5)
        journal.detach(cursor, "t")
        self.assertEqual(journal.poll(cursor, 0, 10), Poll((), 0, False))

    def test_otherVersion(self) -> None:
        """
        A journal of another version is not touched.
        """
        self.run_("UPDATE _aerostack_meta SET value = 99 WHERE key = 'version'")
        error = self.assertRaises(RuntimeError, self.reader.journal.prepare, self.reader.cursor)
        self.assertIn("another version", str(error))
