"""
Tests for L{aerostack.tables.columns}.
"""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.rows.columns import Columns, ColumnType
from aerostack.errors import RealtimeError
from aerostack.tables.columns import KnownColumns

OLD: Columns = {"id": ColumnType.OTHER}
NEW: Columns = {**OLD, "note": ColumnType.OTHER}


class Tracker:
    """
    A tracker that answers when the test says so.

    @ivar asked: The questions for columns, in order.
    """

    def __init__(self) -> None:
        self.asked: list[Deferred[Columns]] = []

    def columns(self, table: str) -> Deferred[Columns]:
        """
        Note a question.
        """
        self.asked.append(Deferred())
        return self.asked[-1]


class KnownColumnsTests(SynchronousTestCase):
    """
    Tests for L{KnownColumns}.
    """

    def setUp(self) -> None:
        self.tracker = Tracker()
        self.known = KnownColumns(cast(Any, self.tracker))

    def test_learned(self) -> None:
        """
        The columns of a table are known once the database has answered.
        """
        answer = self.known.ask("t")
        self.assertIsNone(self.known.get("t"))
        self.tracker.asked[0].callback(OLD)
        self.assertEqual(self.successResultOf(answer), OLD)
        self.assertEqual(self.known.get("t"), OLD)

    def test_alteredMeanwhile(self) -> None:
        """
        If the table is altered after the question, the answer is the columns of the altered table.
        """
        answer = self.known.ask("t")
        self.assertIsNone(self.known.replace("t", NEW))
        self.tracker.asked[0].callback(OLD)
        self.assertEqual(self.successResultOf(answer), NEW)

    def test_replaced(self) -> None:
        """
        Altering a table gives the columns that it had before.
        """
        self.known.replace("t", OLD)
        self.assertEqual(self.known.replace("t", NEW), OLD)

    def test_refused(self) -> None:
        """
        An error for clients is passed on, and any other one is logged and becomes
        C{database_unavailable}.
        """
        first, second = self.known.ask("t"), self.known.ask("t")
        self.tracker.asked[0].errback(RealtimeError("unknown_table", "No."))
        self.tracker.asked[1].errback(OSError("broken"))
        self.assertEqual(self.failureResultOf(first, RealtimeError).value.code, "unknown_table")
        error = self.failureResultOf(second, RealtimeError).value
        self.assertEqual(error.code, "database_unavailable")
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)
        self.assertIsNone(self.known.get("t"))
