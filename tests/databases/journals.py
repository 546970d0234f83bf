"""
What every journal of changes keeps, whatever the database; see
L{aerostack.interfaces.IJournal}.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from zope.interface.verify import verifyObject

from aerostack.core.rows.changes import DELETE, INSERT, UPDATE, Change
from aerostack.core.rows.columns import ColumnType
from aerostack.core.rows.conditions import LIKE, makeCondition
from aerostack.core.rows.journal import Loss
from aerostack.core.rows.selection import Bounds, Selection, Snapshot
from aerostack.errors import RealtimeError
from aerostack.interfaces import IJournal
from tests.databases.support import Mirror, Steps, brief, lossOf

BOUNDS = Bounds(rows=1000, size=1_000_000, seconds=30.0)

T = "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT)"


class Contract(Steps):
    """
    To be mixed into a test case that has a database.

    @ivar refusal: What the driver raises if a row may not be as it is.
    @ivar error: What it raises whatever is wrong.
    @ivar letReadersIn: Has the database let readers in while somebody writes, if it does
        not anyway.
    @ivar rows: Gives the rows of a table in the form in which its changes are told.
    @ivar inventory: Gives whatever there is in the database, but rows.
    @ivar isOpen: Tells whether the writer is in a transaction.
    """

    refusal: type[Exception]
    error: type[Exception]
    letReadersIn: Callable[[], None]
    rows: Callable[[str], list[Any]]
    inventory: Callable[[], list[Any]]
    isOpen: Callable[[], bool]
    addCleanup: Any
    assertIn: Any
    assertIsInstance: Any
    assertLess: Any
    assertNotEqual: Any
    assertNotIn: Any
    assertRaises: Any
    assertTrue: Any

    def assertLost(self, events: list[Change | Loss], *words: str) -> list[Change | Loss]:
        """
        Check that the first event is the loss of the table C{t}.

        @return: The others.
        """
        first, *rest = events
        loss = lossOf(first)
        self.assertEqual((loss.table, loss.error.code), ("t", "table_lost"))
        for word in ("'t'", *words):
            self.assertIn(word, loss.error.message)
        return rest


class ChangeContract(Contract):
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
        A change's timestamp is when it was written, in milliseconds.
        """
        self.follow("t", T)
        before = time.time()
        (change,) = self.changes("INSERT INTO t (id) VALUES (1)")
        self.assertIsInstance(change.timestamp, int)
        self.assertTrue(before * 1000 - 2 <= change.timestamp <= time.time() * 1000 + 2)

    def test_multipleRows(self) -> None:
        """
        A statement that changes many rows tells each, in the order of its work.
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
        What was rolled back is never told, be it a transaction, a savepoint or a
        statement that failed.
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
        Nothing is told before its commit, and then all of it.
        """
        self.letReadersIn()
        self.follow("t", T)
        self.assertEqual(self.summary("BEGIN", "INSERT INTO t (id) VALUES (1), (2)"), [])
        self.assertEqual(self.summary("COMMIT"), [("INSERT", 1, None), ("INSERT", 2, None)])

    def test_commitOrder(self) -> None:
        """
        The changes of several writers and tables are told in the order of their commits.
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
        Each table's last change of what was committed is told to be its last.
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
        One that is read in pieces has its last change in the last one.
        """
        self.follow("t", T)
        self.run_("BEGIN", *[f"INSERT INTO t (id) VALUES ({i})" for i in range(5)], "COMMIT")
        lasts = [e.last for e in self.reader.events(limit=2) if isinstance(e, Change)]
        self.assertEqual(lasts, [False] * 4 + [True])

    def test_otherTables(self) -> None:
        """
        A table that is not followed is not told, and no longer followed no more.
        """
        self.follow("t", T, "CREATE TABLE u (a INTEGER)")
        self.assertEqual(self.changes("INSERT INTO u VALUES (1)"), [])
        self.reader.journal.detach(self.reader.cursor, "t")
        self.reader.journal.detach(self.reader.cursor, "nothing")
        self.assertEqual(self.changes("INSERT INTO t (id) VALUES (1)"), [])
        self.assertEqual(self.reader.journal.attached(self.reader.cursor), [])

    def test_attachedTwice(self) -> None:
        """
        To follow a table that is followed changes nothing.
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
        A table that is not there is an error that names it.
        """
        for name in ("nothing", "", "a\x00b", "x" * 1000, "a.b.c", "."):
            error = self.assertRaises(RealtimeError, self.reader.attach, name)
            self.assertEqual(error.code, "unknown_table")
            self.assertIn(repr(name), error.message)

    def test_internal(self) -> None:
        """
        The daemon's own tables cannot be followed, nor can a view.
        """
        self.run_("CREATE VIEW v AS SELECT 1 AS b")
        error = self.assertRaises(RealtimeError, self.reader.attach, "v")
        self.assertEqual(error.code, "untrackable_table")
        self.assertIn("a view", error.message)

    def test_steps(self) -> None:
        """
        A reader that takes little at a time gets the same, in the same order.
        """
        self.follow("t", T)
        self.run_(*[f"INSERT INTO t (id) VALUES ({i})" for i in range(25)])
        poll = self.reader.journal.poll(self.reader.cursor, self.reader.after, 10)
        self.assertEqual((len(poll.events), poll.more), (10, True))
        events = self.reader.events(limit=10)
        self.assertEqual(brief(events), [("INSERT", i, None) for i in range(25)])

    def test_size(self) -> None:
        """
        A reader gets no more bytes at a time than it wants, but one change at least.
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
        What of a change is too large to be told is left out, and named; the key stays.
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
        It says what columns a table has and what they hold, and when that may have changed.
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
        Columns that were asked for before the first read are told to be out of date with it.
        """
        self.run_("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT)")
        self.reader.attach("t")
        self.reader.journal.columns(self.reader.cursor, "t")
        self.run_("ALTER TABLE t RENAME COLUMN a TO b")
        poll = self.reader.journal.poll(self.reader.cursor, self.reader.after, 10)
        self.assertEqual(poll.altered, {"t"})

    def test_lag(self) -> None:
        """
        A database on which nothing waits has no lag.
        """
        self.follow("t", T, "INSERT INTO t (id) VALUES (1)")
        self.assertEqual(self.reader.journal.lag(self.reader.cursor).age, 0.0)


