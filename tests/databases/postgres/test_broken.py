"""
Connections to PostgreSQL that break: L{aerostack.databases.postgres.connection}.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from psycopg.errors import (
    AdminShutdown,
    ReadOnlySqlTransaction,
)
from twisted.internet.defer import gatherResults
from twisted.internet.task import deferLater

from aerostack.databases.postgres.connection import (
    conninfoOf,
    sentence,
)
from aerostack.errors import GivenUp
from tests.databases.postgres.poolcase import PoolCase, ping
from tests.ports import freePort
from tests.postgres import ADMIN, PASSWORD, ROLE


class BrokenTests(PoolCase):
    """
    Tests for connections that break.
    """

    async def test_restarted(self) -> None:
        """
        While the server is down, calls fail; as soon as it is back, every call succeeds, on every
        thread.
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
        A restart between two calls has no effect.
        """
        await gatherResults([self.database.run(ping) for _ in range(10)])
        self.postgres.server.restart()
        for _ in range(4):
            self.assertEqual(await self.ask("SELECT 1"), 1)

    async def test_terminated(self) -> None:
        """
        A connection that the server ends fails its interaction with the server's message, and the
        next one works.
        """
        self.database = self.open(1)
        self.postgres.execute(f"GRANT pg_signal_backend TO {ROLE}", user=ADMIN)
        await self.fails("SELECT pg_terminate_backend(pg_backend_pid())", AdminShutdown)
        self.assertEqual(await self.ask("SELECT 1"), 1)
        self.assertEqual(self.flushLoggedErrors(), [])

    async def test_closed(self) -> None:
        """
        So does a connection that an interaction has closed.
        """
        self.database = self.open(1)
        closing = self.database.run(lambda cursor: cursor.connection.close())
        await self.assertFailure(closing, psycopg.OperationalError)
        self.assertEqual(await self.ask("SELECT 1"), 1)

    async def test_standby(self) -> None:
        """
        After a failover the daemon leaves a server that takes no writes any more.
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
        While the server has no connection left, calls fail; later they work.
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
        A changed password fails the calls until it is right again, and no error contains it.
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
        A call to a server that hangs, with its connection open, can be given up.
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
        Only calls that wait for an answer are given up.
        """
        self.database = self.open(1)
        pid = await self.ask("SELECT pg_backend_pid()")
        self.database.sever()
        self.assertEqual(await self.ask("SELECT pg_backend_pid()"), pid)

    async def test_givenUp(self) -> None:
        """
        When the daemon gives the database up, running calls fail for that reason, and no new
        connection is opened.
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
        A connection without its settings is given up too.
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
        Without a configured password, libpq's password file is used.
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
        Of several servers, the one that answers is used.
        """
        free = freePort(self)
        port = self.postgres.server.port
        url = f"postgresql://{ROLE}@127.0.0.1:{free},127.0.0.1:{port}/{self.postgres.name}"
        self.database = self.open(1, options={**conninfoOf(url).options, "password": PASSWORD})
        self.assertEqual(await self.ask("SELECT 1"), 1)
