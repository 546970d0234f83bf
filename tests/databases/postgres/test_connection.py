"""
Tests for L{aerostack.databases.postgres.connection}, and for L{aerostack.databases.pool} with it.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from psycopg.errors import (
    DivisionByZero,
    QueryCanceled,
)
from twisted.internet.defer import gatherResults
from twisted.internet.task import deferLater

from aerostack.core.replay.publications import Message
from aerostack.databases.history import History
from aerostack.databases.postgres.connection import (
    prepareDatabase,
)
from aerostack.databases.postgres.dialect import POSTGRES
from tests.databases.contracts.pool import PoolContract
from tests.databases.postgres.poolcase import PoolCase
from tests.databases.synchronous import forget, optionsOf
from tests.postgres import ADMIN, ROLE


class PoolTests(PoolContract, PoolCase):
    """
    Tests for L{PostgresDatabase}, on its threads.
    """

    async def test_rolledBack(self) -> None:
        """
        An interaction that raises leaves nothing behind, and the connection stays usable.
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
        With one thread, interactions run one after another on one connection.
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
        A session has the daemon's settings, whatever the server's configuration and the role say.
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
        A statement that takes too long is stopped, and the connection stays usable.
        """
        self.database = self.open(1, statementTimeout=0.02)
        pid = await self.pid()
        await self.fails("SELECT pg_sleep(60)", QueryCanceled)
        self.assertEqual(await self.pid(), pid)

    async def pid(self) -> int:
        """
        The process of the connection.  Even this statement may take too long at first.
        """
        while True:
            try:
                return int(await self.ask("SELECT pg_backend_pid()"))
            except QueryCanceled:
                continue

    async def test_prepared(self) -> None:
        """
        Frequent statements are prepared, unless clients' statements are among them.
        """
        for ours, expected in ((True, 1), (False, 0)):
            database = self.open(1, ours=ours)
            for _ in range(10):
                await database.run(lambda cursor: cursor.execute("SELECT %s::int", (1,)) and None)
            count = await self.ask("SELECT count(*) FROM pg_prepared_statements", database)
            self.assertEqual(count, expected)

    async def test_close(self) -> None:
        """
        Running statements are stopped before the connections are closed.
        """
        database = self.make(1)
        running = database.run(lambda cursor: cursor.execute("SELECT pg_sleep(600)"))
        asleep = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
        while not self.postgres.server.execute(asleep)[0][0]:
            await deferLater(self.reactor, 0.01)
        database.close()
        await self.assertFailure(running, QueryCanceled)


class TwoWritersTests(PoolCase):
    """
    Tests for two daemons that keep messages in one database.
    """

    async def test_atOnce(self) -> None:
        """
        Whichever daemon keeps a message, its time is after that of every message of its topic
        that could be read before.
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
            # New messages come before all earlier ones.
            self.assertEqual(later[len(later) - len(earlier) :], earlier)
