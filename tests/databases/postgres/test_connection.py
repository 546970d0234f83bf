"""
Tests for L{aerostack.databases.postgres.connection}, and of L{aerostack.databases.pool} with it.
"""

from __future__ import annotations

import os
import signal
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import quote

import psycopg
from psycopg.errors import (
    AdminShutdown,
    DivisionByZero,
    QueryCanceled,
    ReadOnlySqlTransaction,
)
from twisted.internet.defer import gatherResults
from twisted.internet.task import deferLater
from twisted.trial.unittest import SynchronousTestCase, TestCase

from aerostack.core.replay.publications import Message
from aerostack.databases.history import History
from aerostack.databases.postgres.connection import (
    POSTGRES,
    PostgresDatabase,
    SpareConnections,
    conninfoOf,
    prepareDatabase,
    sentence,
)
from aerostack.errors import GivenUp
from tests.databases.contract import PoolContract
from tests.databases.synchronous import forget, optionsOf
from tests.ports import freePort
from tests.postgres import ADMIN, PASSWORD, ROLE, freshDatabase


def ping(cursor: Any) -> None:
    """
    Ask for a sign of life.
    """
    cursor.execute("SELECT 1")


class PoolCase(TestCase):
    """
    Has a pool of connections to a database with a table C{t}.
    """

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
        known = {"options": optionsOf(self.postgres), "purpose": "test", "ours": False}
        options = {**known, **options}
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


class PoolTests(PoolContract, PoolCase):
    """
    Tests for L{PostgresDatabase}, on its threads.
    """

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
        Statements that come often are planned once, unless others' are among them.
        """
        for ours, expected in ((True, 1), (False, 0)):
            database = self.open(1, ours=ours)
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
        options = {**conninfoOf(self.postgres.tcp()).options, "password": PASSWORD}
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

    async def test_givenUp(self) -> None:
        """
        What runs when the database is given up fails for that reason, and nobody connects any
        more.
        """
        self.database = self.open(1)
        running = self.database.run(lambda cursor: cursor.execute("SELECT pg_sleep(600)"))
        later = self.database.run(ping)
        self.database.giveUp(0)
        failing = self.assertFailure(running, GivenUp)
        while not failing.called:
            self.database.sever()
            await deferLater(self.reactor, 0.01)
        self.assertIn((await failing).code, ("database_unavailable", "shutting_down"))
        self.assertEqual((await self.assertFailure(later, GivenUp)).code, "shutting_down")

    async def test_severedEarly(self) -> None:
        """
        A connection that has not got its settings yet is given up as well.
        """
        self.database = self.open(1)
        self.patch(self.database, "_settings", "SELECT pg_sleep(600)")
        failing = self.assertFailure(self.database.run(ping), psycopg.OperationalError)
        while not failing.called:
            self.database.sever()
            await deferLater(self.reactor, 0.01)
        await failing

    async def test_passwordFile(self) -> None:
        """
        Where no password is configured it is looked for as libpq does.
        """
        path = Path(self.mktemp()).absolute()
        escaped = PASSWORD.replace("\\", "\\\\").replace(":", "\\:")
        path.write_text(f"127.0.0.1:*:*:{ROLE}:{escaped}\n")
        path.chmod(0o600)
        info = conninfoOf(f"{self.postgres.tcp()}?passfile={quote(str(path))}")
        self.database = self.open(1, options=info.options)
        self.assertEqual(await self.ask("SELECT current_user::text"), ROLE)

    async def test_otherServer(self) -> None:
        """
        Of several servers the one that answers is used.
        """
        free = freePort(self)
        port = self.postgres.server.port
        url = f"postgresql://{ROLE}@127.0.0.1:{free},127.0.0.1:{port}/{self.postgres.name}"
        self.database = self.open(1, options={**conninfoOf(url).options, "password": PASSWORD})
        self.assertEqual(await self.ask("SELECT 1"), 1)


class SpareTests(SynchronousTestCase):
    """
    Tests for L{SpareConnections}.
    """

    def setUp(self) -> None:
        self.postgres = freshDatabase(self)
        self.spares = SpareConnections(optionsOf(self.postgres), "spare")
        self.addCleanup(self.spares.close)

    def pid(self) -> int:
        with self.spares.lend() as connection:
            (pid,) = connection.execute("SELECT pg_backend_pid()").fetchone() or (0,)
            return int(pid)

    def count(self) -> int:
        (count,) = self.postgres.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'aerostack-rt spare'"
            f" AND datname = '{self.postgres.name}'",
            user=ADMIN,
        )[0]
        return int(count)

    def test_again(self) -> None:
        """
        A connection is lent again and again, and there are as many as are lent at once.
        """
        self.assertEqual({self.pid() for _ in range(5)}, {self.pid()})
        with self.spares.lend(), self.spares.lend():
            self.assertEqual(self.count(), 2)
        self.assertEqual(self.count(), 2)

    def test_failed(self) -> None:
        """
        A connection with which something went wrong is closed, with the locks that it holds.
        """

        def fail() -> None:
            with self.spares.lend() as connection:
                connection.execute("SELECT pg_advisory_lock(1)")
                connection.execute("SELECT 1 / 0")

        self.assertRaises(psycopg.errors.DivisionByZero, fail)
        with closing(self.postgres.connect()) as other:
            other.execute("SET lock_timeout = '30s'")
            other.execute("SELECT pg_advisory_lock(1)")

    def test_dead(self) -> None:
        """
        One that the server has ended meanwhile is not lent.
        """
        pid = self.pid()
        with closing(self.postgres.connect(ADMIN)) as other:
            other.execute("SELECT pg_terminate_backend(%s, 30000)", (pid,))
        self.assertNotEqual(self.pid(), pid)

    def test_severed(self) -> None:
        """
        What waits for an answer can be given up.
        """

        def wait() -> None:
            with self.spares.lend() as connection:
                connection.execute("SELECT pg_sleep(600)")

        failed: list[Exception] = []

        def run() -> None:
            try:
                wait()
            except psycopg.OperationalError as error:
                failed.append(error)

        thread = Thread(target=run)
        thread.start()
        while thread.is_alive():
            self.spares.sever()
            thread.join(0.01)
        self.assertEqual(len(failed), 1)


class TwoWritersTests(PoolCase):
    """
    Tests for two daemons that keep messages in one database.
    """

    async def test_atOnce(self) -> None:
        """
        Whichever of them keeps a message, its time is after that of every message that
        anybody could read in its topic before.
        """
        prepareDatabase(optionsOf(self.postgres), 0, 10, forget)
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
