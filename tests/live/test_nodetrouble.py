"""
Tests for two daemons whose Valkey server has trouble.
"""

from __future__ import annotations

from typing import Any

from aerostack.core.replay.publications import EVENT, Message
from tests.live.nodes import NodesTests, heard

TOPIC = "room/1/p"


class TroubleTests(NodesTests):
    """
    Tests for a server that is killed, restored, emptied or frozen.
    """

    async def test_emptied(self) -> None:
        """
        If the server comes back without data, every subscriber gets a gap (C{lost}) and goes
        on.
        """
        wires = [(await self.join(number, TOPIC))[0] for number in (0, 1)]
        self.at(0)
        await self.emit("e", 1, TOPIC)
        for wire in wires:
            self.assertEqual(await heard(wire, 1), [1])
        self.server.kill()
        await self.restarted()
        for wire in wires:
            answer = await self.subscribedAgain(wire)
            self.assertEqual((answer["recovered"], answer["gap"]), (False, {"reason": "lost"}))
        await self.emit("e", 2, TOPIC)
        for wire in wires:
            self.assertEqual(await heard(wire, 1), [2])

    async def test_kept(self) -> None:
        """
        If the server comes back without data, subscribers go on behind the last kept event that
        they have.
        """
        here, _ = await self.join(0, TOPIC)
        self.at(1)
        await self.emit("e", 1, TOPIC, persist=True)
        self.assertEqual(await heard(here, 1), [1])
        self.server.kill()
        await self.restarted()
        answer = await self.subscribedAgain(here)
        self.assertEqual((answer["recovered"], answer["keptOnly"]), (True, True))
        await self.emit("e", 2, TOPIC, persist=True)
        self.assertEqual(await heard(here, 1), [2])

    async def test_keptMeanwhile(self) -> None:
        """
        A kept event whose publisher was answered while the server was away reaches each
        subscriber once.
        """
        here, _ = await self.join(0, TOPIC)
        there, _ = await self.join(1, TOPIC)
        self.at(1)
        await self.emit("e", 1, TOPIC, persist=True)
        for wire in (here, there):
            self.assertEqual(await heard(wire, 1), [1])
        self.server.kill()
        await self.emit("e", 2, TOPIC, persist=True)
        await self.restarted()
        await self.emit("e", 3, TOPIC, persist=True)
        for wire in (here, there):
            found: list[Any] = []
            while len(found) < 2:
                frame = await wire.frame()
                if frame["type"] == "event":
                    found.append(frame["data"])
            self.assertEqual(found, [2, 3])

    async def test_sameId(self) -> None:
        """
        A publication whose answer was lost, and which comes again at the other daemon after the
        server has lost everything, comes at no subscriber a second time, kept or not.
        """
        wires = [(await self.join(number, TOPIC))[0] for number in (0, 1)]
        self.at(0)
        first = await self.client("u")
        for persist in (True, False):
            await self.say(first, TOPIC, persist, id=f"x{persist}", persist=persist)
        for wire in wires:
            self.assertEqual(await heard(wire, 2), [True, False])
        self.server.kill()
        await self.restarted()
        for wire in wires:
            await self.subscribedAgain(wire)
        self.at(1)
        again = await self.client("u")
        for persist in (True, False):
            answer = await self.say(again, TOPIC, persist, id=f"x{persist}", persist=persist)
            self.assertEqual(answer["type"], "ack")
        await self.emit("e", "end", TOPIC)
        for wire in wires:
            self.assertEqual(await heard(wire, 1), ["end"])

    async def test_tables(self) -> None:
        """
        If the server comes back without data, subscribers of tables learn that events may be
        missing; the changes go on.
        """
        self.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")
        there, _ = await self.join(1, "table/t/p")
        self.at(0)
        await self.emit("e", 1, "table/t/p")
        self.assertEqual(await heard(there, 1), [1])
        self.server.kill()
        await self.restarted()
        lost = await there.frame()
        self.assertEqual((lost["type"], lost["events"]), ("status", "lost"))
        self.execute("INSERT INTO t VALUES (7)")
        self.assertEqual((await there.frame())["type"], "db_change")

    async def test_unpublished(self) -> None:
        """
        A message that was committed by a daemon which ended before it published the message reaches
        each subscriber once, in its place.
        """
        here, _ = await self.join(0, TOPIC)
        there, _ = await self.join(1, TOPIC)
        self.at(1)
        await self.emit("e", 1, TOPIC, persist=True)
        message = Message("m", TOPIC, EVENT, "e", b"2", None, 0)
        await self.daemons[0].node.history.append(message)
        for wire in (here, there):
            self.assertEqual(await heard(wire, 2), [1, 2])
        await self.emit("e", 3, TOPIC, persist=True)
        for wire in (here, there):
            self.assertEqual(await heard(wire, 1), [3])

    async def test_rollback(self) -> None:
        """
        If the server comes back older and has gone on, each subscriber gets a gap, and no entry as
        if it followed what the subscriber has.
        """
        wires = [(await self.join(number, TOPIC))[0] for number in (0, 1)]
        self.at(0)
        await self.emit("e", 1, TOPIC)
        self.server.takeSnapshot()
        for number in range(2, 12):
            await self.emit("e", number, TOPIC)
        for wire in wires:
            await heard(wire, 11)
        self.server.restoreSnapshot()
        await self.restarted()
        for wire in wires:
            answer = await self.subscribedAgain(wire)
            self.assertEqual(answer["gap"], {"reason": "lost"})
        await self.emit("e", 12, TOPIC)
        for wire in wires:
            self.assertEqual(await heard(wire, 1), [12])

    async def test_rollbackElsewhere(self) -> None:
        """
        A client that was sent what the server has lost is not recovered by a daemon that never
        knew it.
        """
        here, _ = await self.join(0, TOPIC)
        self.at(0)
        await self.emit("e", 1, TOPIC)
        self.server.takeSnapshot()
        for number in range(2, 12):
            await self.emit("e", number, TOPIC)
        position = [await here.frame() for _ in range(11)][-1]["pos"]
        here.drop()
        await self.daemons[0].stopService()
        self.server.restoreSnapshot()
        await self.until(lambda: self.daemons[1].node.faults()["engine"] is None)
        there, _ = await self.join(1, TOPIC)
        for number in range(12):
            await self.say(there, TOPIC, f"n{number}")
        _, answer = await self.join(1, TOPIC, since=position)
        self.assertEqual((answer["recovered"], answer["gap"]), (False, {"reason": "lost"}))


