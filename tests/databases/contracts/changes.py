"""
Tests of recording changes, for every database.
"""

from __future__ import annotations

import time

from zope.interface.verify import verifyObject

from aerostack.core.rows.changes import DELETE, INSERT, UPDATE, Change
from aerostack.core.rows.columns import ColumnType
from aerostack.errors import RealtimeError
from aerostack.interfaces.tracking import IJournal
from tests.databases.contracts.journal import JournalContract, T
from tests.databases.support import brief


class ChangeContract(JournalContract):
    """
    INSERT, UPDATE and DELETE.
    """

    def test_interface(self) -> None:
        """
        The journal is an L{IJournal}.
        """
        verifyObject(IJournal, self.reader.journal)

    def test_wholeRows(self) -> None:
        """
        Each change has the whole row; an UPDATE and a DELETE also have the row before.
        """
        self.follow(
            "orders", "CREATE TABLE orders (id INTEGER PRIMARY KEY, name TEXT, price FLOAT)"
        )
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
        A change's timestamp is the time of the write, in milliseconds.
        """
        self.follow("t", T)
        before = time.time()
        (change,) = self.changes("INSERT INTO t (id) VALUES (1)")
        self.assertIsInstance(change.timestamp, int)
        self.assertTrue(before * 1000 - 2 <= change.timestamp <= time.time() * 1000 + 2)

    def test_multipleRows(self) -> None:
        """
        A statement that changes many rows causes a change for each, in the order of its work.
        """
        self.follow("t", T)
        self.assertEqual(
            self.summary(
                "INSERT INTO t VALUES (1, 'x'), (2, 'y'), (3, 'z')",
                "UPDATE t SET a = a || id WHERE id > 1",
                "DELETE FROM t WHERE id = 1",
            ),
            [
                *[("INSERT", 1, "x"), ("INSERT", 2, "y"), ("INSERT", 3, "z")],
                *[("UPDATE", 2, "y2"), ("UPDATE", 3, "z3"), ("DELETE", 1, "x")],
            ],
        )

    def test_rollback(self) -> None:
        """
        A rolled back write is never reported, whether a transaction, a savepoint or a failed
        statement was rolled back.
        """
        self.follow("t", T)
        self.assertEqual(
            self.summary("BEGIN", "INSERT INTO t (id) VALUES (1)", "ROLLBACK", "BEGIN")
            + self.summary(
                "INSERT INTO t (id) VALUES (2)", "SAVEPOINT s", "INSERT INTO t (id) VALUES (3)"
            )
            + self.summary("ROLLBACK TO s", "INSERT INTO t (id) VALUES (4)", "COMMIT"),
            [("INSERT", 2, None), ("INSERT", 4, None)],
        )
        self.assertRaises(self.refusal, self.run_, "INSERT INTO t (id) VALUES (5), (6), (4), (7)")
        self.assertEqual(self.changes(), [])

    def test_uncommitted(self) -> None:
        """
        Changes are reported after their commit, all at once.
        """
        self.letReadersIn()
        self.follow("t", T)
        self.assertEqual(self.summary("BEGIN", "INSERT INTO t (id) VALUES (1), (2)"), [])
        self.assertEqual(self.summary("COMMIT"), [("INSERT", 1, None), ("INSERT", 2, None)])

    def test_commitOrder(self) -> None:
        """
        The changes of several writers and tables have the order of the commits.
        """
        self.letReadersIn()
        self.follow("t", T)
        self.follow("u", "CREATE TABLE u (a INTEGER)")
        other = self.connect()
        self.run_("INSERT INTO t (id) VALUES (1)")
        other.execute("INSERT INTO u VALUES (2)")
        self.run_("INSERT INTO t (id) VALUES (3)")
        self.assertEqual(
            [(c.table, next(iter(c.data.values()))) for c in self.changes()],
            [("t", 1), ("u", 2), ("t", 3)],
        )

    def test_last(self) -> None:
        """
        The last change of each table in a transaction is marked as its last.
        """
        self.follow("t", T)
        self.follow("u", "CREATE TABLE u (a INTEGER)")
        changes = self.changes(
            "BEGIN",
            "INSERT INTO t (id) VALUES (1), (2)",
            "INSERT INTO u VALUES (1)",
            "UPDATE t SET a = 'x' WHERE id = 1",
            "COMMIT",
        )
        self.assertEqual([c.last for c in changes], [False, False, True, True])
        (change,) = self.changes("INSERT INTO t (id) VALUES (3)")
        self.assertTrue(change.last)
        self.assertEqual(len({c.transaction for c in changes}), 1)

    def test_lastOfMany(self) -> None:
        """
        A transaction that is read in pieces has its last change in the last piece.
        """
        self.follow("t", T)
        self.run_("BEGIN", *[f"INSERT INTO t (id) VALUES ({i})" for i in range(5)], "COMMIT")
        lasts = [e.last for e in self.reader.events(limit=2) if isinstance(e, Change)]
        self.assertEqual(lasts, [False] * 4 + [True])

    def test_otherTables(self) -> None:
        """
        Changes of a table that is not followed, or not followed any more, are not reported.
        """
        self.follow("t", T, "CREATE TABLE u (a INTEGER)")
        self.assertEqual(self.changes("INSERT INTO u VALUES (1)"), [])
        self.reader.journal.detach(self.reader.cursor, "t")
        self.reader.journal.detach(self.reader.cursor, "nothing")
        self.assertEqual(self.changes("INSERT INTO t (id) VALUES (1)"), [])
        self.assertEqual(self.reader.journal.attached(self.reader.cursor), [])

    def test_attachedTwice(self) -> None:
        """
        Following a table twice changes nothing.
        """
        self.follow("t", T)
        self.run_("INSERT INTO t (id) VALUES (1)")
        lineage = self.reader.journal.lineage(self.reader.cursor, "t")
        self.assertEqual(self.reader.attach("t"), "t")
        self.assertEqual(self.reader.journal.lineage(self.reader.cursor, "t"), lineage)
        self.assertEqual(self.summary(), [("INSERT", 1, None)])
        self.assertEqual(self.reader.journal.attached(self.reader.cursor), ["t"])

    def test_unknown(self) -> None:
        """
        The error for a missing table names the table.
        """
        for name in ("nothing", "", "a\x00b", "x" * 1000, "a.b.c", "."):
            error = self.assertRaises(RealtimeError, self.reader.attach, name)
            self.assertEqual(error.code, "unknown_table")
            self.assertIn(repr(name), error.message)

    def test_internal(self) -> None:
        """
        A view cannot be followed.
        """
        self.run_("CREATE VIEW v AS SELECT 1 AS b")
        error = self.assertRaises(RealtimeError, self.reader.attach, "v")
        self.assertEqual(error.code, "untrackable_table")
        self.assertIn("a view", error.message)

    def test_steps(self) -> None:
        """
        A reader that takes few changes at a time gets the same changes in the same order.
        """
        self.follow("t", T)
        self.run_(*[f"INSERT INTO t (id) VALUES ({i})" for i in range(25)])
        poll = self.reader.journal.poll(self.reader.cursor, self.reader.after, 10)
        self.assertEqual((len(poll.events), poll.more), (10, True))
        events = self.reader.events(limit=10)
        self.assertEqual(brief(events), [("INSERT", i, None) for i in range(25)])

    def test_size(self) -> None:
        """
        A reader gets at most the wanted number of bytes at a time, but at least one change.
        """
        self.follow("t", T)
        self.run_(*[f"INSERT INTO t VALUES ({i}, '{'x' * 1000}')" for i in range(4)])
        counts = []
        more = True
        while more:
            poll = self.reader.journal.poll(self.reader.cursor, self.reader.after, 10, 1500)
            self.reader.after, more = poll.after, poll.more
            counts.append(len(poll.events))
        self.assertEqual(counts, [2, 2])
        self.run_(f"UPDATE t SET a = '{'y' * 5000}'")
        poll = self.reader.journal.poll(self.reader.cursor, self.reader.after, 10, 1)
        self.assertEqual((len(poll.events), poll.more), (1, True))

    def test_omitted(self) -> None:
        """
        A change omits values that are too large, and names their columns; it keeps the key.
        """
        self.reader.connection.close()
        self.reader = self.makeReader(changeBytes=1000)
        self.follow("t", "CREATE TABLE t (id TEXT PRIMARY KEY, a TEXT, b TEXT)")
        insert, update, delete = self.changes(
            f"INSERT INTO t VALUES ('k', '{'x' * 2000}', 'b')",
            "UPDATE t SET a = 'small'",
            "DELETE FROM t",
        )
        self.assertEqual((insert.data, insert.omitted), ({"id": "k", "b": "b"}, ("a",)))
        self.assertEqual(update.data, update.old)
        self.assertEqual((update.data, update.omitted), ({"id": "k", "b": "b"}, ("a",)))
        self.assertEqual(delete.omitted, ())

    def test_columns(self) -> None:
        """
        The journal gives a table's columns and their types, and reports when they may have
        changed.
        """
        columns = self.reader.journal.columns
        cursor = self.reader.cursor
        self.follow("t", "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT)")
        self.assertEqual(columns(cursor, "t"), {"id": ColumnType.NUMBER, "a": ColumnType.TEXT})
        self.run_("ALTER TABLE t ADD COLUMN c VARCHAR(10)")
        poll = self.reader.journal.poll(cursor, self.reader.after, 10)
        self.assertEqual(poll.altered, {"t"})
        self.assertEqual(list(columns(cursor, "t").items())[-1], ("c", ColumnType.TEXT))
        self.assertEqual(
            self.reader.journal.poll(cursor, self.reader.after, 10).altered, frozenset()
        )
        error = self.assertRaises(RealtimeError, columns, cursor, "nothing")
        self.assertEqual(error.code, "unknown_table")

    def test_alteredAtOnce(self) -> None:
        """
        The first read reports a change of columns that were asked for before it.
        """
        self.run_("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT)")
        self.reader.attach("t")
        self.reader.journal.columns(self.reader.cursor, "t")
        self.run_("ALTER TABLE t RENAME COLUMN a TO b")
        poll = self.reader.journal.poll(self.reader.cursor, self.reader.after, 10)
        self.assertEqual(poll.altered, {"t"})

    def test_lag(self) -> None:
        """
        A database without waiting transactions has no lag.
        """
        self.follow("t", T, "INSERT INTO t (id) VALUES (1)")
        self.assertEqual(self.reader.journal.lag(self.reader.cursor).age, 0.0)
