"""
The daemon and its commands as processes, with PostgreSQL.
"""

from __future__ import annotations

import json
from typing import Any

from tests.live.program import CLI, ProgramTests
from tests.net import Child
from tests.postgres import PASSWORD, ROLE, freshDatabase


class PostgresProgramTests(ProgramTests):
    """
    Runs C{twistd aerostack-rt} on a PostgreSQL database of its own, by TCP and with a password.
    """

    def setUp(self) -> None:
        super().setUp()
        self.postgres = freshDatabase(self)
        self.configured(self.postgres.tcp(), password=PASSWORD)

    def configured(self, url: str, **more: str) -> None:
        """
        Write a configuration with a database.
        """
        lines = [f'url = "{url}"', *(f"{name} = {json.dumps(v)}" for name, v in more.items())]
        text = self.configure().replace('url = "sqlite:///rt.db"', "\n".join(lines))
        self.config.write_text(text)


class ProcessTests(PostgresProgramTests):
    """
    Tests for the daemon and its commands.
    """

    async def ran(self, *arguments: str, **environ: str) -> tuple[int, str]:
        """
        Run a command to its end.

        @return: Its exit status, and its output.
        """
        child = Child.spawn(self.reactor, ["-c", CLI, *arguments], environ)
        self.addCleanup(child.kill)
        status = await child.ended
        return status, child.output + child.errors

    async def test_check(self) -> None:
        """
        C{--check} accepts a configuration without connecting to its database.
        """
        self.configured("postgresql://rt@nowhere.test/shop?sslmode=require", password="s3cret")
        status, output = await self.refused("--check")
        self.assertEqual((status, output), (0, f"{self.config} is in order.\n"))
        self.configured("postgresql://rt:s3cret@nowhere.test/shop?sslmod=require")
        status, output = await self.refused("--check")
        self.assertEqual(status, 1)
        self.assertIn("did you mean 'sslmode'?", output)
        self.assertNotIn("s3cret", output)

    async def test_recording(self) -> None:
        """
        A watched table stays recorded, and its subscribers get no C{table_lost}, once the daemon
        has registered in its database.
        """
        await self.serve()
        self.postgres.execute("CREATE TABLE orders (id integer PRIMARY KEY)")
        wire = await self.subscribed("orders")
        for key in range(3):
            self.postgres.execute(f"INSERT INTO orders VALUES ({key})")
            self.assertEqual((await wire.frame())["type"], "db_change")
        query = (
            "SELECT until / 1000 - extract(epoch FROM clock_timestamp()) FROM _aerostack.journal"
        )
        await self.until(lambda: self.postgres.execute(query, user=ROLE)[0][0] > 24 * 3600)

    def sessions(self) -> int:
        """
        How many sessions of the daemon's role the database has.
        """
        query = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database()"
        return len(self.postgres.execute(f"{query} AND usename = '{ROLE}'"))

    async def failing(self) -> Any:
        """
        Return the failure in C{/health}; L{None} if it is healthy.
        """
        status, body = await self.http("GET", "/health")
        return body if status == 503 else None

    async def test_serves(self) -> None:
        """
        The daemon serves, and its password is nowhere in its output, whatever happens to the
        database, and in no answer of C{/health}.
        """
        child = await self.serve()
        self.postgres.execute(f"ALTER ROLE {ROLE} PASSWORD 'changed'", user="admin")
        try:
            self.postgres.server.restart()
            await self.until(lambda: "password authentication failed" in child.output)
            body = await self.until(self.failing)
        finally:
            self.postgres.execute(f"ALTER ROLE {ROLE} PASSWORD '{PASSWORD}'", user="admin")
        await self.until(lambda: "the database answers again" in child.output)
        child.signal("TERM")
        self.assertEqual(await child.ended, 0)
        self.assertNotIn(PASSWORD, child.output + child.errors + json.dumps(body))
        self.assertNotIn("Traceback", child.output + child.errors)

    async def test_unreachable(self) -> None:
        """
        If the database is unreachable, the start fails with one sentence.
        """
        self.configured(self.postgres.tcp(), password="wr0ng")
        status, output = await self.refused()
        self.assertEqual(status, 1)
        self.assertIn(f"{self.postgres.tcp()} cannot be used: ", output)
        self.assertIn("password authentication failed", output)
        self.assertNotIn("Traceback", output)
        self.assertNotIn("wr0ng", output)

    async def test_detach(self) -> None:
        """
        C{aerostack-rt detach} removes everything of the daemon, as a dry run says before, and not
        while a daemon anywhere uses the database.
        """
        self.postgres.execute("CREATE TABLE orders (id int PRIMARY KEY)")
        child = await self.serve()
        wire = await self.subscribed("orders")
        self.postgres.execute("INSERT INTO orders VALUES (1)")
        self.assertEqual((await wire.frame())["data"], {"id": 1})
        elsewhere = self.directory / "elsewhere.toml"
        elsewhere.write_text(self.config.read_text().replace(self.listen, "unix:/none.sock"))
        status, output = await self.ran("detach", "--config", str(elsewhere))
        self.assertEqual(status, 1)
        self.assertRegex(output, "the database has the connection 'aerostack-rt [a-z]+' from")
        wire.tell({"type": "publish", "topic": "chat/a", "event": "e", "persist": True, "id": "1"})
        self.assertEqual((await wire.frame())["type"], "ack")
        child.signal("TERM")
        await child.ended
        # The server may end the daemon's sessions a little later.
        await self.until(lambda: not self.sessions())
        detach = ("detach", "--config", str(self.config))
        status, planned = await self.ran(*detach, "--dry-run")
        self.assertEqual(status, 0, planned)
        status, output = await self.ran(*detach)
        self.assertEqual(status, 1)
        self.assertIn("this deletes 1 kept message from", output)
        status, output = await self.ran(*detach, "--yes")
        self.assertEqual(status, 0, output)
        self.assertIn("removed _aerostack.messages (1 kept message)\n", output)
        self.assertTrue(output.startswith(planned.replace("would remove", "removed")), planned)
        self.assertIn("holds nothing of aerostack-rt's any more", output)
        self.assertNotIn(PASSWORD, output)
        self.assertEqual(
            self.postgres.execute("SELECT count(*) FROM pg_namespace WHERE nspname = '_aerostack'"),
            [(0,)],
        )
        self.assertEqual(
            self.postgres.execute("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal"), [(0,)]
        )
        self.assertEqual(await self.ran(*detach), (0, "Nothing to remove.\n"))
        self.configured("postgresql:///shop?host=/nowhere")
        status, output = await self.ran(*detach)
        self.assertEqual(status, 1)
        self.assertIn("postgresql:///shop?host=/nowhere: ", output)
