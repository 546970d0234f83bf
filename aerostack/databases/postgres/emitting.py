"""
The events that transactions of a PostgreSQL database emit.

Daemons that use one database agree who publishes: the first, until its session ends.  The others
only read when the events wait for long.  An event that two daemons read is published once all the
same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg.errors import DependentObjectsStillExist, InsufficientPrivilege
from zope.interface import implementer

from aerostack.core.replay.publications import EmittedMark
from aerostack.core.topics.emitted import EmitRules, EmittedEvent
from aerostack.databases.postgres import emitsql
from aerostack.databases.postgres.connection import Unsuitable
from aerostack.databases.postgres.dialect import POSTGRES
from aerostack.databases.postgres.emitrows import EMITTED, KEYS, PLACES, takeEmitted
from aerostack.databases.postgres.emitsql import (
    EARLIER,
    LEADER,
    PLACING,
    PUBLIC,
    READ_EARLIER,
    READING,
    SIGNATURE,
)
from aerostack.databases.postgres.settings import READABLE, settingsSQL
from aerostack.interfaces.emitting import IEmittedEvents

LATE = 5.0
"""After how many seconds a daemon publishes events that another one should have published."""

_SETTINGS = settingsSQL({"statement_timeout": "30s", "lock_timeout": "3s"})

_LEAD = f"""
SELECT a.pid = pg_backend_pid() FROM {LEADER} AS l JOIN pg_stat_activity AS a
  ON a.pid = l.pid AND a.usesysid = l.role AND coalesce(a.backend_start = l.began, true)
