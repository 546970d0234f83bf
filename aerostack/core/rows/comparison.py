"""
Converts values in their JSON form by the type of their column, so that they can be compared.

Results are hashable, and two values of a column are equal if their results are.  A value that does
not fit the column's type gives L{None}: SQLite can keep text in a column of numbers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable
from decimal import Decimal, InvalidOperation
from typing import Any

from msgspec import DecodeError, Raw, json

from aerostack.core.rows.columns import ColumnType

_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?", re.ASCII)

_DATE = r"(?P<year>\d{4,7})-(?P<month>\d\d)-(?P<day>\d\d)"
_CLOCK = r"(?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.(?P<fraction>\d{1,6}))?)?"
_ZONE = r"(?:Z|(?P<sign>[+-])(?P<east>\d\d)(?::?(?P<eastMinute>\d\d)(?::?(?P<eastSecond>\d\d))?)?)"
_MOMENT = re.compile(rf"{_DATE}(?:[T ]{_CLOCK}\s?{_ZONE}?)?(?P<era> BC)?", re.ASCII)
_OF_DAY = re.compile(rf"{_CLOCK}\s?{_ZONE}?", re.ASCII)

# For a type with several kinds of values, a result begins with the kind.
_FIRST, _SECOND, _THIRD = 0, 1, 2

_SECOND_OF_DAY = 1_000_000
_DAY = 86_400 * _SECOND_OF_DAY


class _NotANumber:
    """
    A database's NaN, which equals itself and is greater than all other numbers.
    """

    def __gt__(self, other: object) -> bool:
        return other is not self

    def __lt__(self, other: object) -> bool:
        return False


_NAN = _NotANumber()

_NAMED_NUMBERS: dict[str, Any] = {
    "Infinity": Decimal("Infinity"),
    "-Infinity": Decimal("-Infinity"),
    "NaN": _NAN,
}


def _readNumber(value: Any) -> Any:
    if isinstance(value, bool):
        # As SQLite keeps them.
        return int(value)
    if isinstance(value, (int, Decimal)):
        return value
    if isinstance(value, float):
        if value != value:
            return _NAN
        # 0.1 means the decimal number, not the double that is nearest to it.
        return value if value.is_integer() else Decimal(repr(value))
    if not isinstance(value, str):
        return None
    if _NUMBER.fullmatch(value):
        return Decimal(value)
    return _NAMED_NUMBERS.get(value)


def _readText(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _readBoolean(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _readTime(value: Any) -> Hashable:
    if not isinstance(value, str):
        return None
    if value in ("infinity", "-infinity"):
        return _FIRST, float(value)
    found = _MOMENT.fullmatch(value)
    if found is not None:
        date, clock = _days(found), _microseconds(found)
        return None if date is None or clock is None else (_FIRST, date * _DAY + clock)
    found = _OF_DAY.fullmatch(value)
    if found is not None:
        clock = _microseconds(found)
        return None if clock is None else (_SECOND, clock)
    return None


def _days(found: re.Match[str]) -> int | None:
    """
    The number of a day in the Gregorian calendar, which databases extend to all times; the
    first of March of the year 0 has the number 0.  Python's own dates end at the years 1
    and 9999.
    """
    year, month, day = int(found["year"]), int(found["month"]), int(found["day"])
    if found["era"]:
        # The calendar has no year 0; that number stands for the year 1 BC.
        year = 1 - year
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    lengths = (31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
    if not 1 <= month <= 12 or not 1 <= day <= lengths[month - 1]:
        return None
    # A year that begins in March has its leap day at the end, and then its months' lengths
    # follow one rule.
    years = year - (month < 3)
    months = (month - 3) % 12
    return years * 365 + years // 4 - years // 100 + years // 400 + (153 * months + 2) // 5 + day


def _microseconds(found: re.Match[str]) -> int | None:
    """
    A time of day, in UTC if it has a zone.
    """
    if found["hour"] is None:
        return 0
    hour, minute, second = (int(found[name] or 0) for name in ("hour", "minute", "second"))
    # Midnight at the end of a day is 24:00, and a leap second 60.
    if hour > 24 or minute > 59 or second > 60 or (hour == 24 and (minute or second)):
        return None
    fraction = int((found["fraction"] or "").ljust(6, "0"))
    seconds = hour * 3600 + minute * 60 + second
    if found["sign"] is not None:
        east = (
            int(found["east"]) * 3600
            + int(found["eastMinute"] or 0) * 60
            + int(found["eastSecond"] or 0)
        )
        seconds += east if found["sign"] == "-" else -east
    return seconds * _SECOND_OF_DAY + fraction


_document = json.Decoder(float_hook=Decimal).decode


def _readJSON(value: Any) -> Hashable:
    if isinstance(value, Raw):
        if bytes(memoryview(value)[:1]) in (b"{", b"["):
            # The number need not be computed, even if it has very many digits.
            return None
        try:
            value = _document(value)
        except (DecodeError, InvalidOperation, ValueError, RecursionError):
            # No value that a client can send equals it.
            return None
    if isinstance(value, bool):
        return _THIRD, value
    return _readAny(value)


def _readNothing(value: Any) -> None:
    return None


def _readAny(value: Any) -> Hashable:
    if isinstance(value, (int, float, Decimal)):
        return _FIRST, _readNumber(value)
    if isinstance(value, str):
        return _SECOND, value
    return None


def isUnicode(text: str) -> bool:
    """
    Whether a text can be encoded in UTF-8.  A lone surrogate cannot.
    """
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


READERS: dict[ColumnType, Callable[[Any], Hashable]] = {
    ColumnType.NUMBER: _readNumber,
    ColumnType.TEXT: _readText,
    ColumnType.BOOLEAN: _readBoolean,
    ColumnType.TIME: _readTime,
    ColumnType.JSON: _readJSON,
    ColumnType.OTHER: _readText,
    ColumnType.COMPOUND: _readNothing,
    ColumnType.ANY: _readAny,
}
"""How a value that is not null is converted, by its column's type."""


def isLess(type: ColumnType, one: Any, other: Any) -> bool:
    """
    Whether one converted value of a column is less than another.

    Values of different kinds, such as a number and a text, have no order.
    """
    if type is ColumnType.TIME or type is ColumnType.ANY:
        return bool(one[0] == other[0] and one[1] < other[1])
    return bool(one < other)
