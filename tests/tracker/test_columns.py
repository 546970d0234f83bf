"""
Tests for L{aerostack.tracker.columns}, and for when the tracker forgets columns.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.rows.columns import Columns, ColumnType
from aerostack.errors import RealtimeError
from aerostack.tracker.columns import ColumnCache
from tests.tracker.fakes import FakeJournal, TrackerCase

OLD: Columns = {"n": ColumnType.NUMBER}
NEW: Columns = {"n": ColumnType.TEXT}


class SlowDatabase:
    """
    A database that answers when the test says so.

    @ivar questions: The questions without an answer.
    """

    def __init__(self) -> None:
        self.questions: list[Deferred[Any]] = []

    def run(self, interaction: Callable[..., Any], *args: Any) -> Deferred[Any]:
        self.questions.append(Deferred())
        return self.questions[-1]


class ColumnCacheTests(SynchronousTestCase):
    """
    Tests for L{ColumnCache}.
    """

    def setUp(self) -> None:
        self.database = SlowDatabase()
        self.cache = ColumnCache(partial(self.database.run, FakeJournal().columns))

    def answer(self, columns: Columns) -> None:
        self.database.questions.pop(0).callback(columns)

    def test_once(self) -> None:
        """
        Callers that ask at the same time share one answer, and later callers get it too.
        """
        asking = [self.cache.of("a") for _ in range(3)]
        self.assertEqual(len(self.database.questions), 1)
        self.answer(OLD)
        asking.append(self.cache.of("a"))
        self.assertEqual([self.successResultOf(each) for each in asking], [OLD] * 4)
        self.assertEqual(self.database.questions, [])

    def test_forget(self) -> None:
        """
        The columns of an altered table are read anew, those of other tables are not.
        """
        for table in ("a", "b"):
            self.cache.of(table)
            self.answer(OLD)
        self.cache.forget({"a", "never asked"})
        self.assertEqual(self.successResultOf(self.cache.of("b")), OLD)
        asking = self.cache.of("a")
        self.answer(NEW)
        self.assertEqual(self.successResultOf(asking), NEW)

    def test_forgetMeanwhile(self) -> None:
        """
        An answer from before the table was altered goes to the callers that asked before, and is
        not remembered, whenever it comes.
        """
        before = self.cache.of("a")
        self.cache.forget(["a"])
        after = self.cache.of("a")
        first, second = self.database.questions
        second.callback(NEW)
        first.callback(OLD)
        self.assertEqual(self.successResultOf(before), OLD)
        self.assertEqual(self.successResultOf(after), NEW)
        self.assertEqual(self.successResultOf(self.cache.of("a")), NEW)

    def test_failure(self) -> None:
        """
        All callers that waited get the failure; the next caller asks again.
        """
        asking = [self.cache.of("a") for _ in range(2)]
        self.database.questions.pop().errback(RealtimeError("unknown_table", "It is gone."))
        for each in asking:
            self.assertEqual(self.failureResultOf(each, RealtimeError).value.code, "unknown_table")
        self.cache.of("a")
        self.assertEqual(len(self.database.questions), 1)


class TrackerColumnsTests(TrackerCase):
    """
    When the tracker forgets columns.
    """

    def asked(self) -> int:
        """
        Ask for the columns of C{a}.

        @return: How often the database was asked for columns so far.
        """
        self.successResultOf(self.tracker.columns("a"))
        return self.database.calls.count("columns")

    def test_altered(self) -> None:
        """
        The tracker remembers columns until the journal reports that the table was altered or
        lost.  It reads those of altered tables at once, for the listener.
        """
        self.watch("a", "b")
        self.assertEqual((self.asked(), self.asked()), (1, 1))
        self.journal.altered = frozenset({"b"})
        self.tick()
        self.assertEqual(self.asked(), 2)
        self.journal.altered = frozenset({"a"})
        self.tick()
        self.journal.altered = frozenset()
        self.tick()
        self.assertEqual((self.asked(), self.asked()), (3, 3))
        self.journal.lose("a")
        self.tick()
        self.assertEqual(self.asked(), 4)

    def test_attachedAgain(self) -> None:
        """
        A table that was attached anew may have other columns.
        """
        self.watch("a")
        self.journal.lose("a")
        self.tick()
        self.asked()
        self.watch("a")
        self.assertEqual(self.asked(), 2)
        self.tracker.unwatch("a")
        self.tracker.unwatch("a")
        self.tick(302)
        self.assertEqual(self.journal.followed, [])
        error = self.failureResultOf(self.tracker.columns("a"), RealtimeError).value
        self.assertEqual(error.code, "unknown_table")
