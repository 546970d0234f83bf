"""
A whole daemon on PostgreSQL.
"""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import count
from typing import Any

import psycopg
from twisted.internet.defer import Deferred
from twisted.logger import formatEvent, globalLogPublisher

from aerostack.server.daemon import Daemon
from aerostack.server.listening import StartError
from aerostack.settings.settings import Config, DatabaseConfig
from tests.live.daemon import DaemonTests
from tests.live.program import CLI, ProgramTests
from tests.live.wire import Refused, Wire
from tests.net import Child
from tests.postgres import PASSWORD, ROLE, Database, freshDatabase

PUBLISH = {"type": "publish", "topic": "chat/a", "event": "e", "persist": True}
HISTORY = "/api/v1/public/realtime/history?room=chat/a/p"


class PostgresDaemonTests(DaemonTests):
    """
    Runs a daemon on a PostgreSQL database of its own, by TCP and with a password.
    """

    async def setUp(self) -> None:  # type: ignore[override]
        self.postgres = self.makeDatabase()
        self.logged: list[str] = []
        globalLogPublisher.addObserver(self.observe)
        self.addCleanup(globalLogPublisher.removeObserver, self.observe)
        await super().setUp()
        # The database is dropped when the test is over, and that is before it is torn down.
        self.addCleanup(lambda: Deferred.fromCoroutine(self.stop()))

    def makeDatabase(self) -> Database:
        """
        Make the daemon's database.
        """
        return freshDatabase(self)

    def observe(self, event: dict[str, Any]) -> None:
        """
        Note what is logged.
        """
        self.logged.append(f"{formatEvent(event)} {event.get('log_failure')}")

    def config(self) -> Config:
        return replace(super().config(), database=DatabaseConfig(self.postgres.tcp(), PASSWORD))

    def execute(self, *statements: str) -> None:
        self.postgres.execute(*statements)

    async def untilAnswered(self, wanted: Any, answered: Any) -> Any:
        """
        Ask again until the answer is the wanted one.
        """
        while True:
            answer = await answered()
            if answer == wanted:
                return
            await self.sleep(0.05)


class KeptTests(PostgresDaemonTests):
    """
    Messages that are kept in PostgreSQL.
    """

    async def history(self) -> list[Any]:
        """
        What is kept, oldest first.
        """
        status, body, _ = await self.http("GET", HISTORY)
        self.assertEqual(status, 200)
        return list(reversed(body["messages"]))

    async def test_kept(self) -> None:
        """
        What a client publishes or says and a server emits is acknowledged once others can
        read it in the database, is delivered, and stands in the history.
        """
        watcher = await self.subscribed("chat/a")
        wire = await self.client("ann")
        wire.tell({**PUBLISH, "data": {"n": 1, "text": "é\u0000"}, "id": "1"})
        self.assertEqual(await wire.frame(), {"type": "ack", "id": "1"})
        kept = self.postgres.execute("SELECT data FROM _aerostack.messages", user="rt")
        self.assertEqual(json.loads(kept[0][0]), {"n": 1, "text": "é\u0000"})
        wire.tell({"type": "chat", "roomId": "a", "text": "hello"})
        await self.emit("said", [1.5], "chat/a", persist=True)
        frames = [await watcher.frame() for _ in range(3)]
        self.assertEqual([frame["event"] for frame in frames], ["e", "message", "said"])
        messages = await self.history()
        self.assertEqual([m["event"] for m in messages], ["e", "message", "said"])
        self.assertEqual([m["data"] for m in messages], [frame["data"] for frame in frames])
        self.assertEqual(
            [m["created_at"] for m in messages], [frame["timestamp"] for frame in frames]
        )

    async def test_restart(self) -> None:
        """
        A restart of the daemon forgets nothing: a publish that comes again is kept and
        delivered once, and a client gets what it missed.
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
        A user's id that PostgreSQL's text cannot hold is refused at the opening.
        """
        with self.assertRaises(Refused):
            await self.client("a%00b")
        wire = await self.client("ann")
        wire.tell({**PUBLISH, "data": 1, "id": "2"})
        self.assertEqual(await wire.frame(), {"type": "ack", "id": "2"})


