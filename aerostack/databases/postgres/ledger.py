"""
The daemon's records of the followed tables of a PostgreSQL database.

Only L{transaction} and L{standstill} begin a transaction.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from psycopg import OperationalError
from psycopg.errors import LockNotAvailable
from psycopg.pq import TransactionStatus

from aerostack.databases.postgres.catalog import SCHEMA, Table
from aerostack.databases.postgres.entries import newest
from aerostack.databases.postgres.rows import Field, Shape
from aerostack.databases.postgres.rowsql import rowSQL
from aerostack.databases.postgres.schema import INSERTED, LOCK_LEDGER, LOST, functions
from aerostack.databases.postgres.triggers import silentFunction


class LedgerLocked(OperationalError):
    """
    Another program holds the lock that excludes other writers of the ledger.
    """

    sqlstate = LockNotAvailable.sqlstate


@dataclass(frozen=True)
class Facts:
    """
    The state of the journal as a whole.

    @ivar epoch: Distinguishes it from every other journal.
    @ivar until: When recording stops unless a daemon reads, ms.
    @ivar notifies: Whether writers notify readers.
    @ivar isExpired: Whether that time has come.
    """

    epoch: str
    until: int
    notifies: bool
    isExpired: bool


@dataclass(frozen=True)
class TableRecord:
    """
    One table that is or was followed.  A table that is made again gets another record.

    @ivar shapes: The columns that it had, the present ones last.
    @ivar members: The tables that hold its rows.
    @ivar oid: The server's number of the table; a table that is made again has another one.
        L{None} if the daemon must follow the table, but has never seen it.
    @ivar reserves: See L{buildEquipment<aerostack.databases.postgres.triggers.buildEquipment>}.
    @ivar missing: Whether the daemon must follow the table, but it does not exist.
    @ivar ended: The newest entry when it was given up; L{None} if it was not.
    @ivar wanted: The digest of its equipment.
    @ivar marks: A text that changes when a program touches the daemon's objects on the table.
    """

    tid: int
    shapes: tuple[Shape, ...]
    members: frozenset[int]
    name: str
    oid: int | None
    reserves: bool
    missing: bool
    ended: int | None
    wanted: str
    marks: str


PATIENCE = 5000
"""For how long, in ms, to wait for other writers of the ledger."""


@contextmanager
def transaction(
    cursor: Any, lockTimeout: int, absent: Callable[[Any], None] | None = None
) -> Iterator[None]:
    """
    Run a block in a transaction during which no other session writes to the ledger.

    @param lockTimeout: For how long, in ms, to wait for a lock.  While the daemon waits for one
        on a user's table, the table's writers wait for the daemon.
    @param absent: What to do where there is no ledger that could be locked; L{None} if there must
        be one.
    """
    # Each statement sees what was committed before it began, so also what was committed before
    # the lock was granted.
    cursor.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
    try:
        cursor.execute(f"SET LOCAL lock_timeout = {PATIENCE:d}")
        if absent is not None and not isThere(cursor):
            absent(cursor)
        if absent is None or isThere(cursor):
            _lock(cursor)
        cursor.execute(f"SET LOCAL lock_timeout = {lockTimeout:d}")
        yield
        cursor.execute("COMMIT")
    except BaseException:
        if cursor.connection.info.transaction_status in (
            TransactionStatus.INTRANS,
            TransactionStatus.INERROR,
        ):
            cursor.execute("ROLLBACK")
        raise


def isThere(cursor: Any) -> bool:
    """
    Whether a ledger exists, complete or not.
    """
    (found,) = cursor.execute(f"SELECT to_regclass('{SCHEMA}.journal') IS NOT NULL").fetchone()
    return bool(found)


def _lock(cursor: Any) -> None:
    try:
        cursor.execute(LOCK_LEDGER)
    except LockNotAvailable:
        raise LedgerLocked(f"the table {SCHEMA}.journal is locked") from None


@contextmanager
def standstill(cursor: Any) -> Iterator[None]:
    """
    Run a block in a transaction that sees the database as it is at its first query, while other
    programs write on.
    """
    cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    try:
        yield
    finally:
        cursor.execute("ROLLBACK")


def facts(cursor: Any) -> Facts:
    """
    Read the state of the journal as a whole.
    """
    return Facts(
        *cursor.execute(
            "SELECT epoch, until, notifies, until < extract(epoch FROM clock_timestamp()) * 1000"
            f" FROM {SCHEMA}.journal"
        ).fetchone()
    )


def setFacts(cursor: Any, until: int, notifies: bool) -> None:
    """
    Set until when to record, and whether writers notify readers.
    """
    cursor.execute(f"UPDATE {SCHEMA}.journal SET until = %s, notifies = %s", (until, notifies))


def now(cursor: Any) -> int:
    """
    Give the server's time, in ms.
    """
    (time,) = cursor.execute(
        "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint"
    ).fetchone()
    return int(time)


def addLoss(cursor: Any, tid: int, reason: str) -> None:
    """
    Enter that changes of a table are lost.
    """
    cursor.execute(
        f"INSERT INTO {SCHEMA}.captured (xid, tid, op, at, new)"
        " VALUES (pg_current_xact_id(), %s, %s, clock_timestamp(), %s)",
        (tid, LOST, reason),
    )


def addRows(cursor: Any, tid: int, table: Table) -> None:
    """
    Enter the rows of a table as inserted.
    """
    rows = rowSQL(table.columns, f"{table.sql.replace('%', '%%')} AS n")
    cursor.execute(
        f"INSERT INTO {SCHEMA}.captured (xid, tid, op, at, new)"
        f" SELECT pg_current_xact_id(), %s, %s, clock_timestamp(), t.row FROM ({rows}) AS t",
        (tid, INSERTED),
    )


def records(cursor: Any) -> dict[int, TableRecord]:
    """
    Read the records of all tables, by number.
    """
    shapes: dict[int, list[Shape]] = {}
    for tid, since, fields in cursor.execute(
        f"SELECT tid, since, fields::text FROM {SCHEMA}.shapes ORDER BY tid, number"
    ).fetchall():
        shape = Shape(since, tuple(Field(**field) for field in json.loads(fields)))
        shapes.setdefault(tid, []).append(shape)
    return {
        tid: TableRecord(tid, tuple(shapes.get(tid, ())), frozenset(members), *rest)
        for tid, members, *rest in cursor.execute(
            "SELECT tid, members, name, oid, reserves, missing, ended, wanted, marks"
            f" FROM {SCHEMA}.tables ORDER BY tid"
        ).fetchall()
    }


def active(cursor: Any) -> list[TableRecord]:
    """
    The records of the followed tables.
    """
    return [record for record in records(cursor).values() if record.ended is None]


def find(records: Iterable[TableRecord], name: str) -> TableRecord | None:
    """
    Find a record by the name under which the table's changes are reported.
    """
    return next((record for record in records if record.name == name), None)


def addTable(cursor: Any, name: str, oid: int | None = None) -> int:
    """
    Add a record of a table.

    @return: Its number.
    """
    (tid,) = cursor.execute(
        f"INSERT INTO {SCHEMA}.tables (name, oid) VALUES (%s, %s) RETURNING tid", (name, oid)
    ).fetchone()
    return int(tid)


def addShape(cursor: Any, tid: int, fields: Sequence[Field]) -> None:
    """
    Add the columns that a table has from now on.
    """
    cursor.execute(
        f"INSERT INTO {SCHEMA}.shapes (tid, since, number, fields) SELECT %s, %s,"
        f" coalesce(max(number) + 1, 0), %s FROM {SCHEMA}.shapes WHERE tid = %s",
        (tid, newest(cursor), json.dumps([asdict(field) for field in fields]), tid),
    )


def setEquipment(
    cursor: Any, tid: int, members: Collection[int], reserves: bool, wanted: str
) -> None:
    """
    Set how a table's changes are recorded; to be called after the triggers are installed.
    """
    cursor.execute(
        f"UPDATE {SCHEMA}.tables SET members = %s, reserves = %s, wanted = %s, marks = %s"
        " WHERE tid = %s",
        (list(members), reserves, wanted, marks(cursor, tid, members), tid),
    )


def setName(cursor: Any, tid: int, name: str) -> None:
    """
    Set the name under which a table's changes are reported.
    """
    cursor.execute(f"UPDATE {SCHEMA}.tables SET name = %s WHERE tid = %s", (name, tid))


def setMissing(cursor: Any, tid: int) -> None:
    """
    Note that a table is to be followed, but does not exist.
    """
    cursor.execute(f"UPDATE {SCHEMA}.tables SET missing = true WHERE tid = %s", (tid,))


def end(cursor: Any, tid: int) -> None:
    """
    Give a table up.  Its entries can still be read.
    """
    cursor.execute(
        f"UPDATE {SCHEMA}.tables SET ended = %s WHERE tid = %s AND ended IS NULL",
        (newest(cursor), tid),
    )


def forgetEnded(cursor: Any, oldest: int) -> None:
    """
    Delete the records of given-up tables that have no entry left.

    @param oldest: The oldest entry that is left.
    """
    cursor.execute(
        f"WITH gone AS (DELETE FROM {SCHEMA}.tables WHERE ended < %s RETURNING tid)"
        f" DELETE FROM {SCHEMA}.shapes USING gone WHERE shapes.tid = gone.tid",
        (oldest,),
    )


def silence(cursor: Any, tid: int, keep: Collection[str] = ()) -> None:
    """
    Make the functions of a table do nothing any more.
    """
    for name in functions(cursor).get(tid, {}):
        if name not in keep:
            cursor.execute(silentFunction(name))


def triggers(cursor: Any, tid: int) -> set[tuple[int, str]]:
    """
    Read which triggers of a table exist: their table and their name.
    """
    return set(
        cursor.execute(
            "SELECT t.tgrelid, t.tgname FROM pg_proc p JOIN pg_trigger t ON t.tgfoid = p.oid"
            " WHERE p.pronamespace = to_regnamespace(%s) AND p.proname = ANY (%s)",
            (SCHEMA, list(functions(cursor).get(tid, ()))),
        ).fetchall()
    )


def marks(cursor: Any, tid: int, members: Collection[int]) -> str:
    """
    Give a text that changes when a program touches a table's triggers or their functions.

    @param members: The tables that hold its rows, whose triggers count.
    """
    names = [
        name
        for name, oid in functions(cursor).get(tid, {}).items()
        if oid is None or oid in members
    ]
    (found,) = cursor.execute(
        "SELECT coalesce(md5(string_agg(concat_ws(' ', t.oid, t.xmin, p.oid, p.xmin), ','"
        " ORDER BY t.oid)), '') FROM pg_proc p JOIN pg_trigger t ON t.tgfoid = p.oid"
        f" WHERE p.pronamespace = to_regnamespace('{SCHEMA}') AND t.tgparentid = 0"
        " AND p.proname = ANY (%s)",
        (names,),
    ).fetchone()
    return str(found)