class ReaderContract(Contract):
    """
    How the journal is read and kept.
    """

    def test_newConnection(self) -> None:
        """
        The daemon's connection may be opened anew; nothing is lost or told twice.
        """
        self.follow("t", T, "INSERT INTO t (id) VALUES (1)")
        self.run_("INSERT INTO t (id) VALUES (2)")
        self.reader.connection.close()
        fresh = self.makeReader()
        self.reader.connection, self.reader.cursor = fresh.connection, fresh.cursor
        self.assertEqual(
            self.summary("INSERT INTO t (id) VALUES (3)"),
            [("INSERT", 2, None), ("INSERT", 3, None)],
        )

    def test_restart(self) -> None:
        """
        A daemon that starts again begins with what comes then; what was written
        meanwhile can still be read from an older position.
        """
        self.follow("t", T)
        before = self.reader.after
        self.reader.connection.close()
        self.run_("INSERT INTO t (id) VALUES (1)")
        self.reader = self.makeReader()
        self.assertEqual(self.reader.journal.attached(self.reader.cursor), ["t"])
        self.reader.attach("t")
        self.assertEqual(self.summary("INSERT INTO t (id) VALUES (2)"), [("INSERT", 2, None)])
        self.reader.after = before
        self.assertEqual(self.summary(), [("INSERT", 1, None), ("INSERT", 2, None)])

    def test_prune(self) -> None:
        """
        Entries that are old and were read are forgotten, oldest first, no more than
        asked; the numbers go on.
        """
        self.follow("t", T)
        changes = self.changes(*[f"INSERT INTO t (id) VALUES ({i})" for i in range(5)])
        prune = self.reader.journal.prune
        cursor = self.reader.cursor
        late = changes[-1].timestamp + 1
        self.assertEqual(prune(cursor, self.reader.after, changes[0].timestamp, 100), 0)
        self.assertEqual(prune(cursor, changes[1].seq, late, 100), 2)
        self.assertEqual(prune(cursor, self.reader.after, late, 1), 1)
        self.assertEqual(prune(cursor, self.reader.after, late, 100), 1)
        self.assertEqual(prune(cursor, self.reader.after, late, 100), 0)
        (change,) = self.changes("DELETE FROM t WHERE id = 0")
        self.assertGreater(change.seq, changes[-1].seq)

    def test_gap(self) -> None:
        """
        A reader that comes too late for what was forgotten is told so, and goes on.
        """
        self.follow("t", T)
        after = self.reader.after
        changes = self.changes(*[f"INSERT INTO t (id) VALUES ({i})" for i in range(5)])
        cursor = self.reader.cursor
        self.reader.journal.prune(cursor, changes[2].seq, changes[-1].timestamp + 1, 100)
        self.reader.after = after
        loss, *rest = self.events()
        self.assertEqual(lossOf(loss).table, "t")
        self.assertEqual(lossOf(loss).error.code, "table_lost")
        self.assertEqual(brief(rest), [("INSERT", 3, None), ("INSERT", 4, None)])

    def test_concurrentWriters(self) -> None:
        """
        Polls between the writes of several connections miss nothing.
        """
        self.letReadersIn()
        self.follow("t", T)
        mirror = Mirror()
        writers = [self.connect() for _ in range(3)]
        for i in range(60):
            writer = writers[i % 3]
            if i % 3:
                writer.execute(f"DELETE FROM t WHERE id = {i % 7}")
            writer.execute(f"INSERT INTO t VALUES ({i % 7}, '{i}') ON CONFLICT DO NOTHING")
            writer.execute(f"UPDATE t SET a = a || '{i}' WHERE id = {i % 5}")
            if i % 4 == 0:
                mirror.apply(self.events())
        mirror.apply(self.events())
        self.assertEqual(mirror.sorted(), Mirror(self.rows("t")).sorted())

    def test_nothingYet(self) -> None:
        """
        A journal that was never prepared makes itself ready.
        """
        self.reader.journal.remove(self.reader.cursor)
        fresh = self.makeReader()
        journal, cursor = type(self.reader.journal)(), fresh.cursor
        fresh.journal.remove(cursor)
        self.assertEqual(journal.prune(cursor, 5, 5, 5), 0)
        journal.renew(cursor, 5)
        journal.detach(cursor, "t")
        self.assertEqual(journal.lineage(cursor, "t"), "")
        self.assertEqual(journal.surveyPast(cursor, "t", "x", 0, 1, 1), "unknown")
        self.assertRaises(RealtimeError, journal.readPast, cursor, "t", "x", 0, 1, 1)
        self.assertEqual(journal.lag(cursor).age, 0.0)
        self.assertEqual(journal.poll(cursor, 0, 10).events, ())

    def test_remove(self) -> None:
        """
        C{remove} leaves the database as it was, and says what it took.
        """
        self.reader.journal.remove(self.reader.cursor)
        self.run_(T, "CREATE TABLE u (a INTEGER)")
        before = self.inventory()
        self.reader.after = self.reader.journal.prepare(self.reader.cursor)
        self.reader.attach("t")
        self.reader.attach("u")
        self.changes("INSERT INTO t VALUES (2, 2)", "INSERT INTO u VALUES (1)")
        self.assertNotEqual(self.inventory(), before)
        names = self.reader.journal.remove(self.reader.cursor)
        self.assertEqual(len(names), len(set(names)))
        self.assertEqual(self.inventory(), before)
        self.assertEqual(self.reader.journal.remove(self.reader.cursor), [])
        self.run_("INSERT INTO t VALUES (3, 2)")


