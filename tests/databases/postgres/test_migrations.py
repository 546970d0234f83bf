"""
Tests for the daemon's tables in PostgreSQL, and for the requirements of a database.
"""

from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from typing import Any

import psycopg
from psycopg.errors import (
    DuplicateTable,
    UniqueViolation,
)
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.replay.publications import Kept
from aerostack.databases.migrations import SchemaTooNew, migrate, remove
from aerostack.databases.postgres import connection
from aerostack.databases.postgres.connection import (
    Unsuitable,
    openConnection,
    prepareDatabase,
    sentence,
)
from aerostack.databases.postgres.dialect import POSTGRES
from tests.databases.synchronous import SynchronousPostgres, forget, optionsOf
from tests.ports import freePort
from tests.postgres import ADMIN, ROLE, freshDatabase

VERSIONS = list(range(1, len(POSTGRES.migrations) + 1))
SCHEMA = "SELECT count(*) FROM pg_namespace WHERE nspname = '_aerostack'"


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
        Whether the daemon's schema exists.
        """
        return bool(self.postgres.execute(SCHEMA)[0][0])

    def versions(self) -> list[int]:
        """
        The versions that the tables have had.
        """
        return [n for (n,) in self.postgres.execute("SELECT * FROM _aerostack.versions", user=ROLE)]

    def test_fromNothing(self) -> None:
        """
        An empty database gets the present version, once.
        """
        self.assertEqual(self.run_(migrate, POSTGRES), 0)
        self.assertEqual(self.versions(), VERSIONS)
        self.assertEqual(self.run_(migrate, POSTGRES), len(VERSIONS))
        self.assertEqual(self.versions(), VERSIONS)

    def test_answers(self) -> None:
        """
        Streams that ran before the tables had the run of their daemon stay.
        """
        self.run_(migrate, replace(POSTGRES, migrations=POSTGRES.migrations[:3], finish=()))
        self.postgres.execute(
            "INSERT INTO _aerostack.answers VALUES ('m', 'a', 't', 'n', NULL, 1, NULL, '{}')",
            user=ROLE,
        )
        self.run_(migrate, POSTGRES)
        rows = self.postgres.execute("SELECT id, run FROM _aerostack.answers", user=ROLE)
        self.assertEqual(rows, [("m", "")])

    def test_failing(self) -> None:
        """
        A version whose statements fail leaves the database as it was.
        """
        self.run_(migrate, POSTGRES)
        more = ["CREATE TABLE _aerostack.more ()", "CREATE TABLE _aerostack.messages ()"]
        later = replace(POSTGRES, migrations=(*POSTGRES.migrations, more))
        self.failureResultOf(self.database.run(migrate, later), DuplicateTable)
        self.assertEqual(self.versions(), VERSIONS)
        more = self.postgres.execute("SELECT to_regclass('_aerostack.more')", user=ROLE)
        self.assertEqual(more, [(None,)])

    def test_tooNew(self) -> None:
        """
        The daemon refuses the database of a later version, names both versions, and changes
        nothing.
        """
        self.run_(migrate, POSTGRES)
        later = len(VERSIONS) + 1
        self.postgres.execute(f"INSERT INTO _aerostack.versions VALUES ({later})", user=ROLE)
        failure = self.failureResultOf(self.database.run(migrate, POSTGRES), SchemaTooNew)
        self.assertIn(f"version {later}", str(failure.value))
        self.assertEqual(self.versions(), [*VERSIONS, later])

    def test_together(self) -> None:
        """
        Of daemons that start at once, one makes the tables, and the others find them.
        """
        ready = threading.Barrier(8)

        def start(_: int) -> Any:
            with openConnection(optionsOf(self.postgres), "test") as connection:
                ready.wait()
                return migrate(connection.cursor(), POSTGRES)

        with ThreadPoolExecutor(8) as threads:
            found = list(threads.map(start, range(8)))
        self.assertEqual(sorted(found), [0, *[len(VERSIONS)] * 7])
        self.assertEqual(self.versions(), VERSIONS)

    def test_remove(self) -> None:
        """
        Removal drops everything, including the schema.
        """
        self.run_(migrate, POSTGRES)
        tables = (
            *("answer_pieces", "answers", "keyed_values", "messages", "revocations"),
            "versions",
        )
        self.assertEqual(self.run_(remove, POSTGRES), [f"_aerostack.{table}" for table in tables])
        self.assertFalse(self.exists())
        self.assertEqual(self.run_(remove, POSTGRES), [])

    def test_removeBesides(self) -> None:
        """
        A schema that holds other objects, or that another role owns, stays.
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
        self.assertEqual(len(self.run_(remove, POSTGRES)), 6)
        self.assertTrue(self.exists())

    def test_uniqueTime(self) -> None:
        """
        The table itself lets no two messages of a topic have the same time.
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
        Prepare a database that cannot be used.

        @return: The message.
        """
        found = self.assertRaises(
            error, prepareDatabase, optionsOf(self.postgres, **options), 0, 10, forget
        )
        return sentence(found)

    def test_prepared(self) -> None:
        """
        A database is prepared, also twice.
        """
        for _ in range(2):
            found: list[Kept] = []
            newest = prepareDatabase(optionsOf(self.postgres), 0, 10, found.append)
            self.assertEqual((newest, found), (0, []))

    def daemon(self) -> psycopg.Connection[Any]:
        """
        Connect as another daemon that starts, and lock the table of the versions as it does.
        """
        other = openConnection(optionsOf(self.postgres), "start")
        self.addCleanup(other.close)
        other.execute("SET idle_in_transaction_session_timeout = 0")
        other.execute("BEGIN")
        other.execute(POSTGRES.exclude)
        return other

    def test_together(self) -> None:
        """
        A daemon that starts waits for others that start at the same time, however long a busy
        server makes that.
        """
        prepareDatabase(optionsOf(self.postgres), 0, 10, forget)
        self.patch(connection, "PATIENCE", 0.2)
        self.patch(connection, "TRIES", 10_000)
        other = self.daemon()
        seen: set[int] = set()
        waiting = (
            f"SELECT pid FROM pg_stat_activity WHERE datname = '{self.postgres.name}'"
            " AND application_name = 'aerostack-rt start' AND wait_event_type = 'Lock'"
        )
        with ThreadPoolExecutor(1) as pool:
            prepared = pool.submit(prepareDatabase, optionsOf(self.postgres), 0, 10, forget)
            # It has tried more than once.
            while len(seen) < 3 and not prepared.done():
                seen.update(pid for (pid,) in self.postgres.execute(waiting, user=ROLE))
            other.execute("ROLLBACK")
            self.assertEqual(prepared.result(), 0)

    def test_tooLong(self) -> None:
        """
        If other daemons do not let go, the error says so, and for how long it was waited.
        """
        prepareDatabase(optionsOf(self.postgres), 0, 10, forget)
        self.patch(connection, "PATIENCE", 0.5)
        self.patch(connection, "TRIES", 4)
        self.daemon()
        why = self.refused(Unsuitable)
        self.assertIn("other daemons have kept its tables locked for 2 seconds", why)

    def test_unreachable(self) -> None:
        """
        The errors about a missing server, a missing database and a wrong password are one line.
        """
        free = str(freePort(self))
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
        The daemon soon gives up a server that accepts the connection and says nothing.
        """
        with closing(socket.create_server(("127.0.0.1", 0))) as deaf:
            port = str(deaf.getsockname()[1])
            why = self.refused(
                psycopg.OperationalError, host="127.0.0.1", port=port, connect_timeout="2"
            )
        self.assertIn("timeout", why)

    def test_notAllowed(self) -> None:
        """
        The error for a role that may not create a schema says where its rights are documented;
        with a schema that was created for it, the role works.
        """
        name = self.postgres.name
        self.postgres.execute(f'REVOKE CREATE ON DATABASE "{name}" FROM {ROLE}', user=ADMIN)
        why = self.refused(Unsuitable)
        self.assertIn(f"permission denied for database {name}", why)
        self.assertIn("docs/database.rst", why)
        self.postgres.execute(f"CREATE SCHEMA _aerostack AUTHORIZATION {ROLE}", user=ADMIN)
        prepareDatabase(optionsOf(self.postgres), 0, 10, forget)

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
