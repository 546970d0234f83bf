"""
The whole daemon on PostgreSQL.
"""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import count
from typing import Any

import psycopg

from aerostack.server import waiting
from aerostack.server.daemon import Daemon
from aerostack.server.listening import StartError
from aerostack.settings.settings import DatabaseConfig
from tests import PATIENCE
from tests.live.postgres import PUBLISH, PostgresDaemonTests
from tests.live.wire import Refused, Wire
from tests.postgres import PASSWORD

HISTORY = "/api/v1/public/realtime/history?room=chat/a/p"


class KeptTests(PostgresDaemonTests):
    """
    Tests for kept messages.
    """

    async def history(self) -> list[Any]:
        """
        Return the kept messages, oldest first.
        """
        status, body, _ = await self.http("GET", HISTORY)
        self.assertEqual(status, 200)
        return list(reversed(body["messages"]))

    async def test_kept(self) -> None:
        """
        The messages of a client's C{publish} and C{chat} and of a server's C{emit} are
        acknowledged once others can read them in the database, and they are delivered, and are in
        the history.
        """
        watcher = await self.subscribed("chat/a")
        wire = await self.client("ann")
        wire.tell({**PUBLISH, "data": {"n": 1, "text": "é\u0000"}, "id": "1"})
        self.assertEqual(await wire.frame(), {"type": "ack", "id": "1"})
        kept = self.postgres.execute("SELECT data FROM _aerostack.messages", user="rt")
        self.assertEqual(json.loads(kept[0][0]), {"n": 1, "text": "é\u0000"})
        wire.tell({"type": "chat", "roomId": "a", "text": "hello"})
        frames = [await watcher.frame() for _ in range(2)]
        await self.emit("said", [1.5], "chat/a", persist=True)
        frames.append(await watcher.frame())
        self.assertEqual([frame["event"] for frame in frames], ["e", "message", "said"])
        messages = await self.history()
        self.assertEqual([m["event"] for m in messages], ["e", "message", "said"])
        self.assertEqual([m["data"] for m in messages], [frame["data"] for frame in frames])
        self.assertEqual(
            [m["created_at"] for m in messages], [frame["timestamp"] for frame in frames]
        )

    async def test_restart(self) -> None:
        """
        After a restart of the daemon, a repeated publish is still kept and delivered once, and a
        client gets its missed messages.
        """
        wire = await self.subscribed("chat/a", "ann")
        wire.positions = True
        wire.tell({**PUBLISH, "data": 1, "id": "1"})
        frames = [await wire.frame() for _ in range(2)]
        position = next(frame["pos"] for frame in frames if frame["type"] == "event")
        await self.emit("e", 2, "chat/a", persist=True)
        await wire.frame()
        await self.stop()
        await self.start()
        wire = await self.client("ann")
        wire.tell({**PUBLISH, "data": 1, "id": "1"})
        self.assertEqual(await wire.frame(), {"type": "ack", "id": "1"})
        self.assertEqual([m["data"] for m in await self.history()], [1, 2])
        wire.tell({"type": "subscribe", "topic": "chat/a", "since": position})
        answer = await wire.frame()
        self.assertEqual((answer["type"], answer["recovered"]), ("subscribed", True))
        self.assertEqual((await wire.frame())["data"], 2)

    async def test_unkeepable(self) -> None:
        """
        A user's id that PostgreSQL's text cannot store is refused at the opening.
        """
        with self.assertRaises(Refused):
            await self.client("a%00b")
        wire = await self.client("ann")
        wire.tell({**PUBLISH, "data": 1, "id": "2"})
        self.assertEqual(await wire.frame(), {"type": "ack", "id": "2"})


class QueryTests(PostgresDaemonTests):
    """
    Tests for C{db.query}.
    """

    async def setUp(self) -> None:  # type: ignore[override]
        await super().setUp()
        self.execute(
            "CREATE TABLE orders (id bigint PRIMARY KEY, status text, paid boolean,"
            " total numeric, tags text[], more jsonb, at timestamptz, raw bytea)"
        )

    async def test_query(self) -> None:
        """
        Statements run as users write them, and values come back unchanged.
        """
        row = {
            "id": "9007199254740993",
            "status": "new",
            "paid": True,
            "total": 12.5,
            "tags": ["a", "b c"],
            "more": {"b": [1, None]},
            "at": "2026-01-02T03:04:05.678+00:00",
            "raw": {"base64": "AP8="},
        }
        parameters = [
            *(row["id"], row["status"], row["paid"], row["total"], '{a,"b c"}'),
            *(json.dumps(row["more"]), row["at"], row["raw"]),
        ]
        marks = ", ".join("?" * len(row))
        answer = await self.query(f"INSERT INTO orders VALUES ({marks}) RETURNING *", parameters)
        self.assertEqual(answer["results"], [row])
        self.assertEqual((answer["meta"]["changes"], answer["success"]), (1, True))
        answer = await self.query(
            "UPDATE orders SET status = ? WHERE id = ?", ["shipped", "9007199254740993"]
        )
        self.assertEqual((answer["results"], answer["meta"]["changes"]), ([], 1))
        answer = await self.query(
            "SELECT status FROM orders WHERE more ? 'b' AND paid = $1", [True]
        )
        self.assertEqual(answer["results"], [{"status": "shipped"}])
        answer = await self.query("SELECT 1 AS yes FROM orders WHERE more ?? ?", ["b"])
        self.assertEqual(answer["results"], [{"yes": 1}])

    async def test_refused(self) -> None:
        """
        If the database refuses a statement, the answer is 400 with the database's message.
        """
        for sql, said in (
            ("SELEC 1", "syntax error"),
            ("SELECT 1; SELECT 2", "one statement"),
            ("COMMIT", "no transaction control"),
            ("DROP TABLE _aerostack.messages", "daemon's own tables"),
        ):
            status, body = await self.rpc("db.query", sql)
            self.assertEqual((status, body["error"]), (400, "sql_error"))
            self.assertIn(said, body["message"])


