"""
A PostgreSQL journal that an older copy of the database has replaced.
"""

from __future__ import annotations

from typing import Any

from twisted.logger import capturedLogs

from tests.databases.support import Reader, brief, lossOf
from tests.postgres import ROLE

from .case import PostgresCase


class RestoredTests(PostgresCase):
    """
    Tests for a journal that lacks what was read of it.

    @ivar known: The number of the newest change that the older copy has.
    """

    def setUp(self) -> None:
        super().setUp()
        self.follow("t", "CREATE TABLE t (id int PRIMARY KEY)")
        self.known = self.changes("INSERT INTO t VALUES (1)")[0].seq
        self.lineage = self.reader.journal.lineage(self.reader.cursor, "t")

    def putBack(self) -> None:
        """
        Take out of the journal what an older copy lacks.
        """
        kept = f"(SELECT id FROM _aerostack.changes WHERE seq <= {self.known} AND tid > 0)"
        self.database.execute(
            f"DELETE FROM _aerostack.captured WHERE id NOT IN {kept}",
            f"DELETE FROM _aerostack.changes WHERE seq > {self.known}",
            user=ROLE,
        )

    def comeBack(self, reader: Reader) -> None:
        """
        Let a reader have another connection, as after a restart of the server.
        """
        self.leave(reader.connection)
        reader.connection = self.connect(ROLE)
        reader.cursor = reader.connection.cursor()

    def survey(self, reader: Reader, after: int, until: int) -> Any:
        """
        Ask whether the past is there.
        """
        return reader.journal.surveyPast(reader.cursor, "t", self.lineage, after, until, 100)

    def test_running(self) -> None:
        """
        A daemon that has read what is lost tells its subscribers so, although the journal has
        more by now than it had then.
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
        Whoever has seen what is lost is told of a gap, where it is the last that was read too,
        and the log says so once; whoever has not gets everything.
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
        Where nothing is lost, nobody is told so: not by a new connection, a new reader, or one
        that only reads beside the one that leads.
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
        # One entry at a time.
        self.reader = self.makeReader()
        self.reader.after, found = start, []
        self.reader.attach("t")
        while events := self.reader.events(1):
            found += brief(events)
        self.assertEqual(found, [("INSERT", number) for number in (2, 3, 4)])

    def test_pruned(self) -> None:
        """
        What says where a leader went on is forgotten no sooner than what follows it.
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
