"""
What is known of the tables that are followed in a PostgreSQL database, in tables of ours.

Nothing here but L{transaction} and L{standstill} begins one.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from psycopg import OperationalError
from psycopg.errors import LockNotAvailable
from psycopg.pq import TransactionStatus

from aerostack.databases.postgres.catalog import SCHEMA, Member, Table, rowSQL
from aerostack.databases.postgres.entries import newest
from aerostack.databases.postgres.rows import Field, Shape
from aerostack.databases.postgres.schema import INSERTED, LOCK_LEDGER, LOST, functions
from aerostack.databases.postgres.triggers import silentFunction


class LockedOut(OperationalError):
    """
    Somebody holds what excludes others who write to the ledger.
    """

    sqlstate = LockNotAvailable.sqlstate


@dataclass(frozen=True)
class Facts:
    """
    What is known of the journal as a whole.

    @ivar epoch: Tells it from every other one.
    @ivar until: When recording stops if nobody reads, ms.
    @ivar notifies: Whether readers are notified.
    @ivar isExpired: That time has come.
    """

    epoch: str
    until: int
    notifies: bool
    isExpired: bool


@dataclass(frozen=True)
class Record:
    """
    One table that is or was followed.  A table that is made again gets another.

    @ivar shapes: What columns it had, the present ones last.
    @ivar members: The tables that hold its rows.
    @ivar oid: What tells it from every other table of any time; L{None} if it is to be
        followed, but was never seen.
    @ivar reserves: See L{buildEquipment<aerostack.databases.postgres.triggers.buildEquipment>}.
    @ivar missing: It is to be followed, but is not there.
    @ivar ended: The newest entry when it was given up, L{None} if it was not.
    @ivar wanted: The digest of its equipment.
    @ivar marks: Changes when somebody touches what is ours on the table.
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
"""For how long, in ms, to wait for others who write to the ledger."""


@contextmanager
def transaction(cursor: Any, lockTimeout: int, ifThere: bool = False) -> Iterator[None]:
    """
    Run a block in a transaction, during which nobody else writes to the ledger.

    @param lockTimeout: For how long, in ms, to wait for a lock.  While we wait for one on a
        table of the user's, its writers wait for us.
    @param ifThere: Whether there need not be a ledger yet.
    """
    # Each statement sees what was committed before it, so also before the lock was had.
    cursor.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
    try:
        if not ifThere or isThere(cursor):
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
    Tell whether there is a ledger, complete or not.
    """
    (found,) = cursor.execute(f"SELECT to_regclass('{SCHEMA}.journal') IS NOT NULL").fetchone()
    return bool(found)


def _lock(cursor: Any) -> None:
    cursor.execute(f"SET LOCAL lock_timeout = {PATIENCE:d}")
    try:
        cursor.execute(LOCK_LEDGER)
    except LockNotAvailable:
        raise LockedOut(f"the table {SCHEMA}.journal is locked") from None


@contextmanager
def standstill(cursor: Any) -> Iterator[None]:
    """
    Run a block in a transaction that sees the database as it is when it first looks, while
    others write on.
    """
    cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    try:
        yield
    finally:
        cursor.execute("ROLLBACK")


def facts(cursor: Any) -> Facts:
    """
    Read what is known of the journal as a whole.
    """
    return Facts(
        *cursor.execute(
            "SELECT epoch, until, notifies, until < extract(epoch FROM clock_timestamp()) * 1000"
            f" FROM {SCHEMA}.journal"
        ).fetchone()
    )


def setFacts(cursor: Any, until: int, notifies: bool) -> None:
    """
    Enter until when to record, and whether readers are notified.
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
    Enter that changes of a table cannot be told.
    """
    cursor.execute(
        f"INSERT INTO {SCHEMA}.captured (xid, tid, op, at, new)"
        " VALUES (pg_current_xact_id(), %s, %s, clock_timestamp(), %s)",
        (tid, LOST, reason),
    )


def addRows(cursor: Any, tid: int, table: Table) -> None:
    """
    Enter the rows that a table has as inserted.
    """
    rows = rowSQL(table.columns, f"{table.sql.replace('%', '%%')} AS n")
    cursor.execute(
        f"INSERT INTO {SCHEMA}.captured (xid, tid, op, at, new)"
        f" SELECT pg_current_xact_id(), %s, %s, clock_timestamp(), t.row FROM ({rows}) AS t",
        (tid, INSERTED),
    )


def countRows(cursor: Any, oid: int, source: str, most: int) -> int | None:
    """
    Count the rows of a table.

    @param most: How many to count at the most.
    @return: L{None} if we may not read all of them.
    """
    (isReadable,) = cursor.execute(
        "SELECT has_table_privilege(%s, 'SELECT') AND NOT row_security_active(%s)", (oid, oid)
    ).fetchone()
    if not isReadable:
        return None
    (count,) = cursor.execute(
        f"SELECT count(*) FROM (SELECT FROM {source} LIMIT %s) AS few", (most,)
    ).fetchone()
    return int(count)


# The transactions that wrote the rows of a part.  A row knows its own by the lower half of its
# number.
_WRITERS = """
  SELECT (now.xid - ((now.xid - r.xmin::text::bigint) & 4294967295))::text::xid8 AS xid
  FROM ONLY {part} AS r CROSS JOIN (
    SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS xid OFFSET 0) AS now
