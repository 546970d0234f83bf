"""
Tests for L{aerostack.databases.sqlite.entries}: large rows, and the size of a read.
"""

from __future__ import annotations

import tracemalloc

from aerostack.core.rows.changes import Change
from aerostack.core.rows.journal import Poll
from aerostack.databases.sqlite.journal import SQLiteJournal
from aerostack.protocol.codec import encodeValue
from tests.databases.support import JournalCase

TABLE = "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, body)"

MEGABYTE = 1_000_000


class LargeTests(JournalCase):
    """
    Rows that are too large to be reported whole.
    """

    def setUp(self) -> None:
        super().setUp()
        self.reader.journal = SQLiteJournal(changeBytes=1000)

    def change(self, *statements: str) -> Change:
        """
        The single change that statements cause.
        """
        (change,) = self.changes(*statements)
        return change

    def test_insert(self) -> None:
        """
        A change omits the largest column and names it; the others stay.
        """
        self.follow("t", TABLE)
        change = self.change("INSERT INTO t VALUES (1, 'a', zeroblob(2000))")
        self.assertEqual((change.data, change.omitted), ({"id": 1, "name": "a"}, ("body",)))
        change = self.change(f"INSERT INTO t VALUES (2, 'a', '{'x' * 2000}')")
        self.assertEqual((change.data, change.omitted), ({"id": 2, "name": "a"}, ("body",)))

    def test_update(self) -> None:
        """
        A column is omitted in both rows, also if only one of them is large.
        """
        self.follow("t", TABLE)
        self.change("INSERT INTO t VALUES (1, 'a', 'small')")
        change = self.change("UPDATE t SET body = zeroblob(2000)")
        self.assertEqual((change.data, change.old), ({"id": 1, "name": "a"},) * 2)
        self.assertEqual(change.omitted, ("body",))
        change = self.change("UPDATE t SET body = 'small', name = 'b'")
        self.assertEqual(change.data, {"id": 1, "name": "b"})
        self.assertEqual(change.old, {"id": 1, "name": "a"})
        self.assertEqual(change.omitted, ("body",))

    def test_delete(self) -> None:
        """
        A deleted row is sent twice, so its size counts twice.
        """
        self.follow("t", TABLE)
        change = self.change("INSERT INTO t VALUES (1, 'a', zeroblob(600))")
        self.assertEqual(change.omitted, ())
        change = self.change("DELETE FROM t")
        self.assertEqual((change.data, change.old), ({"id": 1, "name": "a"},) * 2)
        self.assertEqual(change.omitted, ("body",))

    def test_within(self) -> None:
        """
        A change whose values have exactly the allowed size in JSON is complete; with one
        character more it is not.
        """
        self.follow("t", TABLE)
        change = self.change("INSERT INTO t VALUES (1, 'ab', substr(hex(zeroblob(500)), 1, 993))")
        self.assertEqual(sum(len(encodeValue(value)) for value in change.data.values()), 1000)
        self.assertEqual(change.omitted, ())
        change = self.change("INSERT INTO t VALUES (2, 'abc', substr(hex(zeroblob(500)), 1, 993))")
        self.assertEqual(change.omitted, ("body",))

    def test_key(self) -> None:
        """
        A key stays as long as another column can be omitted.
        """
        self.follow("t", "CREATE TABLE t (a, k TEXT, b, PRIMARY KEY (k))")
        change = self.change(f"INSERT INTO t VALUES (hex(zeroblob(300)), '{'k' * 900}', 'bb')")
        self.assertEqual(change.data, {"k": "k" * 900, "b": "bb"})
        self.assertEqual(change.omitted, ("a",))
        change = self.change(f"INSERT INTO t VALUES ('a', '{'k' * 1100}', 'b')")
        self.assertEqual((change.data, change.omitted), ({}, ("a", "k", "b")))

    def test_readAgain(self) -> None:
        """
        Past changes omit the same columns.
        """
        self.follow("t", TABLE)
        lineage = self.reader.journal.lineage(self.reader.cursor, "t")
        change = self.change("INSERT INTO t VALUES (1, 'a', zeroblob(2000))")
        (again,) = self.reader.journal.readPast(
            self.reader.cursor, "t", lineage, change.seq - 1, change.seq, 10
        )
        self.assertEqual((again.data, again.omitted), (change.data, change.omitted))

    def test_goneMeanwhile(self) -> None:
        """
        So do rows of a table that does not exist any more.
        """
        self.follow("t", TABLE)
        self.changes("INSERT INTO t VALUES (1, 'a', zeroblob(2000))")
        self.run_("DELETE FROM t", "DROP TABLE t")
        change, _ = self.events()
        assert isinstance(change, Change)
        self.assertEqual(change.omitted, ("body",))