class PastContract(Contract):
    """
    What was told is told again.
    """

    def setUp(self) -> None:
        super().setUp()  # type: ignore[misc]
        self.follow("t", T)
        self.follow("u", "CREATE TABLE u (a INTEGER)")
        journal, cursor = self.reader.journal, self.reader.cursor
        self.lineage = journal.lineage(cursor, "t")
        self.start = self.reader.after
        self.told = self.changes(
            "INSERT INTO t VALUES (1, 'x'), (2, 'y')",
            "INSERT INTO u VALUES (1)",
            "UPDATE t SET a = 'z'",
        )

    def survey(self, after: int, until: int, most: int | None = 10) -> str | None:
        journal, cursor = self.reader.journal, self.reader.cursor
        found: str | None = journal.surveyPast(cursor, "t", self.lineage, after, until, most)
        return found

    def read(self, after: int, until: int, limit: int = 10, **size: int) -> list[Change]:
        journal, cursor = self.reader.journal, self.reader.cursor
        found: list[Change] = journal.readPast(
            cursor, "t", self.lineage, after, until, limit, **size
        )
        return found

    def test_again(self) -> None:
        """
        One table's changes between two numbers are told again as they were, so many at a
        time.
        """
        mine = [change for change in self.told if change.table == "t"]
        self.assertEqual(self.survey(self.start, self.reader.after), None)
        again = self.read(self.start, self.reader.after)
        self.assertEqual(
            [(c.seq, c.operation, c.data, c.old, c.timestamp) for c in again],
            [(c.seq, c.operation, c.data, c.old, c.timestamp) for c in mine],
        )
        self.assertEqual(self.read(mine[0].seq, mine[2].seq)[0].seq, mine[1].seq)
        self.assertEqual(len(self.read(mine[0].seq, mine[2].seq)), 2)
        self.assertEqual(len(self.read(self.start, self.reader.after, limit=3)), 3)
        self.assertEqual(self.read(self.reader.after, self.reader.after), [])

    def test_size(self) -> None:
        """
        No more bytes are read at a time than are wanted, but one change at least.
        """
        self.assertEqual(len(self.read(self.start, self.reader.after, size=1)), 1)

    def test_limit(self) -> None:
        """
        More than are wanted are a reason of their own.
        """
        self.assertEqual(self.survey(self.start, self.reader.after, 4), None)
        self.assertEqual(self.survey(self.start, self.reader.after, 3), "limit")
        self.assertEqual(self.survey(self.start, self.reader.after, None), None)

    def test_future(self) -> None:
        """
        A number that was not given out yet is none of this journal's.
        """
        self.assertEqual(self.survey(self.reader.after + 1, self.reader.after + 1), "unknown")

    def test_pruned(self) -> None:
        """
        What was forgotten cannot be told again.
        """
        late = self.told[-1].timestamp + 1
        self.reader.journal.prune(self.reader.cursor, self.told[1].seq, late, 10)
        self.assertEqual(self.survey(self.start, self.reader.after), "expired")
        self.assertEqual(self.survey(self.told[1].seq, self.reader.after), None)
        error = self.assertRaises(RealtimeError, self.read, self.start, self.reader.after)
        self.assertEqual(error.code, "table_lost")

    def test_otherLineage(self) -> None:
        """
        A table that was made again has another past.
        """
        self.run_("DROP TABLE t", T)
        self.events()
        self.assertNotEqual(self.reader.journal.lineage(self.reader.cursor, "t"), self.lineage)
        self.assertEqual(self.survey(self.start, self.reader.after), "expired")
        self.assertRaises(RealtimeError, self.read, self.start, self.reader.after)

    def test_notFollowed(self) -> None:
        """
        So has one that was not followed for a while.
        """
        self.reader.journal.detach(self.reader.cursor, "t")
        self.assertEqual(self.reader.journal.lineage(self.reader.cursor, "t"), "")
        self.assertEqual(self.survey(self.start, self.reader.after), "expired")
        self.reader.attach("t")
        self.assertNotEqual(self.reader.journal.lineage(self.reader.cursor, "t"), self.lineage)

    def test_restart(self) -> None:
        """
        A restart does not end it.
        """
        self.reader.connection.close()
        self.reader = self.makeReader()
        self.reader.attach("t")
        self.assertEqual(self.reader.journal.lineage(self.reader.cursor, "t"), self.lineage)
        self.assertEqual(len(self.read(self.start, self.reader.after)), 4)

    def test_presentShape(self) -> None:
        """
        It is told under the columns that the table has now.
        """
        self.run_("ALTER TABLE t RENAME COLUMN a TO b", "ALTER TABLE t ADD COLUMN n INT DEFAULT 7")
        self.events()
        first = self.read(self.start, self.reader.after)[0]
        self.assertEqual(first.data, {"id": 1, "b": "x", "n": 7})