class FrozenTests(NodesTests):
    """
    Tests for a server that does not answer for a while.
    """

    def hurry(self) -> None:
        """
        Let what the daemons ask the server from now on wait for half a second only.
        """
        for daemon in self.daemons:
            engine: Any = daemon.node.engine
            for part in (engine.log._placing, engine.log._attaching, engine.roster.rosters):
                part._patience = 0.5

    async def test_frozen(self) -> None:
        """
        While the server does not answer, publishers are refused with a time to wait, subscribers
        get a status and stay, and C{/health} names the engine.  Afterwards everything goes on.
        """
        here, _ = await self.join(0, TOPIC)
        self.feeds = True
        there, _ = await self.join(1, TOPIC)
        await self.say(here, TOPIC, 1)
        self.assertEqual(await heard(there, 1), [1])
        self.hurry()
        self.server.freeze()
        refused = await self.say(there, TOPIC, "refused")
        self.assertEqual((refused["type"], refused["code"]), ("error", "engine_unavailable"))
        self.assertGreater(refused["retryAfter"], 0)
        told = await there.frame()
        self.assertEqual((told["type"], told["feed"], told["topic"]), ("status", "down", TOPIC))
        # A subscriber that joins now gets it as well.
        _, answer = await self.join(1, TOPIC)
        self.assertEqual(answer["type"], "subscribed")
        self.assertEqual((await self.wires[-1].frame())["feed"], "down")
        status, body, _ = await self.http("GET", "/health")
        while body["checks"]["engine"] == "ok":
            status, body, _ = await self.http("GET", "/health")
        self.assertEqual((status, body["status"]), (200, "ok"))
        status, body = await self.rpc("socket.emit", "e", "refused too", TOPIC)
        self.assertEqual(status, 503, body)
        self.server.thaw()
        while (told := await there.frame())["type"] != "status":
            self.assertEqual(told["type"], "event")
        self.assertEqual(told["feed"], "up")
        await self.say(there, TOPIC, 2)
        _, body, _ = await self.http("GET", "/health")
        while body["checks"]["engine"] != "ok":
            _, body, _ = await self.http("GET", "/health")
