"""
Restoring a backup of an SQLite database, as in C{docs/deploying.rst}.
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
        Copy the database while it is used, like the shell's C{.backup}.
        """
        with (
            closing(sqlite3.connect(self.path)) as connection,
            closing(sqlite3.connect(self.copy)) as copy,
        ):
            connection.backup(copy)

    def restore(self) -> None:
        """
        Replace the database with the copy.
        """
        for end in ("-wal", "-shm"):
            self.path.with_name(self.path.name + end).unlink(missing_ok=True)
        shutil.copy(self.copy, self.path)

    async def keep(self, text: str) -> None:
        """
        Emit an event with C{persist}.
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
        Resume a subscription.

        @return: The answer.
        """
        wire = await self.client()
        wire.positions = True
        wire.tell({"type": "subscribe", "topic": topic, "since": since})
        return await wire.frame()

    async def notices(self) -> Any:
        """
        @return: The notices in C{/health}.
        """
        status, answer = await self.http("GET", "/health")
        self.assertEqual(status, 200, answer)
        return answer.get("notices", {})

    async def restored(self) -> str:
        """
        What C{/health} says of the database's restore; empty as long as it says nothing.  Workers
        hear of it a little later.
        """
        return str((await self.notices()).get("restored", ""))

    async def end(self, daemon: Child, signal: str = "TERM") -> None:
        """
        Stop the daemon, and wait until its process has ended.
        """
        daemon.signal(signal)
        await daemon.ended

    async def test_messages(self) -> None:
        """
        A client that has seen a kept message that the backup lacks gets a gap, also after new
        messages were kept.  A client that has not gets the messages since its position.
        """
        daemon = await self.serve()
        wire = await self.subscribed("chat/a")
        wire.positions = True
        await self.keep("in the backup")
        known = await wire.frame()
        self.backUp()
        await self.keep("lost")
        lost = await wire.frame()
        await self.end(daemon)
        self.restore()

        daemon = await self.serve()
        for text in ("new", "newer"):
            answer = await self.resume("chat/a", lost["pos"])
            self.assertEqual((answer["recovered"], answer["gap"]), (False, {"reason": "unknown"}))
            await self.keep(text)
        self.assertIn("that the database lacks", await self.until(self.restored))
        wire = await self.client()
        wire.tell({"type": "subscribe", "topic": "chat/a", "since": known["pos"]})
        self.assertTrue((await wire.frame())["recovered"])
        self.assertEqual([(await wire.frame())["data"] for _ in range(2)], ["new", "newer"])
        await self.end(daemon)
        self.assertEqual(daemon.output.count("an older backup was restored"), 1)

    async def test_noRestore(self) -> None:
        """
        Without a restore there is no gap: not after a restart, a crash, or a VACUUM.
        """
        self.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
        daemon = await self.serve()
        places = {}
        for round, signal in enumerate(("TERM", "KILL", "TERM")):
            for topic in ("chat/a", "orders"):
                if topic in places:
                    answer = await self.resume(topic, places[topic])
                    self.assertTrue(answer["recovered"], answer)
                wire = await self.subscribed(topic)
                wire.positions = True
                if topic == "orders":
                    self.execute(f"INSERT INTO orders VALUES ({round})")
                else:
                    await self.keep(f"{round}")
                places[topic] = (await wire.frame())["pos"]
            await self.end(daemon, signal)
            self.execute("DELETE FROM orders WHERE id < 0")
            with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
                connection.execute("VACUUM")
            daemon = await self.serve()
        for topic, place in places.items():
            self.assertTrue((await self.resume(topic, place))["recovered"])
        self.assertEqual(await self.notices(), {})

    async def test_changes(self) -> None:
        """
        A client that has seen changes that the backup lacks gets a gap, however soon after the
        last change the daemon was killed.  The log says once that the database is an older one.
        """
        self.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
        daemon = await self.serve()
        wire = await self.subscribed("orders")
        wire.positions = True
        self.backUp()
        self.execute("INSERT INTO orders VALUES (1)")
        change = await wire.frame()
        self.assertNotIn("restored", await self.notices())
        await self.end(daemon, "KILL")
        self.restore()
        daemon = await self.serve()
        # No client has subscribed to a table yet.
        self.assertIn("put back to an older state", await self.until(self.restored))
        wire = await self.subscribed("orders")
        for number in (2, 3):
            self.execute(f"INSERT INTO orders VALUES ({number})")
            await wire.frame()
        answer = await self.resume("orders", change["pos"])
        self.assertEqual((answer["recovered"], answer["gap"]), (False, {"reason": "unknown"}))
        self.assertIn("put back to an older state", await self.until(self.restored))
        await self.end(daemon)
        self.assertEqual(daemon.output.count("put back to an older state"), 1)
        await self.serve()
        self.assertEqual(await self.notices(), {})

    async def test_detached(self) -> None:
        """
        After the journal was removed from the backup, its messages are there, and a client that
        has seen changes that it lacks gets a gap.
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
        await self.end(daemon)

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
