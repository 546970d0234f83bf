"""
The daemons that read one PostgreSQL journal, and what each of them follows.

Each reader has a number, and holds an advisory lock of that number for as long as its
connection lives: the server itself notices when it is gone.  One of them leads: it numbers
the changes, repairs and prunes; the others read, and the first of them that finds the
leader's lock free takes over.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aerostack.tracker.postgrescatalog import SCHEMA
from aerostack.tracker.postgresledger import LEADER, LOCKS
from aerostack.tracker.postgrestriggers import FORMATS

# The server lets go of the locks of somebody who has gone without a word.
_SETTINGS = {
    **FORMATS,
    "tcp_keepalives_idle": "4",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
}


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
        for setting, value in _SETTINGS.items():
            cursor.execute("SELECT set_config(%s, %s, false)", (setting, value))
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

    def look(self, cursor: Any) -> tuple[str, float]:
        """
        See where the database is, and take the locks that are not held yet.

        @return: What changes whenever a transaction ends that wrote something, and the
            server's time in seconds.
        """
        isPresent = self._isPresent or self.reader is None
        snapshot, now, leads, present = cursor.execute(
            "SELECT pg_current_snapshot()::text, extract(epoch FROM clock_timestamp())::float8,"
            " CASE WHEN %s THEN true ELSE pg_try_advisory_lock(%s, %s) END,"
            " CASE WHEN %s THEN %s ELSE pg_try_advisory_lock(%s, %s) END",
            (
                *(self.leads, LOCKS, LEADER),
                *(isPresent, self._isPresent, LOCKS, self.reader or LEADER),
            ),
        ).fetchone()
        self.leads, self._isPresent = leads, present
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
    cursor.execute(
        f"DELETE FROM {SCHEMA}.follows WHERE reader = %s AND name = %s", (reader, name)
    )


def bury(cursor: Any, name: str | None = None) -> None:
    """
    Forget what readers who are gone followed.

    @param name: The table, L{None} for all.
    """
    cursor.execute(
        f"DELETE FROM {SCHEMA}.follows WHERE NOT reader = ANY (%s)"
        " AND coalesce(name = %s, true)",
        (sorted(living(cursor)), name),
    )
