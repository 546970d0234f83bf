"""
Connections to PostgreSQL, and the daemon's tables in it.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from select import POLLIN, poll
from socket import SHUT_RDWR, socket
from typing import Any, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.errors import InsufficientPrivilege, LockNotAvailable, ReadOnlySqlTransaction
from psycopg.pq import TransactionStatus
from twisted.python.failure import Failure

from aerostack.core.replay.publications import Kept
from aerostack.databases.migrations import migrate
from aerostack.databases.outage import Outage
from aerostack.databases.pool import PooledDatabase
from aerostack.databases.postgres.dialect import POSTGRES
from aerostack.databases.postgres.locks import PATIENCE, Lookout
from aerostack.databases.postgres.settings import settingsSQL
from aerostack.databases.repeatable import findMessages
from aerostack.settings.conninfo import Conninfo, parseConninfo

T = TypeVar("T")

# The driver warns of what goes wrong after an error.  The daemon logs the error.
logging.getLogger("psycopg").addHandler(logging.NullHandler())

TRIES = 10
"""How often the start tries to get locks that other daemons hold, each time for L{PATIENCE}."""

OLDEST = 14
"""The oldest version of PostgreSQL that the daemon works with."""


# These settings notice a server that disappeared within ten seconds: by data that it does not
# acknowledge, and in silence by keepalives.
_CONNECTION = {
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 4,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    # After a failover, connect to the server that takes writes.
    "target_session_attrs": "read-write",
    "client_encoding": "UTF8",
    "autocommit": True,
}

# The server notices a broken connection as soon as the daemon does, and releases its locks.
_SETTINGS = {"idle_in_transaction_session_timeout": "10s", "tcp_user_timeout": "10s"}


def conninfoOf(url: str) -> Conninfo:
    """
    Parse a database's URL.

    @raise ValueError: See L{parseConninfo}.
    """
    return parseConninfo(url, _readConninfo)


def _readConninfo(url: str) -> dict[str, str]:
    try:
        return {name: str(value) for name, value in conninfo_to_dict(url).items()}
    except (psycopg.Error, UnicodeError):
        # libpq's message quotes what may be a part of the password.
        raise ValueError("libpq cannot read it") from None


def connectionOptions(options: Mapping[str, str], purpose: str) -> dict[str, Any]:
    """
    Make the arguments of C{psycopg.connect}.

    @param options: How to reach the server and log in, by libpq's keywords.
    @param purpose: The purpose of the connection, which the server shows.
    """
    return {**_CONNECTION, **options, "application_name": f"aerostack-rt {purpose}"}


def sessionSettings(statementTimeout: float | None, confined: bool = True) -> str:
    """
    Make the statement that gives a session the daemon's settings.

    @param statementTimeout: How many seconds a statement may take; L{None} without a limit.
    @param confined: Whether all statements of the session are the daemon's.
    """
    settings = {**_SETTINGS, "statement_timeout": f"{int((statementTimeout or 0) * 1000)}ms"}
    if confined:
        # Other interactions wait for the connection meanwhile.
        settings["lock_timeout"] = f"{int(PATIENCE * 1000)}ms"
    return settingsSQL(settings, confined)


class PostgresDatabase(PooledDatabase):
    """
    A PostgreSQL database behind a pool.
    """

    def __init__(
        self,
        reactor: Any,
        options: Mapping[str, str],
        threads: int,
        purpose: str,
        statementTimeout: float | None = None,
        ours: bool = True,
        lookout: Lookout | None = None,
        outage: Outage | None = None,
    ) -> None:
        """
        @param options: The arguments of L{connectionOptions}, with C{purpose}.
        @param statementTimeout: How many seconds a statement may take; L{None} without a limit.
        @param ours: Whether all statements are the daemon's: frequent statements are then
            prepared, and no name in them can mean an object of other roles.
        @param lookout: Knows which transactions lock the daemon's tables; L{None} without that.
        @param outage: See L{PooledDatabase}.
        """
        self._lookout = lookout
        self._settings = sessionSettings(statementTimeout, confined=ours)
        # Connections that are not in the pool yet.
        self._opening: set[psycopg.Connection[Any]] = set()
        super().__init__(
            reactor,
            threads,
            "psycopg",
            outage=outage,
            prepare_threshold=5 if ours else None,
            **connectionOptions(options, purpose),
        )

    def opened(self, connection: Any) -> None:
        self._opening.add(connection)
        try:
            connection.execute(self._settings)
        finally:
            self._opening.discard(connection)

    def usable(self, connection: Any, error: BaseException | None) -> bool:
        if isinstance(error, ReadOnlySqlTransaction):
            # The server is a standby by now; a new connection finds the server that takes writes.
            return False
        if error is None:
            readPending(connection)
        return not connection.closed

    def _explain(self, failure: Failure) -> Failure:
        failure = super()._explain(failure)
        assert failure.value is not None
        error = failure.value if self._lookout is None else self._lookout.name(failure.value)
        return failure if error is failure.value else Failure(error)

    def sever(self) -> None:
        """
        Fail the interactions that wait for an answer.
        """
        severAll([*self._pool.connections.values(), *self._opening])

    def close(self) -> None:
        """
        Cancel the running interactions, and close every connection.
        """
        cancelAll(self._pool.connections.values())
        super().close()


def severAll(connections: Iterable[psycopg.Connection[Any]]) -> None:
    for connection in tuple(connections):
        # The connection may end at this moment.
        with suppress(OSError, psycopg.OperationalError):
            if connection.info.transaction_status is TransactionStatus.ACTIVE:
                # The thread that waits on the socket sees its end.
                with socket(fileno=os.dup(connection.pgconn.socket)) as ours:
                    ours.shutdown(SHUT_RDWR)


def cancelAll(connections: Iterable[psycopg.Connection[Any]]) -> None:
    for connection in tuple(connections):
        if connection.info.transaction_status is TransactionStatus.ACTIVE:
            # A statement that cannot be cancelled ends by itself.
            with suppress(psycopg.Error):
                connection.cancel_safe(timeout=1.0)


def readPending(connection: psycopg.Connection[Any]) -> None:
    """
    Read what the server has sent meanwhile; a server that shuts down says so last.
    """
    with suppress(psycopg.OperationalError):
        heard = poll()
        heard.register(connection.pgconn.socket, POLLIN)
        while heard.poll(0):
            connection.pgconn.consume_input()


class Unsuitable(Exception):
    """
    The daemon cannot work with a server or a database; the message gives the reason.
    """


class Locked(Unsuitable):
    """
    The tables that a start needs are locked.
    """


def openConnection(
    options: Mapping[str, str], purpose: str, ours: bool = True
) -> psycopg.Connection[Any]:
    """
    Connect, outside of any pool.

    @param options: The arguments of L{connectionOptions}, with C{purpose}.
    @param ours: Whether all statements are the daemon's.
    @raise psycopg.Error: The server cannot be reached or refuses the login.
    @raise Unsuitable: The daemon cannot work with the server.
    """
    connection: psycopg.Connection[Any] = psycopg.connect(**connectionOptions(options, purpose))
    found, encoding = (
        connection.info.server_version,
        connection.info.parameter_status("server_encoding"),
    )
    fault = None
    if found < OLDEST * 10_000:
        fault = f"it is PostgreSQL {found // 10_000}; {OLDEST} or later is needed"
    elif encoding != "UTF8":
        fault = f"its encoding is {encoding}; UTF8 is needed"
    if fault is not None:
        connection.close()
        raise Unsuitable(fault)
    connection.execute(sessionSettings(None, confined=ours))
    return connection


def prepareDatabase(
    options: Mapping[str, str],
    since: int,
    limit: int,
    remember: Callable[[Kept], None],
    isShared: bool = False,
) -> int:
    """
    Bring the daemon's tables up to date.

    @param since: Publishers do not send messages again that were kept before this time, ms.
    @param limit: How many such messages to read.
    @param remember: Receives each of them, oldest first.
    @param isShared: Whether the daemon shares its topics with others.
    @return: The C{createdAt} of the newest message; 0 without messages.
    @raise psycopg.Error: The server cannot be reached, refuses the login, or denies a right.
    @raise Unsuitable: The daemon cannot work with the server, or with a pooler before it.
    @raise SchemaTooNew: A later version of the daemon used it.
    """

    def prepare(cursor: Any) -> int:
        if _isShared(cursor, options):
            raise Unsuitable(
                "between the daemon and the server is a pooler that gives each transaction another"
                " session (PgBouncer's pool_mode = transaction), but the daemon's settings, locks"
                " and notifications belong to one; name the server itself in database.url, or a"
                " pool with pool_mode = session"
            )
        try:
            migrate(cursor, POSTGRES, isShared)
            return findMessages(cursor, POSTGRES, since, limit, remember)
        except InsufficientPrivilege as error:
            raise Unsuitable(
                f"the role may not do what it has to: {sentence(error)}; docs/database.rst says"
                " what to grant"
            ) from None

    return patiently(options, prepare)


def patiently(options: Mapping[str, str], interaction: Callable[[Any], T]) -> T:
    """
    Run an interaction of the start, which waits for locks on the daemon's tables.  Daemons that
    start at the same time, or keep much, hold such locks for moments, and a busy server makes the
    moments long.  So the interaction is tried again while only daemons hold them.

    @param options: See L{openConnection}.
    @param interaction: Gets a cursor of a connection of its own.  It may run several times.
    @return: What the interaction returned.
    @raise psycopg.Error: The server cannot be reached, refuses the login, or denies a right.
    @raise Unsuitable: The daemon cannot work with the server.
    @raise Locked: Another program locks the tables, or daemons lock them for long.
    """
    for _ in range(TRIES):
        lookout = Lookout()
        try:
            with (
                openConnection(options, "start") as connection,
                lookout.looking(lambda: openConnection(options, "start")),
            ):
                return interaction(connection.cursor())
        except LockNotAvailable as error:
            if lookout.found:
                raise Locked(sentence(lookout.name(error))) from None
    raise Locked(
        f"other daemons have kept its tables locked for {TRIES * PATIENCE:.0f} seconds; start this"
        " one again, and look at pg_locks if that does not help"
    )


_SESSION = "SELECT pg_backend_pid()"


def _isShared(cursor: Any, options: Mapping[str, str]) -> bool:
    """
    Whether transactions of one connection run in several sessions of the server, or in a session
    that other connections use too.
    """
    (session,) = cursor.execute(_SESSION).fetchone()
    if session == cursor.connection.info.backend_pid:
        # There is no pooler between.
        return False
    # A pooler hands out its free sessions in turn, or the last one first.
    for _ in range(3):
        if cursor.execute(_SESSION).fetchone() != (session,):
            return True
        with openConnection(options, "start") as other, other.transaction():
            if other.execute(_SESSION).fetchone() == (session,):
                return True
    return False


def sentence(said: object) -> str:
    """
    The message of an error, in one line.
    """
    return " ".join(str(said).split())
