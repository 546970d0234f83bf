"""
The daemons that read one PostgreSQL journal, and what each of them follows.

Each reader has a number, and holds an advisory lock of that number for as long as its
connection lives: the server itself notices when it is gone.  One of those who follow tables
leads: it numbers the changes, repairs and prunes.  The others read, number changes only
when the leader lets them wait, and the first of them that finds the leader's lock free
takes over.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aerostack.tracker.postgrescatalog import SCHEMA
from aerostack.tracker.postgresschema import LEADER, LOCKS
from aerostack.wire.postgressettings import settingsSQL

# To number what somebody changed by the million takes its time, and all of it.  What waits
# for a lock has a bound of its own.
_SETTINGS = settingsSQL({"statement_timeout": "10min"})


class Session:
    """
    What a reader's present connection holds.

    @ivar reader: The reader's number, L{None} until it has one.
    @ivar leads: It holds the leader's lock.
    """

    def __init__(self) -> None:
        self.reader: int | None = None
        self.leads = False
        self._isPresent = False
        self._connection: Any = None

    def meet(self, cursor: Any) -> bool:
        """
        Note by which connection we are asked.

        @return: Whether it is another than before, of which nothing is known.
        """
        if cursor.connection is self._connection:
            return False
        cursor.execute(_SETTINGS)
        self._connection = cursor.connection
        self.leads = self._isPresent = False
        return True

    def enter(self, cursor: Any) -> int:
        """
        Have a number.
        """
        if self.reader is None:
            (reader,) = cursor.execute(f"SELECT nextval('{SCHEMA}.readers')").fetchone()
            self.reader = int(reader)
            self._isPresent = False
        return self.reader

    def look(self, cursor: Any, follows: bool) -> tuple[str, float]:
        """
        See where the database is, and take the locks that are not held yet.

        @param follows: We follow tables.  A leader who does not gives others a chance: it
            may not come back for long.
        @return: What changes whenever a transaction ends that wrote something, and the
            server's time in seconds.
        """
        present = 0 if self._isPresent or self.reader is None else self.reader
        snapshot, now, leads, isPresent = cursor.execute(
            "SELECT pg_current_snapshot()::text, extract(epoch FROM clock_timestamp())::float8,"
            " CASE WHEN %(leads)s <> %(follows)s THEN"
            "   CASE WHEN %(follows)s THEN pg_try_advisory_lock(%(locks)s, %(leader)s)"
            "   ELSE NOT pg_advisory_unlock(%(locks)s, %(leader)s) END"
            " ELSE %(leads)s END,"
            " CASE WHEN %(present)s > 0 THEN pg_try_advisory_lock(%(locks)s, %(present)s) END",
            {
                "leads": self.leads,
                "follows": follows,
                "locks": LOCKS,
                "leader": LEADER,
                "present": present,
            },
        ).fetchone()
        self.leads = leads
        self._isPresent = self._isPresent or bool(isPresent)
        return snapshot, now


def living(cursor: Any) -> set[int]:
    """
    Give the numbers of the readers that are connected.
    """
    return {
        reader
        for (reader,) in cursor.execute(
            "SELECT objid::integer FROM pg_locks WHERE locktype = 'advisory' AND granted"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            " AND classid = %s AND objsubid = 2 AND objid BETWEEN 1 AND 2147483647",
            (LOCKS,),
        ).fetchall()
    }


def follow(cursor: Any, reader: int, names: Iterable[str]) -> None:
    """
    Enter that a reader follows tables.
    """
    cursor.execute(
        f"INSERT INTO {SCHEMA}.follows SELECT %s, unnest(%s::text[]) ON CONFLICT DO NOTHING",
        (reader, sorted(names)),
    )


def followed(cursor: Any, readers: Iterable[int] | None = None) -> set[str]:
    """
    Give the names of the tables that somebody follows.

    @param readers: Who, L{None} for anybody, alive or not.
    """
    rows = cursor.execute(f"SELECT reader, name FROM {SCHEMA}.follows").fetchall()
    wanted = None if readers is None else set(readers)
    return {name for reader, name in rows if wanted is None or reader in wanted}


def leave(cursor: Any, reader: int | None, name: str) -> None:
    """
    Enter that a reader does not follow a table any more.
    """
    cursor.execute(f"DELETE FROM {SCHEMA}.follows WHERE reader = %s AND name = %s", (reader, name))


def bury(cursor: Any, name: str | None = None) -> None:
    """
    Forget what readers who are gone followed.

    @param name: The table, L{None} for all.
    """
    cursor.execute(
        f"DELETE FROM {SCHEMA}.follows WHERE NOT reader = ANY (%s) AND coalesce(name = %s, true)",
        (sorted(living(cursor)), name),
    )