class SnapshotContract(Contract):
    """
    Rows as they are at one point among their changes.
    """

    def setUp(self) -> None:
        super().setUp()  # type: ignore[misc]
        self.follow("t", "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, a TEXT)")

    def snapshot(self, *conditions: Any, bounds: Bounds = BOUNDS, **selected: Any) -> Snapshot:
        journal, cursor = self.reader.journal, self.reader.cursor
        found: Snapshot = journal.snapshot(cursor, "t", Selection(conditions, **selected), bounds)
        return found

    def test_position(self) -> None:
        """
        A snapshot has seen what its position says, and what comes after makes of it what the
        table is in the end.
        """
        self.run_("INSERT INTO t (id, n) VALUES (1, 1), (2, 2), (3, 3)")
        snapshot = self.snapshot()
        mirror = Mirror(snapshot.rows)
        self.run_(
            "UPDATE t SET n = n + 1",
            "DELETE FROM t WHERE n = 2",
            "INSERT INTO t (id, n) VALUES (9, 9)",
        )
        self.assertEqual(snapshot.lineage, self.reader.journal.lineage(self.reader.cursor, "t"))
        self.reader.after = snapshot.position
        mirror.apply(self.events())
        self.assertEqual(mirror.sorted(), Mirror(self.rows("t")).sorted())

    def test_order(self) -> None:
        """
        Rows come in the order that was asked for, with nulls last, and only so many.
        """
        self.run_("INSERT INTO t VALUES (1, 2, 'b'), (2, NULL, 'c'), (3, 1, 'a'), (4, 2, 'a')")
        order = (("n", True), ("a", False))
        rows = self.snapshot(order=order).rows
        self.assertEqual([row["id"] for row in rows], [4, 1, 3, 2])
        self.assertEqual(self.snapshot(order=order, limit=2).rows, rows[:2])
        self.assertEqual(self.snapshot(order=(("n", False),)).rows[-1]["n"], None)

    def test_bounds(self) -> None:
        """
        Too many rows, and a read that takes too long, are refused; the connection goes on.
        """
        self.run_("INSERT INTO t (id) VALUES (1), (2), (3)")
        few = Bounds(rows=2, size=1000, seconds=30.0)
        error = self.assertRaises(RealtimeError, self.snapshot, bounds=few)
        self.assertEqual(error.code, "too_large")
        self.assertEqual(len(self.snapshot(bounds=few, limit=2).rows), 2)
        self.run_(
            "WITH RECURSIVE c(i) AS (SELECT 4 UNION ALL SELECT i + 1 FROM c WHERE i < 20000)"
            f" INSERT INTO t (id, a) SELECT i, '{'x' * 500}' FROM c"
        )
        columns = self.reader.journal.columns(self.reader.cursor, "t")
        never = makeCondition(columns, "a", LIKE, "y%")
        brief = Bounds(rows=2, size=1000, seconds=0.001)
        error = self.assertRaises(RealtimeError, self.snapshot, never, bounds=brief)
        self.assertEqual(error.code, "too_large")
        self.assertIn("took longer", error.message)
        self.assertEqual(self.snapshot(never).rows, [])

    def test_unknown(self) -> None:
        """
        A table that is gone has no rows.
        """
        self.run_("DROP TABLE t")
        self.assertEqual(self.assertRaises(RealtimeError, self.snapshot).code, "unknown_table")


