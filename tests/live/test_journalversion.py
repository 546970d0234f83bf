"""
A database whose journal another version of the daemon has made.
"""

from __future__ import annotations

from typing import Any

from tests.live.program import ProgramTests
from tests.net import Child


class VersionTests(ProgramTests):
    """
    Makes such a journal in an SQLite file.
    """

    async def made(self, version: int) -> None:
        """
        Let a daemon make a journal, and change its version.
        """
        self.config.write_text(self.configure())
        self.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
        child = await self.serve()
        await self.subscribed("orders")
        await self.stop(child)
        self.execute(f"UPDATE _aerostack_meta SET value = {version} WHERE key = 'version'")

    async def stop(self, child: Child) -> None:
        """
        Stop a daemon.
        """
        child.signal("TERM")
        self.assertEqual(await child.ended, 0)
        self.assertNotIn("Traceback", child.output + child.errors)

    async def tracker(self) -> tuple[int, Any]:
        """
        @return: The status of C{/health}, and what it says of table changes.
        """
        status, body = await self.http("GET", "/health")
        return status, body["checks"]["tracker"]

    async def untilGreen(self) -> None:
        """
        Wait until C{/health} is green.  It is red for a moment if the daemon has stood still.
        """

        async def isGreen() -> bool:
            return await self.tracker() == (200, "ok")

        await self.until(isGreen)


class NewerTests(VersionTests):
    """
    Tests for the journal of a newer version.
    """

    async def test_newer(self) -> None:
        """
        The daemon serves what needs no journal.  Who wants a table gets an error, and the operator
        reads what to type; when the journal is gone, tables are followed again.
        """
        await self.made(99)
        status, output = await self.refused("--check", "--connect")
        self.assertEqual(status, 1)
        command = f"aerostack-rt detach --keep-history --config {self.config}"
        self.assertIn(command, output)
        child = await self.serve()

        async def red() -> bool:
            return (await self.tracker())[0] == 503

        # Workers hear of it within a second.
        await self.until(red)
        _, said = await self.tracker()
        self.assertIn("aerostack-rt detach --keep-history", said)
        self.assertNotIn(str(self.config), said)
        wire = await self.subscribed("chat/a")
        for _ in range(2):
            wire.tell({"type": "subscribe", "topic": "orders"})
            error = await wire.frame()
            self.assertEqual((error["type"], error["code"]), ("error", "untrackable_table"), error)
            self.assertIn("newer version of aerostack-rt", error["message"])
            self.assertNotIn("retryAfter", error)
        self.assertEqual(child.output.count(command), 1, child.output)
        self.assertEqual(
            self.execute("SELECT value FROM _aerostack_meta WHERE key = 'version'"), [(99,)]
        )
        self.execute("UPDATE _aerostack_meta SET value = 1 WHERE key = 'version'")
        await self.untilGreen()
        wire.tell({"type": "subscribe", "topic": "orders"})
        self.assertEqual((await wire.frame())["type"], "subscribed")
        await self.stop(child)


class OlderTests(VersionTests):
    """
    Tests for the journal of an older version.
    """

    async def test_older(self) -> None:
        """
        A journal of an older version is replaced at the first subscription.
        """
        await self.made(2)
        child = await self.serve()
        wire = await self.subscribed("orders")
        self.execute("INSERT INTO orders VALUES (1)")
        self.assertEqual((await wire.frame())["data"], {"id": 1})
        await self.untilGreen()
        await self.stop(child)


class WorkerTests(NewerTests):
    """
    The same with two workers.
    """

    workers = 2
