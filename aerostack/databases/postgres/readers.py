"""
The daemons that read one PostgreSQL journal, and the tables that each of them follows.

Each reader has a number, and has registered the server session by which it reads: the server
itself notices when that session ends.  One of the readers that follow tables leads: it numbers
the changes, repairs and prunes.  The others read, number changes only when the leader keeps them
waiting, and the first of them that finds the leader gone takes over.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from psycopg.errors import LockNotAvailable

from aerostack.databases.postgres.catalog import SCHEMA
from aerostack.databases.postgres.entries import leap
from aerostack.databases.postgres.ledger import transaction
from aerostack.databases.postgres.schema import isComplete
from aerostack.databases.postgres.settings import settingsSQL

# Numbering a change of a million rows takes long, and cannot be done in part.  Waiting for a lock
# has its own limit.
_SETTINGS = settingsSQL({"statement_timeout": "10min", "lock_timeout": "3s"})


# A role may not see when another role's session began.  But no role can have the session of
# another role.
_LIVING = f"""
  {SCHEMA}.sessions AS s JOIN pg_stat_activity AS a ON a.pid = s.pid AND a.usesysid = s.role
    AND coalesce(a.backend_start = s.began, true)
"""

_LOOK = """
SELECT pg_current_snapshot()::text, extract(epoch FROM clock_timestamp())::float8
"""


class ReaderSession:
    """
    A reader and its present connection.

    @ivar reader: The reader's number; L{None} until it has one.
    @ivar leads: Whether it leads, as long as its connection lives.
    """

    def __init__(self) -> None:
        self.reader: int | None = None
        self.leads = False
        self._connection: Any = None
        # The server's process, and when it began.
        self._identity: tuple[int, Any] | None = None

    def meet(self, cursor: Any) -> bool:
        """
        Note the connection of a cursor.

        @return: Whether it is a new one, whose session has no settings yet.
        """
        if cursor.connection is self._connection:
            return False
        cursor.execute(_SETTINGS)
        self._connection = cursor.connection
        self.leads = False
        return True

    def forget(self) -> None:
        """
        Stop being a reader, because the tables that registered it are gone.
        """
        self.reader = None
        self.leads = False

    def enter(self, cursor: Any) -> int:
        """
        Register the present session under the reader's number, and take a number if it has none.
        """
        pid, began = cursor.execute(
            "SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()"
        ).fetchone()
        known, self._identity = self._identity, (pid, began)
        if self.reader is not None and known is not None:
            kept = cursor.execute(
                f"SELECT FROM {SCHEMA}.sessions WHERE reader = %s AND pid = %s AND began = %s",
                (self.reader, *known),
            ).fetchone()
            if kept is not None:
                if known != (pid, began):
                    cursor.execute(
                        f"UPDATE {SCHEMA}.sessions SET pid = %s, began = %s WHERE reader = %s",
                        (pid, began, self.reader),
                    )
                return self.reader
        (reader,) = cursor.execute(
            f"INSERT INTO {SCHEMA}.sessions (reader, pid, role, began)"
            f" SELECT nextval('{SCHEMA}.readers'), %s, oid, %s FROM pg_roles"
            " WHERE rolname = session_user RETURNING reader",
            (pid, began),
        ).fetchone()
        self.reader = int(reader)
        self.leads = False
        return self.reader

    def look(self, cursor: Any, follows: bool) -> tuple[str, float]:
        """
        Read the database's snapshot and time, and take the lead if no reader leads.

        @param follows: Whether this reader follows tables.  A leader that follows none yields,
            because it may not come back for long.
        @return: A text that changes whenever a writing transaction ends, and the server's time in
            seconds.
        """
        if self.leads and not follows:
            self._yield(cursor)
        elif follows and not self.leads and self.reader is not None:
            self.lead(cursor)
        snapshot, now = cursor.execute(_LOOK).fetchone()
        return snapshot, now

    def lead(self, cursor: Any) -> None:
        """
        Lead, if no other reader leads.
        """
        if isComplete(cursor) and not self._isLed(cursor):
            self.enter(cursor)
            try:
                with transaction(cursor, 1000):
                    isFree = not self._isLed(cursor)
                    if isFree:
                        # Each leader uses a new range of numbers.
                        leap(cursor)
                        cursor.execute(f"UPDATE {SCHEMA}.journal SET leader = %s", (self.reader,))
            except LockNotAvailable:
                # Another reader numbers changes; its turn is soon over.
                isFree = False
            self.leads = isFree

    def _isLed(self, cursor: Any) -> bool:
        """
        Whether another connected reader leads.
        """
        (found,) = cursor.execute(
            f"SELECT EXISTS (SELECT FROM {_LIVING} WHERE s.reader <> %s"
            f" AND s.reader = (SELECT leader FROM {SCHEMA}.journal))",
            (self.reader,),
        ).fetchone()
        return bool(found)

    def _yield(self, cursor: Any) -> None:
        self.leads = False
        if isComplete(cursor):
            cursor.execute(
                f"UPDATE {SCHEMA}.journal SET leader = NULL WHERE leader = %s", (self.reader,)
            )


def living(cursor: Any) -> set[int]:
    """
    Give the numbers of the connected readers.
    """
    rows = cursor.execute(f"SELECT s.reader FROM {_LIVING}").fetchall()
    return {reader for (reader,) in rows}


def follow(cursor: Any, reader: int, names: Iterable[str]) -> None:
    """
    Register that a reader follows tables.
    """
    cursor.execute(
        f"INSERT INTO {SCHEMA}.follows SELECT %s, unnest(%s::text[]) ON CONFLICT DO NOTHING",
        (reader, sorted(names)),
    )


def followed(cursor: Any, readers: Iterable[int] | None = None) -> set[str]:
    """
    Give the names of the tables that readers follow.

    @param readers: The readers; L{None} for all, connected or not.
    """
    rows = cursor.execute(f"SELECT reader, name FROM {SCHEMA}.follows").fetchall()
    wanted = None if readers is None else set(readers)
    return {name for reader, name in rows if wanted is None or reader in wanted}


def leave(cursor: Any, reader: int | None, name: str) -> None:
    """
    Register that a reader does not follow a table any more.
    """
    cursor.execute(f"DELETE FROM {SCHEMA}.follows WHERE reader = %s AND name = %s", (reader, name))


def forgetDisconnected(cursor: Any, name: str | None = None) -> None:
    """
    Delete what disconnected readers followed.

    @param name: The table; L{None} for all.
    """
    there = sorted(living(cursor))
    cursor.execute(
        f"DELETE FROM {SCHEMA}.follows WHERE NOT reader = ANY (%s) AND coalesce(name = %s, true)",
        (there, name),
    )
    cursor.execute(
        f"DELETE FROM {SCHEMA}.sessions AS s WHERE NOT s.reader = ANY (%s)"
        f" AND NOT EXISTS (SELECT FROM {SCHEMA}.follows AS f WHERE f.reader = s.reader)",
        (there,),
    )
