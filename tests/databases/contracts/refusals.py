"""
Tests of messages that a database refuses, for every database.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st
from twisted.logger import capturedLogs, formatEvent

from aerostack.core.replay.publications import Kept, Message
from aerostack.databases.keeping import InDoubt
from aerostack.errors import RealtimeError
from tests.databases.contracts.history import ROOM, HistoryContract
from tests.databases.synchronous import LosingCursor, LosingDatabase, SlowDatabase

Transaction = tuple[str | None, Sequence[tuple[int, int | None]]]
"""For L{RefusedContract.checkTransactions}: what L{LosingDatabase.loses} is, and the topic and time
of each message; L{None} for one that the database refuses."""

TRANSACTIONS = st.lists(
    st.tuples(
        st.sampled_from((None, None, "committed", "undone")),
        st.lists(st.tuples(st.integers(0, 2), st.integers(1, 9) | st.none()), min_size=1),
    ),
    max_size=8,
)


class RefusedContract(HistoryContract):
    """
    Messages that the database refuses beside others.

    @cvar refuse: The statements after which the database refuses every event C{bad}.
    """

    refuse: Sequence[str]

    def setUp(self) -> None:
        super().setUp()
        for statement in self.refuse:
            self.database.connection.execute(statement)

    def bad(self) -> Message:
        """
        Make a message that the database refuses.
        """
        return self.message(1, event="bad")

    def test_refused(self) -> None:
        """
        If the database refuses a message, the messages beside it are kept, in their order.  The
        log says it once.
        """
        self.history = self.makeHistory(database=self.slow)
        with capturedLogs() as logs:
            for time in (10, 20):
                appended = [
                    self.history.append(each)
                    for each in (self.message(time), self.bad(), self.message(time), self.bad())
                ]
                self.slow.step()
                good, bad = appended[::2], appended[1::2]
                kept = [self.successResultOf(each) for each in good]
                self.assertEqual([each.createdAt for each in kept], [time, time + 1])
                self.assertEqual(kept[1].before, time)
                for each in bad:
                    error = self.failureResultOf(each, RealtimeError).value
                    self.assertEqual((error.code, error.retryAfter), ("invalid_arguments", None))
        (said,) = [formatEvent(event) for event in logs]
        self.assertIn(f"the database refuses a message on {ROOM}: ", said)
        self.assertIsNone(self.history.failure)
        self.history = self.makeHistory()
        self.assertEqual(self.times(), [21, 20, 11, 10])

    def test_sameId(self) -> None:
        """
        Of two messages with one id the first is kept, and the second is refused.
        """
        self.history = self.makeHistory(database=self.slow)
        message = self.message(1)
        appended = [self.history.append(each) for each in (message, message, self.message(2))]
        self.slow.step()
        self.failureResultOf(appended[1], RealtimeError)
        times = [self.successResultOf(each).createdAt for each in (appended[0], appended[2])]
        self.assertEqual(times, [1, 2])

    def test_fewStatements(self) -> None:
        """
        A message that is refused costs the others a few statements.
        """
        statements: list[str] = []
        execute = LosingCursor.execute

        def count(cursor: LosingCursor, statement: str, *parameters: Any) -> Any:
            statements.append(statement)
            return execute(cursor, statement, *parameters)

        self.patch(LosingCursor, "execute", count)
        self.slow = SlowDatabase(LosingDatabase(self.database))
        self.history = self.makeHistory(database=self.slow)
        good = [self.history.append(self.message(n)) for n in range(1, 300)]
        bad = self.history.append(self.bad())
        good += [self.history.append(self.message(n)) for n in range(300, 500)]
        self.slow.step()
        self.failureResultOf(bad, RealtimeError)
        times = [self.successResultOf(each).createdAt for each in good]
        self.assertEqual(times, list(range(1, 500)))
        self.assertLess(len(statements), 120)

    def test_refusedAlone(self) -> None:
        """
        However often the database refuses a message, others that wait do not fail with it.
        """
        self.history = self.makeHistory(database=self.slow)
        self.history.batch = 1
        appended = [
            self.history.append(each)
            for each in (self.bad(), self.bad(), self.bad(), self.message(5))
        ]
        for each in appended[:3]:
            self.slow.step()
            self.failureResultOf(each, RealtimeError)
        self.assertIsNone(self.history.failure)
        self.slow.step()
        self.assertEqual(self.successResultOf(appended[3]).createdAt, 5)

    def test_refusedInDoubt(self) -> None:
        """
        Messages of a transaction without an answer are deleted too if the next transaction has a
        message that the database refuses.
        """
        losing = LosingDatabase(self.database)
        self.history = self.makeHistory(database=losing)
        losing.loses = "committed"
        self.failureResultOf(self.history.append(self.message(5)), RealtimeError)
        self.failureResultOf(self.history.append(self.bad()), RealtimeError)
        self.assertEqual(self.times(), [])
        self.flushLoggedErrors(InDoubt)

    def test_refusedIsNoSuccess(self) -> None:
        """
        That the database refuses a message does not show that it keeps others.
        """
        losing = LosingDatabase(self.database)
        self.history = self.makeHistory(database=losing)
        losing.loses = "undone"
        self.failureResultOf(self.history.append(self.message(5)), RealtimeError)
        self.failureResultOf(self.history.append(self.bad()), RealtimeError)
        self.assertIsNotNone(self.history.failure)
        self.keep(6)
        self.assertIsNone(self.history.failure)
        self.flushLoggedErrors(InDoubt)

    def checkTransactions(self, transactions: Sequence[Transaction]) -> None:
        """
        Check that messages of any transactions get times as if they came one by one, without the
        messages that are refused and those of transactions without an answer.
        """
        self.forget()
        losing = LosingDatabase(self.database)
        self.slow = SlowDatabase(losing)
        self.history = self.makeHistory(database=self.slow)
        expected: dict[str, list[int]] = {}
        for loses, messages in transactions:
            appended = []
            for number, time in messages:
                topic = f"chat/{number}/p"
                message = self.bad() if time is None else self.message(time, topic)
                appended.append((time, topic, self.history.append(message)))
            losing.loses = loses
            self.slow.step()
            for time, topic, result in appended:
                if loses is not None or time is None:
                    code = self.failureResultOf(result, RealtimeError).value.code
                    wanted = "invalid_arguments" if loses is None else "database_unavailable"
                    self.assertEqual(code, wanted)
                    continue
                times = expected.setdefault(topic, [])
                before = times[-1] if times else 0
                kept: Kept = self.successResultOf(result)
                self.assertEqual((kept.createdAt, kept.before), (max(time, before + 1), before))
                times.append(kept.createdAt)
        probed = self.history.probe()
        self.slow.step()
        self.successResultOf(probed)
        self.history = self.makeHistory()
        for number in range(3):
            topic = f"chat/{number}/p"
            self.assertEqual(self.times(topic)[::-1], expected.get(topic, []))
        self.flushLoggedErrors(InDoubt)
