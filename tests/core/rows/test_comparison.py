"""
Tests for L{aerostack.core.rows.comparison}.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.rows.columns import ColumnType
from aerostack.core.rows.comparison import READERS, isLess

numbers = st.one_of(
    st.integers(-(2**70), 2**70),
    st.integers(-3, 3),
    st.floats(allow_nan=False),
    st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20),
)
zones = st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m)))


def shown(number: int | float | Decimal) -> Any:
    """
    How a number travels in JSON.
    """
    if isinstance(number, Decimal):
        return f"{number:f}"
    if isinstance(number, int) and abs(number) > 2**53:
        return str(number)
    if isinstance(number, float) and abs(number) == float("inf"):
        return "Infinity" if number > 0 else "-Infinity"
    return number


def written(number: int | float | Decimal) -> Decimal:
    """
    What is written of a number.
    """
    return Decimal(repr(number)) if isinstance(number, float) else Decimal(number)


class ReadTests(SynchronousTestCase):
    """
    Tests for L{READERS}.
    """

    def read(self, type: ColumnType, *values: Any) -> list[Any]:
        return [READERS[type](value) for value in values]

    @given(numbers, numbers)
    def test_numbers(self, one: Any, other: Any) -> None:
        """
        Numbers compare as what is written of them, whatever the form in which they travel.
        """
        type = ColumnType.NUMBER
        a, b = self.read(type, shown(one), shown(other))
        self.assertEqual(a == b, written(one) == written(other))
        self.assertEqual(isLess(type, a, b), written(one) < written(other))
        if a == b:
            self.assertEqual(hash(a), hash(b))

    def test_exactNumbers(self) -> None:
        """
        A long number is not rounded, and a decimal fraction is what it says.
        """
        big, bigger = self.read(ColumnType.NUMBER, "9007199254740992", "9007199254740993")
        self.assertLess(big, bigger)
        tenth, same, other = self.read(
            ColumnType.NUMBER, 0.1, "0.1000", "0.1000000000000000055511151231257827"
        )
        self.assertEqual(tenth, same)
        self.assertNotEqual(tenth, other)

    @given(numbers)
    def test_notANumber(self, number: Any) -> None:
        """
        NaN equals itself and is greater than everything else.
        """
        type = ColumnType.NUMBER
        nan, again, other = self.read(type, "NaN", "NaN", shown(number))
        self.assertEqual(nan, again)
        self.assertNotEqual(nan, other)
        self.assertTrue(isLess(type, other, nan))
        self.assertFalse(isLess(type, nan, other) or isLess(type, nan, nan))

    def test_noNumbers(self) -> None:
        """
        What is no number is not taken for one.
        """
        strange = ["", "x", "1_000", " 1", "1e5", "0x1", "inf", "nan", "٣", "1.", None, [], {}]
        self.assertEqual(self.read(ColumnType.NUMBER, *strange), [None] * len(strange))

    def test_truth(self) -> None:
        """
        True and false are 1 and 0 to numbers, as SQLite has them, and to booleans nothing
        but themselves.
        """
        self.assertEqual(self.read(ColumnType.NUMBER, True, False), [1, 0])
        self.assertEqual(self.read(ColumnType.BOOLEAN, True, False), [True, False])
        self.assertEqual(self.read(ColumnType.BOOLEAN, 1, 0, "true"), [None] * 3)

    def test_text(self) -> None:
        """
        Text goes by its code points.
        """
        a, b, c = self.read(ColumnType.TEXT, "Z", "a", "é")
        self.assertTrue(isLess(ColumnType.TEXT, a, b) and isLess(ColumnType.TEXT, b, c))
        self.assertEqual(self.read(ColumnType.TEXT, 1, {"base64": ""}), [None, None])

    @given(st.datetimes(timezones=st.none() | zones), st.datetimes(timezones=st.none() | zones))
    def test_moments(self, one: datetime, other: datetime) -> None:
        """
        Times compare as the moments that they are; one without a zone is in UTC.
        """
        type = ColumnType.TIME
        a, b = self.read(type, one.isoformat(), other.isoformat(" "))
        first, second = (
            (each if each.tzinfo else each.replace(tzinfo=UTC)) - datetime(2000, 1, 1, tzinfo=UTC)
            for each in (one, other)
        )
        self.assertEqual(a == b, first == second)
        self.assertEqual(isLess(type, a, b), first < second)

    @given(st.dates(), st.dates())
    def test_dates(self, one: date, other: date) -> None:
        """
        A date is the moment at which it begins, in UTC.
        """
        a, b, midnight = self.read(
            ColumnType.TIME, one.isoformat(), other.isoformat(), f"{one.isoformat()}T00:00:00Z"
        )
        self.assertEqual(isLess(ColumnType.TIME, a, b), one < other)
        self.assertEqual(a, midnight)

    def test_farTimes(self) -> None:
        """
        Times before our era, after the year 9999 and at the ends of time have their places.
        """
        order = self.read(
            ColumnType.TIME,
            *("-infinity", "4713-01-01 BC", "0044-03-14T23:00:00+00:00 BC", "0044-03-15 BC"),
            *("0001-12-31 BC", "0001-01-01", "9999-12-31", "10000-01-01", "294276-12-31T23:59:59"),
            "infinity",
        )
        for before, after in pairwise(order):
            self.assertTrue(isLess(ColumnType.TIME, before, after), (before, after))
        day = 24 * 3600 * 1_000_000
        self.assertEqual(order[5][1] - order[4][1], day)
        self.assertEqual(order[7][1] - order[6][1], day)

    @given(st.times(), st.times())
    def test_timesOfDay(self, one: time, other: time) -> None:
        """
        Times of day compare with each other, and with no moment.
        """
        type = ColumnType.TIME
        a, b, moment = self.read(type, one.isoformat(), other.isoformat(), "2026-11-24")
        self.assertEqual(a == b, one == other)
        self.assertEqual(isLess(type, a, b), one < other)
        self.assertNotEqual(a, moment)
        self.assertFalse(isLess(type, a, moment) or isLess(type, moment, a))

    def test_fractions(self) -> None:
        """
        A fraction of a second may have fewer than six digits.
        """
        quarter, half, whole = self.read(ColumnType.TIME, "10:00:00.25", "10:00:00.5", "10:00:01")
        self.assertTrue(isLess(ColumnType.TIME, quarter, half))
        self.assertTrue(isLess(ColumnType.TIME, half, whole))

    def test_zones(self) -> None:
        """
        A zone is written in any of the forms that databases and clients use.
        """
        forms = ("22:30:00Z", "22:30Z", "23:30:00.000+01", "17:00:00-0530", "22:45:10+00:15:10")
        same = self.read(ColumnType.TIME, *(f"2026-11-24T{form}" for form in forms))
        self.assertEqual(len(set(same)), 1)

    def test_noTimes(self) -> None:
        """
        What is no time is not taken for one.
        """
        strange = [
            *("", "now", "2026-13-01", "2026-02-29", "2026-11-24T25:00", "2026-11-24T10:60"),
            *("2026-11-24T", "24:00:01", "10:00:00.1234567", "26-1-1", "2026-11-24 10:00 AD", 5),
            *("2100-02-29", "2026-00-10", "2026-01-00", "2026-11-24T10:00:61"),
        ]
        self.assertEqual(self.read(ColumnType.TIME, *strange), [None] * len(strange))
        known = self.read(ColumnType.TIME, "2000-02-29", "24:00:00", "2026-06-30T23:59:60Z")
        self.assertNotIn(None, known)

    def test_kinds(self) -> None:
        """
        Where anything may be, values of one kind equal none of another, and are neither
        less nor more.
        """
        one, text, truth = self.read(ColumnType.ANY, 1, "1", True)
        self.assertEqual(one, truth)
        self.assertNotEqual(one, text)
        self.assertFalse(isLess(ColumnType.ANY, one, text) or isLess(ColumnType.ANY, text, one))
        two = self.read(ColumnType.ANY, 2.5)[0]
        self.assertTrue(isLess(ColumnType.ANY, one, two))
        self.assertEqual(self.read(ColumnType.ANY, {"base64": ""}, None), [None, None])

    def test_others(self) -> None:
        """
        Of another type a scalar equals its like: JSON tells true from 1.
        """
        values = self.read(ColumnType.JSON, 1, "1", True, 1.5, "x")
        self.assertEqual(len(set(values)), 5)
        self.assertEqual(self.read(ColumnType.JSON, 1.0)[0], values[0])
        self.assertEqual(self.read(ColumnType.JSON, [1], {"a": 1}), [None, None])
