"""
Tests for L{aerostack.databases.postgres.select}, and for snapshots of a PostgreSQL database.
"""

from __future__ import annotations

import threading
from contextlib import closing
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.rows.columns import ColumnType
from aerostack.core.rows.conditions import EQ, IN, IS_NULL, OPERATORS, makeCondition
from aerostack.core.rows.selection import Bounds, Selection, Snapshot
from aerostack.databases.postgres import select
from aerostack.databases.postgres.schema import LOCK_NUMBERS
from aerostack.databases.postgres.select import Kind, conditionSQL
from aerostack.errors import RealtimeError
from tests.databases.postgres.case import PostgresCase
from tests.databases.support import Mirror
from tests.postgres import ROLE

BOUNDS = Bounds(rows=1000, size=1_000_000, seconds=30.0)

TEXTS = st.text(alphabet="aAb%_\\é ", max_size=3)
INTEGERS = st.one_of(st.integers(-3, 3), st.sampled_from([2**53 + 1, 2**63 - 1, -(2**63)]))
DECIMALS = st.sampled_from(
    [Decimal(text) for text in ("0", "0.1", "0.10000000000000001", "-7.5", "1e20", "NaN")]
)
FLOATS = st.sampled_from([0.0, 0.1, 0.1 + 0.2, 0.3, -7.5, 1e300, float("inf")])
TIMES = st.integers(-(10**9), 10**9).map(
    lambda micros: datetime(2026, 11, 24, 12) + timedelta(microseconds=micros * 1_000_003)
)
UUIDS = st.sampled_from([f"{n:032x}" for n in range(4)]).map(
    lambda digits: f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
)
MOODS = st.sampled_from(["sad", "ok"])
VALUES = {
    "i": INTEGERS,
    "n": DECIMALS,
    "f": FLOATS,
    "r": FLOATS.filter(lambda f: f != 1e300),
    "t": TEXTS,
    "c": TEXTS,
    "b": st.booleans(),
    "at": TIMES,
    "d": TIMES,
    "u": UUIDS,
    "m": MOODS,
}
# The values that a client may ask for, as rows have them.
ASKED: dict[str, st.SearchStrategy[Any]] = {
    "i": st.one_of(INTEGERS, st.sampled_from([0.5, "9007199254740993"])),
    "n": st.one_of(DECIMALS.map(str), FLOATS.filter(lambda f: f < 1e301)),
    "f": FLOATS.filter(lambda f: f < 1e301),
    "r": FLOATS.filter(lambda f: f < 1e301),
    "t": TEXTS,
    "c": TEXTS,
    "b": st.booleans(),
    "at": st.one_of(TIMES.map(lambda t: t.isoformat() + "Z"), st.just("infinity")),
    "d": TIMES.map(lambda t: t.date().isoformat()),
    "u": st.one_of(UUIDS, UUIDS.map(str.upper), st.just("no")),
    "m": st.one_of(MOODS, st.just("nobody")),
}

TABLE = (
    "CREATE TYPE mood AS ENUM ('sad', 'ok')",
    "CREATE TABLE t (id serial PRIMARY KEY, i bigint, n numeric, f float8, r float4, t text,"
    " c char(4), b boolean, at timestamptz, d date, u uuid, m mood)",
)


class SnapshotCase(PostgresCase):
    """
    A table, and snapshots of it.
    """

    def setUp(self) -> None:
        super().setUp()
        self.run_(*TABLE)
        self.follow("t")
        self.columns = self.reader.journal.columns(self.reader.cursor, "t")
        self.cursor = self.connect(ROLE).cursor()

    def snapshot(self, *conditions: Any, bounds: Bounds = BOUNDS, **selected: Any) -> Snapshot:
        journal = self.reader.journal
        return journal.snapshot(self.cursor, "t", Selection(conditions, **selected), bounds)


