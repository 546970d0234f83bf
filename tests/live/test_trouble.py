"""
Database outages and floods, with real clients.
"""

from __future__ import annotations

import io
import socket
import sqlite3
from contextlib import closing
from typing import Any

from twisted.logger import globalLogPublisher

from aerostack.process.logs import makeObserver
from tests.live.daemon import DaemonTests
from tests.live.wire import Wire
from tests.net import Child

LOCKER = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
connection.execute("INSERT INTO orders (n) VALUES (-1)")
time.sleep(float(sys.argv[2]))
sys.stdin.read()
connection.execute("COMMIT")
print("free", flush=True)
"""


class LockTests(DaemonTests):
    """
    Tests with another program that locks the database for long.
    """

    busy = 5.0

    async def start(self, port: int = 0) -> None:
        self.log = io.StringIO()
        observer = makeObserver(self.log, "text", "info")
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        # In WAL mode no program can lock readers out.  The daemon does not change a file's mode.
        self.execute(
            "PRAGMA journal_mode = DELETE",
            "CREATE TABLE orders (id INTEGER PRIMARY KEY, n INTEGER)",
        )
        await super().start(port)

    def lock(self, seconds: float) -> Child:
        """
        Lock the database in another process, and write a row with the id C{-1}.

        @param seconds: The shortest time of the lock: it lasts until the input of the process
            ends.
        """
        child = Child.spawn(self.reactor, ["-c", LOCKER, str(self.path), str(seconds)])
        self.addCleanup(child.kill)
        return child

    async def read(self, wire: Wire, count: int, feed: str = "up") -> tuple[list[int], list[str]]:
        """
        Read changes until they are all there and the feed is up.  The feed of a slow disk may be
        down for a while.

        @param feed: The state of the feed before.
        @return: What the changes have in C{n}, and the states of the feed that the client got.
        """
        rows: list[int] = []
        states: list[str] = []
        while len(rows) < count or [feed, *states][-1] == "down":
            frame = await wire.frame()
            if frame["type"] == "status":
                states.append(frame["feed"])
            else:
                rows.append(frame["data"]["n"])
        return rows, states

    async def test_locked(self) -> None:
        """
        While another process locks the database for more than six seconds, connections stay open.
        Subscribers get a status at the beginning and at the end, and then every change once.
        """
        self.feeds = True
        first = await self.subscribed("orders")
        self.execute("INSERT INTO orders (n) VALUES (0)")
        rows, before = await self.read(first, 1)
        self.assertEqual(rows, [0])
        locker = self.lock(6.5)
        await locker.wrote("locked")
        status = await first.frame()
        self.assertEqual((status["type"], status["feed"]), ("status", "down"))
        self.assertEqual(status["topic"], "table/orders/p")
        self.assertNotIn("free", locker.output)
        # An existing subscriber does not wait for the database, nor does a subscriber of another
        # topic.
        second = await self.subscribed("orders")
        self.assertEqual((await second.frame())["feed"], "down")
        chat = await self.subscribed("chat/a")
        chat.tell({"type": "publish", "topic": "chat/a", "event": "e", "data": 1})
        self.assertEqual((await chat.frame())["data"], 1)
        self.assertNotIn("free", locker.output)
        locker.transport.closeStdin()
        await locker.ended
        self.assertIn("free", locker.output)
        for n in range(1, 20):
            self.execute(f"INSERT INTO orders (n) VALUES ({n})")
        for wire in (first, second):
            rows, states = await self.read(wire, 20, "down")
            self.assertEqual(rows, [-1, *range(1, 20)])
            self.assertEqual(states[0], "up")
            self.assertEqual(await wire.barrier(), [])
        downs = [*before, "down", *states].count("down")
        self.flushLoggedErrors(sqlite3.OperationalError)
        self.assertNotIn("Traceback", self.log.getvalue())
        locked = "trying again: the database is locked by another program"
        for said in (f"Table changes cannot be read; {locked}", "Table changes can be read again"):
            self.assertEqual(self.log.getvalue().count(said), downs, said)

    async def test_kept(self) -> None:
        """
        While another program locks the database, the daemon refuses events with C{persist},
        C{/health} says why, and the log has one line at the beginning and one at the end.
        """
        locker = sqlite3.connect(self.path, timeout=60, isolation_level=None)
        self.addCleanup(locker.close)
        client = await self.client("ann")
        locker.execute("BEGIN EXCLUSIVE")
        publish = {"type": "publish", "topic": "chat/a", "event": "e", "data": 1, "persist": True}
        client.tell({**publish, "id": "1"})
        error = await client.frame()
        self.assertEqual((error["type"], error["code"]), ("error", "database_unavailable"))
        self.assertIn("The database is locked by another program.", error["message"])
        status = 200
        while status == 200:
            # Workers hear of it a little later.
            status, body, _ = await self.http("GET", "/health")
        said = "Messages cannot be kept: the database is locked by another program."
        self.assertEqual((status, body["checks"]["database"]), (503, said))
        locker.execute("ROLLBACK")
        while (await self.http("GET", "/health"))[0] != 200:
            await self.sleep(0.1)
        client.tell({**publish, "id": "2"})
        self.assertEqual(await client.frame(), {"type": "ack", "id": "2"})
        self.flushLoggedErrors(sqlite3.OperationalError)
        self.assertNotIn("Traceback", self.log.getvalue())
        locked = "trying again: the database is locked by another program"
        for said in (f"messages cannot be kept; {locked}", "messages can be kept again"):
            self.assertEqual(self.log.getvalue().count(said), 1, said)


class ConnectionTests(DaemonTests):
    """
    Tests for dead connections to the database.
    """

    async def test_dead(self) -> None:
        """
        The feed continues with new connections from its position, and so does the history.
        """
        self.execute("CREATE TABLE orders (n INTEGER)")
        client = await self.subscribed("orders")
        self.execute("INSERT INTO orders VALUES (1)")
        self.assertEqual((await client.frame())["data"]["n"], 1)
        dead = sqlite3.connect(":memory:", check_same_thread=False)
        dead.close()
        for round in (2, 4):
            for pool in self.daemon.node.pools:
                # Closing a connection that a thread may be using would crash the process.
                for thread in tuple(pool._pool.connections):
                    pool._pool.connections[thread] = dead
            self.execute(f"INSERT INTO orders VALUES ({round}), ({round + 1})")
            found = [frame["data"]["n"] for frame in await client.frames(2)]
            self.assertEqual(found, [round, round + 1])
            await self.emit("e", 1, "chat/a", persist=True)


class FloodTests(DaemonTests):
    """
    Tests with a hundred thousand rows in one statement, and little space.
    """

    rows = 100_000
    # Stalled clients do not answer pings, for as long as the machine needs for the flood.
    limits = {"outboxBytes": 2_097_152, "pongTimeout": 3600.0}  # noqa: RUF012

    async def setUp(self) -> None:  # type: ignore[override]
        await super().setUp()
        self.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, side INTEGER, body TEXT)")

    def stall(self, wire: Wire) -> None:
        """
        Stop reading from a client.
        """
        transport: Any = wire.transport
        transport.getHandle().setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        transport.pauseProducing()

    def flood(self) -> None:
        """
        Write all the rows in one statement.
        """
        with closing(sqlite3.connect(self.path, timeout=60)) as connection:
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
                " INSERT INTO orders SELECT i, i % 1000, 'xxxxxxxxxxxxxxxxxxxxxxxxxxxx' FROM n",
                (self.rows,),
            )
            connection.commit()

    async def ids(self, wire: Wire, count: int) -> list[int]:
        """
        Return the ids of the next rows.
        """
        return [frame["data"]["id"] for frame in await wire.frames(count)]

    async def test_flood(self) -> None:
        """
        A client that reads gets all rows, and so do one that stalled and one with a filter that
        stalled.  Meanwhile the frames that wait for these are bounded, and other clients are
        served.
        """
        reader, stalled, filtered = [await self.subscribed("orders") for _ in range(3)]
        filtered.tell({"type": "subscribe", "topic": "orders", "filter": {"side": {"lt": 500}}})
        await filtered.frame()
        for wire in (stalled, filtered):
            self.stall(wire)
        chat = await self.subscribed("chat/a")
        self.flood()
        waiting = 0
        for start in range(1, self.rows, 1000):
            self.assertEqual(await self.ids(reader, 1000), list(range(start, start + 1000)))
            for session in self.front.connections.sessions():
                waiting = max(waiting, session._outbox.waiting)
            if start % 10_000 == 1:
                chat.tell({"type": "publish", "topic": "chat/a", "event": "e", "data": start})
                self.assertEqual((await chat.frame())["data"], start)
        self.assertLessEqual(waiting, 2_097_152)
        for wire in (stalled, filtered):
            transport: Any = wire.transport
            transport.resumeProducing()
        self.assertEqual(await self.ids(stalled, self.rows), list(range(1, self.rows + 1)))
        wanted = [n for n in range(1, self.rows + 1) if n % 1000 < 500]
        self.assertEqual(await self.ids(filtered, len(wanted)), wanted)
        self.execute("INSERT INTO orders VALUES (0, 0, 'last')")
        for wire in (reader, stalled, filtered):
            # A client with a filter may first get the end of the transaction.
            frames = [await wire.frame()]
            if frames[0]["type"] == "commit":
                frames.append(await wire.frame())
            self.assertEqual(frames[-1]["data"]["id"], 0)


class LargeTests(DaemonTests):
    """
    Tests for a row that is too large to be sent.
    """

    async def test_omitted(self) -> None:
        """
        The row is sent without its large columns, live and to a client that resumes, and the
        connection stays.
        """
        self.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, body BLOB, name TEXT)")
        client = await self.client()
        client.positions = True
        client.tell({"type": "subscribe", "topic": "orders"})
        pos = (await client.frame())["pos"]
        self.execute("INSERT INTO orders VALUES (1, zeroblob(20000000), 'tea')")
        live = await client.frame()
        self.assertEqual(live["data"], {"id": 1, "name": "tea", "body": None})
        self.assertEqual(live["omitted"], ["body"])
        await self.stop()
        await self.start()
        again = await self.client()
        again.tell({"type": "subscribe", "topic": "orders", "since": pos})
        self.assertTrue((await again.frame())["recovered"])
        self.assertEqual((await again.frame())["omitted"], ["body"])
