"""
The numbered entries of a PostgreSQL journal.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from aerostack.core.rows.changes import DELETE, INSERT, UPDATE, Change, Row
from aerostack.core.rows.journal import Loss
from aerostack.databases.oversize import omissions
from aerostack.databases.postgres.catalog import SCHEMA, keyColumns
from aerostack.databases.postgres.rows import RowDecoder
from aerostack.databases.postgres.schema import (
    DELETED,
    INSERTED,
    LOCK_NUMBERS,
    LOST,
    NO_TABLE,
    TRUNCATED,
    UPDATED,
)
from aerostack.errors import RealtimeError

JUMP = 1_000_000
"""How far the numbers jump after the journal has lost them.  Other readers may have read further
than the one that notices."""

_OPERATIONS = {INSERTED: INSERT, UPDATED: UPDATE, DELETED: DELETE}

# The query looks the entries up one by one, in their order, so that it uses the index whatever
# the server knows of the tables' sizes.
_READ = f"""
SELECT e.seq, e.tid, e.xid, e.last, e.op, e.at, e.new, e.old, e.count
FROM (
  SELECT c.seq, c.tid, c.xid::text, c.last, i.op::text, i.new, i.old,
    floor(extract(epoch FROM c.at) * 1000)::bigint AS at, count(*) OVER () AS count,
    sum(coalesce(i.size, 0)) OVER (ORDER BY c.seq) - coalesce(i.size, 0) AS held
  FROM (
    SELECT * FROM {SCHEMA}.changes WHERE {{condition}} ORDER BY seq LIMIT %(limit)s
  ) AS c
  LEFT JOIN LATERAL (
    SELECT i.op, i.new, i.old,
      coalesce(octet_length(i.new), 0) + coalesce(octet_length(i.old), 0) AS size
    FROM {SCHEMA}.captured AS i WHERE i.xid = c.xid AND i.id = c.id OFFSET 0
  ) AS i ON true
) AS e
WHERE e.held < %(size)s
ORDER BY e.seq
"""

_UNBOUNDED = 2**62

Entry = tuple[Any, ...]
"""A row of an entry: its number, its table's number, its transaction, whether it is the last
entry of its table in that transaction, its operation, its time in ms, the new row and the old
one."""


def newest(cursor: Any) -> int:
    """
    Give the number of the newest change; 0 without changes.
    """
    (seq,) = cursor.execute(f"SELECT coalesce(max(seq), 0) FROM {SCHEMA}.changes").fetchone()
    return int(seq)


def isContinued(cursor: Any, after: int) -> bool:
    """
    Whether the journal has the entry that comes next after a change: the next number, or a leap
    from this one.
    """
    (found,) = cursor.execute(
        f"SELECT EXISTS (SELECT FROM {SCHEMA}.changes WHERE seq = %s)"
        f" OR EXISTS (SELECT FROM {SCHEMA}.changes WHERE tid = {NO_TABLE} AND id = %s)",
        (after + 1, after),
    ).fetchone()
    return bool(found)


def isPruned(cursor: Any, after: int) -> bool:
    """
    Whether the entry after a change may have been pruned.  If it was not, this journal never had
    the change: another journal had it, which an older copy of the database has replaced.
    """
    # The very first entry always stays.
    (oldest,) = cursor.execute(f"SELECT min(seq) FROM {SCHEMA}.changes WHERE seq > 0").fetchone()
    return oldest is None or int(oldest) > after


def leap(cursor: Any) -> None:
    """
    Continue with numbers that no entry ever had.  They are the time in microseconds, and no
    journal grows faster than that.

    If the database was put back to an older state, the numbers after its newest entry belonged to
    changes that are lost, but that clients know.

    @raise LockNotAvailable: Another session numbers changes at this moment.
    """
    cursor.execute(LOCK_NUMBERS)
    # The snapshot still decides which changes have no number yet.
    cursor.execute(
        f"INSERT INTO {SCHEMA}.changes (seq, id, tid, at, last, lost, snapshot)"
        " SELECT greatest(c.seq + 1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint),"
        f" c.seq, {NO_TABLE}, clock_timestamp(), false, false, c.snapshot"
        f" FROM {SCHEMA}.changes AS c ORDER BY c.seq DESC LIMIT 1"
    )


def sequence(cursor: Any) -> int:
    """
    Number the changes that were committed since, unless another session does that at this moment.

    @return: The number of the newest change.
    """
    (seq,) = cursor.execute(f"SELECT {SCHEMA}.sequence()").fetchone()
    return int(seq)


def unsequenced(cursor: Any) -> float | None:
    """
    Give the age of the oldest committed change without a number, in seconds; L{None} if there is
    none.
    """
    (age,) = cursor.execute(
        f"SELECT extract(epoch FROM clock_timestamp() - {SCHEMA}.unsequenced())::float8"
    ).fetchone()
    return None if age is None else float(age)


def hasLoss(cursor: Any, tid: int, after: int, until: int) -> bool:
    """
    Whether changes of a table between two numbers are known to be lost.
    """
    found = cursor.execute(
        f"SELECT FROM {SCHEMA}.changes AS c WHERE c.tid = %s AND c.seq > %s AND c.seq <= %s"
        " AND c.lost LIMIT 1",
        (tid, after, until),
    ).fetchone()
    return found is not None


def addLosses(cursor: Any, seqs: Collection[int]) -> None:
    """
    Note that changes cannot be decoded, so that later readers get a gap.
    """
    cursor.execute(
        f"UPDATE {SCHEMA}.changes SET lost = true WHERE seq = ANY (%s) AND NOT lost",
        (sorted(seqs),),
    )


def count(cursor: Any, tid: int, after: int, until: int, most: int) -> int:
    """
    Count the changes of a table between two numbers.

    @param most: The highest number to count to.
    """
    (found,) = cursor.execute(
        f"SELECT count(*) FROM (SELECT FROM {SCHEMA}.changes"
        " WHERE tid = %s AND seq > %s AND seq <= %s LIMIT %s) AS few",
        (tid, after, until, most),
    ).fetchone()
    return int(found)


def oldUntil(cursor: Any, after: int, before: int, timestamp: int, limit: int) -> int:
    """
    Give the number up to which changes can be pruned; 0 if none can.

    @param after: The number up to which changes were already pruned.
    """
    (last,) = cursor.execute(
        "SELECT coalesce(max(seq) FILTER (WHERE at < to_timestamp(%s / 1000.0)"
        # A leap is pruned with the entry after it, because a reader that has seen the entry
        # before it may come back.
        f" AND tid <> {NO_TABLE}), 0) FROM (SELECT seq, at, tid FROM {SCHEMA}.changes"
        " WHERE seq > %s AND seq <= %s"
        # The newest stays, because the next number follows from it.
        f" AND seq < (SELECT max(seq) FROM {SCHEMA}.changes) ORDER BY seq LIMIT %s) AS oldest",
        (timestamp, after, before, limit),
    ).fetchone()
    return int(last)


def prune(cursor: Any, after: int, until: int) -> int:
    """
    Delete changes.

    @return: How many were deleted.
    """
    (gone,) = cursor.execute(
        f"SELECT {SCHEMA}.prune(%(after)s, %(until)s) - (SELECT count(*) FROM {SCHEMA}.changes"
        f" WHERE tid = {NO_TABLE} AND seq > %(after)s AND seq <= %(until)s)",
        {"after": after, "until": until},
    ).fetchone()
    return int(gone)


def skip(cursor: Any, after: int) -> None:
    """
    Continue with numbers that no client has seen yet, and delete the changes without a number,
    because it is unknown which of them were delivered.

    @param after: The last number that this reader has read.  It finds the next number, so it sees
        no gap; other readers may have read further, and do see one.
    """
    cursor.execute(LOCK_NUMBERS)
    cursor.execute(
        f"WITH gone AS (DELETE FROM {SCHEMA}.captured)"
        f" INSERT INTO {SCHEMA}.changes (seq, tid, at, last, lost, snapshot)"
        f" SELECT seq, {NO_TABLE}, clock_timestamp(), false, false, pg_current_snapshot()"
        " FROM unnest(%s::bigint[]) AS seq",
        ([after + 1, after + JUMP],),
    )


def read(cursor: Any, after: int, limit: int, size: int | None) -> tuple[Sequence[Entry], bool]:
    """
    Read entries of all tables.

    @param size: The limit of the values, in bytes.
    @return: The entries, and whether there are more.
    """
    found = cursor.execute(
        _READ.format(condition="seq > %(after)s"),
        {"after": after, "limit": limit + 1, "size": size or _UNBOUNDED},
    ).fetchall()
    count = found[0][-1] if found else 0
    return [row[:-1] for row in found[:limit]], count > min(limit, len(found))


def readTable(
    cursor: Any, tid: int, after: int, until: int, limit: int, size: int | None
) -> Sequence[Entry]:
    """
    Read entries of one table.
    """
    found = cursor.execute(
        _READ.format(condition="tid = %(tid)s AND seq > %(after)s AND seq <= %(until)s"),
        {
            "tid": tid,
            "after": after,
            "until": until,
            "limit": limit,
            "size": size or _UNBOUNDED,
        },
    ).fetchall()
    return [row[:-1] for row in found]


class EntryReader:
    """
    Decodes one table's entries to changes and losses.
    """

    def __init__(self, name: str, oid: int | None, rows: RowDecoder, changeBytes: int) -> None:
        """
        @param name: The name under which its changes are reported.
        @param changeBytes: How many bytes the values of one change may take in JSON.
        """
        self._name = name
        self._oid = oid
        self._rows = rows
        self._changeBytes = changeBytes

    def isSurprised(self) -> bool:
        """
        Whether a row had a form that no row of the table had before.  Only the first call after
        that says so.
        """
        return self._rows.isSurprised()

    def event(self, cursor: Any, entry: Entry) -> Change | Loss:
        """
        Decode an entry.

        @raise Undecodable: The row cannot be decoded.
        """
        seq, _tid, xid, last, op, at, new, old = entry
        if op in (LOST, TRUNCATED):
            reason = new or f"The table {self._name!r} was truncated; reload it."
            return Loss(self._name, RealtimeError("table_lost", reason), seq)
        before = None if old is None else self._rows.decode(old, seq)
        data = before if new is None else self._rows.decode(new, seq)
        assert data is not None
        if len(new or old) + len(old or new) <= self._changeBytes:
            return Change(seq, self._name, _OPERATIONS[op], data, before, at, xid, last)
        omitted = omissions(
            [data] if before is None else [data, before],
            self._changeBytes,
            lambda: keyColumns(cursor, self._oid),
        )
        return Change(
            seq,
            self._name,
            _OPERATIONS[op],
            _without(omitted, data),
            None if before is None else _without(omitted, before),
            at,
            xid,
            last,
            tuple(name for name in data if name in omitted),
        )


def unread(table: str, seq: int) -> Loss:
    """
    Make the loss for an entry that cannot be decoded.
    """
    return Loss(
        table,
        RealtimeError(
            "table_lost",
            f"A change of the table {table!r} cannot be sent, because a value in it cannot be"
            " read; reload it.",
        ),
        seq,
    )


def _without(omitted: Collection[str], row: Mapping[str, Any]) -> Row:
    return {name: value for name, value in row.items() if name not in omitted}