class TableContract(Contract):
    """
    Tables dropped, made again and renamed.
    """

    rebuiltRows = 3

    def setUp(self) -> None:
        super().setUp()  # type: ignore[misc]
        self.follow("t", T)

    def test_dropped(self) -> None:
        """
        A dropped table is told to be lost once, after what was written to it; when it is
        there again, so are its changes.
        """
        self.changes("INSERT INTO t VALUES (1, 'x')")
        self.run_("DELETE FROM t", "DROP TABLE t")
        delete, *rest = self.events()
        self.assertEqual(brief([delete]), [("DELETE", 1, "x")])
        self.assertEqual(self.assertLost(rest, "dropped"), [])
        self.assertEqual(self.reader.missing, {"t"})
        self.assertEqual(self.changes("CREATE TABLE u (a INTEGER)", "DROP TABLE u"), [])
        self.assertEqual(
            self.summary("CREATE TABLE t (b INTEGER, c INTEGER)", "INSERT INTO t VALUES (3, 4)"),
            [("INSERT", 3, 4)],
        )
        self.assertEqual(self.reader.missing, frozenset())
        self.assertEqual(self.summary("INSERT INTO t VALUES (5, 6)"), [("INSERT", 5, 6)])

    def test_madeAgain(self) -> None:
        """
        A table that is dropped and made again between two polls is told to be lost, and
        the rows that it has are told as INSERTs.
        """
        self.run_("DROP TABLE t", "CREATE TABLE t (b INTEGER UNIQUE, c INTEGER)")
        self.run_("INSERT INTO t VALUES (1, 2), (2, NULL)", "UPDATE t SET c = 3 WHERE b = 1")
        rest = self.assertLost(self.events(), "2 rows")
        self.assertEqual(sorted(brief(rest), key=repr), [("INSERT", 1, 3), ("INSERT", 2, None)])
        self.assertEqual(self.summary("DELETE FROM t WHERE b = 1"), [("DELETE", 1, 3)])

    def test_neverMissing(self) -> None:
        """
        A table that is made again between two polls is lost, and not missing at any time.
        """
        self.run_("DROP TABLE t", "CREATE TABLE t (b INTEGER)")
        self.assertEqual(len(self.losses()), 1)
        self.assertEqual(self.reader.missing, frozenset())

    def test_madeAgainLarge(self) -> None:
        """
        Where it has too many rows for that, its subscribers are told to reload it.
        """
        again = ["CREATE TABLE t (b INTEGER)", "INSERT INTO t VALUES (1), (2), (3), (4)"]
        self.run_("DROP TABLE t", *again)
        self.assertEqual(self.assertLost(self.events(), "more than 3 rows", "reload"), [])
        self.assertEqual(self.summary("INSERT INTO t VALUES (5)"), [("INSERT", 5)])
        self.run_("DROP TABLE t")
        self.assertLost(self.events())
        self.run_(*again)
        self.assertEqual(self.assertLost(self.events(), "more than 3 rows"), [])

    def test_rebuilt(self) -> None:
        """
        A migration that copies the table, drops it and renames the copy goes on with the
        copy.
        """
        self.run_("INSERT INTO t VALUES (1, 'x')")
        self.events()
        self.run_(
            "BEGIN",
            "CREATE TABLE t_new (id INTEGER PRIMARY KEY, a TEXT NOT NULL)",
            "INSERT INTO t_new SELECT * FROM t",
            "DROP TABLE t",
            "ALTER TABLE t_new RENAME TO t",
            "COMMIT",
        )
        rest = self.assertLost(self.events(), "1 rows")
        self.assertEqual(brief(rest), [("INSERT", 1, "x")])
        self.assertEqual(self.summary("UPDATE t SET a = 'y'"), [("UPDATE", 1, "y")])

    def test_renamed(self) -> None:
        """
        A table that is renamed is lost, and its new name is told no more; renamed back it
        is found again.
        """
        self.changes("INSERT INTO t VALUES (1, 'x'), (2, 'y')")
        self.run_("DELETE FROM t WHERE id = 2", "ALTER TABLE t RENAME TO u")
        delete, *rest = self.events()
        self.assertEqual(brief([delete]), [("DELETE", 2, "y")])
        self.assertEqual(self.assertLost(rest, "renamed"), [])
        self.assertEqual(self.changes("INSERT INTO u VALUES (2, 'y')"), [])
        self.assertEqual(
            self.summary("DELETE FROM u WHERE id = 2", "ALTER TABLE u RENAME TO t"),
            [("INSERT", 1, "x")],
        )

    def test_exchanged(self) -> None:
        """
        Two watched tables that exchange their names are both lost, and go on under the
        names that they have.
        """
        self.follow("u", "CREATE TABLE u (b INTEGER)", "INSERT INTO u VALUES (7)")
        self.run_(
            "ALTER TABLE t RENAME TO x", "ALTER TABLE u RENAME TO t", "ALTER TABLE x RENAME TO u"
        )
        events = self.events()
        self.assertEqual({e.table for e in events if isinstance(e, Loss)}, {"t", "u"})
        self.assertEqual(
            [(e.table, e.data) for e in events if isinstance(e, Change)], [("t", {"b": 7})]
        )
        (change,) = self.changes("INSERT INTO u VALUES (1, 'z')")
        self.assertEqual((change.table, change.data), ("u", {"id": 1, "a": "z"}))

    def test_nowAView(self) -> None:
        """
        A view in a table's place is as if the table were gone.
        """
        self.run_("DROP TABLE t", "CREATE VIEW t AS SELECT 1 AS b")
        self.assertEqual(len(self.losses()), 1)
        self.assertEqual(
            self.summary("DROP VIEW t", "CREATE TABLE t (b INTEGER)", "INSERT INTO t VALUES (1)"),
            [("INSERT", 1)],
        )

    def test_watchedAgain(self) -> None:
        """
        A lost table cannot be watched by another, who is told why; one that is there again
        can, and nobody misses anything.
        """
        self.run_("DROP TABLE t")
        self.events()
        error = self.assertRaises(RealtimeError, self.reader.attach, "t")
        self.assertEqual(error.code, "unknown_table")
        self.run_("CREATE TABLE t (b INTEGER)", "INSERT INTO t VALUES (1)")
        self.assertEqual(self.reader.attach("t"), "t")
        self.assertEqual(self.summary("INSERT INTO t VALUES (2)"), [("INSERT", 1), ("INSERT", 2)])


