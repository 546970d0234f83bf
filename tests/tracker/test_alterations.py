"""
Tests for L{aerostack.tracker.alterations}, through the tracker.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from aerostack.core.rows.columns import Columns, ColumnType
from tests.tracker.fakes import TrackerCase

NEW: Columns = {"n": ColumnType.NUMBER}


class AlteredTests(TrackerCase):
    """
    Tests for L{aerostack.interfaces.tracking.IChangeListener.tableAltered}.
    """

    def test_first(self) -> None:
        """
        The listener hears of other columns before it hears of changes that have them.
        """
        self.watch("a")
        self.journal.write("a")
        self.journal.altered = frozenset(["a"])
        self.tick()
        self.assertEqual(self.listener.altered, [("a", NEW, 0)])
        self.assertEqual(self.listener.heard, [[("a", 1)]])

    def test_followedOnly(self) -> None:
        """
        The listener hears nothing of a table that is not watched or that is gone.
        """
        self.watch("a", "c")
        self.journal.followed.remove("a")
        self.journal.followed.append("b")
        self.journal.altered = frozenset(["a", "b"])
        self.journal.write("c")
        self.tick()
        self.assertEqual((self.listener.altered, self.listener.heard), ([], [[("c", 1)]]))

    def test_asked(self) -> None:
        """
        A listener that asks for the columns as soon as it hears of them gets the new ones.
        """
        self.watch("a")
        self.assertEqual(self.successResultOf(self.tracker.columns("a")), NEW)
        newer: Columns = {"n": ColumnType.TEXT}

        def columns(cursor: Any, table: str) -> Columns:
            return newer

        self.patch(self.journal, "columns", columns)
        self.journal.altered = frozenset(["a"])
        found: list[Any] = []
        heard = self.listener.tableAltered

        def hear(table: str, columns: Columns) -> None:
            heard(table, columns)
            self.tracker.columns(table).addCallback(found.append)

        self.patch(self.listener, "tableAltered", hear)
        self.tick()
        self.assertEqual(found, [newer])

    def test_judged(self) -> None:
        """
        Changes wait until the listener has checked all subscribers against the new columns.
        """
        self.watch("a")
        self.journal.write("a")
        self.journal.altered = frozenset(["a"])
        judging: Deferred[None] = Deferred()
        self.patch(self.listener, "tableAltered", lambda table, columns: judging)
        self.tick(3)
        self.assertEqual(self.listener.heard, [])
        self.journal.altered = frozenset()
        judging.callback(None)
        self.tick()
        self.assertEqual(self.listener.heard, [[("a", 1)]])

    def test_trouble(self) -> None:
        """
        While the columns cannot be read, the changes wait.  The listener then hears of both in
        order.
        """
        self.watch("a")
        self.journal.write("a")
        self.journal.altered = frozenset(["a"])
        columns = self.journal.columns
        fault = RuntimeError("no database")

        def fail(cursor: Any, table: str) -> Columns:
            raise fault.with_traceback(None)

        patched = self.patch(self.journal, "columns", fail)
        self.tick()
        self.assertEqual(self.listener.heard, [])
        patched.restore()
        self.assertEqual(self.journal.columns, columns)
        self.journal.altered = frozenset()
        self.tick(3)
        self.assertEqual(self.listener.altered, [("a", NEW, 0)])
        self.assertEqual(self.listener.heard, [[("a", 1)]])
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_rows(self) -> None:
        """
        The listener hears that rows may look different before it hears of changes that look so,
        also where the columns could not be read at first.
        """
        self.watch("a", "b")
        self.journal.write("a")
        self.journal.altered = self.journal.reshaped = frozenset(["a"])
        self.database.faults["columns"] = RuntimeError("no database")
        self.tick()
        self.assertEqual(self.listener.heard, [])
        self.database.faults.clear()
        self.journal.altered = self.journal.reshaped = frozenset()
        self.tick(3)
        self.assertEqual(self.listener.heard, [("a", "reshaped"), [("a", 1)]])
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_lost(self) -> None:
        """
        The listener does not hear that rows of a lost table may look different.
        """
        self.watch("a")
        self.journal.lose("a")
        self.journal.reshaped = frozenset(["a"])
        self.tick()
        self.assertEqual(self.listener.heard, [("a", "table_lost")])


class BackTests(TrackerCase):
    """
    Tests for L{aerostack.interfaces.tracking.IChangeListener.tableBack}.
    """

    def setUp(self) -> None:
        super().setUp()
        self.watch("a", "b")
        self.journal.lose("a")
        self.tick()
        self.assertEqual(self.listener.heard.pop(), ("a", "table_lost"))

    def test_back(self) -> None:
        """
        When the journal follows a lost table again, the listener hears that once, and the table's
        changes have the lineage of that moment.
        """
        self.journal.missing = frozenset(["a"])
        self.tick(2)
        self.assertEqual(self.listener.heard, [])
        self.patch(self.journal, "lineage", lambda cursor, table: "newer")
        self.journal.missing = frozenset()
        self.tick(2)
        self.assertEqual(self.listener.heard, [("a", "back")])
        self.assertEqual(self.tracker.lineage("a"), "newer")

    def test_atOnce(self) -> None:
        """
        A table that is lost but still followed is back right after its loss.
        """
        self.journal.missing = frozenset()
        self.tick()
        self.journal.lose("b")
        self.tick()
        self.assertEqual(self.listener.heard, [("a", "back"), ("b", "table_lost"), ("b", "back")])

    def test_watched(self) -> None:
        """
        When a new subscriber has the table attached again, the earlier subscribers hear that it
        is back.
        """
        self.watch("a")
        self.assertEqual(self.listener.heard, [("a", "back")])
        self.journal.missing = frozenset()
        self.tick()
        self.assertEqual(self.listener.heard, [("a", "back")])

    def test_inherited(self) -> None:
        """
        A table that only an earlier run followed is never reported as back.
        """
        self.journal.followed.append("c")
        tracker = self.makeTracker()
        tracker.start(self.listener)
        watching = tracker.watch("a")
        self.clock.advance(0)
        self.successResultOf(watching)
        self.journal.missing = frozenset()
        self.journal.lose("c")
        self.tick()
        self.assertEqual(
            [heard for heard in self.listener.heard if heard[0] == "c"], [("c", "table_lost")]
        )
