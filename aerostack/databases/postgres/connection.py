"""
PostgreSQL: its connections, and what the daemon's tables are in it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from select import POLLIN, poll
from socket import SHUT_RDWR, socket
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.errors import InsufficientPrivilege, LockNotAvailable, ReadOnlySqlTransaction
from psycopg.pq import TransactionStatus
from twisted.python.failure import Failure

from aerostack.core.replay.publications import Kept
from aerostack.databases.dialect import Dialect
from aerostack.databases.messages import findMessages
from aerostack.databases.migrations import migrate
from aerostack.databases.pool import PooledDatabase
from aerostack.databases.postgres.locks import PATIENCE, Lookout
from aerostack.databases.postgres.settings import READABLE, SCHEMA, settingsSQL
from aerostack.settings.conninfo import Conninfo, parseConninfo

OLDEST = 14
"""The oldest version of PostgreSQL that the daemon works with."""

_MESSAGES = f"{SCHEMA}.messages"
_VERSIONS = f"{SCHEMA}.versions"

POSTGRES = Dialect(
    mark="%s",
    messages=_MESSAGES,
    versions=_VERSIONS,
    begin="BEGIN",
    # No role takes this lock that may not write to the table.
    exclude=f"LOCK TABLE {_VERSIONS} IN SHARE UPDATE EXCLUSIVE MODE",
    # Who may not make schemas may still use one that was made for them.  Another daemon may
    # make the same at the same moment, and then it is there.
    before=(
        f"""
        DO $$ BEGIN
            IF to_regnamespace('{SCHEMA}') IS NULL THEN
                CREATE SCHEMA {SCHEMA};
            END IF;
        EXCEPTION WHEN duplicate_schema OR unique_violation THEN
            NULL;
        END $$
        """,
        f"""
        DO $$ BEGIN
            CREATE TABLE IF NOT EXISTS {_VERSIONS} (version integer PRIMARY KEY);
        EXCEPTION WHEN duplicate_table OR unique_violation THEN
            NULL;
        END $$
        """,
    ),
    migrations=(
        (
            # A copy of the database may have the tables without what was in them.
            # Compared as bytes: no locale and no upgrade of one changes its order.
            f"""
            CREATE TABLE IF NOT EXISTS {_MESSAGES} (
                room_id text COLLATE "C" NOT NULL,
                created_at bigint NOT NULL,
                id text COLLATE "C" NOT NULL UNIQUE,
                user_id text,
                kind text NOT NULL,
                event text NOT NULL,
                data text NOT NULL,
                publish_id text,
                PRIMARY KEY (room_id, created_at)
            )
            """,
            f"CREATE INDEX IF NOT EXISTS messages_age ON {_MESSAGES} (created_at)",
        ),
    ),
    listing=(
        "SELECT schemaname || '.' || tablename FROM pg_tables"
        f" WHERE schemaname = '{SCHEMA}' AND tablename IN ('messages', 'versions') ORDER BY 1"
    ),
    finish=(READABLE,),
    after=(
        f"""
        DO $$ BEGIN
            IF NOT EXISTS (
                SELECT FROM pg_depend WHERE refclassid = 'pg_namespace'::regclass
                AND refobjid = to_regnamespace('{SCHEMA}')
            ) AND (
                SELECT pg_has_role(nspowner, 'USAGE') FROM pg_namespace WHERE nspname = '{SCHEMA}'
            ) THEN
                DROP SCHEMA {SCHEMA};
            END IF;
        END $$
        """,
    ),
    passing=(psycopg.OperationalError, psycopg.InterfaceError, ReadOnlySqlTransaction),
    forbidden="\0",
)

# A server that is gone without a word is noticed within ten seconds: by what it does not
# acknowledge, and while there is nothing to acknowledge by what asks for a sign of life.
_CONNECTION = {
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 4,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    # After a failover, the one that takes writes is meant.
    "target_session_attrs": "read-write",
    "client_encoding": "UTF8",
    "autocommit": True,
}

# It notices as soon as we do that nobody is there any more, and lets go of what was locked.
_SETTINGS = {"idle_in_transaction_session_timeout": "10s", "tcp_user_timeout": "10s"}


def conninfoOf(url: str) -> Conninfo:
    """
    What a database's URL says of how to connect.

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
    How to connect, as C{psycopg.connect} takes it.

    @param options: How to find the server and be let in, by libpq's keywords.
    @param purpose: What the connection is for, as the server shows it.
    """
    return {**_CONNECTION, **options, "application_name": f"aerostack-rt {purpose}"}


def sessionSettings(statementTimeout: float | None, confined: bool = True) -> str:
    """
    A statement that gives a session our settings.

    @param statementTimeout: How many seconds a statement may take; L{None} for any.
    @param confined: Whether all statements of the session are ours.
    """
    settings = {**_SETTINGS, "statement_timeout": f"{int((statementTimeout or 0) * 1000)}ms"}
    if confined:
        # Others wait for the connection meanwhile.
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
    ) -> None:
        """
        @param options: As L{connectionOptions}', and C{purpose}.
        @param statementTimeout: How many seconds a statement may take; L{None} for any.
        @param ours: Whether all statements are ours: those that come often are planned once,
            and no name in them means anything of others'.
        @param lookout: Knows who locks our tables, if anybody does.
        """
        self._lookout = lookout
        self._settings = sessionSettings(statementTimeout, confined=ours)
        # Those that are not in the pool yet.
        self._opening: set[psycopg.Connection[Any]] = set()
        super().__init__(
            reactor,
            threads,
            "psycopg",
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
            # It is a standby by now; who takes over has to be found.
            return False
        if error is None:
            _hear(connection)
        return not connection.closed

    def _explain(self, failure: Failure) -> Failure:
        failure = super()._explain(failure)
        assert failure.value is not None
        error = failure.value if self._lookout is None else self._lookout.name(failure.value)
        return failure if error is failure.value else Failure(error)

    def sever(self) -> None:
        """
        Fail what waits for an answer.
        """
        _sever([*self._pool.connections.values(), *self._opening])

    def close(self) -> None:
        """
        Cancel what is running, and close every connection.
        """
        _cancel(self._pool.connections.values())
        super().close()


def _sever(connections: Iterable[psycopg.Connection[Any]]) -> None:
    for connection in tuple(connections):
        # It may come to its end just now.
        with suppress(OSError, psycopg.OperationalError):
            if connection.info.transaction_status is TransactionStatus.ACTIVE:
                # The thread that waits hears the end of it.
                with socket(fileno=os.dup(connection.pgconn.socket)) as ours:
                    ours.shutdown(SHUT_RDWR)


def _cancel(connections: Iterable[psycopg.Connection[Any]]) -> None:
    for connection in tuple(connections):
        if connection.info.transaction_status is TransactionStatus.ACTIVE:
            # Where it cannot be, it comes to its end by itself.
            with suppress(psycopg.Error):
                connection.cancel_safe(timeout=1.0)


def _hear(connection: psycopg.Connection[Any]) -> None:
    """
    Take what the server has said meanwhile; the last word of one that goes down is its
    good-bye.
    """
    with suppress(psycopg.OperationalError):
        heard = poll()
        heard.register(connection.pgconn.socket, POLLIN)
        while heard.poll(0):
            connection.pgconn.consume_input()


class Unsuitable(Exception):
    """
    The daemon cannot work with a server or a database; the message says why.
    """


def openConnection(
    options: Mapping[str, str], purpose: str, ours: bool = True
) -> psycopg.Connection[Any]:
    """
    Connect, outside of any pool.

    @param options: As L{connectionOptions}', and C{purpose}.
    @param ours: Whether all statements are ours.
    @raise psycopg.Error: The server cannot be reached or lets nobody in.
    @raise Unsuitable: It is none that the daemon can work with.
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


