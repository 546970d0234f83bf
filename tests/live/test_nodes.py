"""
Tests for two daemons that share their topics over Valkey.
"""

from __future__ import annotations

import json

from aerostack.testing import SECRET_KEY
from tests.live.nodes import NodesTests, heard

TOPIC = "room/1/p"


class SharingTests(NodesTests):
    """
    Tests for publications, positions and history that two daemons share.
    """

    async def test_rewind(self) -> None:
        """
        A client of either daemon begins with the newest frames, kept or not; and with the kept ones
        if the server has forgotten the topic.
        """
        wire, _ = await self.join(0, TOPIC)
        there, _ = await self.join(1, TOPIC)
        for number in range(5):
            await self.say(wire, TOPIC, number, persist=number != 3)
        # An acknowledgement may come before the event.
        self.assertEqual(await heard(there, 5), [*range(5)])
        there.drop()
        for node in (1, 0):
            late, answer = await self.join(node, TOPIC, rewind=3)
            self.assertNotIn("pos", answer)
            self.assertEqual(await heard(late, 3), [2, 3, 4])
            late.drop()
        wire.drop()
        self.server.flush()
        for node in (1, 0):
            late, answer = await self.join(node, TOPIC, rewind=3)
            self.assertEqual(await heard(late, 3), [1, 2, 4])
            late.drop()

    async def test_publish(self) -> None:
        """What is published at one daemon comes at both, in one order and with one position."""
        here, _ = await self.join(0, TOPIC)
        there, _ = await self.join(1, TOPIC)
        for number in range(20):
            wire = (here, there)[number % 2]
            wire.tell({"type": "publish", "topic": TOPIC, "event": "e", "data": number})
        events = [await wire.frames(20) for wire in (here, there)]
        self.assertEqual(events[0], events[1])
        for odd in (0, 1):
            mine = [each["data"] for each in events[0] if each["data"] % 2 == odd]
            self.assertEqual(mine, list(range(odd, 20, 2)))

    async def test_server(self) -> None:
        """What a server emits at one daemon comes at the other one, kept or not."""
        there, _ = await self.join(1, TOPIC)
        self.at(0)
        for number in range(6):
            await self.emit("e", number, TOPIC, persist=number % 2 == 0)
        self.assertEqual(await heard(there, 6), list(range(6)))

    async def test_resume(self) -> None:
        """A client goes on at another daemon from where it was, with all that it missed."""
        here, _ = await self.join(0, TOPIC)
        self.at(1)
        await self.emit("e", "seen", TOPIC)
        position = (await here.frame())["pos"]
        here.drop()
        for number in range(5):
            await self.emit("e", number, TOPIC, persist=number == 2)
        there, answer = await self.join(1, TOPIC, since=position)
        self.assertEqual((answer["recovered"], "keptOnly" in answer), (True, False))
        self.assertEqual(await heard(there, 5), list(range(5)))

    async def test_resumeFilled(self) -> None:
        """A client that comes to a daemon which has followed the topic for less gets the rest."""
        here, answer = await self.join(0, TOPIC)
        for number in range(5):
            self.assertEqual((await self.say(here, TOPIC, number))["type"], "ack")
        await self.join(1, TOPIC)
        there, answer = await self.join(1, TOPIC, since=answer["pos"])
        self.assertIs(answer["recovered"], True)
        self.assertEqual(await heard(there, 5), list(range(5)))

    async def test_sameId(self) -> None:
        """A publication that comes to both daemons with one id counts once, kept or not."""
        there, _ = await self.join(1, TOPIC)
        for persist in (False, True):
            receipts = []
            for number in (0, 1):
                self.at(number)
                wire = await self.client("u")
                answer = await self.say(wire, TOPIC, "once", id="x", persist=persist)
                receipts.append(answer.get("message"))
            self.assertEqual(receipts[0], receipts[1])
            await self.emit("e", "end", TOPIC)
            self.assertEqual(await heard(there, 2), ["once", "end"])
        status, page, _ = await self.http(
            "GET",
            f"/api/v1/public/realtime/history?room={TOPIC}",
            Authorization=f"Bearer {SECRET_KEY}",
            X_Project_Id="p",
        )
        self.assertEqual((status, len(page["messages"])), (200, 1), page)

    async def test_nothingLeft(self) -> None:
        """What is published on a topic without subscribers leaves no log on the server."""
        for persist in (False, True):
            await self.emit("e", 1, TOPIC, persist=persist)
            self.at(1)
        wire = await self.client("u")
        self.assertEqual((await self.say(wire, TOPIC, 2))["type"], "ack")
        keys = [key.decode() for key in self.server.execute("KEYS", "*")]
        self.assertEqual([key for key in keys if TOPIC in key], [])
        # With a subscriber there is one.
        await self.join(0, TOPIC)
        await self.emit("e", 3, TOPIC)
        keys = [key.decode() for key in self.server.execute("KEYS", "*")]
        self.assertNotEqual([key for key in keys if TOPIC in key], [])

    async def test_table(self) -> None:
        """An event that is published on a table's topic comes at both daemons."""
        self.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")
        there, _ = await self.join(1, "table/t/p")
        self.at(0)
        await self.emit("e", 1, "table/t/p")
        self.assertEqual(await heard(there, 1), [1])
        self.execute("INSERT INTO t VALUES (7)")
        self.assertEqual((await there.frame())["type"], "db_change")

    async def test_payloads(self) -> None:
        """Data comes at the other daemon as it was published."""
        there, _ = await self.join(1, TOPIC)
        here, _ = await self.join(0, TOPIC)
        for data in (5, "é", "\u0000", "x" * 262_000):
            text = json.dumps({"type": "publish", "topic": TOPIC, "event": "e", "data": data})
            here.text(text.encode())
            self.assertEqual(await heard(there, 1), [data])
