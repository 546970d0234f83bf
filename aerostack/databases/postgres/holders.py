"""
Finds the open transactions of a PostgreSQL database.
"""

from __future__ import annotations

from typing import Any

from aerostack.databases.postgres.catalog import SCHEMA

# A transaction that has recorded changes holds a lock on the daemon's table until it ends, and
# each transaction that writes holds a lock on its own number.  Every role may see these locks.
# Only roles with pg_read_all_stats see what the sessions of another role read, and since when.  A
# prepared transaction has no process any more.
_HOLDERS = f"""
WITH locks AS MATERIALIZED (
  SELECT pid, virtualtransaction, transactionid, relation, database FROM pg_locks
  WHERE granted AND (locktype = 'transactionid' AND mode = 'ExclusiveLock'
    OR locktype = 'relation' AND mode = 'RowExclusiveLock')
), recorded AS (
  SELECT pid, virtualtransaction FROM locks
  WHERE relation = to_regclass('{SCHEMA}.captured')
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
)
SELECT format('process %s (%s)', a.pid, coalesce(nullif(a.application_name, ''), 'no name')),
  a.usename::text, format('SELECT pg_terminate_backend(%s)', a.pid),
  extract(epoch FROM clock_timestamp() - a.xact_start)::float8,
  EXISTS (SELECT FROM recorded AS r WHERE r.pid = a.pid)
FROM pg_stat_activity AS a
WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
  AND coalesce(a.backend_type, 'client backend') = 'client backend'
  AND (coalesce(a.backend_xid, a.backend_xmin) IS NOT NULL
    OR EXISTS (SELECT FROM locks AS l WHERE l.pid = a.pid AND l.transactionid IS NOT NULL))
UNION ALL
SELECT format('prepared transaction %L', p.gid), p.owner::text,
  format('COMMIT PREPARED %1$L or ROLLBACK PREPARED %1$L', p.gid),
  extract(epoch FROM clock_timestamp() - p.prepared)::float8,
  EXISTS (
    SELECT FROM recorded AS r JOIN locks AS l USING (virtualtransaction)
    WHERE l.transactionid = p.transaction
  )
FROM pg_prepared_xacts AS p WHERE p.database = current_database()
"""


def find(cursor: Any) -> list[tuple[str, str, str, float | None, bool]]:
    """
    Find the open transactions.

    @return: For each one the values of a L{Holder<aerostack.core.rows.journal.Holder>}: its name,
        its role, the statement that ends it, for how many seconds it has been open (L{None} if
        the daemon may not know that) and whether it has recorded changes.
    """
    found: list[tuple[str, str, str, float | None, bool]] = cursor.execute(_HOLDERS).fetchall()
    return found