class SpareConnections:
    """
    Connections for interactions that need a second one for a moment, beside that of their
    pool's thread: never more than there are such threads.
    """

    def __init__(self, options: Mapping[str, str], purpose: str) -> None:
        """
        @param options: As L{connectionOptions}', and C{purpose}.
        """
        self._options = options
        self._purpose = purpose
        self._idle: list[psycopg.Connection[Any]] = []
        self._lent: dict[int, psycopg.Connection[Any]] = {}

    @contextmanager
    def lend(self) -> Iterator[psycopg.Connection[Any]]:
        """
        Lend a connection for the time of a block, in autocommit mode.  One with which anything
        went wrong is not lent again: it may hold a lock.
        """
        connection = self._take()
        self._lent[id(connection)] = connection
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        finally:
            del self._lent[id(connection)]
        self._idle.append(connection)

    def _take(self) -> psycopg.Connection[Any]:
        while True:
            try:
                # Another thread may have been first.
                connection = self._idle.pop()
            except IndexError:
                return openConnection(self._options, self._purpose)
            _hear(connection)
            if not connection.closed:
                return connection

    def start(self) -> None:
        """
        They are opened when they are needed.
        """

    def giveUp(self, seconds: float) -> None:
        """
        The interactions that they are lent to fail.
        """

    def sever(self) -> None:
        """
        See L{PostgresDatabase.sever}.
        """
        _sever(self._lent.values())

    def close(self) -> None:
        """
        Cancel what is running, and close every connection; those whose threads wait for them
        must have gone.
        """
        _cancel(self._lent.values())
        while self._idle:
            self._idle.pop().close()


