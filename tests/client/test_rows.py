"""
Tests for L{aerostack.client.rows} and L{aerostack.client.ordering}.
"""

from __future__ import annotations

from functools import cmp_to_key
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.client.errors import ClientError
from aerostack.client.ordering import Ordering, Row
from aerostack.client.rows import Rows
from aerostack.core.rows.changes import DELETE, INSERT, UPDATE, Change
from aerostack.testing import World

VALUES = st.sampled_from([None, 0, 1, 2, 2.5, -3, 10])
DIRECTIONS = st.sampled_from(["asc", "desc"])


class Table:
    """
    A table, and its rows as the daemon sends them to a client with an order and a limit.
    """

    def __init__(self, direction: str, second: str, limit: int | None) -> None:
        self.order = [["n", direction], ["id", second]]
        self.limit = limit
        self.rows: dict[int, Row] = {}

    @property
    def first(self) -> list[Row]:
        """
        The first rows of the whole table, sorted anew by plain means.
        """
        found = list(self.rows.values())
        for column, direction in reversed(self.order):
            isDown = direction == "desc"
            found.sort(key=lambda row: row[column] or 0, reverse=isDown)
            found.sort(key=lambda row: row[column] is None)
        return found[: self.limit]

    def snapshot(self, rows: Rows) -> None:
        """
        Send the first rows in two pages.
        """
        rows.page(self.first[:2], True, True)
        rows.page(self.first[2:], False, False)

    def write(self, id: int, row: Row | None) -> dict[str, Any] | None:
        """
        Change a row.

        @return: The frame that a client gets.
        """
        old = self.rows.pop(id, None)
        if row is not None:
            self.rows[id] = row
        elif old is None:
            return None
        operation = DELETE if row is None else INSERT if old is None else UPDATE
        return {"operation": operation, "data": row or old, "old": old}


def fail(error: ClientError) -> None:
    """Nothing is to be reported."""
    raise error


class RowsTests(SynchronousTestCase):
    """
    Tests for L{Rows}.
    """

    @settings(max_examples=200, deadline=None)
    @given(
        DIRECTIONS,
        DIRECTIONS,
        st.sampled_from([None, 1, 3, 10]),
        st.lists(st.tuples(st.integers(0, 20), VALUES), max_size=20),
        st.lists(st.tuples(st.integers(0, 20), st.one_of(VALUES, st.just("gone"))), max_size=60),
    )
    def test_model(
        self,
        direction: str,
        second: str,
        limit: int | None,
        before: list[tuple[int, Any]],
        changes: list[tuple[int, Any]],
    ) -> None:
        """
        Under any changes the rows are the first ones of the whole table in the order of the
        snapshot; where one is lacking, the rows that are there are right, and more are asked for.
        """
        table = Table(direction, second, limit)
        for id, n in before:
            table.write(id, {"id": id, "n": n})
        rows = Rows(fail)
        rows.begin("id", table.order, limit)
        table.snapshot(rows)
        self.assertEqual(rows.list, table.first)
        for id, n in changes:
            frame = table.write(id, None if n == "gone" else {"id": id, "n": n})
            if frame is not None:
                rows.change(frame)
            if rows.isShort:
                self.assertEqual(rows.list, table.first[: len(rows.list)])
                table.snapshot(rows)
            self.assertEqual(rows.list, table.first)

    def test_bounded(self) -> None:
        """
        With a limit no more rows are held than are of use.
        """
        rows = Rows(fail)
        rows.begin("id", [["id", "desc"]], 2)
        rows.page([], True, False)
        for id in range(1000):
            rows.change({"operation": INSERT, "data": {"id": id}})
        self.assertEqual(rows.list, [{"id": 999}, {"id": 998}])
        self.assertLess(len(rows._rows), 210)
        for id in range(999, 500, -1):
            rows.change({"operation": DELETE, "data": {"id": id}})
        self.assertTrue(rows.isShort)

    def test_unordered(self) -> None:
        """
        Without an order the rows stay as they came, within the limit.
        """
        rows = Rows(fail)
        rows.begin("id", None, 2)
        rows.page([{"id": 3}, {"id": 1}], True, False)
        rows.change({"operation": INSERT, "data": {"id": 2}})
        rows.change({"operation": UPDATE, "data": {"id": 3, "n": 1}, "old": {"id": 3}})
        self.assertEqual(rows.list, [{"id": 3, "n": 1}, {"id": 1}])
        rows.change({"operation": DELETE, "data": {"id": 1}})
        self.assertEqual(rows.list, [{"id": 3, "n": 1}, {"id": 2}])

    def test_keys(self) -> None:
        """
        Rows may be told apart by several columns; rows without a key are reported once.
        """
        rows = Rows(fail)
        rows.begin(["a", "b"], None, None)
        rows.page([{"a": 1, "b": 1}, {"a": 1, "b": 2}, {"a": 1, "b": 1, "c": 1}], True, False)
        self.assertEqual(rows.list, [{"a": 1, "b": 1, "c": 1}, {"a": 1, "b": 2}])
        reported: list[ClientError] = []
        rows = Rows(reported.append)
        rows.page([{"a": 1}, {"a": 2}], True, False)
        self.assertEqual(([error.code for error in reported], rows.list), (["no_key"], []))

    def test_values(self) -> None:
        """
        Values compare as the daemon compares them.
        """
        values: list[Any]
        for values in (
            [-1.5, 0, "9007199254740993", "9007199254740994", "12345678901234567890.5"],
            ["-9007199254740994", "-9007199254740993", 5, "not a number"],
            ["", "10", "9", "Z", "a", "é", "\uffee", "😀"],
            [False, True],
        ):
            for direction in ("asc", "desc"):
                ordering = Ordering([["v", direction]])
                found = [{"v": each} for each in (None, *values[::-1])]
                for row in found:
                    ordering.see(row)
                found.sort(key=cmp_to_key(ordering.compare))
                wanted = values if direction == "asc" else values[::-1]
                self.assertEqual([row["v"] for row in found], [*wanted, None])


