"""
A PostgreSQL server that hangs with its connections open.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator

import psycopg

from aerostack.databases import backend
from aerostack.server import daemon
from tests.live.campaign import SECONDS
from tests.live.postgres import PUBLISH, PostgresDaemonTests

timeout = SECONDS

_OURS = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'aerostack-rt %'
"""


def _signal(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process, unless it has ended."""
    # trial would read a name C{suppress} in this module.
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


class StandstillTests(PostgresDaemonTests):
    """
    Tests for the stop of a daemon whose database has stopped answering.
    """

    @contextlib.contextmanager
    def hanging(self) -> Iterator[None]:
        """
        Stop the processes of the server that serve the daemon.
        """
        file = self.postgres.server.directory / "data" / "postmaster.pid"
        pids = [int(file.read_text().split()[0])]
        pids += [pid for (pid,) in self.postgres.execute(_OURS)]
        try:
            for pid in pids:
                _signal(pid, signal.SIGSTOP)
            yield
        finally:
            for pid in reversed(pids):
                _signal(pid, signal.SIGCONT)

    async def test_stops(self) -> None:
        """
        The daemon stops although it waits for answers that do not come: for changes, for kept
        messages, and for a query.
        """
        self.patch(backend, "PATIENCE", 0.2)
        self.patch(daemon, "DATABASE", 0.2)
        self.execute("CREATE TABLE orders (id int PRIMARY KEY)")
        wire = await self.subscribed("orders")
        wire.tell({**PUBLISH, "data": 1, "id": "soon"})
        query = self.daemon.node.pools.query.run(lambda cursor: cursor.execute("SELECT 1"))
        await query
        with self.hanging():
            wire.tell({**PUBLISH, "data": 2, "id": "late"})
            query = self.daemon.node.pools.query.run(lambda cursor: cursor.execute("SELECT 1"))
            query.addErrback(lambda _: None)
            await self.sleep(2 * self.pollInterval)
            await self.daemon.stopService()
        self.assertFalse(self.daemon.running)
        self.flushLoggedErrors(psycopg.OperationalError)
