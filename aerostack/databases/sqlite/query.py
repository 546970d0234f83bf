"""
The statements of C{db.query}, on SQLite.
"""

from __future__ import annotations

import json
import sqlite3
import time
from typing import Any

from aerostack.core.rows.selection import Bounds
from aerostack.databases.query import (
    Result,
    detailsOf,
    makeAnswer,
    notAllowed,
    refused,
    tooLong,
    tooManyBytes,
)
from aerostack.databases.sqlite.kinds import kindOf
from aerostack.databases.sqlite.names import EMITTED, fold
from aerostack.errors import RealtimeError
from aerostack.protocol.values import toJSON

_READABLE_PRAGMAS = frozenset(
    {
        "foreign_key_list",
        "index_info",
        "index_list",
        "index_xinfo",
        "table_info",
        "table_list",
        "table_xinfo",
    }
)

_WRITES = frozenset(
    {
        sqlite3.SQLITE_INSERT,
        sqlite3.SQLITE_UPDATE,
        sqlite3.SQLITE_DELETE,
        sqlite3.SQLITE_DROP_TABLE,
        sqlite3.SQLITE_DROP_INDEX,
        sqlite3.SQLITE_DROP_TRIGGER,
    }
)

# Temporary objects stay on the pooled connection, and hide tables of the same name there.
_TEMPORARY = frozenset(
    {
        sqlite3.SQLITE_CREATE_TEMP_INDEX,
        sqlite3.SQLITE_CREATE_TEMP_TABLE,
        sqlite3.SQLITE_CREATE_TEMP_TRIGGER,
        sqlite3.SQLITE_CREATE_TEMP_VIEW,
    }
)

# For these actions the second argument names the changed table.
_ON_TABLES = frozenset(
    {sqlite3.SQLITE_ALTER_TABLE, sqlite3.SQLITE_CREATE_INDEX, sqlite3.SQLITE_CREATE_TRIGGER}
)

_JOURNAL = "_aerostack_"
_OURS = (_JOURNAL, "realtime_")

# How many steps of SQLite's virtual machine pass between two looks at the clock.
_STEPS = 10_000


def _authorize(
    action: int, first: str | None, second: str | None, database: str | None, trigger: str | None
) -> int:
    """
    Decide what a statement may do (https://sqlite.org/c3ref/set_authorizer.html).

    It may not change what would outlive the statement on a pooled connection (a transaction, an
    attached file, a setting).  It may not write to the daemon's own tables; only the daemon's
    triggers may write to the journal.  It may emit events, but not change those that wait.
    """
    if action in (
        sqlite3.SQLITE_TRANSACTION,
        sqlite3.SQLITE_SAVEPOINT,
        sqlite3.SQLITE_ATTACH,
        sqlite3.SQLITE_DETACH,
        *_TEMPORARY,
    ):
        return sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_PRAGMA:
        return sqlite3.SQLITE_OK if first in _READABLE_PRAGMAS else sqlite3.SQLITE_DENY
    named = first if action == sqlite3.SQLITE_CREATE_TRIGGER else None
    written = first if action in _WRITES else second if action in _ON_TABLES else None
    for name in (named, written):
        if (name or "").lower().startswith(_OURS):
            # The name shows that a trigger is the daemon's, because this function lets no
            # statement create another one of such a name.
            journalled = name == written and (trigger or "").startswith(_JOURNAL)
            if not (journalled and (name or "").lower().startswith(_JOURNAL)):
                return sqlite3.SQLITE_DENY
    if fold(written or "") == EMITTED and action != sqlite3.SQLITE_INSERT:
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK


def _refuseTriggers(
    action: int, first: str | None, second: str | None, database: str | None, trigger: str | None
) -> int:
    """
    Decide what a statement may do that names one of the daemon's own tables.

    It may create no trigger: SQLite checks the statements in a trigger only when the trigger
    runs, and then it may be another program's statement that runs it.
    """
    if action == sqlite3.SQLITE_CREATE_TRIGGER:
        return sqlite3.SQLITE_DENY
    return _authorize(action, first, second, database, trigger)


def _namesOurs(sql: str) -> bool:
    return any(name in sql.lower() for name in _OURS)


def runQuery(cursor: Any, sql: str, parameters: list[Any], bounds: Bounds) -> dict[str, Any]:
    """
    Run one statement in a transaction of its own.

    @param parameters: One database value for each C{?}; a list as its JSON, for C{json_each(?)}.
    @param bounds: How large the result may be, and how long the statement may take.
    @return: C{results} (the rows in JSON form, by column), C{success}, and C{meta}
        with C{changes}, C{last_row_id} and C{duration} (ms).
    @raise RealtimeError: C{sql_error} or C{database_unavailable}.
    """
    connection: sqlite3.Connection = cursor.connection
    started = time.monotonic()
    late = started + bounds.seconds
    # SQLite looks up the tables that a trigger names in the schema as this connection last read
    # it, even if it has changed since.  Only a statement that itself reads something notices the
    # change.
    cursor.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall()
    cursor.execute("BEGIN")
    connection.set_authorizer(_refuseTriggers if _namesOurs(sql) else _authorize)
    connection.set_progress_handler(lambda: time.monotonic() > late, _STEPS)
    # A single value could fill the memory: zeroblob(1e9), group_concat(...).
    length = connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, bounds.size)
    result = Result(bounds)
    try:
        cursor.execute(sql, [_parameter(*each) for each in enumerate(parameters, 1)])
        while (row := cursor.fetchone()) is not None:
            result.add(row)
    except (sqlite3.Error, sqlite3.Warning, OverflowError) as error:
        raise _explain(error, bounds) from None
    finally:
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, length)
        connection.set_authorizer(None)
        connection.set_progress_handler(None, 0)
    columns = [column[0] for column in cursor.description or ()]
    changes, lastRow = max(0, cursor.rowcount), toJSON(cursor.lastrowid)
    results = [dict(zip(columns, map(toJSON, row), strict=True)) for row in result.rows]
    try:
        cursor.execute("COMMIT")
    except sqlite3.Error as error:
        raise _explain(error, bounds) from None
    return makeAnswer(results, changes, lastRow, started)


def _parameter(number: int, value: Any) -> Any:
    if not isinstance(value, list):
        return value
    try:
        return json.dumps(value, ensure_ascii=False)
    except TypeError:
        raise refused(
            "invalid_value",
            f"Parameter {number} is a list with bytes in it, which JSON cannot hold.",
        ) from None


def _explain(error: Exception, bounds: Bounds) -> RealtimeError:
    code = getattr(error, "sqlite_errorcode", None)
    if code is not None and code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return RealtimeError(
            "database_unavailable", "Another program locks the database.", 1000, detailsOf("locked")
        )
    if code == sqlite3.SQLITE_INTERRUPT:
        return tooLong(bounds.seconds)
    if code == sqlite3.SQLITE_TOOBIG or isinstance(error, sqlite3.DataError):
        return tooManyBytes(bounds.size)
    if code == sqlite3.SQLITE_AUTH:
        return notAllowed(str(error))
    # Some of its sentences end with a full stop.
    return refused(kindOf(error), f"The database says: {str(error).rstrip('.')}.")