class ViewsTests(SynchronousTestCase):
    """
    Tests for channels with views, in a world with one table.
    """

    def setUp(self) -> None:
        self.world = World()
        self.client = self.world.realtime()
        self.client.startService()
        self._seq = 0

    def write(self, row: Row | None, old: Row | None = None) -> None:
        """
        Write a row, or delete one.
        """
        self._seq += 1
        operation = DELETE if row is None else INSERT if old is None else UPDATE
        change = Change(self._seq, "orders", operation, row or old or {}, old, 7)
        self.world.tracker.change(change)
        self.world.turn()

    def test_beside(self) -> None:
        """
        Channels with other views have subscriptions, rows and callbacks of their own.
        """
        got: dict[str, list[Any]] = {"": [], "left": [], "right": []}
        for view, fields in (("", {}), ("left", {"filter": {"side": 0}}), ("right", {})):
            channel = self.client.channel("orders", view=view)
            channel.on("*", lambda frame, view=view: got[view].append(frame["data"]["id"]))
            answered = channel.subscribe(snapshot=True, order=[["id", "desc"]], limit=2, **fields)
            self.world.turn()
            self.successResultOf(answered)
            self.assertIs(self.client.channel("orders", view=view), channel)
        for id in range(5):
            self.write({"id": id, "side": id % 2})
        self.assertEqual(got, {"": [*range(5)], "left": [0, 2, 4], "right": [*range(5)]})
        for view, ids in (("", [4, 3]), ("left", [4, 2]), ("right", [4, 3])):
            rows = self.client.channel("orders", view=view).rows.list
            self.assertEqual([row["id"] for row in rows], ids)
        self.client.channel("orders", view="right").unsubscribe()
        self.world.turn()
        self.write({"id": 6, "side": 0})
        self.assertEqual((got["left"][-1], got["right"][-1]), (6, 4))

    def test_resumes(self) -> None:
        """
        Each view resumes from its own position.
        """
        channel = self.client.channel("orders", view="left")
        got: list[Any] = []
        channel.on("*", lambda frame: got.append(frame["data"]["id"]))
        channel.subscribe(filter={"side": 0})
        self.client.channel("orders").subscribe()
        self.world.turn()
        self.write({"id": 0, "side": 0})
        self.world.reachable = False
        self.world.cut()
        self.write({"id": 2, "side": 0})
        self.world.reachable = True
        self.world.advance(60)
        self.assertEqual(got, [0, 2])

    def test_asksAgain(self) -> None:
        """
        Rows that are limited are asked for again when one goes.
        """
        for id in range(4):
            self.write({"id": id, "side": 0})
        channel = self.client.channel("orders", view="newest")
        shown: list[list[int]] = []
        channel.rows.onChange(lambda rows: shown.append([row["id"] for row in rows]))
        channel.subscribe(snapshot=True, order=[["id", "desc"]], limit=2)
        self.world.turn()
        self.write(None, {"id": 3, "side": 0})
        self.world.turn()
        self.assertEqual(shown, [[3, 2], [2], [2, 1]])

    def test_refused(self) -> None:
        """
        An error about a view is for its channel.
        """
        self.client.channel("orders").subscribe()
        answered = self.client.channel("orders", view="bad").subscribe(filter={"none": 1})
        self.world.turn()
        self.assertEqual(self.failureResultOf(answered, ClientError).value.code, "invalid_filter")
        self.assertTrue(self.client.channel("orders").isSubscribed)

    def test_track(self) -> None:
        """
        A client cannot be present on a view.
        """
        with self.assertRaises(ValueError):
            self.client.channel("orders", view="left").track({})