class WatchingTests(PostgresDaemonTests):
    """
    Tests for watched tables.
    """

    async def change(self, wire: Wire) -> tuple[str, Any]:
        """
        Return the next change.
        """
        while (frame := await wire.frame())["type"] != "db_change":
            pass
        return frame["operation"], frame["data"]

    async def test_restarted(self) -> None:
        """
        After a restart of the server, changes arrive on the same socket, also those from before
        the daemon was connected again, and those of C{db.query}.
        """
        self.execute("CREATE TABLE orders (id int PRIMARY KEY, status text)")
        wire = await self.subscribed("orders")
        for number, mode in enumerate(("fast", "immediate")):
            self.execute(f"INSERT INTO orders VALUES ({number}, 'new')")
            self.assertEqual(await self.change(wire), ("INSERT", {"id": number, "status": "new"}))
            self.postgres.server.restart(mode)
            self.execute(f"UPDATE orders SET status = 'paid' WHERE id = {number}")
            self.assertEqual(await self.change(wire), ("UPDATE", {"id": number, "status": "paid"}))
            await self.query("DELETE FROM orders WHERE id = ?", [number])
            self.assertEqual((await self.change(wire))[0], "DELETE")
        # The daemon may have been reading the journal.
        self.flushLoggedErrors(psycopg.OperationalError)


class TroubleTests(PostgresDaemonTests):
    """
    Tests with a server that stops and starts.
    """

    async def health(self) -> int:
        """
        Return the status of C{/health}.
        """
        status, body, _ = await self.http("GET", "/health")
        self.assertNotIn(PASSWORD, json.dumps(body))
        if status != 200:
            # Whichever the daemon notices first.
            said = body["checks"]["database"]
            self.assertRegex(said, "The database does not answer|Messages cannot be kept")
        return status

    async def publish(self, wire: Wire, number: int) -> dict[str, Any]:
        """
        Publish an event with C{persist}.

        @return: The answer.
        """
        wire.tell({**PUBLISH, "data": number, "id": str(number)})
        return await wire.frame()

    async def test_restarted(self) -> None:
        """
        While the server is down, the daemon refuses events with C{persist} temporarily, and
        everything else works on the same sockets.  When the server is back, everything works
        again.
        """
        self.postgres.execute("CREATE TABLE t (a int)")
        watcher, wire = await self.subscribed("chat/a"), await self.client("ann")
        self.assertEqual(await self.publish(wire, 1), {"type": "ack", "id": "1"})
        self.assertEqual((await watcher.frame())["data"], 1)
        await self.query("SELECT 1")
        self.assertEqual(await self.health(), 200)
        numbers = count(2)
        for mode in ("fast", "immediate"):
            self.postgres.server.stop(mode)
            try:
                for _ in range(2):
                    error = await self.publish(wire, next(numbers))
                    self.assertEqual(
                        (error["code"], error["retryAfter"]), ("database_unavailable", 1000)
                    )
                wire.tell({"type": "publish", "topic": "chat/a", "event": "e", "data": "live"})
                self.assertEqual((await watcher.frame())["data"], "live")
                for _ in range(2):
                    status, body = await self.rpc("db.query", "INSERT INTO t VALUES (1)")
                    self.assertEqual((status, body["error"]), (503, "database_unavailable"))
                    status, body, _ = await self.http("GET", HISTORY)
                    self.assertEqual((status, body["error"]), (503, "database_unavailable"))
                await self.untilAnswered(503, self.health)
            finally:
                self.postgres.server.start()
            for _ in range(5):
                await self.query("SELECT 1")
            self.assertEqual((await self.publish(wire, next(numbers)))["type"], "ack")
            self.assertIsInstance((await watcher.frame())["data"], int)
            await self.untilAnswered(200, self.health)
        kept = self.postgres.execute("SELECT data FROM _aerostack.messages", user="rt")
        self.assertEqual(kept, [("1",), ("4",), ("7",)])
        # Once for each outage.
        self.flushLoggedErrors(psycopg.OperationalError)
        self.assertNotIn(PASSWORD, "\n".join(self.logged))
        self.assertEqual(self.postgres.execute("SELECT count(*) FROM t"), [(0,)])

    async def test_start(self) -> None:
        """
        A daemon whose database has to be changed before the daemon can use it does not start, and
        says why without the password.
        """
        # A busy server may take longer than a start waits.
        self.patch(waiting, "BLOCKING", PATIENCE)
        missing = self.postgres.tcp().rpartition("/")[0] + "/missing"
        for database, said in (
            (DatabaseConfig(self.postgres.tcp(), "wr0ng"), "password authentication failed"),
            (DatabaseConfig(missing, PASSWORD), '"missing" does not exist'),
        ):
            daemon = Daemon(replace(self.config(), database=database), self.reactor)
            error = str(self.assertRaises(StartError, daemon.privilegedStartService))
            self.assertIn(f"{database.url} cannot be used: ", error)
            self.assertIn(said, error)
            self.assertNotIn("wr0ng", error)
