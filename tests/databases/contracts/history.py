"""
What the tests of kept messages share, for every database.
"""

from __future__ import annotations

from itertools import count
from typing import Any

from aerostack.core.replay.publications import Kept, Message
from aerostack.databases.dialect import Dialect
from aerostack.databases.history import History
from aerostack.databases.migrations import migrate
from aerostack.databases.repeatable import findMessages
from tests.databases.synchronous import SlowDatabase

ROOM = "chat/a/p"


class HistoryContract:
    """
    To be mixed into a test case that has a database.

    @cvar dialect: The SQL of the database.
    """

    dialect: Dialect

    # The test case provides these.
    addCleanup: Any
    assertEqual: Any
    assertIn: Any
    assertIsNone: Any
    assertIsNotNone: Any
    assertNoResult: Any
    failureResultOf: Any
    flushLoggedErrors: Any
    patch: Any
    successResultOf: Any

    def open(self) -> Any:
        """
        Open the test's database, also for a second time; its interactions run at once.
        """
        raise NotImplementedError

    def setUp(self) -> None:
        self.database = self.open()
        self.addCleanup(self.database.close)
        self.successResultOf(self.database.run(migrate, self.dialect, True))
        self.slow = SlowDatabase(self.database)
        self.history = self.makeHistory()
        self.ids = count(1)

    def makeHistory(
        self, maxAge: float | None = None, maxCount: int | None = None, database: Any = None
    ) -> History:
        """
        Make a history in the database, or in an object that wraps the database.
        """
        return History(database or self.database, self.dialect, maxAge, maxCount)

    def find(self, since: int, limit: int) -> tuple[int, list[Kept]]:
        """
        Read what an earlier run left.

        @return: The newest message's time, and the messages that may be sent again.
        """
        found: list[Kept] = []
        newest = self.successResultOf(
            self.database.run(findMessages, self.dialect, since, limit, found.append)
        )
        return newest, found

    def forget(self) -> None:
        """
        Delete all messages.
        """
        self.database.connection.execute(f"DELETE FROM {self.dialect.messages}")

    def message(self, timestamp: int, topic: str = ROOM, **differing: Any) -> Message:
        """
        Make a message with a new id.
        """
        values = {
            "id": f"m{next(self.ids)}",
            "topic": topic,
            "kind": "event",
            "event": "e",
            "data": b"1",
            "userId": None,
            "timestamp": timestamp,
        }
        return Message(**{**values, **differing})

    def keep(self, timestamp: int, topic: str = ROOM, **differing: Any) -> Kept:
        """
        Keep a message.
        """
        return self.successResultOf(
            self.history.append(self.message(timestamp, topic, **differing))
        )

    def times(self, topic: str = ROOM, limit: int = 1000, before: int | None = None) -> list[int]:
        """
        The times of a page.
        """
        page = self.successResultOf(self.history.page(topic, limit, before))
        return [kept.createdAt for kept in page]
