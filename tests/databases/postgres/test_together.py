"""
Daemons that start at the same moment on a PostgreSQL database without a journal.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from aerostack.databases.migrations import migrate
from aerostack.databases.postgres import following
from aerostack.databases.postgres.dialect import POSTGRES
from aerostack.databases.postgres.journal import PostgresJournal
from tests.postgres import ROLE, freshDatabase

READERS = 4
"""How many daemons start."""


class TogetherTests(SynchronousTestCase):
    """
    Several daemons make the journal.
    """

    def setUp(self) -> None:
        self.database = freshDatabase(self)
        self.threads = ThreadPoolExecutor(READERS)
        self.addCleanup(self.threads.shutdown)
        self.cursors = [self.connect() for _ in range(READERS)]
        migrate(self.cursors[0], POSTGRES)

    def connect(self) -> Any:
        """
        Give a daemon's cursor.
        """
        connection = self.database.connect(ROLE)
        self.addCleanup(connection.close)
        return connection.cursor()

    def begin(self, cursor: Any) -> Future[int]:
        """
        Start a daemon in a thread of its own.
        """
        return self.threads.submit(PostgresJournal().prepare, cursor)

    def registered(self) -> int:
        """
        How many readers the journal knows.
        """
        found = self.database.execute("SELECT count(*) FROM _aerostack.sessions", user=ROLE)
        return int(found[0][0])

    def test_together(self) -> None:
        """
        Of daemons that start at once, one makes the journal, and all of them read it.
        """
        for started in [self.begin(cursor) for cursor in self.cursors]:
            started.result()
        self.assertEqual(self.registered(), READERS)

    def test_between(self) -> None:
        """
        A daemon that found no journal does not drop the one that another daemon has made since.
        """
        isComplete, calls, others = following.isComplete, [0], []

        def look(cursor: Any) -> bool:
            found = isComplete(cursor)
            if cursor is self.cursors[0] and not found:
                calls[0] += 1
                if calls[0] == 2:
                    # The other daemon may make the journal here, or has to wait.
                    others.append(self.begin(self.cursors[1]))
                    wait(others, 1.0)
            return found

        self.patch(following, "isComplete", look)
        PostgresJournal().prepare(self.cursors[0])
        (other,) = others
        other.result()
        self.assertEqual(self.registered(), 2)
