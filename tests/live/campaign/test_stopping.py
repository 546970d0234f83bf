"""
The end of the daemon's process: which messages are kept, and what clients get.
"""

from __future__ import annotations

import json
import signal
import sqlite3
from contextlib import closing

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.error import ConnectionRefusedError

from aerostack.sessions.draining import PATIENCE
from tests.live.campaign import SECONDS
from tests.live.program import TWISTD, ProgramTests
from tests.live.wire import Wire
from tests.net import socketPath

timeout = SECONDS

PATIENT = """
from aerostack.databases.sqlite import connection
connection.BUSY_TIMEOUT = 600.0
"""
"""Has the daemon wait for the lock of another program until it stops."""


class StopTests(ProgramTests):
    """
    The end of the process.
    """

    def kept(self) -> set[str]:
        """
        Return the ids in the data of the kept messages.
        """
        rows = self.execute("SELECT data FROM realtime_messages")
        return {json.loads(data)["n"] for (data,) in rows}

    async def test_orderly(self) -> None:
        """
        On SIGTERM and on SIGINT the daemon tells clients when to reconnect and closes with 1001,
        and the exit status is 0.
        """
        for name in ("TERM", "INT"):
            daemon = await self.serve(self.configure())
            wires = [await self.subscribed("chat/general") for _ in range(3)]
            daemon.signal(name)
            self.assertEqual(await daemon.ended, 0)
            for wire in wires:
                await wire.lost
                told = await wire.frame()
                self.assertEqual((told["type"], told["reason"]), ("reconnect", "restart"))
                self.assertGreaterEqual(told["delay"], 3000)
                self.assertEqual(
                    (wire.closeCode, wire.closeReason),
                    (1001, f"restarting; reconnect in {told['delay']} ms"),
                )
            self.assertIn(f"SIG{name}: stopping", daemon.output)
            self.assertNotIn("Traceback", daemon.output + daemon.errors)

    async def test_nobodyEnters(self) -> None:
        """
        While the daemon closes the last clients, it accepts no new one.
        """
        daemon = await self.serve(self.configure())
        stubborn = await self.client()
        stubborn.answerClose = False
        daemon.signal("TERM")
        await self.until(lambda: stubborn.closeCode)
        await self.assertFailure(Deferred.fromCoroutine(self.wire()), ConnectionRefusedError)
        stubborn.drop()
        self.assertEqual(await daemon.ended, 0)

    async def test_deaf(self) -> None:
        """
        A client that does not answer the close does not delay the stop for long.
        """
        daemon = await self.serve(self.configure(more="[limits]\nclose_timeout = 0.5"))
        deaf = await self.client()
        deaf.answerClose = False
        daemon.signal("TERM")
        self.assertEqual(await daemon.ended, 0)
        await deaf.lost

    async def test_acknowledged(self) -> None:
        """
        Exactly the messages that were kept before the end have been acknowledged, unless the
        database took longer than the daemon waits for it.
        """
        daemon = await self.serve(self.configure())
        acknowledged: set[str] = set()
        late: set[str] = set()
        stopped = 0.0
        wires = [await self.client() for _ in range(4)]

        async def publish(wire: Wire, name: int) -> None:
            for n in range(500):
                data = {"n": f"{name}-{n}"}
                wire.tell(
                    {
                        "type": "publish",
                        "topic": f"chat/{name}",
                        "event": "e",
                        "data": data,
                        "persist": True,
                        "id": data["n"],
                    }
                )
            try:
                while (frame := await wire.frame())["type"] != "reconnect":
                    self.assertEqual(frame["type"], "ack", frame)
                    acknowledged.add(frame["id"])
            except ConnectionResetError:
                return
            finally:
                if self.reactor.seconds() - stopped >= PATIENCE:
                    late.add(str(name))

        writing = [Deferred.fromCoroutine(publish(w, n)) for n, w in enumerate(wires)]
        await self.until(lambda: acknowledged)
        stopped = self.reactor.seconds()
        daemon.signal("TERM")
        self.assertEqual(await daemon.ended, 0)
        for each in writing:
            await each
        kept = self.kept()
        self.assertLessEqual(acknowledged, kept)
        self.assertLessEqual({each.partition("-")[0] for each in kept - acknowledged}, late)

    async def test_inFlight(self) -> None:
        """
        A message that waited for the database at the signal is written before the end.
        """
        daemon = await self.serve(self.configure(), program=PATIENT + TWISTD)
        wire = await self.client()
        with closing(sqlite3.connect(self.path, 60, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            # The first is being written, the others wait.
            names = {"first", "second", "third"}
            publish = {"type": "publish", "topic": "chat/a", "event": "e", "persist": True}
            for name in sorted(names):
                wire.tell({**publish, "data": {"n": name}})
            self.assertEqual(await wire.barrier(), [])
            daemon.signal("TERM")
            await wire.lost
            # Long enough for a faulty daemon to drop them.
            await self.sleep(0.5)
            other.execute("COMMIT")
        self.assertEqual(await daemon.ended, 0)
        self.assertEqual(self.kept(), names)

    async def test_force(self) -> None:
        """
        A second signal ends the process at once, although clients are connected.
        """
        daemon = await self.serve(self.configure(more="[limits]\nclose_timeout = 300"))
        deaf = await self.client()
        deaf.answerClose = False
        daemon.signal("TERM")
        await self.until(lambda: deaf.closeCode)
        daemon.signal("TERM")
        self.assertEqual(await daemon.ended, 128 + signal.SIGTERM)

    async def test_killed(self) -> None:
        """
        After SIGKILL the next start serves on the same Unix socket, and from the same database.
        """
        path = socketPath()
        where = UNIXClientEndpoint(self.reactor, str(path))
        self.config.write_text(self.configure(f"unix:{path}"))
        daemon = await self.serve()
        wire = await self.client(endpoint=where)
        publish = {"type": "publish", "topic": "chat/a", "event": "e", "persist": True}
        wire.tell({**publish, "data": {"n": "before"}, "id": "before"})
        self.assertEqual(await wire.frame(), {"type": "ack", "id": "before"})
        daemon.signal("KILL")
        self.assertEqual(await daemon.ended, -signal.SIGKILL)
        self.assertTrue(path.exists())
        await self.serve()
        wire = await self.client(endpoint=where)
        wire.tell({**publish, "data": {"n": "after"}, "id": "after"})
        self.assertEqual(await wire.frame(), {"type": "ack", "id": "after"})
        self.assertEqual(self.kept(), {"before", "after"})