class ColumnContract(Contract):
    """
    Columns added, dropped and renamed.
    """

    def setUp(self) -> None:
        super().setUp()  # type: ignore[misc]
        self.follow("t", "CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, b INTEGER)")

    def test_reshaped(self) -> None:
        """
        A table of which columns are added, renamed or dropped is said to have other columns,
        once; others are not, nor is a table that is only looked at again.
        """
        self.follow("u", "CREATE TABLE u (a INTEGER)")
        self.events()
        self.run_("INSERT INTO t VALUES (1, 2, 3)", "CREATE TABLE other (a INTEGER)")
        self.events()
        self.assertEqual(self.reader.reshaped, [])
        for count, change in enumerate(
            ("ADD COLUMN c INT DEFAULT 7", "RENAME COLUMN a TO d", "DROP COLUMN b"), 1
        ):
            self.run_(f"ALTER TABLE t {change}")
            self.events()
            self.assertEqual(self.reader.reshaped, ["t"] * count, change)
            self.reader.attach("t")
            self.events()
            self.assertEqual(self.reader.reshaped, ["t"] * count, change)

    def test_reshapedAtOnce(self) -> None:
        """
        A column that is added between the attaching of a table and the next poll is noticed.
        """
        self.run_("ALTER TABLE t ADD COLUMN c INT DEFAULT 7")
        self.events()
        self.assertEqual(self.reader.reshaped, ["t"])

    def test_reshapedMeanwhile(self) -> None:
        """
        The journal knows up to where the rows looked different before a column was added, be
        it while changes were read, or between two runs.
        """
        journal, cursor = self.reader.journal, self.reader.cursor
        self.assertEqual(journal.reshapedAt(cursor, "t"), -1)
        self.run_("INSERT INTO t VALUES (1, 2, 3)")
        self.events()
        self.run_("ALTER TABLE t ADD COLUMN c INT DEFAULT 7")
        self.events()
        self.assertEqual(journal.reshapedAt(cursor, "t"), self.reader.after)
        self.run_("INSERT INTO t VALUES (2, 2, 3, 4)")
        self.events()
        before = self.reader.after
        self.reader.connection.close()
        self.run_("ALTER TABLE t ADD COLUMN d INT DEFAULT 7")
        self.reader = self.makeReader()
        self.reader.attach("t")
        self.assertEqual(self.reader.journal.reshapedAt(self.reader.cursor, "t"), before)

    def test_added(self) -> None:
        """
        An added column is told from the poll on that sees it.
        """
        self.run_("INSERT INTO t VALUES (1, 2, 3)", "ALTER TABLE t ADD COLUMN c INT DEFAULT 7")
        self.assertEqual(self.inserted(), [{"id": 1, "a": 2, "b": 3, "c": 7}])
        self.assertEqual(
            self.updated("UPDATE t SET c = 8"),
            [({"id": 1, "a": 2, "b": 3, "c": 7}, {"id": 1, "a": 2, "b": 3, "c": 8})],
        )

    def test_dropped(self) -> None:
        """
        A dropped column is told no more, also of what was written before.
        """
        self.assertEqual(
            self.inserted(
                "INSERT INTO t VALUES (1, 2, 3)",
                "ALTER TABLE t DROP COLUMN a",
                "INSERT INTO t VALUES (4, 5)",
            ),
            [{"id": 1, "b": 3}, {"id": 4, "b": 5}],
        )

    def test_renamed(self) -> None:
        """
        A renamed column is told under its new name, also of what was written before.
        """
        self.assertEqual(
            self.inserted(
                "INSERT INTO t VALUES (1, 2, 3)",
                'ALTER TABLE t RENAME COLUMN a TO "new ""name"',
                "ALTER TABLE t RENAME COLUMN id TO key",
                "INSERT INTO t VALUES (4, 5, 6)",
            ),
            [{"key": 1, 'new "name': 2, "b": 3}, {"key": 4, 'new "name': 5, "b": 6}],
        )

    def test_swapped(self) -> None:
        """
        Columns that exchange their names keep their values.
        """
        self.assertEqual(
            self.inserted(
                "INSERT INTO t VALUES (1, 2, 3)",
                "ALTER TABLE t RENAME COLUMN a TO c",
                "ALTER TABLE t RENAME COLUMN b TO a",
                "ALTER TABLE t RENAME COLUMN c TO b",
                "INSERT INTO t VALUES (4, 5, 6)",
            ),
            [{"id": 1, "b": 2, "a": 3}, {"id": 4, "b": 5, "a": 6}],
        )

    def test_nameOfADropped(self) -> None:
        """
        A column that takes over a dropped one's name has its own values.
        """
        self.assertEqual(
            self.inserted(
                "INSERT INTO t VALUES (1, 2, 3)",
                "ALTER TABLE t DROP COLUMN b",
                "ALTER TABLE t RENAME COLUMN a TO b",
                "INSERT INTO t VALUES (4, 5)",
            ),
            [{"id": 1, "b": 2}, {"id": 4, "b": 5}],
        )

    def test_manyTimes(self) -> None:
        """
        Columns that come and go leave no trace in what is told.
        """
        for i in range(30):
            self.run_(f"ALTER TABLE t ADD COLUMN x{i} INT DEFAULT {i}")
            self.assertEqual(
                self.inserted(f"INSERT INTO t (id) VALUES ({i})"),
                [{"id": i, "a": None, "b": None, f"x{i}": i}],
            )
            self.assertEqual(self.changes(f"ALTER TABLE t DROP COLUMN x{i}"), [])

    def test_otherSchemaChanges(self) -> None:
        """
        A change of the schema in the same moment as a table is attached is seen.
        """
        self.run_("CREATE TABLE u (a INTEGER)", "DROP TABLE t")
        self.reader.attach("u")
        self.assertEqual([table for table, _ in self.losses()], ["t"])