class SnapshotTests(SnapshotCase):
    """
    Tests for L{aerostack.databases.postgres.select}, through the journal.
    """

    def test_told(self) -> None:
        """
        Rows look like their changes.
        """
        changes = self.changes(
            "INSERT INTO t (i, n, f, r, t, c, b, at, d, u, m) VALUES (9007199254740993, 1.50,"
            " 0.1, 0.1, 'x', 'x', true, '2026-01-02 03:04:05.678+05:45', '2026-01-02',"
            " '00000000-0000-0000-0000-00000000000a', 'ok')"
        )
        self.assertEqual(self.snapshot().rows, [changes[0].data])

    def test_open(self) -> None:
        """
        An uncommitted change is neither in the rows nor before their position, however low its
        transaction's number is.
        """
        other = self.connect()
        other.execute("BEGIN")
        other.execute("INSERT INTO t (i) VALUES (1)")
        self.run_("INSERT INTO t (i) VALUES (2)")
        snapshot = self.snapshot()
        self.assertEqual([row["i"] for row in snapshot.rows], [2])
        other.execute("COMMIT")
        self.reader.after = snapshot.position
        self.assertEqual([change.data["i"] for change in self.changes()], [1])

    def test_writers(self) -> None:
        """
        While writers do not stop, each snapshot and the changes after its position become the
        final table.
        """
        stop = threading.Event()

        def write(who: int, connection: Any) -> None:
            # Each writer has its own rows: writers of the same rows in no fixed order deadlock.
            own = f"n = {who} AND id %"
            with closing(connection):
                while not stop.is_set():
                    with connection.transaction():
                        connection.execute(f"INSERT INTO t (i, n) VALUES (0, {who})")
                        connection.execute(f"UPDATE t SET i = i + 1 WHERE {own} 7 = 3")
                        connection.execute(f"DELETE FROM t WHERE {own} 5 = 1 AND i > 2")
                        # The table does not grow, however long this takes.
                        connection.execute(
                            f"DELETE FROM t WHERE n = {who} AND id < (SELECT max(id) FROM t) - 300"
                        )

        writers = [threading.Thread(target=write, args=(n, self.connect())) for n in range(3)]
        for writer in writers:
            writer.start()
        try:
            snapshots = [self.snapshot() for _ in range(15)]
        finally:
            stop.set()
            for writer in writers:
                writer.join()
        rows = Mirror(self.snapshot().rows).sorted()
        for snapshot in snapshots:
            mirror = Mirror(snapshot.rows)
            self.reader.after = snapshot.position
            mirror.apply(self.events())
            self.assertEqual(mirror.sorted(), rows)

    def test_feedGoesOn(self) -> None:
        """
        Changes get their numbers while rows are read.
        """
        self.run_("INSERT INTO t (i) SELECT 1 FROM generate_series(1, 300)")
        self.events()
        seen: list[Any] = []

        class Watching(Selection):
            def match(selection, row: Any) -> bool:
                if not seen:
                    self.run_("INSERT INTO t (i) VALUES (7)")
                    seen.extend(self.events())
                return True

        snapshot = self.reader.journal.snapshot(self.cursor, "t", Watching(), BOUNDS)
        self.assertEqual(len(snapshot.rows), 300)
        self.assertEqual([change.data["i"] for change in seen], [7])
        self.assertEqual(seen[0].seq, snapshot.position + 1)

    def test_locked(self) -> None:
        """
        The daemon does not wait long for a table that another program locks, and the error asks
        to try again, not to select fewer rows.
        """
        self.patch(select, "WAITING", 20)
        other = self.connect()
        with other.transaction():
            other.execute("LOCK TABLE t")
            error = self.assertRaises(RealtimeError, self.snapshot)
            self.assertEqual((error.code, error.retryAfter), ("database_unavailable", 1000))
            self.assertNotIn("fewer", error.message)
        self.assertEqual(self.snapshot().rows, [])

    def test_lockedNumbers(self) -> None:
        """
        It does not wait long while changes are numbered either, and does not keep that lock.
        """
        self.patch(select, "WAITING", 20)
        other = self.connect(ROLE)
        other.execute("BEGIN")
        other.execute(LOCK_NUMBERS)
        error = self.assertRaises(RealtimeError, self.snapshot)
        self.assertEqual(error.code, "database_unavailable")
        other.execute("ROLLBACK")
        self.assertEqual(self.snapshot().rows, [])
        other.execute(f"BEGIN; {LOCK_NUMBERS} NOWAIT; ROLLBACK")

    def test_refused(self) -> None:
        """
        A table that the daemon's role may not read gives no snapshot, and the error says what to
        do.
        """
        self.run_(f"REVOKE SELECT ON t FROM {ROLE}")
        error = self.assertRaises(RealtimeError, self.snapshot)
        self.assertEqual(error.code, "table_not_allowed")
        self.assertIn("GRANT", error.message)


