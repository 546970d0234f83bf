"""
The answer to C{db.query}, the same for every database.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from aerostack.core.rows.selection import Bounds
from aerostack.errors import SQL_KINDS, RealtimeError


def makeAnswer(
    rows: Sequence[dict[str, Any]], changes: int, lastRow: Any, started: float
) -> dict[str, Any]:
    """
    Make the answer to a query.

    @param rows: The rows in JSON form, by column.
    @param changes: How many rows were written.
    @param lastRow: The id of the last inserted row; L{None} where the database has no such id.
    @param started: When the query began, by L{time.monotonic}.
    """
    meta = {
        "changes": changes,
        "last_row_id": lastRow,
        "duration": round((time.monotonic() - started) * 1000, 3),
    }
    return {"results": rows, "success": True, "meta": meta}


# About how many bytes of memory a value costs beside its own: an object, and its place in a row.
_VALUE = 64


def refused(kind: str, message: str, sqlstate: str | None = None) -> RealtimeError:
    """
    The error for a statement that is refused.

    @param kind: One of L{SQL_KINDS}.
    @param sqlstate: PostgreSQL's code, if it gave one.
    """
    return RealtimeError("sql_error", message, None, detailsOf(kind, sqlstate))


def detailsOf(kind: str, sqlstate: str | None = None) -> dict[str, str]:
    """
    What an error of C{db.query} has beside its message; see L{refused}.
    """
    if kind not in SQL_KINDS:
        raise ValueError(f"{kind!r} is not a documented kind")
    return {"kind": kind} if sqlstate is None else {"kind": kind, "sqlstate": sqlstate}


class Result:
    """
    Collects the rows of a result, and refuses it once there are too many.

    @ivar rows: The rows so far.
    """

    def __init__(self, bounds: Bounds) -> None:
        self.rows: list[Sequence[Any]] = []
        self._bounds = bounds
        self._bytes = 0

    def add(self, row: Sequence[Any]) -> None:
        """
        Add one row.

        @raise RealtimeError: C{sql_error}: the result has more rows or bytes than C{bounds}
            allow.
        """
        self.rows.append(row)
        if len(self.rows) > self._bounds.rows:
            raise refused(
                "too_large", f"The result has more than {self._bounds.rows} rows; add a LIMIT."
            )
        self._bytes += sum(map(_size, row))
        if self._bytes > self._bounds.size:
            raise tooManyBytes(self._bounds.size)


def _size(value: Any) -> int:
    return _VALUE + (len(value) if isinstance(value, str | bytes) else 0)


def tooManyBytes(most: int) -> RealtimeError:
    """
    The error for a result, or a row in it, that is too large.
    """
    return refused(
        "too_large",
        f"The result has more than {most} bytes (limits.query_bytes); ask for fewer rows or"
        " columns.",
    )


def tooLong(seconds: float, fault: str = "", sqlstate: str | None = None) -> RealtimeError:
    """
    The error for a statement that takes too long.

    @param fault: The fault of the database meanwhile, in words that fit after C{the database};
        empty for no fault.
    @param sqlstate: PostgreSQL's code, if it gave one.
    """
    said = f"The statement took longer than {seconds:g} s."
    return refused("timeout", f"{said} The database {fault}." if fault else said, sqlstate)


def notAllowed(said: str) -> RealtimeError:
    """
    The error for a statement that does something forbidden.

    @param said: What the statement does.
    """
    return refused(
        "not_allowed",
        f"{said}: db.query takes no transaction control, ATTACH or settings, and leaves the"
        " daemon's own tables alone.",
    )
