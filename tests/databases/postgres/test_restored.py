"""
A PostgreSQL journal that was replaced by an older copy of the database.
"""

from __future__ import annotations

from typing import Any

from twisted.logger import capturedLogs

from tests.databases.support import Reader, brief, lossOf
from tests.postgres import ROLE

from .case import PostgresCase


class RestoredTests(PostgresCase):
    """
    A journal that lacks changes that were read.

    @ivar known: The number of the newest change of the older copy.
    """

    def setUp(self) -> None:
        super().setUp()
        self.follow("t", "CREATE TABLE t (id int PRIMARY KEY)")
        self.known = self.changes("INSERT INTO t VALUES (1)")[0].seq
        self.lineage = self.reader.journal.lineage(self.reader.cursor, "t")

    def putBack(self) -> None:
        """
        Remove the entries that an older copy lacks.
        """
        kept = f"(SELECT id FROM _aerostack.changes WHERE seq <= {self.known} AND tid > 0)"
        self.database.execute(
            f"DELETE FROM _aerostack.captured WHERE id NOT IN {kept}",
            f"DELETE FROM _aerostack.changes WHERE seq > {self.known}",
            user=ROLE,
        )

    def comeBack(self, reader: Reader) -> None:
        """
        Give a reader another connection, as after a restart of the server.
        """
        self.leave(reader.connection)
        reader.connection = self.connect(ROLE)
        reader.cursor = reader.connection.cursor()

    def survey(self, reader: Reader, after: int, until: int) -> Any:
        """
        Check whether the past changes are complete.
        """
        return reader.journal.surveyPast(reader.cursor, "t", self.lineage, after, until, 100)

    def test_running(self) -> None:
        """
        A running daemon that has read lost changes reports a loss, although the journal has more
        entries by now than it had then.
        """
        self.changes("INSERT INTO t VALUES (2)", "INSERT INTO t VALUES (3)")
        self.putBack()
        self.comeBack(self.reader)
        self.run_(*(f"INSERT INTO t VALUES ({number})" for number in range(4, 9)))
        first, *others = self.events()
        self.assertEqual(lossOf(first).table, "t")
        self.assertEqual(brief(others), [("INSERT", number) for number in range(4, 9)])

    def test_positions(self) -> None:
        """
        A client that has seen lost changes gets a gap, also if they were the last that were read,
        and the log says so once.  Other clients get all changes.
        """
        lost = [change.seq for change in self.changes(*_inserted(2, 3, 4))]
        self.putBack()
        self.leave(self.reader.connection)
        reader = self.reader = self.makeReader()
        reader.attach("t")
        self.run_(*_inserted(5, 6, 7))
        self.assertEqual(brief(self.events()), [("INSERT", number) for number in (5, 6, 7)])
        with capturedLogs() as logs:
            for after in lost:
                for until in (after, reader.after):
                    self.assertEqual(self.survey(reader, after, until), "unknown")
        self.assertEqual(len(logs), 1)
        self.assertIsNone(self.survey(reader, self.known, reader.after))

    def test_restarts(self) -> None:
        """
        If nothing is lost, no client gets a gap: not after a new connection, with a new reader,
        or with a second reader beside the leader.
        """
        beside = self.makeReader()
        beside.attach("t")
        beside.events()
        start = beside.after
        for number in (2, 3):
            self.comeBack(self.reader)
            self.assertEqual(self.summary(*_inserted(number)), [("INSERT", number)])
            self.assertEqual(brief(beside.events()), [("INSERT", number)])
        self.leave(self.reader.connection)
        self.run_(*_inserted(4))
        self.assertEqual(brief(beside.events()), [("INSERT", 4)])
        self.assertIsNone(self.survey(beside, start, beside.after))
        # Prune one entry at a time.
        self.reader = self.makeReader()
        self.reader.after, found = start, []
        self.reader.attach("t")
        while events := self.reader.events(1):
            found += brief(events)
        self.assertEqual(found, [("INSERT", number) for number in (2, 3, 4)])

    def test_pruned(self) -> None:
        """
        The entry that says where a leader continued is pruned only with the entry after it.
        """
        self.comeBack(self.reader)
        (second,) = self.changes(*_inserted(2))
        third = self.changes(*_inserted(3))[0]
        late, journal = third.timestamp + 1000, self.reader.journal
        self.assertEqual(journal.prune(self.reader.cursor, self.known, late, 100), 1)
        self.assertEqual(journal.prune(self.reader.cursor, second.seq - 1, late, 100), 0)
        self.assertIsNone(self.survey(self.reader, self.known, self.reader.after))
        self.assertEqual(journal.prune(self.reader.cursor, self.reader.after, late, 100), 1)
        self.assertEqual(self.survey(self.reader, self.known, self.reader.after), "expired")


def _inserted(*numbers: int) -> list[str]:
    return [f"INSERT INTO t VALUES ({number})" for number in numbers]
