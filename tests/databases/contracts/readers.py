"""
Tests of reading and pruning a journal, for every database.
"""

from __future__ import annotations

from aerostack.errors import RealtimeError
from tests.databases.contracts.journal import JournalContract, T
from tests.databases.support import Mirror, brief, lossOf


class ReaderContract(JournalContract):
    """
    Reading and pruning the journal.
    """

    def test_newConnection(self) -> None:
        """
        After the daemon's connection was opened anew, each change is reported once.
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
        A daemon that starts again begins with later changes; those that were written meanwhile
        can still be read from an older position.
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
        Old entries that were read are pruned, the oldest first, at most the wanted number; the
        numbers continue.
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
        A reader that comes after its entries were pruned gets a loss, and then the rest.
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
        A journal that was never prepared creates what it needs.
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
        C{remove} leaves the database as it was, and names what it removed.
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
