"""
Tests for two daemons with two workers each that share their topics over Valkey.
"""

from __future__ import annotations

import os
import signal
from typing import Any

from tests.live.nodes import NodesTests, heard
from tests.live.wire import Frame, Wire

TOPIC = "room/1/p"


class WorkerNodesTests(NodesTests):
    """
    Tests for clients at each worker of each daemon.
    """

    workers = 2
    grace = 60.0

    async def everywhere(self) -> list[Wire]:
        """
        Subscribe a client at each worker.
        """
        return [(await self.join(number, TOPIC))[0] for number in (0, 0, 1, 1)]

    async def told(self, wire: Wire, kind: str) -> Frame:
        """
        Wait for a frame of a type.
        """
        while (frame := await wire.frame())["type"] != kind:
            self.assertEqual(frame["type"], "status")
        return frame

    async def test_order(self) -> None:
        """
        What clients at any worker publish comes at every worker, in one order and with one
        position.
        """
        wires = await self.everywhere()
        for number in range(40):
            wires[number % 4].tell(
                {"type": "publish", "topic": TOPIC, "event": "e", "data": number}
            )
        events = [await wire.frames(40) for wire in wires]
        for each in events[1:]:
            self.assertEqual(each, events[0])
        for number in (0, 1, 1):
            late, _ = await self.join(number, TOPIC, rewind=30)
            self.assertEqual(await late.frames(30), events[0][10:])
            late.drop()
        for rest in range(4):
            mine = [each["data"] for each in events[0] if each["data"] % 4 == rest]
            self.assertEqual(mine, list(range(rest, 40, 4)))

    async def test_views(self) -> None:
        """
        Two views of one table on one connection stay apart, and each gets what comes by the other
        daemon, at any worker: rows that a server writes there, and events that it emits.
        """
        self.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, status TEXT)")
        wires = []
        for number in (0, 0, 1):
            self.at(number)
            wire = await self.client()
            for view in ("new", "paid"):
                asked = {"topic": "orders", "view": view, "filter": {"status": view}}
                wire.tell({"type": "subscribe", **asked})
                self.assertEqual((await self.told(wire, "subscribed"))["view"], view)
            wires.append(wire)
        self.at(1)
        for statement in (
            "INSERT INTO orders VALUES (1, 'new')",
            "INSERT INTO orders VALUES (2, 'paid')",
            "UPDATE orders SET status = 'paid' WHERE id = 1",
            "DELETE FROM orders WHERE id = 2",
        ):
            await self.query(statement)
        await self.emit("said", "all", "orders")
        wanted = {
            "new": ["all", ("INSERT", 1, "new"), ("DELETE", 1, "new")],
            "paid": ["all", ("INSERT", 2, "paid"), ("INSERT", 1, "paid"), ("DELETE", 2, "paid")],
        }
        for wire in wires:
            found: dict[str, list[Any]] = {"new": [], "paid": []}
            while any(len(found[view]) < len(wanted[view]) for view in wanted):
                frame = await wire.frame()
                if frame["type"] == "event":
                    # It comes another way than the changes do.
                    found[frame["view"]].insert(0, frame["data"])
                elif frame["type"] == "db_change":
                    what = frame["operation"], frame["data"]["id"], frame["data"]["status"]
                    found[frame["view"]].append(what)
            self.assertEqual(found, wanted)

    async def test_stream(self) -> None:
        """
        A client that comes to any worker while a token stream runs at one daemon gets its text.
        """
        wires = [(await self.join(number, TOPIC))[0] for number in (0, 1)]
        self.at(0)
        _, started = await self.rpc("ai.start", TOPIC, {"stream": "s"})
        for at, text in ((0, "Hel"), (3, "lo")):
            self.at(0)
            operation = {"part": "0", "kind": "text", "at": at, "text": text}
            await self.rpc("ai.append", "s", started["epoch"], [operation])
            for wire in wires:
                while "token" not in ((await wire.frame()).get("data") or {}):
                    pass
            for number in (0, 1, 1):
                late, _ = await self.join(number, TOPIC)
                self.assertEqual((await late.frame())["event"], "ai:start")
                token = (await late.frame())["data"]["token"]
                self.assertEqual(token, "Hello"[: at + len(text)])
                late.drop()
        self.at(0)
        await self.rpc("ai.end", "s", started["epoch"], {})
        for wire in wires:
            while (await wire.frame()).get("event") != "ai:done":
                pass

    async def test_workerKilled(self) -> None:
        """
        The workers of a daemon are killed: a client goes on at a worker of the other daemon with
        all that it missed.  A user who comes back there is seen neither leaving nor joining.  The
        daemon has new workers.
        """
        there, _ = await self.join(1, TOPIC)
        here, _ = await self.join(0, TOPIC)
        here.tell({"type": "track", "topic": TOPIC, "state": {}})
        joined = await there.frame()
        self.assertEqual(joined["event"], "presence:join")
        self.at(1)
        await self.emit("e", "seen", TOPIC)
        self.assertEqual(await heard(there, 1), ["seen"])
        while (seen := await here.frame()).get("data") != "seen":
            pass
        for worker in self.daemons[0].supervisor.workers.values():
            os.kill(worker.pid, signal.SIGKILL)
        for number in range(5):
            await self.emit("e", number, TOPIC, persist=number == 2)
        self.assertEqual(await heard(there, 5), list(range(5)))
        self.at(1)
        again = await self.client("u0")
        again.tell({"type": "subscribe", "topic": TOPIC, "since": seen["pos"]})
        answer = await again.frame()
        self.assertEqual((answer["recovered"], "keptOnly" in answer), (True, False))
        self.assertEqual((await again.frame())["event"], "presence:sync")
        self.assertEqual(await heard(again, 5), list(range(5)))
        due = self.server.execute
        await self.until(lambda: due("ZCARD", "ar1:presence:due") == 1)
        again.tell({"type": "track", "topic": TOPIC, "state": {}})
        await again.frame()
        again.tell({"type": "untrack", "topic": TOPIC})
        left = await there.frame()
        self.assertEqual(left["event"], "presence:leave")
        self.assertEqual(left["data"]["connectionId"], joined["data"]["connectionId"])
        await self.until(lambda: len(self.daemons[0].supervisor.workers) == 2)

    async def test_serverKilled(self) -> None:
        """
        The server is killed and comes back empty: the subscribers of every worker get a new answer,
        each goes on behind the last kept event that it has, and members stay.
        """
        wires = await self.everywhere()
        self.at(0)
        await self.emit("e", 1, TOPIC)
        for wire in wires:
            self.assertEqual(await heard(wire, 1), [1])
        wires[3].tell({"type": "track", "topic": TOPIC, "state": {}})
        for wire in wires:
            self.assertEqual((await wire.frame())["event"], "presence:join")
        self.server.kill()
        await self.until(lambda: all(each.node.faults()["engine"] for each in self.daemons))
        self.server.start()
        await self.connected()
        for wire in wires[:3]:
            answer = await self.told(wire, "subscribed")
            self.assertEqual(answer["gap"], {"reason": "lost"})
        await self.emit("e", 2, TOPIC, persist=True)
        for wire in wires:
            found: Any = None
            while found != 2:
                frame = await wire.frame()
                self.assertNotIn(frame.get("event"), ("presence:leave", "presence:join"))
                found = frame.get("data")