VALUES = st.sampled_from(["NULL", "0", "1", "2", "3"])

STATEMENTS = st.one_of(
    st.builds(
        "INSERT INTO t VALUES ({}, {}, {}) ON CONFLICT (a) DO UPDATE SET b = excluded.c".format,
        st.sampled_from("01234"),
        VALUES,
        VALUES,
    ),
    st.builds("INSERT INTO t SELECT a + 5, b, {} FROM t WHERE a < 5".format, VALUES),
    st.builds("UPDATE t SET b = {} WHERE c = {}".format, VALUES, VALUES),
    st.builds("UPDATE t SET c = b, b = {}".format, VALUES),
    st.builds("UPDATE t SET a = a + 20 WHERE b = {}".format, VALUES),
    st.builds("DELETE FROM t WHERE b = {}".format, VALUES),
    st.builds("DELETE FROM t WHERE a = {}".format, VALUES),
    st.sampled_from(["BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT s", "ROLLBACK TO s", "RELEASE s"]),
)


class MirrorContract(Contract):
    """
    A copy of a table that is kept by its changes alone.
    """

    @settings(
        max_examples=int(os.environ.get("MIRROR_EXAMPLES", "60")),
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(statements=st.lists(STATEMENTS, min_size=1, max_size=12))
    def test_copy(self, statements: list[str]) -> None:
        """
        Applying the changes to a copy gives the table, and each change's C{old} is what
        the copy had; nothing is told while a transaction is open.
        """
        self.letReadersIn()
        self.run_(
            "DROP TABLE IF EXISTS t",
            "CREATE TABLE t (a INTEGER PRIMARY KEY, b INTEGER, c INTEGER)",
        )
        self.reader.attach("t")
        self.events()
        mirror = Mirror()
        isOpen = False
        for statement in statements:
            try:
                self.run_(statement)
            except self.error:
                # It was refused, and in some databases the whole transaction with it.
                continue
            finally:
                isOpen = self.isOpen()
            if not isOpen:
                mirror.apply(self.events())
            else:
                self.assertEqual(self.events(), [])
        if isOpen:
            self.run_("COMMIT")
        mirror.apply(self.events())
        self.assertEqual(mirror.sorted(), Mirror(self.rows("t")).sorted())
        self.reader.journal.detach(self.reader.cursor, "t")
