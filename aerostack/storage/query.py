"""
What C{db.query} answers, whatever the database.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from aerostack.errors import RealtimeError


def makeAnswer(
    rows: Sequence[dict[str, Any]], changes: int, lastRow: Any, started: float
) -> dict[str, Any]:
    """
    Make the answer.

    @param rows: The rows in JSON form, by column.
    @param changes: How many rows were written.
    @param lastRow: The id of the last row that was inserted, L{None} where the database
        has none.
    @param started: When, by L{time.monotonic}.
    """
    meta = {
        "changes": changes,
        "last_row_id": lastRow,
        "duration": round((time.monotonic() - started) * 1000, 3),
    }
    return {"results": rows, "success": True, "meta": meta}


def tooManyRows(most: int) -> RealtimeError:
    """
    The refusal of a result that is too long.
    """
    return RealtimeError("sql_error", f"The result has more than {most} rows; add a LIMIT.")


def tooLong(seconds: float) -> RealtimeError:
    """
    The refusal of a statement that takes too long.
    """
    return RealtimeError("sql_error", f"The statement took longer than {seconds:g} s.")


def notAllowed(said: str) -> RealtimeError:
    """
    The refusal of a statement that does what it may not.

    @param said: What it was.
    """
    return RealtimeError(
        "sql_error",
        f"{said}: db.query takes no transaction control, ATTACH or settings, and leaves the"
        " daemon's own tables alone.",
    )