class FrozenTests(NodesTests):
    """
    Tests for a server that does not answer for a while.
    """

    workers = 2
    patience = 0.5

    async def test_frozen(self) -> None:
        """
        Publishers at every worker are refused with a time to wait, subscribers get a status and
        stay, and so does a subscriber that joins.
        """
        self.feeds = True
        wires = [(await self.join(number, TOPIC))[0] for number in (0, 0, 1, 1)]
        self.server.freeze()
        for number, wire in enumerate(wires):
            refused = await self.say(wire, TOPIC, number)
            self.assertEqual((refused["type"], refused["code"]), ("error", "engine_unavailable"))
            self.assertGreater(refused["retryAfter"], 0)
        for wire in wires:
            while (told := await wire.frame())["type"] != "status":
                self.assertEqual(told["type"], "error")
            self.assertEqual((told["feed"], told["topic"]), ("down", TOPIC))
        self.server.thaw()
        for wire in wires:
            while (told := await wire.frame())["type"] != "status":
                self.assertEqual(told["type"], "event")
            self.assertEqual(told["feed"], "up")
        # The server may be slow for a while yet.
        while (await self.say(wires[0], TOPIC, "end"))["type"] != "ack":
            pass
        for wire in wires[1:]:
            while (await wire.frame()).get("data") != "end":
                pass