"""
"""Finds out whether this session leads; no row if no session does."""

_OLDEST = f"""
SELECT extract(epoch FROM clock_timestamp() - at)::float8 FROM {PLACES} ORDER BY place LIMIT 1
"""


@implementer(IEmittedEvents)
class PostgresEmittedEvents:
    """
    The events that transactions of a PostgreSQL database emit.
    """

    def __init__(self, notify: bool | None = None, late: float = LATE) -> None:
        """
        @param notify: Whether transactions that emit wake the daemons.  A transaction that notifies
            cannot be prepared, so with L{None} they do so only where the server forbids prepared
            transactions.
        @param late: See L{LATE}.
        """
        self._notify = notify
        self._late = late
        self._connection: Any = None
        # The snapshot at which there was no event.
        self._quiet: str | None = None

    def prepare(self, cursor: Any, rules: EmitRules) -> None:
        self._meet(cursor)
        self._quiet = None
        notifies = self._notify
        if notifies is None:
            (allowed,) = cursor.execute("SHOW max_prepared_transactions").fetchone()
            notifies = int(allowed) == 0
        with cursor.connection.transaction():
            POSTGRES.shutOut(cursor)
            # A trigger that is not there is no news.
            cursor.execute("SET LOCAL client_min_messages = warning")
            _makeSchema(cursor)
            for name, statement in emitsql.RELATIONS.items():
                # Even an index that exists already would wait for transactions that emit.
                if not _exists(cursor, name):
                    cursor.execute(statement)
            cursor.execute(emitsql.READ)
            if not _isPlaced(cursor):
                for statement in emitsql.TRIGGERS:
                    cursor.execute(statement)
            isNew = not _isThere(cursor, SIGNATURE)
            cursor.execute(emitsql.emitSQL(rules, notifies))
            if isNew:
                cursor.execute(f"REVOKE ALL ON FUNCTION {SIGNATURE} FROM PUBLIC")
            if _isThere(cursor, EARLIER):
                # A call without a key would fit both.
                _replaceEarlier(cursor, isNew)
            # Two daemons may have taken the last events of a transaction at the same time.
            cursor.execute(
                f"DELETE FROM {PLACES} AS p WHERE NOT EXISTS"
                f" (SELECT FROM {EMITTED} AS e WHERE e.xid = p.xid)"
            )
            # A daemon that does not know the keys leaves them.
            cursor.execute(
                f"DELETE FROM {KEYS} AS k WHERE NOT EXISTS"
                f" (SELECT FROM {EMITTED} AS e WHERE e.id = k.id)"
            )
            cursor.execute(READABLE)

    def read(self, cursor: Any, limit: int, size: int) -> list[EmittedEvent]:
        self._meet(cursor)
        # The snapshot is read before the events: a commit in between is then read twice, not
        # missed.
        (snapshot,) = cursor.execute("SELECT pg_current_snapshot()::text").fetchone()
        if snapshot == self._quiet or not self._isOurTurn(cursor):
            return []
        rows = cursor.execute(f"SELECT * FROM {READING}(%s, %s)", (limit, size)).fetchall()
        self._quiet = None if rows else snapshot
        return [EmittedEvent(EmittedMark(number, key), *rest) for number, key, *rest in rows]

    def take(self, cursor: Any, marks: Sequence[EmittedMark]) -> set[str]:
        self._meet(cursor)
        return takeEmitted(cursor, marks)

    def remove(self, cursor: Any) -> list[str]:
        names = []
        with cursor.connection.transaction():
            for signature in (SIGNATURE, EARLIER):
                if _isThere(cursor, signature):
                    cursor.execute(f"DROP FUNCTION {signature}")
                    names.append(signature)
            for name in (EMITTED, KEYS, PLACES, LEADER):
                if _exists(cursor, name):
                    cursor.execute(f"DROP TABLE {name}")
                    names.append(name)
            cursor.execute("SET LOCAL client_min_messages = warning")
            cursor.execute(f"DROP FUNCTION IF EXISTS {PLACING}()")
            for name in (READING, READ_EARLIER):
                cursor.execute(f"DROP FUNCTION IF EXISTS {name}(integer, bigint)")
            (isEmpty,) = cursor.execute(
                "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = %s"
                " AND pg_has_role(nspowner, 'USAGE')) AND NOT EXISTS (SELECT FROM pg_depend"
                " WHERE refclassid = 'pg_namespace'::regclass AND refobjid = to_regnamespace(%s))",
                (PUBLIC, PUBLIC),
            ).fetchone()
            if isEmpty and names:
                cursor.execute(f"DROP SCHEMA {PUBLIC}")
        return names

    def _meet(self, cursor: Any) -> None:
        if cursor.connection is not self._connection:
            cursor.execute(_SETTINGS)
            self._connection, self._quiet = cursor.connection, None

    def _isOurTurn(self, cursor: Any) -> bool:
        """
        Whether this daemon is to publish; it is if no other one does.
        """
        leads = cursor.execute(_LEAD).fetchone()
        if leads is None:
            with cursor.connection.transaction():
                cursor.execute(f"LOCK TABLE {LEADER} IN SHARE UPDATE EXCLUSIVE MODE")
                leads = cursor.execute(_LEAD).fetchone()
                if leads is None:
                    cursor.execute(f"DELETE FROM {LEADER}")
                    cursor.execute(
                        f"INSERT INTO {LEADER} SELECT a.pid, a.usesysid, a.backend_start"
                        " FROM pg_stat_activity AS a WHERE a.pid = pg_backend_pid()"
                    )
                    leads = (True,)
        if leads[0]:
            return True
        oldest = cursor.execute(_OLDEST).fetchone()
        return oldest is not None and oldest[0] > self._late


def _makeSchema(cursor: Any) -> None:
    """
    Create the schema of the function.  Another role that could write to it could put a function of
    its own in the place of the daemon's.
    """
    found = cursor.execute(
        "SELECT pg_get_userbyid(nspowner), pg_has_role(nspowner, 'USAGE') FROM pg_namespace"
        " WHERE nspname = %s",
        (PUBLIC,),
    ).fetchone()
    if found is None:
        try:
            cursor.execute(f"CREATE SCHEMA {PUBLIC}")
        except InsufficientPrivilege:
            raise Unsuitable(
                f"tracker.emit needs the schema {PUBLIC}, which the daemon's role may not create;"
                f" create it as CREATE SCHEMA {PUBLIC} AUTHORIZATION of that role"
            ) from None
    elif not found[1]:
        raise Unsuitable(
            f"tracker.emit needs the schema {PUBLIC} for the daemon's role alone, but it belongs to"
            f" the role {found[0]}; make the daemon's role its owner, or leave tracker.emit off"
        )


def _exists(cursor: Any, name: str) -> bool:
    """Whether a table or an index is there."""
    (found,) = cursor.execute("SELECT to_regclass(%s) IS NOT NULL", (name,)).fetchone()
    return bool(found)


def _isPlaced(cursor: Any) -> bool:
    """Whether the trigger is there.  To create it would wait for transactions that emit."""
    (found,) = cursor.execute(
        "SELECT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = %s::regclass AND tgname = %s"
        " AND tgenabled = 'A')",
        (EMITTED, emitsql.TRIGGER),
    ).fetchone()
    return bool(found)


def _isThere(cursor: Any, signature: str) -> bool:
    """Whether a function is there that emits events."""
    (found,) = cursor.execute(
        "SELECT EXISTS (SELECT FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace"
        " WHERE n.nspname = %s AND p.proname = 'emit' AND p.pronargs = %s"
        " AND pg_has_role(p.proowner, 'USAGE'))",
        # The schema may be another role's, in which names cannot be resolved.
        (PUBLIC, signature.count(",") + 1),
    ).fetchone()
    return bool(found)


def _replaceEarlier(cursor: Any, isNew: bool) -> None:
    """
    Take the function away that knows no keys.

    @param isNew: Whether no role may call the new function yet.  Then those that the operator let
        call the other one may.
    """
    granted = cursor.execute(
        "SELECT CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee))"
        " END, a.is_grantable FROM pg_proc AS p,"
        " aclexplode(p.proacl) AS a WHERE p.oid = to_regprocedure(%s) AND a.grantee <> p.proowner",
        (EARLIER,),
    ).fetchall()
    for grantee, isGrantable in granted if isNew else ():
        option = " WITH GRANT OPTION" if isGrantable else ""
        cursor.execute(f"GRANT EXECUTE ON FUNCTION {SIGNATURE} TO {grantee}{option}")
    try:
        cursor.execute(f"DROP FUNCTION {EARLIER}")
    except DependentObjectsStillExist as error:
        raise Unsuitable(
            f"tracker.emit replaces the function {EARLIER}, on which other objects depend;"
            f" drop them, and create them again once the daemon has started:"
            f" {error.diag.message_detail}"
        ) from None
