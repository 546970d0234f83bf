"""
The daemon's process ends in time, whatever delays its stop.

C{bench/stopping.py} prints how long each stop takes.
"""

from __future__ import annotations

import os
import signal
import sqlite3
from contextlib import closing

from twisted.internet.task import LoopingCall

from aerostack.testing import SECRET_KEY
from tests.live.program import ProgramTests
from tests.live.relay import Relay
from tests.live.wire import maskedFrame
from tests.net import Child
from tests.postgres import PASSWORD, freshDatabase

PUBLISH = {"type": "publish", "topic": "chat/a", "event": "e"}

LONG = 120.0
"""Far more seconds than a stop takes, even on a slow and busy machine."""

timeout = LONG + 5.0

UNAVAILABLE = {"database_unavailable"}

PATIENT = "[limits]\nclose_timeout = 300"
"""Only the bound of the whole stop ends the wait for clients."""


class StopCase(ProgramTests):
    """
    The base of the tests for delayed stops.
    """

    async def ends(self, daemon: Child) -> None:
        """
        Stop a daemon, and assert that it ends normally, without a traceback.
        """
        daemon.signal("TERM")
        self.assertEqual(await daemon.ended.addTimeout(LONG, self.reactor), 0)
        self.assertNotIn("Traceback", daemon.output + daemon.errors)

    async def ask(self, sql: str) -> None:
        """
        Send a statement, and do not wait for the answer.
        """
        wire = await self.wire()
        wire.keepRaw()
        body = b'{"method": "db.query", "args": ["%s"], "projectId": "p"}' % sql.encode()
        head = (
            "POST /internal/hooks/rpc HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Authorization: Bearer {SECRET_KEY}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        wire.write(head.encode() + body)


class ClientTests(StopCase):
    """
    Tests for clients that do not close.
    """

    async def test_deaf(self) -> None:
        """
        A client that does not answer the close is dropped.
        """
        daemon = await self.serve(self.configure(more=PATIENT))
        deaf = await self.client()
        deaf.answerClose = False
        await self.ends(daemon)
        await deaf.lost
        self.assertEqual(deaf.closeCode, 1001)

    async def test_unread(self) -> None:
        """
        A client that does not read, and so does not get the close, is dropped.
        """
        daemon = await self.serve(self.configure(more=PATIENT))
        idle = await self.subscribed("chat/a")
        assert idle.transport is not None
        idle.transport.pauseProducing()  # type: ignore[attr-defined]
        busy = await self.client()
        for _ in range(40):
            busy.tell({**PUBLISH, "data": "x" * 60_000})
            await busy.barrier()
        await self.ends(daemon)

    async def test_flood(self) -> None:
        """
        Clients that send continuously and do not read are dropped.
        """
        daemon = await self.serve(self.configure(more=PATIENT))
        part = maskedFrame(b'{"type":"ping"}') * 5_000
        wires = [await self.client() for _ in range(20)]

        def pour() -> None:
            for wire in wires:
                if wire.transport is not None:
                    wire.write(part)

        for wire in wires:
            assert wire.transport is not None
            wire.transport.pauseProducing()  # type: ignore[attr-defined]
        pouring = LoopingCall(pour)
        poured = pouring.start(0.05)
        try:
            await self.ends(daemon)
        finally:
            pouring.stop()
            await poured
        for wire in wires:
            wire.drop()


class LockedTests(StopCase):
    """
    Tests with an SQLite database that another program keeps locked.
    """

    async def test_locked(self) -> None:
        """
        A message that was not written is not acknowledged, and is not in the database.
        """
        daemon = await self.serve(self.configure())
        wire = await self.client()
        self.execute("CREATE TABLE t (n)")
        wire.tell({**PUBLISH, "data": {"n": "before"}, "persist": True, "id": "before"})
        self.assertEqual((await wire.frame())["type"], "ack")
        with closing(sqlite3.connect(self.path, 60, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            for number in range(3):
                wire.tell({**PUBLISH, "data": {"n": number}, "persist": True, "id": str(number)})
            # A few at a time wait for the lock for minutes.
            for _ in range(90):
                await self.ask("INSERT INTO t VALUES (1)")
            # The daemon has them, and has acknowledged none.  On a slow machine some have waited as
            # long as the daemon lets them.
            answers = await wire.barrier()
            self.assertLessEqual({answer.get("code") for answer in answers}, UNAVAILABLE)
            await self.ends(daemon)
        frames = [await wire.frame() for _ in range(wire.waitingFrames())]
        self.assertEqual([frame for frame in frames if frame["type"] == "ack"], [])
        self.assertEqual(self.execute("SELECT data FROM realtime_messages"), [('{"n":"before"}',)])
        self.assertEqual(self.execute("SELECT count(*) FROM t"), [(0,)])


class HangingTests(StopCase):
    """
    Tests with PostgreSQL behind a network that drops all packets.
    """

    async def begin(self) -> Relay:
        """
        Set up the network between the daemon and its database.
        """
        database = freshDatabase(self)
        database.execute("CREATE TABLE orders (id integer PRIMARY KEY)")
        relay = Relay(self.reactor, database.server.port)
        self.addCleanup(relay.stop)
        self.config.write_text(
            self.configure(more=PATIENT).replace(
                'url = "sqlite:///rt.db"',
                f'url = "{database.tcp(relay.port)}"\npassword = "{PASSWORD}"',
            )
        )
        return relay

    async def test_stop(self) -> None:
        """
        The daemon gives up its queries, which is no fault, so there is no traceback.
        """
        relay = await self.begin()
        daemon = await self.serve()
        wire = await self.subscribed("orders")
        relay.cut()
        for number in range(3):
            wire.tell({**PUBLISH, "persist": True, "data": number})
        # The query of its rows, and that of its columns.
        wire.tell({"type": "subscribe", "topic": "orders", "filter": "id > 3"})
        for _ in range(20):
            await self.ask("UPDATE orders SET id = 1")
        wire.tell({"type": "ping"})
        await wire.frame()
        await self.ends(daemon)
        self.assertIn("does not answer; what it was asked is given up", daemon.output)

    async def test_starting(self) -> None:
        """
        A daemon that waits for its database while it starts ends at once.
        """
        relay = await self.begin()
        relay.cut()
        daemon = self.spawn()
        await self.until(lambda: relay.ends)
        daemon.signal("TERM")
        self.assertEqual(await daemon.ended, -signal.SIGTERM)


class SurroundingTests(StopCase):
    """
    Tests with other parts of the machine that block.
    """

    async def test_log(self) -> None:
        """
        A full pipe for the log does not delay the end of the process.
        """
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        os.set_blocking(writer, False)
        daemon = await self.unread(writer)
        os.close(writer)
        wire = await self.subscribed("chat/a")
        await self.ends(daemon)
        await wire.lost
        self.assertEqual(wire.closeCode, 1001)

    async def unread(self, writer: int) -> Child:
        """
        Start a daemon whose log is a full pipe.
        """
        self.config.write_text(self.configure())
        while True:
            try:
                os.write(writer, b"x")
            except BlockingIOError:
                break
        daemon = self.spawn(descriptors={1: writer, 2: writer})

        async def answers() -> bool:
            try:
                return (await self.http("GET", "/health"))[0] == 200
            except Exception:
                return False

        await self.until(answers)
        return daemon

    async def test_reload(self) -> None:
        """
        A reload refuses a secret that is a pipe, for whose writer it would have to wait.  The stop
        after it is orderly.
        """
        key = self.directory / "secret"
        key.write_text(SECRET_KEY)
        key.chmod(0o600)
        text = self.configure().replace(f'"{SECRET_KEY}"', '{ file = "secret" }')
        daemon = await self.serve(text)
        key.unlink()
        # A reader of this pipe waits for a writer.
        os.mkfifo(key, 0o600)
        daemon.signal("HUP")
        await daemon.wrote("it is no regular file")
        await self.ends(daemon)
        self.assertNotIn("the process ends now", daemon.output)