def prepareDatabase(
    options: Mapping[str, str], since: int, limit: int, remember: Callable[[Kept], None]
) -> int:
    """
    Bring the daemon's tables up to date.

    @param since: Messages kept before this time, ms, are not sent again any more.
    @param limit: How many such messages to read.
    @param remember: Gets each of them, oldest first.
    @return: The C{createdAt} of the newest message, 0 for none.
    @raise psycopg.Error: The server cannot be reached, lets nobody in, or allows too little.
    @raise Unsuitable: It is none that the daemon can work with, or what stands before it is.
    @raise SchemaTooNew: A later version of the daemon used it.
    """
    with openConnection(options, "start") as connection:
        cursor = connection.cursor()
        if _isShared(cursor, options):
            raise Unsuitable(
                "between the daemon and the server is a pooler that gives each transaction another"
                " session (PgBouncer's pool_mode = transaction), but the daemon's settings, locks"
                " and notifications belong to one; name the server itself in database.url, or a"
                " pool with pool_mode = session"
            )
        lookout = Lookout()
        try:
            with lookout.looking(lambda: openConnection(options, "start")):
                migrate(cursor, POSTGRES)
                return findMessages(cursor, POSTGRES, since, limit, remember)
        except InsufficientPrivilege as error:
            raise Unsuitable(
                f"the role may not do what it has to: {sentence(error)}; docs/database.rst says"
                " what to grant"
            ) from None
        except LockNotAvailable as error:
            raise Unsuitable(sentence(lookout.name(error))) from None


_SESSION = "SELECT pg_backend_pid()"


def _isShared(cursor: Any, options: Mapping[str, str]) -> bool:
    """
    Tell whether transactions of one connection run in several sessions of the server's, or in
    one that another connection gets as well.
    """
    (session,) = cursor.execute(_SESSION).fetchone()
    if session == cursor.connection.info.backend_pid:
        # Nobody stands in between.
        return False
    # A pooler hands out those of its sessions that are free in turn, or the last one first.
    for _ in range(3):
        if cursor.execute(_SESSION).fetchone() != (session,):
            return True
        with openConnection(options, "start") as other, other.transaction():
            if other.execute(_SESSION).fetchone() == (session,):
                return True
    return False


def sentence(said: object) -> str:
    """
    What an error says, in one line.
    """
    return " ".join(str(said).split())
