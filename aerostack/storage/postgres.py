"""
PostgreSQL: its connections, and what the daemon's tables are in it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from select import POLLIN, poll
from socket import SHUT_RDWR, socket
from typing import Any

import psycopg
from psycopg.errors import InsufficientPrivilege, ReadOnlySqlTransaction
from psycopg.pq import TransactionStatus
from twisted.internet.interfaces import IReactorCore

from aerostack.storage.dialect import Dialect
from aerostack.storage.messages import Found, findMessages
from aerostack.storage.pool import PooledDatabase
from aerostack.storage.schema import migrate
from aerostack.wire.postgressettings import settingsSQL

OLDEST = 14
"""The oldest version of PostgreSQL that the daemon works with."""

SCHEMA = "_aerostack"
"""Everything that the daemon puts into a database is in this schema."""

# All daemons of a database take this advisory lock, and nobody else: "aerostak".
_LOCK = int.from_bytes(b"aerostak")
_MESSAGES = f"{SCHEMA}.messages"
_VERSIONS = f"{SCHEMA}.versions"

POSTGRES = Dialect(
    mark="%s",
    messages=_MESSAGES,
    versions=_VERSIONS,
    begin=("BEGIN", f"SELECT pg_advisory_xact_lock({_LOCK})"),
    # Who may not make schemas may still use one that was made for them.
    before=(
        f"""
        DO $$ BEGIN
            IF to_regnamespace('{SCHEMA}') IS NULL THEN
                CREATE SCHEMA {SCHEMA};
            END IF;
        END $$
        """,
    ),
    migrations=(
        (
            # Compared as bytes: no locale and no upgrade of one changes its order.
            f"""
            CREATE TABLE {_MESSAGES} (
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
            f"CREATE INDEX messages_age ON {_MESSAGES} (created_at)",
        ),
    ),
    listing=(
        "SELECT schemaname || '.' || tablename FROM pg_tables"
        f" WHERE schemaname = '{SCHEMA}' AND tablename IN ('messages', 'versions') ORDER BY 1"
    ),
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
    timeout = f"{int((statementTimeout or 0) * 1000)}ms"
    return settingsSQL({**_SETTINGS, "statement_timeout": timeout}, confined)


class PostgresDatabase(PooledDatabase):
    """
    A PostgreSQL database behind a pool.
    """

    def __init__(
        self,
        reactor: IReactorCore,
        options: Mapping[str, str],
        threads: int,
        purpose: str,
        statementTimeout: float | None = None,
        ours: bool = True,
    ) -> None:
        """
        @param options: As L{connectionOptions}', and C{purpose}.
        @param statementTimeout: How many seconds a statement may take; L{None} for any.
        @param ours: Whether all statements are ours: those that come often are planned once,
            and no name in them means anything of others'.
        """
        self._settings = sessionSettings(statementTimeout, confined=ours)
        super().__init__(
            reactor,
            threads,
            "psycopg",
            prepare_threshold=5 if ours else None,
            **connectionOptions(options, purpose),
        )

    def opened(self, connection: Any) -> None:
        connection.execute(self._settings)

    def usable(self, connection: Any, error: BaseException | None) -> bool:
        if isinstance(error, ReadOnlySqlTransaction):
            # It is a standby by now; who takes over has to be found.
            return False
        if error is None:
            _hear(connection)
        return not connection.closed

    def sever(self) -> None:
        """
        Fail what waits for an answer.
        """
        for connection in list(self._pool.connections.values()):
            if connection.info.transaction_status is TransactionStatus.ACTIVE:
                # The thread that waits hears the end of it.
                with socket(fileno=os.dup(connection.pgconn.socket)) as ours, suppress(OSError):
                    ours.shutdown(SHUT_RDWR)

    def close(self) -> None:
        """
        Cancel what is running, and close every connection.
        """
        for connection in list(self._pool.connections.values()):
            if connection.info.transaction_status is TransactionStatus.ACTIVE:
                # Where it cannot be, it comes to its end by itself.
                with suppress(psycopg.Error):
                    connection.cancel_safe(timeout=1.0)
        super().close()


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


def prepareDatabase(options: Mapping[str, str], since: int, limit: int) -> Found:
    """
    Bring the daemon's tables up to date.

    @param since: Messages kept before this time, ms, are not sent again any more.
    @param limit: How many such messages to read.
    @raise psycopg.Error: The server cannot be reached, lets nobody in, or allows too little.
    @raise Unsuitable: It is none that the daemon can work with.
    @raise SchemaTooNew: A later version of the daemon used it.
    """
    with openConnection(options, "start") as connection:
        cursor = connection.cursor()
        try:
            migrate(cursor, POSTGRES)
        except InsufficientPrivilege as error:
            raise Unsuitable(
                f"the role may not do what it has to: {sentence(error)}; docs/database.rst says"
                " what to grant"
            ) from None
        return findMessages(cursor, POSTGRES, since, limit)


def ping(cursor: Any) -> None:
    """
    Let the server show that it is well.
    """
    cursor.execute("SELECT 1")


def sentence(said: object) -> str:
    """
    What an error says, in one line.
    """
    return " ".join(str(said).split())
