"""
Writes rows of the kept messages to PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from aerostack.databases.messagerows import COLUMNS
from aerostack.databases.postgres.settings import SCHEMA

MESSAGES = f"{SCHEMA}.messages"
"""The table of the kept messages."""

_NAMES = tuple(COLUMNS.split(", "))

_TYPES = ", ".join(f"{name} {'bigint' if name == 'created_at' else 'text'}" for name in _NAMES)

# One parameter for all rows: the driver converts each parameter in Python, and a statement whose
# text does not depend on the number of rows is prepared once.
_INSERT = (
    f"INSERT INTO {MESSAGES} ({COLUMNS})"
    f" SELECT {COLUMNS} FROM json_to_recordset(%s::json) AS rows ({_TYPES})"
)


def insertMessages(cursor: Any, rows: Sequence[Sequence[Any]]) -> None:
    """
    Write rows with one statement.

    @param rows: At least one.
    """
    records = [dict(zip(_NAMES, row, strict=True)) for row in rows]
    cursor.execute(_INSERT, (msgspec.json.encode(records).decode(),))