class PieceTests(JournalCase):
    """
    The size of a read.
    """

    def poll(self, limit: int, size: int | None) -> Poll:
        """
        Read once.
        """
        reader = self.reader
        poll = reader.journal.poll(reader.cursor, reader.after, limit, size)
        reader.after = poll.after
        return poll

    def test_size(self) -> None:
        """
        Large rows are read in pieces of about the wanted number of bytes, of at least one row,
        and the reader knows whether there are more.
        """
        self.follow("t", TABLE)
        self.run_(*(f"INSERT INTO t VALUES ({n}, 'a', zeroblob(1000))" for n in range(7)))
        found = []
        more = True
        while more:
            poll = self.poll(100, 2500)
            found.append(len(poll.events))
            more = poll.more
        self.assertEqual(found, [3, 3, 1])
        self.run_("INSERT INTO t VALUES (10, 'a', zeroblob(9000))", "DELETE FROM t WHERE id = 0")
        self.assertEqual([len(self.poll(100, 2500).events) for _ in range(3)], [1, 1, 0])

    def test_rows(self) -> None:
        """
        For small rows their number is the limit; a read of exactly that number knows that there
        are no more.
        """
        self.follow("t", TABLE)
        self.run_(*(f"INSERT INTO t VALUES ({n}, 'a', 'b')" for n in range(6)))
        polls = [self.poll(3, 1_000_000), self.poll(3, None)]
        self.assertEqual([(len(p.events), p.more) for p in polls], [(3, True), (3, False)])

    def test_past(self) -> None:
        """
        Past changes are also read in pieces of a size.
        """
        self.follow("t", TABLE)
        lineage = self.reader.journal.lineage(self.reader.cursor, "t")
        changes = self.changes(
            *(f"INSERT INTO t VALUES ({n}, 'a', zeroblob(1000))" for n in range(7))
        )
        after, until, found = changes[0].seq - 1, changes[-1].seq, []
        while True:
            page = self.reader.journal.readPast(
                self.reader.cursor, "t", lineage, after, until, 100, 2500
            )
            if not page:
                break
            found.append(len(page))
            after = page[-1].seq
        self.assertEqual(found, [3, 3, 1])

    def test_unbounded(self) -> None:
        """
        A survey without a limit never finds too many changes.
        """
        self.follow("t", TABLE)
        journal, cursor = self.reader.journal, self.reader.cursor
        lineage = journal.lineage(cursor, "t")
        changes = self.changes(*(f"INSERT INTO t VALUES ({n}, 'a', 'b')" for n in range(20)))
        after, until = changes[0].seq - 1, changes[-1].seq
        self.assertEqual(journal.surveyPast(cursor, "t", lineage, after, until, 10), "limit")
        self.assertIsNone(journal.surveyPast(cursor, "t", lineage, after, until, None))

    def test_memory(self) -> None:
        """
        A hundred rows of a megabyte each are never in memory together.
        """
        self.follow("t", TABLE)
        self.writer.execute("PRAGMA synchronous = OFF")
        self.run_(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)"
            f" INSERT INTO t SELECT i, 'a', zeroblob({MEGABYTE}) FROM n"
        )
        count = 0
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        more = True
        while more:
            poll = self.poll(1000, 4 * MEGABYTE)
            count += len(poll.events)
            more = poll.more
        _, most = tracemalloc.get_traced_memory()
        self.assertEqual(count, 100)
        self.assertLess(most, 12 * MEGABYTE)
