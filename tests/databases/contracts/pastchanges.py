"""
Tests of reading past changes, for every database.
"""

from __future__ import annotations

from aerostack.core.rows.changes import Change
from aerostack.errors import RealtimeError
from tests.databases.contracts.journal import JournalContract, T


class PastChangeContract(JournalContract):
    """
    Reading past changes.
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
        One table's changes between two numbers are read again as they were, in limited numbers.
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
        A read gets at most the wanted number of bytes, but at least one change.
        """
        self.assertEqual(len(self.read(self.start, self.reader.after, size=1)), 1)

    def test_limit(self) -> None:
        """
        More changes than wanted give the reason C{limit}.
        """
        self.assertEqual(self.survey(self.start, self.reader.after, 4), None)
        self.assertEqual(self.survey(self.start, self.reader.after, 3), "limit")
        self.assertEqual(self.survey(self.start, self.reader.after, None), None)

    def test_future(self) -> None:
        """
        For a sequence number that no change has yet, the journal answers C{unknown}.
        """
        self.assertEqual(self.survey(self.reader.after + 1, self.reader.after + 1), "unknown")

    def test_pruned(self) -> None:
        """
        Pruned changes cannot be read again.
        """
        late = self.told[-1].timestamp + 1
        self.reader.journal.prune(self.reader.cursor, self.told[1].seq, late, 10)
        self.assertEqual(self.survey(self.start, self.reader.after), "expired")
        self.assertEqual(self.survey(self.told[1].seq, self.reader.after), None)
        error = self.assertRaises(RealtimeError, self.read, self.start, self.reader.after)
        self.assertEqual(error.code, "table_lost")

    def test_otherLineage(self) -> None:
        """
        A table that was made again has another lineage.
        """
        self.run_("DROP TABLE t", T)
        self.events()
        self.assertNotEqual(self.reader.journal.lineage(self.reader.cursor, "t"), self.lineage)
        self.assertEqual(self.survey(self.start, self.reader.after), "expired")
        self.assertRaises(RealtimeError, self.read, self.start, self.reader.after)

    def test_notFollowed(self) -> None:
        """
        A table that was not followed for a while has another lineage too.
        """
        self.reader.journal.detach(self.reader.cursor, "t")
        self.assertEqual(self.reader.journal.lineage(self.reader.cursor, "t"), "")
        self.assertEqual(self.survey(self.start, self.reader.after), "expired")
        self.reader.attach("t")
        self.assertNotEqual(self.reader.journal.lineage(self.reader.cursor, "t"), self.lineage)

    def test_restart(self) -> None:
        """
        A restart keeps the lineage.
        """
        self.reader.connection.close()
        self.reader = self.makeReader()
        self.reader.attach("t")
        self.assertEqual(self.reader.journal.lineage(self.reader.cursor, "t"), self.lineage)
        self.assertEqual(len(self.read(self.start, self.reader.after)), 4)

    def test_presentShape(self) -> None:
        """
        Past changes have the table's present columns.
        """
        self.run_("ALTER TABLE t RENAME COLUMN a TO b", "ALTER TABLE t ADD COLUMN n INT DEFAULT 7")
        self.events()
        first = self.read(self.start, self.reader.after)[0]
        self.assertEqual(first.data, {"id": 1, "b": "x", "n": 7})
