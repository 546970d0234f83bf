"""
Rows of a followed table that no entry reports.
"""

from __future__ import annotations

from typing import Any

from aerostack.databases.postgres.catalog import SCHEMA, Member, Table
from aerostack.databases.postgres.rowsql import rowSQL


def countRows(cursor: Any, oid: int, source: str, most: int) -> int | None:
    """
    Count the rows of a table.

    @param most: The highest number to count to.
    @return: L{None} if the daemon may not read all of them.
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


# The transactions that wrote the rows of a part.  A row has only the lower half of its
# transaction's number.
_WRITERS = """
  SELECT (now.xid - ((now.xid - r.xmin::text::bigint) & 4294967295))::text::xid8 AS xid
  FROM ONLY {part} AS r CROSS JOIN (
    SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS xid OFFSET 0) AS now
"""


# Whether more copies of a row of some transactions exist than were entered.
_UNRECORDED = f"""
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


def hasUnrecorded(cursor: Any, tid: int, table: Table, part: Member) -> bool:
    """
    Whether a new part of a table has rows that no entry reports.

    Rows that came through the table's other parts were entered by their transactions.  Rows that
    were in the part before it joined the table were not.
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
    # Only a partition has all rows of its keys; an inheritor's keys may also be in other tables.
    source = table.sql if table.members[0].hasRows else f"ONLY {part.sql}"
    rows = rowSQL(
        table.columns,
        f"{source.replace('%', '%%')} AS n WHERE n.xmin::text::bigint = ANY ('{{{written}}}')",
    )
    (found,) = cursor.execute(
        _UNRECORDED.format(rows=rows),
        {"tid": tid, "xids": [xid for (xid,) in xids]},
    ).fetchone()
    return bool(found)
