"""
A pooler between the daemon and a PostgreSQL server.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from aerostack.databases.postgres.connection import Unsuitable, prepareDatabase
from tests.databases.synchronous import forget, optionsOf
from tests.ports import freePort
from tests.postgres import ROLE, freshDatabase

PGBOUNCER = "/usr/sbin/pgbouncer"

CONFIG = """
[databases]
* = host={server} port={serverPort}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {folder}/users
pool_mode = {mode}
{more}
"""


class PoolerTests(SynchronousTestCase):
    """
    Tests with PgBouncer.
    """

    def setUp(self) -> None:
        self.postgres = freshDatabase(self)

    def pooler(self, mode: str, more: str = "") -> dict[str, str]:
        """
        Start PgBouncer in front of the server.

        @return: How to connect to it.
        """
        folder = Path(tempfile.mkdtemp(prefix="rt-pool-"))
        self.addCleanup(shutil.rmtree, folder)
        folder.chmod(0o755)
        port = freePort(self)
        server = self.postgres.server
        (folder / "users").write_text(f'"{ROLE}" ""\n')
        (folder / "config").write_text(
            CONFIG.format(
                server=server.directory,
                serverPort=server.port,
                port=port,
                folder=folder,
                mode=mode,
                more=more,
            )
        )
        # PgBouncer refuses to run as root.
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        process = subprocess.Popen(
            [PGBOUNCER, *user, str(folder / "config")],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)
        said = ""
        while "process up" not in said:
            line = process.stderr.readline()
            self.assertTrue(line, said)
            said += line
        options = optionsOf(self.postgres)
        return {**options, "host": "127.0.0.1", "port": str(port)}

    def test_transactions(self) -> None:
        """
        A pooler that gives each transaction another session is refused with the reason, however
        it chooses sessions.
        """
        for more in ("", "default_pool_size = 1", "server_round_robin = 1\nmin_pool_size = 3"):
            error = self.assertRaises(
                Unsuitable, prepareDatabase, self.pooler("transaction", more), 0, 10, forget
            )
            self.assertIn("pool_mode = session", str(error))

    def test_sessions(self) -> None:
        """
        A pooler that keeps a session for each client works.
        """
        prepareDatabase(self.pooler("session"), 0, 10, forget)