"""

# Of some transactions, the rows that are there of which not as many were entered as there are.
_UNTOLD = f"""
SELECT EXISTS (
  SELECT FROM (
    SELECT t.row::text AS row, count(*) AS rows FROM ({{rows}}) AS t GROUP BY t.row::text
  ) AS found LEFT JOIN (
    SELECT e.row, sum(e.count) AS rows FROM (
      SELECT c.new AS row, 1 AS count FROM {SCHEMA}.captured AS c
      WHERE c.xid = ANY (%(xids)s::xid8[]) AND c.tid = %(tid)s AND c.op IN ('I', 'U')
      UNION ALL
      SELECT c.old, -1 FROM {SCHEMA}.captured AS c
      WHERE c.xid = ANY (%(xids)s::xid8[]) AND c.tid = %(tid)s AND c.op IN ('U', 'D')
    ) AS e GROUP BY e.row
  ) AS told USING (row)
  WHERE found.rows > coalesce(told.rows, 0)
)
"""


def hasUntold(cursor: Any, tid: int, table: Table, part: Member) -> bool:
    """
    Tell whether a part that a table got has rows of which nobody was told.

    Those that came by the table's other parts were entered by their transactions; those that
    were in the part before it became one were not.
    """
    if countRows(cursor, part.oid, part.sql, 1) is None:
        return True
    writers = _WRITERS.format(part=part.sql.replace("%", "%%"))
    (found,) = cursor.execute(
        f"SELECT EXISTS (SELECT FROM ({writers}) AS w WHERE NOT EXISTS"
        f" (SELECT FROM {SCHEMA}.captured AS c WHERE c.tid = %s AND c.xid = w.xid))",
        (tid,),
    ).fetchone()
    if found:
        return True
    xids = cursor.execute(f"SELECT DISTINCT w.xid::text FROM ({writers}) AS w", ()).fetchall()
    written = ",".join(str(int(xid) & 0xFFFFFFFF) for (xid,) in xids)
    # A partition alone has the rows of its keys; of an inheritor's there may be others.
    source = table.sql if table.members[0].hasRows else f"ONLY {part.sql}"
    rows = rowSQL(
        table.columns,
        f"{source.replace('%', '%%')} AS n WHERE n.xmin::text::bigint = ANY ('{{{written}}}')",
    )
    (found,) = cursor.execute(
        _UNTOLD.format(rows=rows),
        {"tid": tid, "xids": [xid for (xid,) in xids]},
    ).fetchone()
    return bool(found)


def records(cursor: Any) -> dict[int, Record]:
    """
    Read all that is known of tables, by number.
    """
    shapes: dict[int, list[Shape]] = {}
    for tid, since, fields in cursor.execute(
        f"SELECT tid, since, fields::text FROM {SCHEMA}.shapes ORDER BY tid, number"
    ).fetchall():
        shape = Shape(since, tuple(Field(**field) for field in json.loads(fields)))
        shapes.setdefault(tid, []).append(shape)
    return {
        tid: Record(tid, tuple(shapes.get(tid, ())), frozenset(members), *rest)
        for tid, members, *rest in cursor.execute(
            "SELECT tid, members, name, oid, reserves, missing, ended, wanted, marks"
            f" FROM {SCHEMA}.tables ORDER BY tid"
        ).fetchall()
    }


def addTable(cursor: Any, name: str, oid: int | None = None) -> int:
    """
    Enter a table.

    @return: Its number.
    """
    (tid,) = cursor.execute(
        f"INSERT INTO {SCHEMA}.tables (name, oid) VALUES (%s, %s) RETURNING tid", (name, oid)
    ).fetchone()
    return int(tid)


def addShape(cursor: Any, tid: int, fields: Sequence[Field]) -> None:
    """
    Enter what columns a table has from now on.
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
    Enter how a table's changes are recorded; to be called once they are.
    """
    cursor.execute(
        f"UPDATE {SCHEMA}.tables SET members = %s, reserves = %s, wanted = %s, marks = %s"
        " WHERE tid = %s",
        (list(members), reserves, wanted, marks(cursor, tid, members), tid),
    )


def setName(cursor: Any, tid: int, name: str) -> None:
    """
    Enter under which name a table's changes are told.
    """
    cursor.execute(f"UPDATE {SCHEMA}.tables SET name = %s WHERE tid = %s", (name, tid))


def setMissing(cursor: Any, tid: int) -> None:
    """
    Enter that a table is to be followed, but is not there.
    """
    cursor.execute(f"UPDATE {SCHEMA}.tables SET missing = true WHERE tid = %s", (tid,))


def end(cursor: Any, tid: int) -> None:
    """
    Give a table up.  What was recorded of it can still be read.
    """
    cursor.execute(
        f"UPDATE {SCHEMA}.tables SET ended = %s WHERE tid = %s AND ended IS NULL",
        (newest(cursor), tid),
    )


def forgetEnded(cursor: Any, oldest: int) -> None:
    """
    Forget the tables that were given up and of which no entry is left.

    @param oldest: The oldest entry that is left.
    """
    cursor.execute(
        f"WITH gone AS (DELETE FROM {SCHEMA}.tables WHERE ended < %s RETURNING tid)"
        f" DELETE FROM {SCHEMA}.shapes USING gone WHERE shapes.tid = gone.tid",
        (oldest,),
    )


def silence(cursor: Any, tid: int, keep: Collection[str] = ()) -> None:
    """
    Have the functions that were made for a table do nothing any more.
    """
    for name in functions(cursor).get(tid, {}):
        if name not in keep:
            cursor.execute(silentFunction(name))


def triggers(cursor: Any, tid: int) -> set[tuple[int, str]]:
    """
    Read which triggers of a table's there are: on what, and their names.
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
    Give what changes when somebody touches a table's triggers or their functions.

    @param members: The tables that hold its rows, of which the triggers count.
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
