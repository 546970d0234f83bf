"""
Writes rows of the kept messages to PostgreSQL, and finds those of messages that come again.
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

_NUMBERS = ("created_at", "replaces")

_TYPES = ", ".join(f"{name} {'bigint' if name in _NUMBERS else 'text'}" for name in _NAMES)

# One parameter for all rows: the driver converts each parameter in Python, and a statement whose
# text does not depend on the number of rows is prepared once.
_INSERT = (
    f"INSERT INTO {MESSAGES} ({COLUMNS})"
    f" SELECT {COLUMNS} FROM json_to_recordset(%s::json) AS rows ({_TYPES})"
)

# Without the question, each start of a daemon would wait for the transactions of the others.
MAKE_REPEATED = f"""
DO $$ BEGIN
    IF to_regclass('{SCHEMA}.messages_repeated') IS NULL THEN
        CREATE INDEX IF NOT EXISTS messages_repeated
            ON {MESSAGES} (room_id, publish_id, user_id, created_at) WHERE publish_id IS NOT NULL;
    END IF;
END $$
"""
"""Makes the index by which L{selectRepeated} finds its rows.  Only daemons that share their topics
look for such rows, and the index costs each message a few microseconds."""

_SAME = (
    f'SELECT {COLUMNS} FROM {MESSAGES} WHERE room_id = asked.topic COLLATE "C"'
    " AND publish_id = asked.publish AND created_at >= %(since)s AND {user}"
    " ORDER BY created_at DESC LIMIT %(most)s"
)

# The index finds a user, and rows without a user, but not both by one condition.
_REPEATED = (
    f"SELECT {COLUMNS} FROM json_to_recordset(%(asked)s::json)"
    " AS asked (topic text, publish text, person text) CROSS JOIN LATERAL"
    f" (({_SAME.format(user='user_id = asked.person')}) UNION ALL"
    f" ({_SAME.format(user='user_id IS NULL AND asked.person IS NULL')})) AS found"
)


def insertMessages(cursor: Any, rows: Sequence[Sequence[Any]]) -> None:
    """
    Write rows with one statement.

    @param rows: At least one.
    """
    records = [dict(zip(_NAMES, row, strict=True)) for row in rows]
    cursor.execute(_INSERT, (msgspec.json.encode(records).decode(),))


def selectRepeated(
    cursor: Any, asked: Sequence[tuple[Any, ...]], since: int, most: int
) -> list[tuple[Any, ...]]:
    """
    Read the rows of some topics, publishers' ids and users; see
    L{aerostack.databases.dialect.Dialect.selectRepeated}.
    """
    records = [dict(zip(("topic", "publish", "person"), each, strict=True)) for each in asked]
    parameters = {
        "asked": msgspec.json.encode(records).decode(),
        "since": since,
        "most": most,
    }
    rows: list[tuple[Any, ...]] = cursor.execute(_REPEATED, parameters).fetchall()
    return rows
