"""
Tests of transactions that fail with many messages, for every database.
"""

from __future__ import annotations

from collections.abc import Callable

from aerostack.databases.keeping import InDoubt
from aerostack.errors import RealtimeError
from tests.databases.contracts.history import HistoryContract
from tests.databases.synchronous import LosingDatabase, SlowDatabase


class FaultContract(HistoryContract):
    """
    Transactions that fail.
    """

    def failWith(self, fault: Callable[[], None], mend: Callable[[], None]) -> set[str]:
        """
        Keep messages during a fault, and after it.

        @return: The messages of the errors that the publishers got during the fault.
        """
        self.history = self.makeHistory(database=self.slow)
        fault()
        appended = [self.history.append(self.message(n, f"chat/{n % 2}/p")) for n in range(1, 9)]
        self.slow.step()
        mend()
        errors = [self.failureResultOf(each, RealtimeError).value for each in appended]
        self.assertEqual(
            {(error.code, error.retryAfter) for error in errors}, {("database_unavailable", 1000)}
        )
        self.assertIsNotNone(self.history.failure)
        later = [self.history.append(self.message(n, f"chat/{n % 2}/p")) for n in range(1, 9)]
        self.slow.step()
        times = [self.successResultOf(each).createdAt for each in later]
        self.assertEqual(times, list(range(1, 9)))
        self.assertIsNone(self.history.failure)
        self.history = self.makeHistory()
        self.assertEqual(self.times("chat/0/p"), [8, 6, 4, 2])
        self.assertEqual(self.times("chat/1/p"), [7, 5, 3, 1])
        return {error.message for error in errors}

    def test_cut(self) -> None:
        """
        If the connection breaks before the commit, each message fails, and none is kept.
        """
        losing = LosingDatabase(self.database)
        self.slow = SlowDatabase(losing)

        def cut() -> None:
            losing.loses = "cut"

        self.failWith(cut, lambda: None)
        self.assertEqual(len(self.flushLoggedErrors(ConnectionError)), 1)

    def test_doubt(self) -> None:
        """
        If the answer to the commit does not come, each message fails, and none stays.
        """
        losing = LosingDatabase(self.database)
        self.slow = SlowDatabase(losing)

        def lose() -> None:
            losing.loses = "committed"

        self.failWith(lose, lambda: None)
        self.assertEqual(len(self.flushLoggedErrors(InDoubt)), 1)
