"""
Reads on other connections while changes are read: L{aerostack.databases.postgres.journal}.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aerostack.databases.postgres.schema import LOCK_NUMBERS
from tests.databases.postgres.case import PostgresCase
from tests.databases.support import brief
from tests.postgres import ROLE


class Interrupted:
    """
    A cursor that calls a function in the middle of its work.
    """

    def __init__(self, cursor: Any, before: str, happen: Callable[[], object]) -> None:
        """
        @param before: The function is called before the first statement that contains this text.
        """
        self._cursor = cursor
        self._before = before
        self._happen: Callable[[], object] | None = happen

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)

    def execute(self, sql: str, *args: Any) -> Any:
        if self._happen is not None and self._before in sql:
            self._happen()
            self._happen = None
        return self._cursor.execute(sql, *args)


class BesideTests(PostgresCase):
    """
    A followed table with past changes.
    """

    def setUp(self) -> None:
        super().setUp()
        self.follow("t", "CREATE TABLE t (id int)")
        self.lineage = self.reader.journal.lineage(self.reader.cursor, "t")
        self.start = self.reader.after
        self.changes("INSERT INTO t VALUES (1), (2)")
        self.cursor = self.connect(ROLE).cursor()

    def prune(self) -> None:
        """
        Prune all changes but the newest.
        """
        journal, cursor = self.reader.journal, self.reader.cursor
        self.assertGreater(journal.prune(cursor, self.reader.after, 2**53, 10), 0)

    def test_readPast(self) -> None:
        """
        Past changes that are pruned during the read are read completely.
        """
        cursor = Interrupted(self.cursor, "captured", self.prune)
        wanted = ("t", self.lineage, self.start, self.reader.after, 10)
        found = self.reader.journal.readPast(cursor, *wanted)
        self.assertEqual(brief(found), [("INSERT", 1), ("INSERT", 2)])

    def test_surveyPast(self) -> None:
        """
        A survey sees one moment, and leaves no transaction open.
        """
        journal, until = self.reader.journal, self.reader.after
        cursor = Interrupted(self.cursor, "count(*)", self.prune)
        self.assertEqual(
            journal.surveyPast(cursor, "t", self.lineage, self.start, until, 1), "limit"
        )
        self.assertEqual(
            journal.surveyPast(self.cursor, "t", self.lineage, self.start, until, 1), "expired"
        )
        self.run_("DROP TABLE t")

    def test_numberedElsewhere(self) -> None:
        """
        A commit that another session's numbering does not see is reported as soon as that has
        ended, also if nothing else happens.
        """
        journal, cursor = self.reader.journal, self.reader.cursor
        with self.connect(ROLE) as numbering:
            numbering.execute("BEGIN")
            numbering.execute(LOCK_NUMBERS)
            self.run_("INSERT INTO t VALUES (3)")
            self.assertEqual(journal.poll(cursor, self.reader.after, 10).events, ())
        self.assertEqual(brief(self.events()), [("INSERT", 3)])
