"""
The statements of C{db.query}, on PostgreSQL.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg.errors import error_from_result
from psycopg.generators import fetch, send
from psycopg.postgres import types
from psycopg.pq import ExecStatus, Format, TransactionStatus
from psycopg.pq.abc import PGresult

from aerostack.core.rows.selection import Bounds
from aerostack.databases.postgres.connection import sentence, sessionSettings
from aerostack.databases.postgres.kinds import kindOf
from aerostack.databases.postgres.locks import Lookout, describeBlocks
from aerostack.databases.postgres.settings import SCHEMA
from aerostack.databases.postgres.statements import Statement, parseStatement
from aerostack.databases.postgres.values import SCALARS, Form, arrayForm, plain, rowForm
from aerostack.databases.query import (
    Result,
    detailsOf,
    makeAnswer,
    notAllowed,
    refused,
    tooLong,
)
from aerostack.errors import RealtimeError

# Statements without an effect beyond their own transaction, or with a protocol of their own.
_REFUSED = frozenset(
    {
        *("ABORT", "BEGIN", "COMMIT", "END", "RELEASE", "ROLLBACK", "SAVEPOINT", "START"),
        *("CLOSE", "DECLARE", "FETCH", "MOVE"),
        *("DEALLOCATE", "EXECUTE", "PREPARE"),
        *("DISCARD", "LISTEN", "LOAD", "RESET", "SET", "UNLISTEN"),
        "COPY",
    }
)
_WRITES = (b"INSERT", b"UPDATE", b"DELETE", b"MERGE")

# The next statement on this connection belongs to another client.
_CLEAN = "; ".join(
    (
        *("CLOSE ALL", "SET SESSION AUTHORIZATION DEFAULT", "RESET ALL", "DEALLOCATE ALL"),
        *("UNLISTEN *", "SELECT pg_catalog.pg_advisory_unlock_all()", "DISCARD TEMP"),
        sessionSettings(None, confined=False),
    )
)

_BYTEA = 17
# The search path is that of the client's statements, so the query names each schema.
_TYPE = """
SELECT (CASE WHEN t.typcategory OPERATOR(pg_catalog.=) 'A'::pg_catalog."char" THEN t.typelem
    ELSE 0::pg_catalog.oid END)::pg_catalog.int8, t.typdelim::pg_catalog.text,
    t.typbasetype::pg_catalog.int8, t.typtype OPERATOR(pg_catalog.=) 'c'::pg_catalog."char",
    a.names, a.types
FROM pg_catalog.pg_type t, LATERAL (
    SELECT pg_catalog.array_agg(attname::pg_catalog.text ORDER BY attnum) AS names,
        pg_catalog.array_agg(atttypid::pg_catalog.int8 ORDER BY attnum) AS types
    FROM pg_catalog.pg_attribute WHERE attrelid OPERATOR(pg_catalog.=) t.typrelid
        AND attnum OPERATOR(pg_catalog.>) 0::pg_catalog.int2 AND NOT attisdropped
) a WHERE t.oid OPERATOR(pg_catalog.=) %s::pg_catalog.oid
"""

_TABLES = f"""
SELECT pg_catalog.count(*) FROM pg_catalog.pg_class c
WHERE c.relnamespace OPERATOR(pg_catalog.=) (SELECT n.oid FROM pg_catalog.pg_namespace n
        WHERE n.nspname OPERATOR(pg_catalog.=) '{SCHEMA}'::pg_catalog.name)
    AND (c.relname OPERATOR(pg_catalog.=) 'messages'::pg_catalog.name
        OR c.relname OPERATOR(pg_catalog.=) 'revocations'::pg_catalog.name
        OR c.relname OPERATOR(pg_catalog.=) 'answers'::pg_catalog.name
        OR c.relname OPERATOR(pg_catalog.=) 'answer_pieces'::pg_catalog.name
        OR c.relname OPERATOR(pg_catalog.=) 'keyed_values'::pg_catalog.name
        OR c.relname OPERATOR(pg_catalog.=) 'versions'::pg_catalog.name)
"""

# A transaction holds a lock on each table that it has written to until its end.  A daemon's table
# that does not exist any more was dropped by it.
_UNWRITTEN = f"""
SET LOCAL statement_timeout = '10s';
{_TABLES}
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_locks l
        WHERE l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()
            AND l.relation OPERATOR(pg_catalog.=) c.oid
            AND l.mode OPERATOR(pg_catalog.<>) 'AccessShareLock'::pg_catalog.text)
