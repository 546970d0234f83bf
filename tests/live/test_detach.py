"""
C{detach} before, while and after a daemon runs.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing

from tests.live.commands import CommandTests
from tests.net import Child, socketPath


class DetachTests(CommandTests):
    """
    Tests for C{aerostack-rt detach}.
    """

    def setUp(self) -> None:
        super().setUp()
        self.config.write_text(self.configure())
        self.execute("PRAGMA journal_mode = WAL", "CREATE TABLE orders (id INTEGER PRIMARY KEY)")
        self.before = self.schema()

    def schema(self) -> list[tuple[str, str, str]]:
        """
        Return all objects in the database.
        """
        return self.execute("SELECT type, name, sql FROM sqlite_master ORDER BY name")

    async def detach(self, *options: str) -> tuple[int, str, str]:
        """
        Run the command.
        """
        child = self.command("detach", "--yes", "--config", str(self.config), *options)
        return await child.ended, child.output, child.errors

    async def use(self) -> Child:
        """
        Let the daemon create all of its objects in the database.
        """
        daemon = await self.serve()
        wire = await self.subscribed("orders")
        self.execute("INSERT INTO orders DEFAULT VALUES")
        await wire.frame()
        publish = {"type": "publish", "topic": "chat/a", "event": "e", "persist": True}
        wire.tell({**publish, "data": "kept", "id": "1"})
        self.assertEqual(await wire.frame(), {"type": "ack", "id": "1"})
        return daemon

    async def stopped(self) -> None:
        """
        Let the daemon create its objects, and stop it.
        """
        daemon = await self.use()
        daemon.signal("TERM")
        self.assertEqual(await daemon.ended, 0)
        self.assertNotEqual(self.schema(), self.before)

    async def test_everything(self) -> None:
        """
        The command removes every object of the daemon, and no object of the user.
        """
        await self.stopped()
        status, output, errors = await self.detach()
        self.assertEqual((status, errors), (0, ""))
        self.assertIn("removed realtime_messages (1 kept message)\n", output)
        self.assertTrue(output.endswith(f"{self.path} holds nothing of aerostack-rt's any more.\n"))
        self.assertEqual(self.schema(), self.before)
        self.assertEqual(self.execute("SELECT * FROM orders"), [(1,)])
        self.assertEqual(self.execute("PRAGMA integrity_check"), [("ok",)])
        self.assertEqual(await self.detach(), (0, "Nothing to remove.\n", ""))

    async def test_keepHistory(self) -> None:
        """
        With C{--keep-history} the messages stay, and the next start finds them.
        """
        await self.stopped()
        status, output, _ = await self.detach("--keep-history")
        self.assertEqual(status, 0)
        self.assertIn("\nleft realtime_messages (1 kept message)\n", output)
        names = {name for _, name, _ in self.schema()}
        self.assertFalse([name for name in names if name.startswith("_aerostack")])
        self.assertEqual(self.execute("SELECT data FROM realtime_messages"), [('"kept"',)])
        await self.use()
        self.assertEqual(self.execute("SELECT count(*) FROM realtime_messages"), [(2,)])

    async def test_running(self) -> None:
        """
        While the daemon runs the command does nothing and says why, unless it is forced.
        """
        daemon = await self.use()
        before = self.schema()
        status, output, errors = await self.detach()
        self.assertEqual((status, output), (1, ""))
        self.assertIn("the daemon seems to be running", errors)
        elsewhere = self.directory / "elsewhere.toml"
        elsewhere.write_text(self.configure("unix:/none.sock"))
        status, output, errors = await self.detach("--config", str(elsewhere))
        self.assertEqual((status, output), (1, ""))
        self.assertIn(f"the process {daemon.transport.pid} has {self.path} open", errors)
        url = f"ws://127.0.0.1:{self.port}"
        status, output, errors = await self.detach("--config", str(elsewhere), "--url", url)
        self.assertEqual((status, output), (1, ""))
        self.assertIn(f"there is an answer at {url}", errors)
        self.assertEqual(self.schema(), before)
        self.assertEqual((await self.detach("--force"))[0], 0)

    async def test_runningOnUnix(self) -> None:
        """
        The command detects a daemon on a Unix socket, and ignores the socket of a dead one.
        """
        path = socketPath()
        self.config.write_text(self.configure(f"unix:{path}"))
        daemon = await self.serve()
        self.assertEqual((await self.detach())[0], 1)
        daemon.signal("KILL")
        await daemon.ended
        self.assertEqual((await self.detach())[0], 0)
        self.assertEqual(self.schema(), self.before)

    async def test_held(self) -> None:
        """
        A database that another program locks is left unchanged, and named.
        """
        await self.stopped()
        with closing(sqlite3.connect(self.path, 60, isolation_level=None)) as holder:
            holder.execute("BEGIN IMMEDIATE")
            status, _, errors = await self.detach()
        self.assertEqual(status, 1)
        self.assertIn(f"{self.path}: database is locked", errors)

    async def test_noDatabase(self) -> None:
        """
        If there is no database, the command creates none.
        """
        self.path.unlink()
        status, _, errors = await self.detach()
        self.assertEqual(status, 1)
        self.assertIn(f"there is no database at {self.path}", errors)
        self.assertFalse(self.path.exists())
