"""
Each way to restore a backup of a PostgreSQL database.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any

from tests.live.postgres import PostgresDaemonTests
from tests.postgres import ADMIN, INSTALLED, Database, Server

TOPICS = ("chat/a", "orders")


class RestoringTests(PostgresDaemonTests):
    """
    A daemon whose database is replaced by an older copy of it.

    @ivar places: By topic, the position of a frame that the backup has, and of one that it lacks.
    """

    def makeDatabase(self) -> Database:
        self.places: dict[str, list[str]] = {topic: [] for topic in TOPICS}
        server = Server()
        self.addCleanup(server.remove)
        return Database(server)

    def program(self, name: str, *arguments: str) -> None:
        """
        Run a program of the PostgreSQL server as its superuser.
        """
        server = self.postgres.server
        where = ("-h", str(server.directory), "-p", str(server.port), "-U", ADMIN)
        subprocess.run(
            [INSTALLED / "pginstall" / "bin" / name, *where, "-d", self.postgres.name, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
        )

    async def write(self, *numbers: int) -> None:
        """
        Write to both topics, with two clients that read and keep their positions.
        """
        wires = {topic: await self.subscribed(topic) for topic in TOPICS}
        for wire in wires.values():
            wire.positions = True
        place = {}
        for number in numbers:
            self.execute(f"INSERT INTO orders VALUES ({number})")
            await self.emit("e", number, "chat/a", persist=True)
            for topic, wire in wires.items():
                place[topic] = (await wire.frame())["pos"]
        for topic in TOPICS:
            self.places[topic].append(place[topic])

    async def resume(self, topic: str, since: str, count: int) -> tuple[Any, list[int]]:
        """
        Resume a subscription.

        @param count: How many frames to read if there is no gap.
        @return: The reason of the gap, if there is one, and the numbers in the frames.
        """
        wire = await self.client()
        wire.tell({"type": "subscribe", "topic": topic, "since": since})
        answer = await wire.frame()
        if not answer["recovered"]:
            return answer["gap"]["reason"], []
        data = [(await wire.frame())["data"] for _ in range(count)]
        return None, [row["id"] if topic == "orders" else row for row in data]

    async def story(self, backUp: Callable[[], object], restore: Callable[[], object]) -> None:
        """
        Write 1, back up, write 2 and 3, restore, and write 4 to 9.
        """
        self.execute("CREATE TABLE orders (id int PRIMARY KEY)")
        await self.write(1)
        await self.stop()
        backUp()
        await self.start()
        await self.write(2, 3)
        await self.stop()
        restore()
        await self.start()
        await self.write(4, 5, 6, 7, 8, 9)

    async def assertNoticed(self) -> None:
        """
        Check that a client which has seen a lost frame gets a gap, and that another one gets the
        frames since its position.
        """
        for topic in TOPICS:
            self.assertEqual(await self.resume(topic, self.places[topic][1], 0), ("unknown", []))
        told = await self.resume("chat/a", self.places["chat/a"][0], 6)
        self.assertEqual(told, (None, [4, 5, 6, 7, 8, 9]))
        self.assertIn("restored", self.front.health.notices())

    async def test_dump(self) -> None:
        """
        A dump that is restored into the same database begins a new journal, and the log says so.
        """
        path = self.mktemp()
        dump = ("--clean", "--if-exists", "--file", path)
        await self.story(
            lambda: self.program("pg_dump", *dump),
            lambda: self.program("psql", "-q", "-v", "ON_ERROR_STOP=1", "-f", path),
        )
        await self.assertNoticed()
        reason, _ = await self.resume("orders", self.places["orders"][0], 0)
        self.assertEqual(reason, "unknown")
        self.assertEqual(sum("begins another journal" in line for line in self.logged), 1)

    async def test_rows(self) -> None:
        """
        The daemon notices rows that are restored into its existing tables.
        """
        path = self.mktemp()
        ours = ("messages", "captured", "changes", "tables", "shapes", "journal")
        names = ", ".join(("orders", *(f"_aerostack.{name}" for name in ours)))
        tables = [f"--table={name}" for name in names.split(", ")]

        def restore() -> None:
            self.postgres.execute(f"TRUNCATE {names}", user=ADMIN)
            options = ("-q", "-v", "ON_ERROR_STOP=1")
            replica = ("-c", "SET session_replication_role = replica")
            self.program("psql", *options, *replica, "-f", path)

        await self.story(
            lambda: self.program("pg_dump", "--data-only", *tables, "--file", path), restore
        )
        await self.assertNoticed()

    async def test_files(self) -> None:
        """
        The daemon notices that the server's files were restored.  A client that has seen no lost
        change gets all changes since its position.
        """
        await self.story(self.postgres.server.copy, self.postgres.server.putBack)
        await self.assertNoticed()
        told = await self.resume("orders", self.places["orders"][0], 6)
        self.assertEqual(told, (None, [4, 5, 6, 7, 8, 9]))

    async def test_baseBackup(self) -> None:
        """
        The daemon notices a restored base backup, and a standby that takes over and lags behind.
        """
        await self.story(self.postgres.server.backUp, self.postgres.server.promote)
        await self.assertNoticed()
        told = await self.resume("orders", self.places["orders"][0], 6)
        self.assertEqual(told, (None, [4, 5, 6, 7, 8, 9]))
        self.assertEqual(sum("put back to an older state" in line for line in self.logged), 1)

    async def test_nothingLost(self) -> None:
        """
        There is no gap after a takeover by a standby that is up to date, a crash of the server, a
        VACUUM, or a restart of the daemon.
        """

        def takeOver() -> None:
            self.postgres.server.backUp()
            self.postgres.server.promote()
            self.postgres.server.restart("immediate")
            self.postgres.execute("VACUUM FULL", "VACUUM FREEZE", user=ADMIN)

        await self.story(lambda: None, takeOver)
        await self.stop()
        await self.start()
        for topic in TOPICS:
            for index, wanted in enumerate(((2, 3, 4, 5, 6, 7, 8, 9), (4, 5, 6, 7, 8, 9))):
                told = await self.resume(topic, self.places[topic][index], len(wanted))
                self.assertEqual(told, (None, list(wanted)))
        self.assertEqual(self.front.health.notices(), {})