"""

# SQLSTATEs: https://www.postgresql.org/docs/current/errcodes-appendix.html
_CANCELED = "57014"
_READ_ONLY = "25006"
_SYNTAX = "42601"
# A lock that could not be taken, a serialization failure, a deadlock, a standby.
_PASSING = ("55P03", "40001", "40P01", _READ_ONLY)


def runQuery(
    cursor: Any,
    sql: str,
    parameters: Sequence[Any],
    bounds: Bounds,
    lookout: Lookout | None = None,
) -> dict[str, Any]:
    """
    Run one statement in a transaction of its own.

    @param parameters: One database value for each C{?} or C{$1}.
    @param bounds: How large the result may be, and how long the statement may take.
    @param lookout: Knows which transactions lock the daemon's tables.  A statement that writes to
        a followed table may wait for them.
    @return: C{results} (the rows in JSON form, by column), C{success}, and C{meta} with
        C{changes}, C{last_row_id} (always L{None}) and C{duration} (ms).
    @raise RealtimeError: C{sql_error} or C{database_unavailable}.
    """
    statement, values = _read(sql, parameters)
    connection: psycopg.Connection[Any] = cursor.connection
    started = time.monotonic()
    ours = SCHEMA in statement.names
    begin = "BEGIN READ ONLY" if ours else "BEGIN"
    committing = False
    try:
        timeout = f"{max(1, int(bounds.seconds * 1000))}ms"
        tables = _count(
            connection, f"{begin}; SET LOCAL statement_timeout = '{timeout}'; {_TABLES}"
        )
        rows, changes = _execute(connection, statement, values, bounds)
        # The statement may have set its own timeout.
        if not ours and _count(connection, _UNWRITTEN) != tables:
            raise notAllowed("The statement writes to the daemon's tables")
        committing = True
        connection.execute(f"COMMIT; {_CLEAN}")
    except psycopg.Error as error:
        if connection.closed and committing:
            raise RealtimeError(
                "database_unavailable",
                "The connection broke while the statement was being committed: it may have"
                " taken effect or not.",
            ) from None
        if error.sqlstate == _CANCELED and not connection.closed:
            found = lookout.found if lookout is not None else ()
            fault = describeBlocks(found, withRoles=True)
            raise tooLong(bounds.seconds, fault, error.sqlstate) from None
        raise _explain(error, connection, statement, ours) from None
    finally:
        if connection.info.transaction_status is not TransactionStatus.IDLE:
            _abandon(connection)
    return makeAnswer(rows, changes, None, started)


def _count(connection: psycopg.Connection[Any], statements: str) -> int:
    """
    Run statements of which the last one counts something.
    """
    asked = connection.execute(statements)
    while asked.nextset():
        pass
    (count,) = asked.fetchone() or (0,)
    return int(count)


def _abandon(connection: psycopg.Connection[Any]) -> None:
    """
    Remove everything that a failed statement left.
    """
    try:
        connection.execute(f"ROLLBACK; {_CLEAN}")
    except psycopg.Error:
        # The error that led here describes the fault.
        connection.close()


def _read(
    sql: str, parameters: Sequence[Any]
) -> tuple[Statement, list[tuple[bytes | None, int, int]]]:
    """
    Parse a statement, and check that its parameters fit.
    """
    try:
        statement = parseStatement(sql)
    except ValueError as error:
        raise refused("syntax_error", f"{str(error).capitalize()}.") from None
    if statement.verb in _REFUSED:
        raise notAllowed(f"{statement.verb} is not allowed")
    if "\0" in sql:
        raise refused("syntax_error", "The statement has a NUL character.")
    if len(parameters) != statement.parameters:
        raise refused(
            "invalid_parameters",
            f"The statement has {statement.parameters} parameters, {len(parameters)} values came"
            " with it. A question mark of an operator's name is written twice.",
        )
    return statement, [_parameter(number, value) for number, value in enumerate(parameters, 1)]


def _parameter(number: int, value: Any) -> tuple[bytes | None, int, int]:
    """
    Encode a parameter: its bytes, type and format.

    Text has whatever type its place asks for, so that a number may be given for a
    C{numeric} or a date as a string.
    """
    if value is None:
        return None, 0, Format.TEXT
    if isinstance(value, bytes):
        return value, _BYTEA, Format.BINARY
    text = _array(value) if isinstance(value, list) else _scalar(value)
    if "\0" in text:
        raise refused(
            "invalid_value", f"Parameter {number} has a NUL character, which no text here can hold."
        )
    return text.encode("utf-8"), 0, Format.TEXT


def _scalar(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _array(values: list[Any]) -> str:
    """
    Write a list as PostgreSQL writes an array.
    """
    return f"{{{','.join(map(_element, values))}}}"


def _element(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, list):
        return _array(value)
    text = f"\\x{value.hex()}" if isinstance(value, bytes) else _scalar(value)
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}"'


def _execute(
    connection: psycopg.Connection[Any],
    statement: Statement,
    parameters: Sequence[tuple[bytes | None, int, int]],
    bounds: Bounds,
) -> tuple[list[dict[str, Any]], int]:
    """
    @return: The rows in JSON form, and how many rows were written.
    """
    values, kinds, formats = zip(*parameters, strict=True) if parameters else ((), (), ())
    connection.pgconn.send_query_params(
        statement.text.encode("utf-8"), values, param_types=kinds, param_formats=formats
    )
    # Read row by row, so that an oversized result is never in memory as a whole.
    connection.pgconn.set_single_row_mode()
    connection.wait(send(connection.pgconn))
    kept = Result(bounds)
    last: PGresult | None = None
    error: Exception | None = None
    while (result := connection.wait(fetch(connection.pgconn))) is not None:
        if result.status == ExecStatus.SINGLE_TUPLE:
            if error is not None:
                continue
            try:
                kept.add([result.get_value(0, place) for place in range(result.nfields)])
            except RealtimeError as refusal:
                error = refusal
                kept.rows.clear()
                connection.cancel_safe(timeout=5.0)
        elif result.status == ExecStatus.FATAL_ERROR:
            error = error or error_from_result(result)
        elif result.status == ExecStatus.EMPTY_QUERY:
            error = refused("syntax_error", "There is no statement.")
        last = result
    if error is not None:
        raise error
    assert last is not None
    status = last.command_status or b""
    changes = last.command_tuples if status.startswith(_WRITES) else None
    names = [(last.fname(place) or b"").decode("utf-8") for place in range(last.nfields)]
    forms = [_form(connection, last.ftype(place)) for place in range(last.nfields)]
    return [_row(names, forms, row) for row in kept.rows], changes or 0


def _row(
    names: Sequence[str], forms: Sequence[Form], row: Sequence[bytes | None]
) -> dict[str, Any]:
    return {
        name: None if value is None else form(value.decode("utf-8"))
        for name, form, value in zip(names, forms, row, strict=True)
    }


def _form(connection: psycopg.Connection[Any], oid: int) -> Form:
    """
    The JSON form of a type's values.
    """
    if oid in SCALARS:
        return SCALARS[oid]
    info = types.get(oid)
    if info is not None:
        if oid == info.array_oid:
            return arrayForm(SCALARS.get(info.oid, plain), info.delimiter)
        return plain
    found = connection.execute(_TYPE, (oid,)).fetchone()
    if found is None:
        return plain
    element, delimiter, base, isRow, names, attributes = found
    if element:
        return arrayForm(_form(connection, element), delimiter)
    if base:
        return _form(connection, base)
    if isRow:
        forms = [_form(connection, attribute) for attribute in attributes or ()]
        return rowForm(list(zip(names or (), forms, strict=True)))
    return plain


def _explain(
    error: psycopg.Error,
    connection: psycopg.Connection[Any],
    statement: Statement,
    ours: bool,
) -> RealtimeError:
    state = error.sqlstate or ""
    said = sentence(error.diag.message_primary or str(error)).rstrip(".")
    if connection.closed:
        return RealtimeError(
            "database_unavailable", "The connection to the database broke; try again.", 1000
        )
    if state == _READ_ONLY and ours:
        return notAllowed(said)
    if state == _READ_ONLY:
        # After a failover, a new connection finds the server that takes writes.
        connection.close()
    if state in _PASSING or state[:2] in ("53", "57"):
        return RealtimeError(
            "database_unavailable",
            f"The database says: {said} ({state}); try again.",
            1000,
            detailsOf(kindOf(state), state),
        )
    if state == _SYNTAX and statement.several:
        message = f"db.query takes one statement: {said} ({state})."
        return refused(kindOf(state), message, state)
    more = [sentence(text) for text in (error.diag.message_detail, error.diag.message_hint) if text]
    message = " ".join([f"The database says: {said} ({state}).", *more])
    return refused(kindOf(state), message, state or None)
