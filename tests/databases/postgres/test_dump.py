"""
C{pg_dump} of a database that a daemon uses.
"""

from __future__ import annotations

import subprocess

from aerostack.databases.postgres.connection import prepareDatabase
from aerostack.databases.postgres.journal import PostgresJournal
from tests.databases.postgres.case import PostgresCase
from tests.databases.support import Reader, brief
from tests.databases.synchronous import forget, optionsOf
from tests.postgres import ADMIN, INSTALLED, OWNER, ROLE, Database, server

_PROGRAMS = INSTALLED / "pginstall" / "bin"


class DumpTests(PostgresCase):
    """
    Dumps that the owner of the database makes, and databases that are restored from them.
    """

    def setUp(self) -> None:
        super().setUp()
        prepareDatabase(optionsOf(self.database), 0, 10, forget)
        self.follow("t", "CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1)")
        self.changes("INSERT INTO t VALUES (2)")

    def program(self, name: str, database: Database, *arguments: str, user: str = OWNER) -> str:
        """
        Run a program of the server.

        @return: Its output.
        """
        where = ("-h", str(database.server.directory), "-p", str(database.server.port))
        command = [str(_PROGRAMS / name), *where, "-U", user, "-d", database.name, *arguments]
        ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        self.assertEqual(ended.returncode, 0, ended.stderr)
        return ended.stdout

    def dump(self, *options: str) -> str:
        """
        Dump the database as its owner.

        @return: The name of the file.
        """
        path: str = self.mktemp()
        self.program("pg_dump", self.database, "--file", path, *options)
        return path

    def restored(self, path: str, *options: str, user: str = OWNER) -> Database:
        """
        Restore a dump to another database.
        """
        database = Database(server())
        self.addCleanup(database.drop)
        self.program("psql", database, "-X", "-q", *options, "-f", path, user=user)
        return database

    def assertWritable(self, database: Database) -> None:
        """
        Check that the application can still write its tables.
        """
        database.execute("INSERT INTO t VALUES (3)")
        self.assertEqual(database.execute("SELECT id FROM t ORDER BY 1"), [(1,), (2,), (3,)])

    def assertStarts(self, database: Database) -> None:
        """
        Check that a daemon can start with the database, and reports later changes.
        """
        prepareDatabase(optionsOf(database), 0, 10, forget)
        connection = database.connect(ROLE)
        self.addCleanup(connection.close)
        reader = Reader(connection, PostgresJournal())
        reader.attach("t")
        reader.events()
        database.execute("INSERT INTO t VALUES (9)")
        self.assertEqual(brief(reader.events()), [("INSERT", 9)])

    def test_running(self) -> None:
        """
        The owner dumps the database while the daemon runs, and after it stopped.  A database
        restored with the daemon's role is as it was, and a daemon starts with it.
        """
        path = self.dump()
        self.leave(self.reader.connection)
        self.dump()
        database = self.restored(path, "-v", "ON_ERROR_STOP=1", user=ADMIN)
        self.assertWritable(database)
        self.assertStarts(database)

    def test_noOwner(self) -> None:
        """
        If the owner restores it under its own role, a daemon starts after the daemon's schema is
        dropped.
        """
        path = self.dump("--no-owner", "--no-acl")
        database = self.restored(path, "-v", "ON_ERROR_STOP=1")
        self.assertWritable(database)
        database.execute("DROP SCHEMA _aerostack CASCADE")
        database.execute(f"GRANT SELECT, TRIGGER ON t TO {ROLE}")
        self.assertStarts(database)

    def test_noRole(self) -> None:
        """
        Without the daemon's role, the application's tables exist and can be written.
        """
        path = self.dump()
        with open(path) as file:
            text = file.read()
        with open(path, "w") as file:
            file.write(text.replace(f" {ROLE};", " nobody_here;"))
        self.assertWritable(self.restored(path))

    def test_withoutTheJournal(self) -> None:
        """
        A dump may leave out the rows of the daemon's tables: a daemon begins another journal.
        """
        path = self.dump("--exclude-table-data=_aerostack.*")
        database = self.restored(path, "-v", "ON_ERROR_STOP=1", user=ADMIN)
        self.assertWritable(database)
        self.assertStarts(database)
