"""
Going back to a backup of the database, as C{docs/deploying.rst} says.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from typing import Any

from aerostack.testing import SECRET_KEY
from tests.live.program import CLI, ProgramTests
from tests.net import Child


class RestoringTests(ProgramTests):
    """
    A daemon whose database is replaced by an older copy of it.
    """

    def setUp(self) -> None:
        super().setUp()
        self.config.write_text(self.configure())
        self.copy = self.directory / "copy.db"

    def backUp(self) -> None:
        """
        Copy the database while it is used, as the shell's C{.backup} does.
        """
        with (
            closing(sqlite3.connect(self.path)) as connection,
            closing(sqlite3.connect(self.copy)) as copy,
        ):
            connection.backup(copy)

    def restore(self) -> None:
        """
        Put the copy in the database's place.
        """
        for end in ("-wal", "-shm"):
            self.path.with_name(self.path.name + end).unlink(missing_ok=True)
        shutil.copy(self.copy, self.path)

    async def keep(self, text: str) -> None:
        """
        Emit an event that is kept.
        """
        call = {"method": "socket.emit", "args": ["e", text, "chat/a", {"persist": True}]}
        status, answer = await self.http(
            "POST",
            "/internal/hooks/rpc",
            json.dumps(call).encode(),
            Authorization=f"Bearer {SECRET_KEY}",
        )
        self.assertEqual(status, 200, answer)

    async def resume(self, topic: str, since: str) -> Any:
        """
        Subscribe as one who comes back.

        @return: The answer.
        """
        wire = await self.client()
        wire.positions = True
        wire.tell({"type": "subscribe", "topic": topic, "since": since})
        return await wire.frame()

    async def test_restore(self) -> None:
        """
        The messages of the backup are there, and who has seen changes that it lacks is told
        of a gap.
        """
        self.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, status TEXT)")
        daemon = await self.serve()
        wire = await self.subscribed("orders")
        wire.positions = True
        await self.keep("in the backup")
        self.backUp()
        for status in ("new", "shipped", "paid"):
            self.execute(f"INSERT INTO orders (status) VALUES ('{status}')")
            change = await wire.frame()
        daemon.signal("TERM")
        await daemon.ended

        self.restore()
        detach = Child.spawn(
            self.reactor, ["-c", CLI, "detach", "--keep-history", "--config", str(self.config)]
        )
        self.addCleanup(detach.kill)
        self.assertEqual(await detach.ended, 0, detach.errors)

        await self.serve()
        wire = await self.subscribed("orders")
        for status in ("other", "others", "another"):
            self.execute(f"INSERT INTO orders (status) VALUES ('{status}')")
            await wire.frame()
        answer = await self.resume("orders", change["pos"])
        self.assertEqual((answer["recovered"], answer["gap"]), (False, {"reason": "unknown"}))
        _, page = await self.http(
            "GET",
            "/api/v1/public/realtime/history?room=chat/a",
            Authorization=f"Bearer {SECRET_KEY}",
        )
        self.assertEqual([message["data"] for message in page["messages"]], ["in the backup"])
