"""
The frames of a topic as an operator sees them.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.protocol import Factory, Protocol

from aerostack.admin import taps
from aerostack.admin.taps import Taps
from aerostack.settings.tables import TableConfig
from aerostack.testing import PUBLIC_KEY, SECRET_KEY
from tests.live.console import OTHER_SECRET, ConsoleTests

Line = dict[str, Any]


class Onlooker(Protocol):
    """
    A client that reads an answer while it continues.

    @ivar lines: The lines that arrived and were not taken yet.
    @ivar ended: Fires when the answer is complete.
    """

    transport: Any

    def connectionMade(self) -> None:
        self.lines: list[Line] = []
        self.ended: Deferred[None] = Deferred()
        self._head: bytes | None = None
        self._buffer = b""
        self._waiting: Deferred[None] | None = None
        self._isLost = False

    def ask(self, topic: str, key: str = SECRET_KEY) -> None:
        """Begin to watch a topic."""
        self.transport.write(
            f"GET /internal/admin/watch?topic={topic} HTTP/1.1\r\nHost: localhost\r\n"
            f"Authorization: Bearer {key}\r\n\r\n".encode()
        )

    def dataReceived(self, data: bytes) -> None:
        self._buffer += data
        if self._head is None:
            self._head, found, rest = self._buffer.partition(b"\r\n\r\n")
            if not found:
                self._head = None
                return
            self._buffer = rest
        # Chunked encoding: a line with the size in hexadecimal, the chunk, an empty line.
        while b"\r\n" in self._buffer:
            size, _, rest = self._buffer.partition(b"\r\n")
            length = int(size, 16)
            if len(rest) < length + 2:
                return
            chunk, self._buffer = rest[:length], rest[length + 2 :]
            if not length:
                self.ended.callback(None)
            self.lines += [json.loads(line) for line in chunk.splitlines()]
            self._wake()

    def connectionLost(self, reason: Any = None) -> None:
        self._isLost = True
        self._wake()

    def _wake(self) -> None:
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            waiting.callback(None)

    @property
    def head(self) -> str:
        """Return the head of the answer."""
        return (self._head or b"").decode().lower()

    async def line(self, pings: bool = False) -> Line:
        """
        Return the next line that does not only say that a slow disk holds the feed up.  Fails when
        the connection is lost.

        @param pings: Whether to return pings, which come on a slow machine.
        """
        while True:
            while not self.lines:
                if self._isLost:
                    raise ConnectionResetError("There is no line.")
                self._waiting = Deferred()
                await self._waiting
            line = self.lines.pop(0)
            isFeed = line["type"] == "status" and "feed" in line
            if not isFeed and (pings or line["type"] != "ping"):
                return line


class OnlookerTestCase(ConsoleTests):
    """
    Watches topics as an operator does.
    """

    def tables(self) -> dict[str, TableConfig]:
        return {"staff": TableConfig(hidden=("salary",))}

    async def watch(self, topic: str, key: str = SECRET_KEY) -> Onlooker:
        """
        Watch a topic.
        """
        endpoint = TCP4ClientEndpoint(self.reactor, "127.0.0.1", self.port)
        onlooker: Onlooker = await endpoint.connect(Factory.forProtocol(Onlooker))
        self.addCleanup(lambda: onlooker.transport.abortConnection())
        onlooker.ask(topic, key)
        self.assertEqual((await onlooker.line())["type"], "watching")
        return onlooker

    def left(self) -> bool:
        """Return whether the daemon has freed everything of those who watched."""
        # Workers go on watching a table for a while.
        watched = self.workers == 1 and self.daemon.node.tracker.watchedTables()
        return not (self.topics or watched)


class OnlookerTests(OnlookerTestCase):
    """
    Tests for the path C{watch}.
    """

    async def test_events(self) -> None:
        """
        Each published event arrives as subscribers get it, as one line, from any publisher.
        """
        client = await self.subscribed("chat/a")
        client.positions = True
        onlooker = await self.watch("chat/a")
        self.assertIn("application/x-ndjson", onlooker.head)
        await self.emit("e", {"text": "a\nb"}, "chat/a")
        await self.emit("f", None, "chat/b")
        await self.emit("g", [1], "chat/a", persist=True, userId="ben")
        for event in ("e", "g"):
            frame = await onlooker.line()
            self.assertEqual(frame, await client.frame())
            self.assertEqual(frame["event"], event)
        client.text(b'{"type": "track",\n"topic": "chat/a",\r\n"state": {"x":\n[1,\r\n2]}}')
        joined = await onlooker.line()
        self.assertEqual(joined["event"], "presence:join")
        self.assertEqual(joined["data"]["state"], {"x": [1, 2]})

    async def test_table(self) -> None:
        """
        The tracker watches a table while an operator does, and stops afterwards.
        """
        self.execute("CREATE TABLE orders (id INTEGER)")
        onlooker = await self.watch("orders")
        self.execute("INSERT INTO orders VALUES (7)")
        change = await onlooker.line()
        self.assertEqual((change["operation"], change["data"]), ("INSERT", {"id": 7}))
        topic = await self.look("topic", topic="orders")
        self.assertEqual((topic["subscribers"], topic["published"]), (0, 1))
        self.assertEqual(self.daemon.node.shares.subscriptions.total, 0)
        onlooker.transport.loseConnection()
        await self.until(self.left)

    async def test_hidden(self) -> None:
        """
        Hidden columns are not shown, and columns that the table gets meanwhile are.
        """
        self.execute("CREATE TABLE staff (id INTEGER, salary INTEGER)")
        onlooker = await self.watch("staff")
        self.execute("INSERT INTO staff VALUES (1, 100)")
        self.assertEqual((await onlooker.line())["data"], {"id": 1})
        self.execute("ALTER TABLE staff ADD COLUMN name TEXT")
        self.execute("INSERT INTO staff VALUES (2, 100, 'Ann')")
        self.assertEqual((await onlooker.line())["table"], "altered")
        self.assertEqual((await onlooker.line())["data"], {"id": 2, "name": "Ann"})

    async def test_rules(self) -> None:
        """
        New rules also apply to operators who are already watching.
        """
        self.execute("CREATE TABLE staff (id INTEGER, salary INTEGER)")
        onlooker = await self.watch("staff")
        config = self.daemon.config
        await self.reload(replace(config, tables={"staff": TableConfig(hidden=("id",))}))
        for number in range(1000):
            self.execute(f"INSERT INTO staff VALUES ({number}, 100)")
            if (await onlooker.line())["data"] == {"salary": 100}:
                return
        self.fail("the new rules do not apply")

    async def test_unfit(self) -> None:
        """
        If a table changes so that the rule does not fit any more, the answer says why and ends.
        """
        self.execute("CREATE TABLE staff (id INTEGER, salary INTEGER)")
        onlooker = await self.watch("staff")
        self.execute("ALTER TABLE staff RENAME COLUMN salary TO pay")
        self.execute("INSERT INTO staff VALUES (2, 100)")
        error = await onlooker.line()
        self.assertEqual((error["type"], error["code"]), ("error", "rule_mismatch"))
        await onlooker.ended
        await self.until(self.left)
        self.flushLoggedErrors()

    async def test_refused(self) -> None:
        """
        A topic that cannot be watched is refused like any other request, and leaves no state
        behind.
        """
        for topic, status, error in (
            ("missing", 404, "unknown_table"),
            ("chat/a/other", 403, "wrong_project"),
            ("", 400, "invalid_arguments"),
        ):
            found, body, _ = await self.http(
                "GET",
                f"/internal/admin/watch?topic={topic}",
                Authorization=f"Bearer {SECRET_KEY}",
            )
            self.assertEqual((found, body["error"]), (status, error))
        await self.until(self.left)
        found, body, _ = await self.http(
            "HEAD", "/internal/admin/watch?topic=chat/a", Authorization=f"Bearer {SECRET_KEY}"
        )
        self.assertEqual((found, body), (200, None))
        await self.until(self.left)

    async def test_elsewhere(self) -> None:
        """
        The path needs the secret key, and is reachable only where the console is.
        """
        secret = {"Authorization": f"Bearer {SECRET_KEY}"}
        for headers, status in (
            ({**secret, "X_Forwarded_For": "127.0.0.1"}, 403),
            ({"Authorization": f"Bearer {PUBLIC_KEY}"}, 403),
            ({}, 401),
        ):
            found, _, _ = await self.http("GET", "/internal/admin/watch?topic=chat/a", **headers)
            self.assertEqual(found, status)
        await self.until(self.left)

    async def test_project(self) -> None:
        """
        A topic of the same name in another project is a different topic.
        """
        onlooker = await self.watch("chat/a", OTHER_SECRET)
        await self.emit("e", 1, "chat/a")
        status, _, _ = await self.http(
            "POST",
            "/internal/hooks/rpc",
            json.dumps({"method": "socket.emit", "args": ["f", 1, "chat/a"]}).encode(),
            Authorization=f"Bearer {OTHER_SECRET}",
        )
        self.assertEqual(status, 200)
        frame = await onlooker.line()
        self.assertEqual((frame["event"], frame["topic"]), ("f", "chat/a/other"))

    async def test_slow(self) -> None:
        """
        A slow reader gets the number of skipped frames, delays no other client, and gets new
        frames once it has read.
        """
        onlooker = await self.watch("chat/a")
        client = await self.subscribed("chat/a")
        onlooker.transport.pauseProducing()
        sent = 100
        for number in range(sent):
            await self.emit("e", {"number": number, "padding": "x" * 150_000}, "chat/a")
            self.assertEqual((await client.frame())["data"]["number"], number)
        onlooker.transport.resumeProducing()
        seen, skipped = 0, 0
        while seen + skipped < sent:
            line = await onlooker.line()
            if line["type"] == "skipped":
                skipped += line["count"]
            else:
                self.assertEqual(line["data"]["number"], seen + skipped)
                seen += 1
        self.assertGreater(skipped, 0)
        await self.emit("last", 1, "chat/a")
        self.assertEqual((await onlooker.line())["event"], "last")

    async def test_ends(self) -> None:
        """
        The answer ends when a reload closes the console to the operator, and when the daemon
        stops.
        """
        onlooker = await self.watch("chat/a")
        for console in ("off", "loopback"):
            config = self.daemon.config
            await self.reload(replace(config, server=replace(config.server, console=console)))
        await onlooker.ended
        onlooker = await self.watch("chat/a")
        await self.stop()
        await onlooker.ended
        await self.until(self.left)


class InsideTests(OnlookerTestCase):
    """
    Tests that change what the process does.
    """

    workers = 1

    async def test_silence(self) -> None:
        """
        In a quiet topic a ping comes now and then, and the answer continues for longer than a
        request may take to arrive.
        """
        self.limits = {"handshakeTimeout": 1.0}
        self.patch(Taps, "interval", 0.6)
        await self.stop()
        await self.start()
        onlooker = None
        while onlooker is None:
            try:
                onlooker = await self.watch("chat/a")
            except ConnectionResetError:
                # On a slow machine a request does not arrive in time.
                onlooker = None
        for _ in range(3):
            self.assertEqual(await onlooker.line(pings=True), {"type": "ping"})

    async def test_gone(self) -> None:
        """
        If an operator leaves while the table is still being looked up, the daemon frees
        everything.
        """
        self.execute("CREATE TABLE orders (id INTEGER)")
        endpoint = TCP4ClientEndpoint(self.reactor, "127.0.0.1", self.port)
        onlooker: Onlooker = await endpoint.connect(Factory.forProtocol(Onlooker))
        waiting: Deferred[None] = Deferred()
        watch = self.daemon.front.feeds.watch
        self.patch(
            self.daemon.front.feeds,
            "watch",
            lambda table: waiting.addCallback(lambda _: watch(table)),
        )
        onlooker.ask("orders")
        await self.until(lambda: len(self.daemon.front.console.taps))
        onlooker.transport.abortConnection()
        await self.until(lambda: not len(self.daemon.front.console.taps))
        waiting.callback(None)
        await self.until(lambda: self.daemon.node.tracker._watched.get("orders") is not None)
        await self.until(self.left)

    async def test_many(self) -> None:
        """
        The number of operators who may watch is bounded.
        """
        self.patch(taps, "MOST", 1)
        await self.watch("chat/a")
        status, body, _ = await self.http(
            "GET", "/internal/admin/watch?topic=chat/a", Authorization=f"Bearer {SECRET_KEY}"
        )
        self.assertEqual((status, body["error"]), (429, "too_many_subscriptions"))