class MatchingTests(SnapshotCase):
    """
    The rows that SQL finds and the verdicts of the conditions.
    """

    @settings(
        max_examples=120, deadline=None, suppress_health_check=[HealthCheck.differing_executors]
    )
    @given(
        st.lists(st.fixed_dictionaries(VALUES), max_size=6),
        st.sampled_from(sorted(VALUES)),
        st.sampled_from(OPERATORS),
        st.data(),
    )
    def test_same(self, rows: list[dict[str, Any]], column: str, operator: str, data: Any) -> None:
        """
        Exactly the rows that meet the condition are read, whatever the table holds.
        """
        value: Any = data.draw(ASKED[column])
        if operator == IS_NULL:
            value = data.draw(st.booleans())
        elif operator == IN:
            value = [value, data.draw(ASKED[column])]
        try:
            condition = makeCondition(self.columns, column, operator, value)
        except ValueError:
            # Not every type has every operator.
            return
        self.run_("DELETE FROM t", "INSERT INTO t DEFAULT VALUES")
        for row in rows:
            names = ", ".join(row)
            marks = ", ".join(f"%({name})s" for name in row)
            self.writer.execute(f"INSERT INTO t ({names}) VALUES ({marks})", row)
        everything = self.snapshot(order=(("id", False),)).rows
        expected = [row for row in everything if condition.match(row)]
        self.assertEqual(self.snapshot(condition, order=(("id", False),)).rows, expected)
        limited = self.snapshot(condition, limit=2, order=(("id", False),)).rows
        self.assertEqual(limited, expected[:2])


class ConditionTests(SynchronousTestCase):
    """
    Tests for L{conditionSQL}.
    """

    def test_collation(self) -> None:
        """
        If a collation treats different texts as equal, the SQL finds more rows than wanted, so
        the SQL has no limit.
        """
        condition = makeCondition({"t": ColumnType.TEXT}, "t", EQ, "a")
        for isExact in (True, False):
            kind = Kind("text", isExact=isExact)
            self.assertEqual(conditionSQL(condition, kind)[2], isExact)

    def test_ownTypes(self) -> None:
        """
        The SQL does not compare values of a type that is not the server's own, whatever its name.
        """
        for type, value in (
            (ColumnType.TEXT, "a"),
            (ColumnType.NUMBER, 5),
            (ColumnType.TIME, "2026-01-01"),
        ):
            condition = makeCondition({"t": type}, "t", EQ, value)
            self.assertEqual(conditionSQL(condition, Kind(""))[1:], ([], False))

    def test_operators(self) -> None:
        """
        The SQL uses no operator and no collation of other schemas than the server's own.
        """
        for operator in ("eq", "gt", "gte", "lt", "lte", "in"):
            value = ["a", "b"] if operator == "in" else "a"
            condition = makeCondition({"t": ColumnType.TEXT}, "t", operator, value)
            sql, _, _ = conditionSQL(condition, Kind("text"))
            self.assertIn("OPERATOR(pg_catalog.", sql)
            self.assertNotIn(" IN ", sql)
            self.assertNotRegex(sql, r'COLLATE "')
