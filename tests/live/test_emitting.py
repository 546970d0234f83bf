"""
Tests for events that transactions of the database emit.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import Any

import psycopg
import treq
from twisted.web.client import Agent

from aerostack.settings.settings import Config, TopicConfig
from aerostack.testing import PUBLIC_KEY, SECRET_KEY, makeProject
from tests.live.daemon import DaemonTests, gather
from tests.live.nodeprocesses import NodesProgramTests
from tests.live.postgres import PostgresDaemonTests
from tests.live.program import READY, ProgramTests
from tests.live.wire import Wire
from tests.postgres import OWNER, ROLE

TOPIC = "chat/a/p"

SQLITE = "INSERT INTO aerostack_emit (topic, event, data, persist) VALUES ('{}', 'e', '{}', {})"

POSTGRES = "SELECT aerostack.emit('{}', 'e', '{}', {})"

SQLITE_KEYED = (
    "INSERT INTO aerostack_emit (topic, event, data, persist, key)"
    " VALUES ('state/a', 'e', '{1}', {2}, '{0}')"
)

POSTGRES_KEYED = "SELECT aerostack.emit('state/a', 'e', '{1}', {2}, key => '{0}')"

VALUES = (
    ("a", 1, "false"),
    ("b", 2, "true"),
    ("a", 3, "false"),
    ("b", 4, "false"),
    ("c", 5, "false"),
    ("c", "null", "false"),
)
"""Keys, values, and whether these are to be kept."""

GRANTS = (
    f"GRANT USAGE ON SCHEMA aerostack TO {OWNER}",
    f"GRANT EXECUTE ON FUNCTION aerostack.emit TO {OWNER}",
)


LEADER = "SELECT count(*) FROM _aerostack.emitting"


class SQLiteEmitTests(DaemonTests):
    """
    Tests with an SQLite file.
    """

    emitting = SQLITE
    keyed = SQLITE_KEYED

    def config(self) -> Config:
        config = super().config()
        topics = {"state/*": TopicConfig(keyed=True)}
        return replace(config, tracker=replace(config.tracker, emit=True), topics=topics)

    async def allow(self) -> None:
        """
        Let programs emit.
        """

    def statement(self, data: Any, persist: bool = False, topic: str = "chat/a") -> str:
        return self.emitting.format(topic, data, str(persist).lower())

    async def history(self) -> list[Any]:
        """
        The data of the kept messages, oldest first.
        """
        path = f"/api/v1/public/realtime/history?room={TOPIC}"
        _, page, _ = await self.http("GET", path, X_Aerostack_Key=SECRET_KEY)
        return [message["data"] for message in page["messages"]][::-1]

    async def test_events(self) -> None:
        """
        Events come once their transaction is committed, in the order of its statements, kept or
        not, on custom topics and on those of tables; the events of one that is rolled back do not.
        """
        await self.allow()
        readers = await gather(*[self.subscribed("chat/a") for _ in range(3)])
        with self.assertRaises((sqlite3.Error, psycopg.Error)):
            self.execute(self.statement(0), self.statement(0, topic="a//b"))
        self.execute(*[self.statement(number, number % 2 == 0) for number in range(1, 7)])
        for reader in readers:
            frames = await reader.frames(6)
            self.assertEqual([frame["data"] for frame in frames], list(range(1, 7)))
            self.assertEqual({frame["topic"] for frame in frames}, {TOPIC})
            self.assertEqual({frame.get("userId") for frame in frames}, {None})
        self.assertEqual(await self.history(), [2, 4, 6])
        self.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
        table = await self.subscribed("orders")
        self.execute(self.statement(7, topic="orders"))
        frame = await table.frame()
        self.assertEqual((frame["type"], frame["data"]), ("event", 7))

    async def test_keys(self) -> None:
        """
        An event with a key changes the value of a keyed topic, and a kept value outlives a restart.
        One without a key is refused there, and one with a key on another topic; the others go on.
        """
        await self.allow()
        reader = await self.subscribed("state/a")
        self.execute(self.statement(0, topic="state/a"))
        self.execute(*[self.keyed.format(*each) for each in VALUES])
        self.execute(self.keyed.replace("state/a", "chat/a").format("a", 1, "false"))
        got = [(frame["key"], frame["data"]) for frame in await reader.frames(len(VALUES))]
        self.assertEqual(got, [(key, None if data == "null" else data) for key, data, _ in VALUES])
        while "aerostack_emitted_refused_total 2.0" not in await self.text("/metrics"):
            pass
        await self.stop()
        await self.start(self.port)
        reader = await self.subscribed("state/a")
        frame = await reader.frame()
        self.assertEqual((frame["key"], frame["data"], frame["current"]), ("b", 4, True))

    async def test_nobody(self) -> None:
        """
        An event that is to be kept is kept although no client is connected; a statement by
        db.query emits too.
        """
        await self.allow()
        self.execute(self.statement(1, True))
        await self.query(self.statement(2, True))
        while await self.history() != [1, 2]:
            await self.sleep(0.05)

    async def test_reload(self) -> None:
        """
        A reload lets the statements go by the projects that there are then.
        """
        await self.allow()
        reader = await self.subscribed("chat/a")
        config = self.daemon.config
        projects = {
            **config.projects,
            "q": makeProject(id="q", publicKey=f"{PUBLIC_KEY}q", secretKey=f"{SECRET_KEY}q"),
        }
        await self.reload(replace(config, projects=projects))
        # The database has the new projects once a statement without one fails.
        sent = 0
        while True:
            try:
                self.execute(self.statement(sent))
            except (sqlite3.Error, psycopg.Error) as error:
                self.assertIn("/p or /q", str(error))
                break
            sent += 1
            await self.sleep(0.05)
        self.execute(self.statement(sent, topic="chat/a/q"), self.statement(sent, topic=TOPIC))
        # Events that named no project, and were read after the reload, are refused.
        while (await reader.frame())["data"] != sent:
            pass

    async def test_metrics(self) -> None:
        """
        Events are counted as publications, and as events of transactions.
        """
        await self.allow()
        reader = await self.subscribed("chat/a")
        self.execute(self.statement(1), self.statement(2, True))
        await reader.frames(2)
        wanted = ("aerostack_emitted_total 2.0", "aerostack_publications_total 2.0")
        text = ""
        # Of a worker that does not answer in time, the numbers are those that it sent before.
        while not all(line in text for line in wanted):
            text = await self.text("/metrics")
        self.assertIn("aerostack_emitted_refused_total 0.0", text)

    async def text(self, path: str) -> str:
        """
        Fetch a text.
        """
        response = await treq.get(
            f"http://127.0.0.1:{self.port}{path}", agent=Agent(self.reactor, pool=self.pool)
        )
        found: str = await response.text()
        return found

    async def test_restart(self) -> None:
        """
        Events that were committed while no daemon ran are published when one runs again.
        """
        await self.allow()
        await self.stop()
        self.execute(self.statement(1, True), self.statement(2, True))
        await self.start(self.port)
        while await self.history() != [1, 2]:
            await self.sleep(0.05)


class PostgresEmitTests(SQLiteEmitTests, PostgresDaemonTests):
    """
    Tests with a PostgreSQL database.
    """

    emitting = POSTGRES
    keyed = POSTGRES_KEYED

    async def allow(self) -> None:
        self.postgres.execute(*GRANTS, user=ROLE)

    def execute(self, *statements: str) -> None:
        with closing(self.postgres.connect(OWNER)) as connection, connection.transaction():
            for statement in statements:
                connection.execute(statement)


class Emitter:
    """
    What the tests of kills share: a reader that goes on when its daemon is gone.

    @ivar got: The data of each event, in order.
    """

    def __init__(self) -> None:
        self.got: list[int] = []
        self.since: str | None = None

    async def read(self, wire: Wire, count: int) -> None:
        """
        Read so many events.
        """
        while count:
            frame = await wire.frame()
            if frame["type"] == "event":
                self.got.append(frame["data"])
                self.since = frame["pos"]
                count -= 1


class KilledTests(ProgramTests):
    """
    Tests for a daemon that is killed.
    """

    async def kept(self) -> list[int]:
        path = f"/api/v1/public/realtime/history?room={TOPIC}&limit=500"
        headers = {"Authorization": f"Bearer {SECRET_KEY}", "X-Project-Id": "p"}
        _, page = await self.http("GET", path, **headers)
        return [message["data"] for message in page["messages"]][::-1]

    async def test_killed(self) -> None:
        """
        Each event that is to be kept is in the history once, in the order of the commits, and a
        client that resumes gets it once.  No other event comes twice.
        """
        text = self.configure(more="anonymous = true")
        self.config.write_text(text.replace("[tracker]", "[tracker]\nemit = true"))
        emitter, number = Emitter(), 0
        for _ in range(4):
            child = await self.serve()
            wire = await self.client()
            wire.positions = True
            since = {} if emitter.since is None else {"since": emitter.since}
            wire.tell({"type": "subscribe", "topic": TOPIC, **since})
            # Without a position, the client gets what is published from its subscription on.
            self.assertEqual((await wire.frame())["type"], "subscribed")
            # The daemon is killed in the midst of a burst.
            for _ in range(60):
                number += 1
                self.execute(SQLITE.format(TOPIC, number, int(number % 3 > 0)))
                # The client answers pings, however long the commits take.
                await self.sleep(0)
            await emitter.read(wire, 10)
            child.signal("KILL")
            await child.ended
            wire.drop()
            number += 1
            self.execute(SQLITE.format(TOPIC, number, 1))
        await self.serve()
        wanted = [each for each in range(1, number + 1) if each % 3 > 0 or each % 61 == 0]

        async def isComplete() -> bool:
            return await self.kept() == wanted

        await self.until(isComplete)
        self.assertEqual(emitter.got, sorted(set(emitter.got)))


class KilledNodeTests(NodesProgramTests):
    """
    Tests for two daemons with one database, and one that is killed.
    """

    def configure(self, *listen: str, **more: str) -> str:
        text = super().configure(*listen, **more)
        keyed = '[topics."state/*"]\nkeyed = true\n'
        return text.replace("[tracker]", f"{keyed}[tracker]\nemit = true")

    async def test_killed(self) -> None:
        """
        Subscribers of both daemons get each event once, in the order of the commits, whether it is
        kept or not, also when the daemon that publishes is killed.  The values of keyed topics are
        the same at both.
        """
        self.nodes = [self.node(0)]
        await self.nodes[0].wrote(READY)
        await self.until(lambda: self.postgres.execute(LEADER, user=ROLE) != [(0,)])
        self.nodes.append(self.node(1))
        for number in (0, 1):
            await self.serving(number)
        self.postgres.execute(*GRANTS, user=ROLE)
        wires = [(await self.join(number, TOPIC))[0] for number in (0, 1)]
        emitter = self.postgres.connect(OWNER)
        self.addCleanup(emitter.close)

        def emit(numbers: range) -> None:
            for number in numbers:
                emitter.execute(POSTGRES.format(TOPIC, number, str(number % 2 == 0).lower()))

        emit(range(40))
        for wire in wires:
            frames = await wire.frames(40)
            self.assertEqual([frame["data"] for frame in frames], list(range(40)))
        emit(range(40, 140))
        await self.nodes[0].kill()
        emit(range(140, 200))
        frames = await wires[1].frames(160)
        self.assertEqual([frame["data"] for frame in frames], list(range(40, 200)))
        self.nodes[0] = self.node(0)
        await self.serving(0)
        since = frames[9]["pos"]
        wire, answer = await self.join(0, TOPIC, since=since)
        self.assertTrue(answer["recovered"])
        missed = await wire.frames(150)
        self.assertEqual([frame["data"] for frame in missed], list(range(50, 200)))
        wires = [(await self.join(number, "state/a"))[0] for number in (0, 1)]
        for each in VALUES:
            emitter.execute(POSTGRES_KEYED.format(*each))
        for wire in wires:
            frames = await wire.frames(len(VALUES))
            self.assertEqual([frame["data"] for frame in frames], [1, 2, 3, 4, 5, None])
