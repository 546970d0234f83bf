"""
Finds the transactions that lock the daemon's tables in a PostgreSQL database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from threading import Event, Thread
from typing import Any

import psycopg
from psycopg.errors import LockNotAvailable

from aerostack.databases.postgres.settings import SCHEMA

PATIENCE = 3.0
"""For how many seconds a statement of the daemon waits for a lock on one of its own tables."""

LOOKING = 1.0
"""How often, in seconds, the daemon looks for such transactions while it starts."""

# A held lock excludes the daemon by its mode alone, whether the daemon waits for it or takes it
# only if it is free.  A transaction may also block a session of the daemon in another way: it
# holds a row, or waits in front of the session.  The server knows it as long as that session
# waits: by its process, or by 0 for a prepared transaction, which has none.  The sessions of
# daemons exclude each other for moments.
_BLOCKS = f"""
WITH ours AS MATERIALIZED (
  SELECT pid FROM pg_stat_activity
  WHERE usesysid = (SELECT oid FROM pg_roles WHERE rolname = session_user)
    AND application_name LIKE 'aerostack-rt %' AND application_name <> 'aerostack-rt query'
), tables AS MATERIALIZED (
  SELECT oid, relname FROM pg_class
  WHERE relnamespace = to_regnamespace('{SCHEMA}') AND relkind = 'r'
), locks AS MATERIALIZED (
  SELECT * FROM pg_locks
  WHERE database = (SELECT oid FROM pg_database WHERE datname = current_database())
    OR locktype = 'transactionid'
), waiting AS MATERIALIZED (
  SELECT DISTINCT t.relname, t.oid AS relation, b.pid AS blocking
  FROM locks AS w JOIN ours USING (pid) JOIN locks AS l USING (pid)
    JOIN tables AS t ON t.oid = l.relation
    CROSS JOIN unnest(pg_blocking_pids(w.pid)) AS b (pid)
  WHERE NOT w.granted AND clock_timestamp() - w.waitstart > interval '0.5 s'
    AND (l.relation = w.relation OR w.relation IS NULL AND l.locktype = 'tuple')
), blocks AS (
  SELECT t.relname, l.pid, l.virtualtransaction, false AS waited
  FROM locks AS l JOIN tables AS t ON t.oid = l.relation
  WHERE l.granted AND l.locktype = 'relation' AND (
    l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
    OR l.mode = 'ShareUpdateExclusiveLock' AND t.relname IN ('journal', 'numbering', 'versions'))
  UNION ALL
  SELECT w.relname, w.blocking, NULL, true FROM waiting AS w WHERE w.blocking <> 0
  UNION ALL
  SELECT w.relname, NULL, l.virtualtransaction, true
  FROM waiting AS w JOIN locks AS l ON l.relation = w.relation AND l.pid IS NULL
  WHERE w.blocking = 0
), prepared AS (
  SELECT l.virtualtransaction, p.gid, p.owner
  FROM locks AS l JOIN pg_prepared_xacts AS p ON p.transaction = l.transactionid
  WHERE l.pid IS NULL AND p.database = current_database()
)
SELECT '{SCHEMA}.' || b.relname,
  CASE
    WHEN p.gid IS NOT NULL THEN format('prepared transaction %L', p.gid)
    WHEN a.pid IS NULL THEN 'another program'
    ELSE format('process %s (%s)', a.pid, coalesce(nullif(a.application_name, ''), 'no name'))
  END,
  coalesce(p.owner::text, a.usename::text),
  CASE
    WHEN p.gid IS NOT NULL THEN format('ROLLBACK PREPARED %L', p.gid)
    WHEN a.pid IS NOT NULL THEN format('SELECT pg_terminate_backend(%s)', a.pid)
  END,
  bool_or(b.waited)
FROM blocks AS b LEFT JOIN pg_stat_activity AS a ON a.pid = b.pid
  LEFT JOIN prepared AS p ON b.pid IS NULL AND p.virtualtransaction = b.virtualtransaction
WHERE b.pid IS NULL OR b.pid NOT IN (SELECT pid FROM ours)
GROUP BY 1, 2, 3, 4 ORDER BY 1, 2
"""


@dataclass(frozen=True)
class Block:
    """
    A transaction that locks a table of the daemon.

    @ivar table: The table.
    @ivar who: What every client may know of it: a process and its name, or the name of a prepared
        transaction.
    @ivar role: Its role; L{None} if it is not known.
    @ivar remedy: The statement that ends it; L{None} if it is not known.
    """

    table: str
    who: str
    role: str | None
    remedy: str | None


def describeBlocks(blocks: Iterable[Block], withRoles: bool) -> str:
    """
    Describe the locks, in words that fit after C{the database}.

    @param withRoles: Whether to name the roles, which not every client may know.
    """
    tables: dict[tuple[str, str], list[str]] = {}
    for block in blocks:
        role = f" of the role {block.role}" if withRoles and block.role else ""
        remedy = f", which {block.remedy} ends" if block.remedy else ""
        tables.setdefault((block.who + role, remedy), []).append(block.table)
    return " and ".join(
        f"has its table{'s' if len(names) > 1 else ''} {', '.join(names)} locked by {who}{remedy}"
        for (who, remedy), names in tables.items()
    )


class LockedOut(psycopg.OperationalError):
    """
    Other programs lock the daemon's tables; the message names them, with their roles.

    @ivar fault: The message without the roles, in words that fit after C{the database}.
    """

    sqlstate = LockNotAvailable.sqlstate

    def __init__(self, blocks: Iterable[Block]) -> None:
        blocks = tuple(blocks)
        self.fault = describeBlocks(blocks, withRoles=False)
        super().__init__(f"the database {describeBlocks(blocks, withRoles=True)}")


class Lookout:
    """
    Knows which transactions lock the daemon's tables.  It asks on a connection that waits for no
    lock.

    @ivar found: The transactions that it found last.
    """

    def __init__(self) -> None:
        self.found: tuple[Block, ...] = ()
        self._seen: frozenset[Block] = frozenset()

    def look(self, cursor: Any) -> LockedOut | None:
        """
        Find the transactions that lock the daemon's tables.  A lock that no session of the daemon
        waits for counts only when it is seen for the second time: a short lock is no fault.

        @return: The locks as an error; L{None} without any.
        """
        rows = cursor.execute(_BLOCKS).fetchall()
        seen = {Block(*rest): waited for *rest, waited in rows}
        self.found = tuple(block for block, waited in seen.items() if waited or block in self._seen)
        self._seen = frozenset(seen)
        return LockedOut(self.found) if self.found else None

    def name(self, error: BaseException) -> BaseException:
        """
        Add the holder of the lock to an error about a lock, if it is known.
        """
        isLock = getattr(error, "sqlstate", None) == LockNotAvailable.sqlstate
        return LockedOut(self.found) if isLock and self.found else error

    @contextmanager
    def looking(self, connect: Callable[[], psycopg.Connection[Any]]) -> Iterator[None]:
        """
        Look repeatedly while a block waits for locks.

        @param connect: Opens another connection to the database.
        """
        done = Event()

        def look() -> None:
            while not done.wait(LOOKING):
                # Without a connection, the holder of the lock stays unknown.
                try:
                    with closing(connect()) as connection:
                        self.look(connection.cursor())
                except psycopg.Error:
                    return

        thread = Thread(target=look, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