class QueryTests(PostgresDaemonTests):
    """
    C{db.query} on PostgreSQL.
    """

    async def setUp(self) -> None:  # type: ignore[override]
        await super().setUp()
        self.execute(
            "CREATE TABLE orders (id bigint PRIMARY KEY, status text, paid boolean,"
            " total numeric, tags text[], more jsonb, at timestamptz, raw bytea)"
        )

    async def test_query(self) -> None:
        """
        Statements are run as our users write them, and values come back as they went.
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
        What the database does not take: 400 with its words.
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
    Tables that are watched.
    """

    async def change(self, wire: Wire) -> tuple[str, Any]:
        """
        The next change.
        """
        while (frame := await wire.frame())["type"] != "db_change":
            pass
        return frame["operation"], frame["data"]

    async def test_restarted(self) -> None:
        """
        Changes are told on the same socket after the server was restarted, those that were
        made before the daemon was there again among them; C{db.query}'s as well.
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
        # A look at the journal may have been under way.
        self.flushLoggedErrors(psycopg.OperationalError)


class TroubleTests(PostgresDaemonTests):
    """
    A server that goes away and comes back.
    """

    async def health(self) -> int:
        """
        The status of C{/health}.
        """
        status, body, _ = await self.http("GET", "/health")
        self.assertNotIn(PASSWORD, json.dumps(body))
        if status != 200:
            # Whichever is noticed first.
            said = body["checks"]["database"]
            self.assertRegex(said, "The database does not answer|Messages cannot be kept")
        return status

    async def publish(self, wire: Wire, number: int) -> dict[str, Any]:
        """
        Publish something that is to be kept.

        @return: The answer.
        """
        wire.tell({**PUBLISH, "data": number, "id": str(number)})
        return await wire.frame()

    async def test_restarted(self) -> None:
        """
        While the server is down, what is to be kept is refused for now and everything else
        goes on, on the same sockets; when it is back, all works again.
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
        # Once each time that it went away.
        self.flushLoggedErrors(psycopg.OperationalError)
        self.assertNotIn(PASSWORD, "\n".join(self.logged))
        self.assertEqual(self.postgres.execute("SELECT count(*) FROM t"), [(0,)])

    async def test_start(self) -> None:
        """
        A daemon whose database cannot be had does not start, and says why without the
        password.
        """
        for database, said in (
            (DatabaseConfig(self.postgres.tcp(), "wr0ng"), "password authentication failed"),
            (DatabaseConfig("postgresql:///shop?host=/nowhere"), "No such file or directory"),
        ):
            daemon = Daemon(replace(self.config(), database=database), self.reactor)
            error = str(self.assertRaises(StartError, daemon.privilegedStartService))
            self.assertIn(f"{database.url} cannot be used: ", error)
            self.assertIn(said, error)
            self.assertNotIn("wr0ng", error)


class ProcessTests(ProgramTests):
    """
    The daemon as a process, and what is beside it, with PostgreSQL.
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

    async def ran(self, *arguments: str, **environ: str) -> tuple[int, str]:
        """
        Run a command to its end.

        @return: Its exit status, and what it wrote.
        """
        child = Child.spawn(self.reactor, ["-c", CLI, *arguments], environ)
        self.addCleanup(child.kill)
        status = await child.ended
        return status, child.output + child.errors

    async def test_check(self) -> None:
        """
        A configuration is checked without connecting anywhere.
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
        A table that is watched stays recorded, and its subscribers hear of no loss, once the
        daemon has told its database that it is there.
        """
        await self.serve()
        self.postgres.execute("CREATE TABLE orders (id integer PRIMARY KEY)")
        wire = await self.subscribed("orders")
        for key in range(3):
            self.postgres.execute(f"INSERT INTO orders VALUES ({key})")
            self.assertEqual((await wire.frame())["type"], "db_change")
        (left,) = self.postgres.execute(
            "SELECT until / 1000 - extract(epoch FROM clock_timestamp()) FROM _aerostack.journal",
            user=ROLE,
        )[0]
        self.assertGreater(left, 24 * 3600)

    async def failing(self) -> Any:
        """
        What C{/health} says, if it is no good; else L{None}.
        """
        status, body = await self.http("GET", "/health")
        return body if status == 503 else None

    async def test_serves(self) -> None:
        """
        The daemon serves, and its password is nowhere in what it writes, whatever happens
        to the database, and whoever asks how it is.
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
        A database that cannot be had ends the start with one sentence.
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
        C{aerostack-rt detach} takes everything out again.
        """
        self.postgres.execute("CREATE TABLE orders (id int PRIMARY KEY)")
        child = await self.serve()
        wire = await self.subscribed("orders")
        self.postgres.execute("INSERT INTO orders VALUES (1)")
        self.assertEqual((await wire.frame())["data"], {"id": 1})
        child.signal("TERM")
        await child.ended
        detach = ("detach", "--config", str(self.config))
        status, output = await self.ran(*detach)
        self.assertEqual(status, 0, output)
        self.assertIn("removed _aerostack.messages", output)
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
