"""
Tests of what L{aerostack.tracker.tracker} tells of tables that were altered.
"""

from __future__ import annotations

from typing import Any

from aerostack.core.columns import Columns, ColumnType
from tests.tracker.fakes import TrackerCase

NEW: Columns = {"n": ColumnType.NUMBER}


class AlteredTests(TrackerCase):
    """
    Tests for L{aerostack.interfaces.IChangeListener.tableAltered}.
    """

    def test_first(self) -> None:
        """
        Other columns are told before the changes that have them.
        """
        self.watch("a")
        self.journal.write("a")
        self.journal.altered = frozenset(["a"])
        self.tick()
        self.assertEqual(self.listener.altered, [("a", NEW, 0)])
        self.assertEqual(self.listener.heard, [[("a", 1)]])

    def test_followedOnly(self) -> None:
        """
        Of a table that nobody follows, or that has gone, nothing is told.
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
        Whoever asks for the columns when it is told gets the new ones at once.
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

    def test_trouble(self) -> None:
        """
        Where the columns cannot be read, the changes wait, and both are told in order when
        they can.
        """
        self.watch("a")
        self.journal.write("a")
        self.journal.altered = frozenset(["a"])
        columns = self.journal.columns
        fault = RuntimeError("no database")

        def fail(cursor: Any, table: str) -> Columns:
            raise fault

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
