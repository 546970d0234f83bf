"""
Tests for L{aerostack.storage.postgres}, and of L{aerostack.storage.pool} with it.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from psycopg.errors import (
    AdminShutdown,
    DivisionByZero,
    DuplicateTable,
    QueryCanceled,
    ReadOnlySqlTransaction,
    UniqueViolation,
)
from twisted.internet.defer import gatherResults
from twisted.internet.task import deferLater
from twisted.trial.unittest import SynchronousTestCase, TestCase

from aerostack.core.conninfo import parseConninfo
from aerostack.core.messages import Message
from aerostack.storage.history import History
from aerostack.storage.postgres import (
    POSTGRES,
    PostgresDatabase,
    Unsuitable,
    openConnection,
    ping,
    prepareDatabase,
    sentence,
)
from aerostack.storage.schema import SchemaTooNew, migrate, remove
from tests.postgres import ADMIN, PASSWORD, ROLE, Database, freshDatabase
from tests.storage.databases import SynchronousPostgres

SCHEMA = "SELECT count(*) FROM pg_namespace WHERE nspname = '_aerostack'"


def optionsOf(database: Database, **more: str) -> dict[str, str]:
    """
    How to connect to a database.
    """
    return {**parseConninfo(database.url).options, **more}


class PoolCase(TestCase):
    """
    Has a pool of connections to a database with a table C{t}.
    """

    timeout = 60

    def setUp(self) -> None:
        from twisted.internet import reactor

        self.reactor: Any = reactor
        self.postgres = freshDatabase(self)
        self.postgres.execute("CREATE TABLE t (a int)")
        self.database = self.open(2)

    def make(self, threads: int, **options: Any) -> PostgresDatabase:
        """
        Open the database, for somebody who closes it.
        """
        options = {"options": optionsOf(self.postgres), "purpose": "test", **options}
        database = PostgresDatabase(self.reactor, threads=threads, **options)
        database.start()
        return database

    def open(self, threads: int, **options: Any) -> PostgresDatabase:
        """
        Open the database.
        """
        database = self.make(threads, **options)
        self.addCleanup(database.close)
        return database

    def rows(self) -> list[Any]:
        """
        What another connection sees.
        """
        return [a for (a,) in self.postgres.execute("SELECT a FROM t ORDER BY a")]

    async def ask(self, sql: str, database: PostgresDatabase | None = None) -> Any:
        """
        Ask for a single value.
        """

        def interaction(cursor: Any) -> Any:
            return cursor.execute(sql).fetchone()[0]

        return await (database or self.database).run(interaction)

    async def fails(self, sql: str, error: type[Exception]) -> Exception:
        """
        Ask, and be disappointed.
        """
        try:
            await self.ask(sql)
        except error as found:
            return found
        raise AssertionError(f"no {error.__name__}")


class PoolTests(PoolCase):
    """
    Tests for L{PostgresDatabase}, on its threads.
    """

    async def test_threads(self) -> None:
        """
        An interaction runs on another thread, what it returns comes to the reactor's.
        """

        def interaction(cursor: Any, a: int, b: int) -> Any:
            cursor.execute("SELECT %s::int + %s::int", (a, b))
            return threading.current_thread(), cursor.fetchone()

        ran, row = await self.database.run(interaction, 1, 2)
        self.assertEqual(row, (3,))
        self.assertIsNot(ran, threading.current_thread())
        self.assertIs(threading.current_thread(), threading.main_thread())

    async def test_committed(self) -> None:
        """
        When an interaction has returned, everybody sees what it wrote.
        """

        def interaction(cursor: Any) -> None:
            cursor.execute("BEGIN")
            cursor.execute("INSERT INTO t VALUES (1)")

        await self.database.run(interaction)
        self.assertEqual(self.rows(), [1])

    async def test_rolledBack(self) -> None:
        """
        Nothing stays of an interaction that raised, and the connection goes on.
        """
        pids = []

        def interaction(cursor: Any, error: Exception | None) -> None:
            cursor.execute("BEGIN")
            cursor.execute("INSERT INTO t VALUES (1)")
            pids.append(cursor.connection.info.backend_pid)
            if error is not None:
                raise error
            cursor.execute("SELECT 1 / 0")

        database = self.open(1)
        await self.assertFailure(database.run(interaction, RuntimeError("no")), RuntimeError)
        await self.assertFailure(database.run(interaction, None), DivisionByZero)
        await database.run(lambda cursor: cursor.execute("INSERT INTO t VALUES (2)"))
        self.assertEqual(self.rows(), [2])
        pids.append(await self.ask("SELECT pg_backend_pid()", database))
        self.assertEqual(len(set(pids)), 1)

    async def test_oneThread(self) -> None:
        """
        With one thread, interactions run one after the other on one connection.
        """
        database = self.open(1)
        seen: list[tuple[int, Any]] = []

        def interaction(cursor: Any, number: int) -> None:
            seen.append((number, cursor.connection))

        await gatherResults([database.run(interaction, number) for number in range(20)])
        self.assertEqual([number for number, _ in seen], list(range(20)))
        self.assertEqual(len({connection for _, connection in seen}), 1)

    async def test_settings(self) -> None:
        """
        A session behaves as we need it, whatever the server's configuration and the
        role's say.
        """
        self.postgres.execute(
            f'ALTER ROLE {ROLE} IN DATABASE "{self.postgres.name}" SET standard_conforming_strings'
            " = off",
            f'ALTER ROLE {ROLE} IN DATABASE "{self.postgres.name}" SET'
            " default_transaction_isolation = serializable",
            user=ADMIN,
        )
        for sql, expected in (
            ("SHOW TimeZone", "UTC"),
            ("SELECT '2026-01-02 03:04:05+05:45'::timestamptz::text", "2026-01-01 21:19:05+00"),
            ("SELECT '1 day'::interval::text", "1 day"),
            ("SELECT (0.1::float8 + 0.2)::text", "0.30000000000000004"),
            ("SELECT '\\x00ff'::bytea::text", "\\x00ff"),
            ("SHOW transaction_isolation", "read committed"),
            ("SHOW statement_timeout", "0"),
            ("SHOW idle_in_transaction_session_timeout", "10s"),
            ("SHOW application_name", "aerostack-rt test"),
            ("SHOW client_encoding", "UTF8"),
        ):
            self.assertEqual(await self.ask(sql), expected, sql)

    async def test_statementTimeout(self) -> None:
        """
        A statement that takes longer than it may is stopped, and the connection goes on.
        """
        self.database = self.open(1, statementTimeout=0.02)
        pid = await self.ask("SELECT pg_backend_pid()")
        await self.fails("SELECT pg_sleep(60)", QueryCanceled)
        self.assertEqual(await self.ask("SELECT pg_backend_pid()"), pid)

    async def test_prepared(self) -> None:
        """
        Statements that come often are planned once, unless that is not wanted.
        """
        for prepare, expected in ((True, 1), (False, 0)):
            database = self.open(1, prepare=prepare)
            for _ in range(10):
                await database.run(lambda cursor: cursor.execute("SELECT %s::int", (1,)) and None)
            count = await self.ask("SELECT count(*) FROM pg_prepared_statements", database)
            self.assertEqual(count, expected)

    async def test_close(self) -> None:
        """
        What runs is stopped before the connections are closed.
        """
        database = self.make(1)
        running = database.run(lambda cursor: cursor.execute("SELECT pg_sleep(600)"))
        asleep = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
        while not self.postgres.server.execute(asleep)[0][0]:
            await deferLater(self.reactor, 0.01)
        database.close()
        await self.assertFailure(running, QueryCanceled)


class BrokenTests(PoolCase):
    """
    Tests for connections that break.
    """

    async def test_restarted(self) -> None:
        """
        While the server is down calls fail; as soon as it is back every one succeeds, on
        every thread.
        """
        server = self.postgres.server
        for mode in ("fast", "immediate"):
            await gatherResults([self.database.run(ping) for _ in range(10)])
            server.stop(mode)
            try:
                for _ in range(4):
                    error = await self.fails("SELECT 1", psycopg.OperationalError)
                    self.assertIn("connection", sentence(error))
            finally:
                server.start()
            for _ in range(4):
                self.assertEqual(await self.ask("SELECT 1"), 1)

    async def test_restartedUnnoticed(self) -> None:
        """
        A restart between two calls is not noticed.
        """
        await gatherResults([self.database.run(ping) for _ in range(10)])
        self.postgres.server.restart()
        for _ in range(4):
            self.assertEqual(await self.ask("SELECT 1"), 1)

    async def test_terminated(self) -> None:
        """
        A connection that is ended under an interaction fails it with what the server
        said, and the next one works.
        """
        self.database = self.open(1)
        self.postgres.execute(f"GRANT pg_signal_backend TO {ROLE}", user=ADMIN)
        await self.fails("SELECT pg_terminate_backend(pg_backend_pid())", AdminShutdown)
        self.assertEqual(await self.ask("SELECT 1"), 1)
        self.assertEqual(self.flushLoggedErrors(), [])

    async def test_closed(self) -> None:
        """
        So does one that an interaction has closed.
        """
        self.database = self.open(1)
        closing = self.database.run(lambda cursor: cursor.connection.close())
        await self.assertFailure(closing, psycopg.OperationalError)
        self.assertEqual(await self.ask("SELECT 1"), 1)

    async def test_standby(self) -> None:
        """
        After a failover the server that takes no writes any more is left.
        """
        self.database = self.open(1)
        pid = await self.ask("SELECT pg_backend_pid()")

        def write(cursor: Any) -> None:
            cursor.execute("BEGIN READ ONLY")
            cursor.execute("INSERT INTO t VALUES (1)")

        await self.assertFailure(self.database.run(write), ReadOnlySqlTransaction)
        self.assertNotEqual(await self.ask("SELECT pg_backend_pid()"), pid)

    async def test_tooMany(self) -> None:
        """
        When the server has no connection left calls fail, and work again when it has.
        """
        self.postgres.execute(f"ALTER ROLE {ROLE} CONNECTION LIMIT 0", user=ADMIN)
        try:
            error = await self.fails("SELECT 1", psycopg.OperationalError)
            self.assertIn("too many connections", str(error))
        finally:
            self.postgres.execute(f"ALTER ROLE {ROLE} CONNECTION LIMIT -1", user=ADMIN)
        self.assertEqual(await self.ask("SELECT 1"), 1)

    async def test_password(self) -> None:
        """
        A password that was changed fails the calls, without being told, until it is right
        again.
        """
        options = {**parseConninfo(self.postgres.tcp()).options, "password": PASSWORD}
        self.database = self.open(1, options=options)
        self.assertEqual(await self.ask("SELECT 1"), 1)
        change = f"ALTER ROLE {ROLE} PASSWORD"
        self.postgres.execute(f"{change} 'another'", user=ADMIN)
        try:
            self.postgres.server.restart()
            error = await self.fails("SELECT 1", psycopg.OperationalError)
        finally:
            self.postgres.execute(f"{change} '{PASSWORD}'", user=ADMIN)
        self.assertIn("password authentication failed", str(error))
        self.assertNotIn(PASSWORD, str(error))
        self.assertEqual(await self.ask("SELECT 1"), 1)

    async def test_hanging(self) -> None:
        """
        What waits for a server that hangs, with its connection open, can be given up.
        """
        self.database = self.open(1)
        pid = await self.ask("SELECT pg_backend_pid()")
        os.kill(pid, signal.SIGSTOP)
        self.addCleanup(os.kill, pid, signal.SIGCONT)
        failing = self.assertFailure(self.database.run(ping), psycopg.OperationalError)
        while not failing.called:
            self.database.sever()
            await deferLater(self.reactor, 0.01)
        await failing
        self.assertEqual(await self.ask("SELECT 1"), 1)

    async def test_severed(self) -> None:
        """
        Nothing but what waits for an answer is given up.
        """
        self.database = self.open(1)
        pid = await self.ask("SELECT pg_backend_pid()")
        self.database.sever()
        self.assertEqual(await self.ask("SELECT pg_backend_pid()"), pid)

    async def test_passwordFile(self) -> None:
        """
        Where no password is configured it is looked for as libpq does.
        """
        path = Path(self.mktemp()).absolute()
        escaped = PASSWORD.replace("\\", "\\\\").replace(":", "\\:")
        path.write_text(f"127.0.0.1:*:*:{ROLE}:{escaped}\n")
        path.chmod(0o600)
        info = parseConninfo(f"{self.postgres.tcp()}?passfile={quote(str(path))}")
        self.database = self.open(1, options=info.options)
        self.assertEqual(await self.ask("SELECT current_user::text"), ROLE)

    async def test_otherServer(self) -> None:
        """
        Of several servers the one that answers is used.
        """
        with closing(socket.create_server(("127.0.0.1", 0))) as probe:
            free = probe.getsockname()[1]
        port = self.postgres.server.port
        url = f"postgresql://{ROLE}@127.0.0.1:{free},127.0.0.1:{port}/{self.postgres.name}"
        self.database = self.open(1, options={**parseConninfo(url).options, "password": PASSWORD})
        self.assertEqual(await self.ask("SELECT 1"), 1)


class SchemaTests(SynchronousTestCase):
    """
    Tests for the daemon's tables in PostgreSQL.
    """

    def setUp(self) -> None:
        self.postgres = freshDatabase(self)
        self.database = SynchronousPostgres(self.postgres)
        self.addCleanup(self.database.close)

    def run_(self, interaction: Any, *args: Any) -> Any:
        """
        Run an interaction.
        """
        return self.successResultOf(self.database.run(interaction, *args))

    def exists(self) -> bool:
        """
        Whether our schema is there.
        """
        return bool(self.postgres.execute(SCHEMA)[0][0])

    def versions(self) -> list[int]:
        """
        The versions that the tables have had.
        """
        return [n for (n,) in self.postgres.execute("SELECT * FROM _aerostack.versions", user=ROLE)]

    def test_fromNothing(self) -> None:
        """
        An empty database is brought to the present version, once.
        """
        self.assertEqual(self.run_(migrate, POSTGRES), 0)
        self.assertEqual(self.versions(), [1])
        self.assertEqual(self.run_(migrate, POSTGRES), 1)
        self.assertEqual(self.versions(), [1])

    def test_failing(self) -> None:
        """
        A version whose statements fail leaves the database as it was.
        """
        self.run_(migrate, POSTGRES)
        more = ["CREATE TABLE _aerostack.more ()", "CREATE TABLE _aerostack.messages ()"]
        later = replace(POSTGRES, migrations=(*POSTGRES.migrations, more))
        self.failureResultOf(self.database.run(migrate, later), DuplicateTable)
        self.assertEqual(self.versions(), [1])
        more = self.postgres.execute("SELECT to_regclass('_aerostack.more')", user=ROLE)
        self.assertEqual(more, [(None,)])

    def test_tooNew(self) -> None:
        """
        A later version's database is refused with both numbers, and left as it was.
        """
        self.run_(migrate, POSTGRES)
        self.postgres.execute("INSERT INTO _aerostack.versions VALUES (2)", user=ROLE)
        failure = self.failureResultOf(self.database.run(migrate, POSTGRES), SchemaTooNew)
        self.assertIn("version 2", str(failure.value))
        self.assertEqual(self.versions(), [1, 2])

    def test_together(self) -> None:
        """
        Of daemons that start at once one makes the tables, and the others find them.
        """
        ready = threading.Barrier(8)

        def start(_: int) -> Any:
            with openConnection(optionsOf(self.postgres), "test") as connection:
                ready.wait()
                return migrate(connection.cursor(), POSTGRES)

        with ThreadPoolExecutor(8) as threads:
            found = list(threads.map(start, range(8)))
        self.assertEqual(sorted(found), [0, *[1] * 7])
        self.assertEqual(self.versions(), [1])

    def test_remove(self) -> None:
        """
        Everything that was put in is taken out, the schema too.
        """
        self.run_(migrate, POSTGRES)
        self.assertEqual(
            self.run_(remove, POSTGRES), ["_aerostack.messages", "_aerostack.versions"]
        )
        self.assertFalse(self.exists())
        self.assertEqual(self.run_(remove, POSTGRES), [])

    def test_removeBesides(self) -> None:
        """
        A schema that something else is in, or that is another's, stays.
        """
        self.run_(migrate, POSTGRES)
        self.postgres.execute("CREATE FUNCTION _aerostack.f() RETURNS int RETURN 1", user=ROLE)
        self.run_(remove, POSTGRES)
        self.assertTrue(self.exists())
        self.postgres.execute(
            "DROP SCHEMA _aerostack CASCADE",
            "CREATE SCHEMA _aerostack",
            f"GRANT ALL ON SCHEMA _aerostack TO {ROLE}",
            user=ADMIN,
        )
        self.run_(migrate, POSTGRES)
        self.assertEqual(len(self.run_(remove, POSTGRES)), 2)
        self.assertTrue(self.exists())

    def test_uniqueTime(self) -> None:
        """
        The table itself lets no two messages of a topic share a time.
        """
        self.run_(migrate, POSTGRES)
        insert = (
            "INSERT INTO _aerostack.messages (room_id, created_at, id, kind, event, data)"
            " VALUES ('chat/a/p', 1, 'm{}', 'event', 'e', '1')"
        )
        self.postgres.execute(insert.format(1), user=ROLE)
        self.assertRaises(UniqueViolation, self.postgres.execute, insert.format(2), user=ROLE)


class PrepareTests(SynchronousTestCase):
    """
    Tests for L{prepareDatabase} and L{openConnection}.
    """

    def setUp(self) -> None:
        self.postgres = freshDatabase(self)

    def refused(self, error: type[Exception], **options: str) -> str:
        """
        Prepare what cannot be.

        @return: Why.
        """
        found = self.assertRaises(
            error, prepareDatabase, optionsOf(self.postgres, **options), 0, 10
        )
        return sentence(found)

    def test_prepared(self) -> None:
        """
        A database is prepared, once and again.
        """
        for _ in range(2):
            found = prepareDatabase(optionsOf(self.postgres), 0, 10)
            self.assertEqual((found.newest, list(found.repeatable)), (0, []))

    def test_unreachable(self) -> None:
        """
        A server that is not there, a database that is not, and a password that is wrong
        are told in one line.
        """
        with closing(socket.create_server(("127.0.0.1", 0))) as probe:
            free = str(probe.getsockname()[1])
        for options, said in (
            ({"host": "127.0.0.1", "port": free}, "Connection refused"),
            ({"host": "/nowhere"}, "No such file"),
            ({"dbname": "nothing"}, 'database "nothing" does not exist'),
            ({"host": "127.0.0.1", "password": "wr0ng"}, "password authentication failed"),
            ({"host": "127.0.0.1"}, "no password supplied"),
        ):
            why = self.refused(psycopg.OperationalError, **options)
            self.assertIn(said, why)
            self.assertNotIn("wr0ng", why)

    def test_silent(self) -> None:
        """
        A server that accepts and says nothing is given up soon.
        """
        with closing(socket.create_server(("127.0.0.1", 0))) as deaf:
            port = str(deaf.getsockname()[1])
            why = self.refused(
                psycopg.OperationalError, host="127.0.0.1", port=port, connect_timeout="2"
            )
        self.assertIn("timeout", why)

    def test_notAllowed(self) -> None:
        """
        A role that may not make a schema is told where it is written what it needs; one
        for which the schema was made works.
        """
        name = self.postgres.name
        self.postgres.execute(f'REVOKE CREATE ON DATABASE "{name}" FROM {ROLE}', user=ADMIN)
        why = self.refused(Unsuitable)
        self.assertIn(f"permission denied for database {name}", why)
        self.assertIn("docs/database.rst", why)
        self.postgres.execute(f"CREATE SCHEMA _aerostack AUTHORIZATION {ROLE}", user=ADMIN)
        prepareDatabase(optionsOf(self.postgres), 0, 10)

    def test_encoding(self) -> None:
        """
        A database whose encoding cannot hold every text is refused.
        """
        name = f"{self.postgres.name} latin"
        self.postgres.server.execute(
            f"CREATE DATABASE \"{name}\" ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0"
        )
        self.addCleanup(self.postgres.server.execute, f'DROP DATABASE "{name}"')
        self.assertIn("its encoding is LATIN1", self.refused(Unsuitable, dbname=name))

    def test_old(self) -> None:
        """
        A server that is too old is refused with both versions.
        """
        self.patch(psycopg.ConnectionInfo, "server_version", 130_009)
        self.assertIn("PostgreSQL 13; 14 or later", self.refused(Unsuitable))


class TwoWritersTests(PoolCase):
    """
    Tests for two daemons that keep messages in one database.
    """

    async def test_atOnce(self) -> None:
        """
        Whichever of them keeps a message, its time is after that of every message that
        anybody could read in its topic before.
        """
        prepareDatabase(optionsOf(self.postgres), 0, 10)
        histories = [History(self.open(2), POSTGRES, None, None) for _ in range(2)]
        for history in histories:
            history.batch = 7
        topics = ("chat/a/p", "chat/b/p")
        read: list[list[int]] = []
        writing = [
            history.append(
                Message(f"{n}-{m}", topics[n % 2], "event", "e", b"1", None, 1000 + n // 40)
            )
            for n in range(400)
            for m, history in enumerate(histories)
        ]
        done = gatherResults(writing)
        while not done.called:
            page = await histories[len(read) % 2].page(topics[0], 10_000, None)
            read.append([kept.createdAt for kept in page])
        kept = await done
        self.assertGreater(len(read), 3)
        for topic in topics:
            times = [each.createdAt for each in kept if each.message.topic == topic]
            self.assertEqual((len(times), len(set(times))), (400, 400))
        for earlier, later in pairwise(read):
            # What is new stands before all that was there.
            self.assertEqual(later[len(later) - len(earlier) :], earlier)
