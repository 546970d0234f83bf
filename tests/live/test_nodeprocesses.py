"""
Tests for two daemons in processes of their own.
"""

from __future__ import annotations

import json
from typing import Any

from aerostack.testing import SECRET_KEY
from tests.live.nodeprocesses import NodesProgramTests
from tests.live.wire import Wire

TOPIC = "chat/room"


class NodeProcessTests(NodesProgramTests):
    """
    Tests with messages and tables.
    """

    async def say(self, wire: Wire, data: Any, persist: bool) -> None:
        """
        Publish an event, and wait for the answer.
        """
        frame = {"type": "publish", "topic": TOPIC, "event": "e", "id": f"i{data}"}
        wire.tell({**frame, "data": data, "persist": persist})
        self.assertEqual((await wire.frame())["type"], "ack")

    async def kept(self, number: int) -> list[Any]:
        """
        The data of the messages that a daemon finds in the history, oldest first.
        """
        self.at(number)
        path = f"/api/v1/public/realtime/history?room={TOPIC}/p"
        headers = {"Authorization": f"Bearer {SECRET_KEY}", "X-Project-Id": "p"}
        _, page = await self.http("GET", path, **headers)
        return sorted(message["data"] for message in page["messages"])

    async def test_messages(self) -> None:
        """
        What clients of both daemons publish, kept or not, comes at the clients of both in one order
        and with one position, each publisher's in the order in which it was published; both daemons
        find what is kept.
        """
        await self.begin()
        readers = [(await self.join(number, TOPIC))[0] for number in (0, 1)]
        writers = []
        for number in (0, 1):
            self.at(number)
            writers.append(await self.client())
        for number in range(20):
            await self.say(writers[number % 2], number, persist=number % 4 < 2)
        events = [await reader.frames(20) for reader in readers]
        self.assertEqual(events[0], events[1])
        for odd in (0, 1):
            mine = [event["data"] for event in events[0] if event["data"] % 2 == odd]
            self.assertEqual(mine, list(range(odd, 20, 2)))
        wanted = [number for number in range(20) if number % 4 < 2]
        self.assertEqual([await self.kept(number) for number in (0, 1)], [wanted, wanted])

    async def test_tables(self) -> None:
        """
        Changes of a table come at the clients of both daemons, and a client goes on at the other
        daemon with the changes that it has missed.
        """
        await self.begin()
        readers = [(await self.join(number, "orders"))[0] for number in (0, 1)]
        for key in range(5):
            self.postgres.execute(f"INSERT INTO orders VALUES ({key})")
        # Once both daemons have all changes, neither has to read on for a client of the other one.
        read = [[await reader.change() for _ in range(5)] for reader in readers]
        for number, changes in enumerate(read):
            self.assertEqual([change["data"]["id"] for change in changes], list(range(5)))
            other, answer = await self.join(1 - number, "orders", since=changes[1]["pos"])
            self.assertIs(answer["recovered"], True)
            missed = [(await other.change())["data"]["id"] for _ in range(3)]
            self.assertEqual(missed, [2, 3, 4])

    async def test_killed(self) -> None:
        """
        When a daemon is killed, its clients go on at the other one with everything that happened
        meanwhile, and they come back to the first one when it runs again.
        """
        await self.begin()
        topic, _ = await self.join(0, TOPIC)
        table, _ = await self.join(0, "orders")
        self.at(1)
        writer = await self.client()
        await self.say(writer, 0, persist=True)
        self.postgres.execute("INSERT INTO orders VALUES (0)")
        since = [(await topic.frame())["pos"], (await table.change())["pos"]]
        await self.nodes[0].kill()
        for number, persist in ((1, False), (2, True)):
            await self.say(writer, number, persist)
        self.postgres.execute("INSERT INTO orders VALUES (1), (2)")
        since = await self.resume(1, since, [1, 2])
        self.nodes[0] = self.node(0)
        await self.say(writer, 3, persist=True)
        self.postgres.execute("INSERT INTO orders VALUES (3)")
        await self.serving(0)
        await self.say(writer, 4, persist=False)
        self.postgres.execute("INSERT INTO orders VALUES (4)")
        await self.resume(0, since, [3, 4])

    async def test_frozen(self) -> None:
        """
        A daemon that is frozen is named as one that has not confirmed and whose part is missing.
        The other one calls it silent after ten seconds, and does not wait for it any more.  When it
        goes on, it carries out the order.
        """
        await self.begin()
        self.at(1)
        wire = await self.client(query="&userId=ann")
        headers = {"Authorization": f"Bearer {SECRET_KEY}"}
        self.nodes[1].signal("STOP")
        self.at(0)
        body = json.dumps({"method": "user.disconnect", "args": ["ann"], "projectId": "p"})
        _, answer = await self.http("POST", "/internal/hooks/rpc", body.encode(), **headers)
        # With workers, each of them has its own count.
        closed = {(name.partition("/")[0], count) for name, count in answer["nodes"].items()}
        self.assertEqual((closed, answer["unconfirmed"]), ({("n0", 0)}, ["n1"]))
        _, found = await self.http("GET", "/internal/admin/connections", **headers)
        self.assertEqual((found["total"], found["missing"]), (0, ["n1"]))

        async def isSilent() -> bool:
            _, health = await self.http("GET", "/health")
            states = {name: each["state"] for name, each in health["nodes"].items()}
            notice = health.get("notices", {}).get("nodes", "")
            return states == {"n0": "here", "n1": "silent"} and "n1" in notice

        await self.until(isSilent)
        _, found = await self.http("GET", "/internal/admin/connections", **headers)
        self.assertEqual(found["missing"], ["n1"])
        self.nodes[1].signal("CONT")
        await wire.lost
        self.assertEqual(wire.closeCode, 4010)
        await self.serving(0)

    async def resume(self, number: int, since: list[str], missed: list[int]) -> list[str]:
        """
        Go on at a daemon with the topic and the table.

        @param since: The position in each of them.
        @param missed: What comes on both.
        @return: The positions after that.
        """
        reached = []
        for topic, position in zip((TOPIC, "orders"), since, strict=True):
            wire, answer = await self.join(number, topic, since=position)
            self.assertIs(answer["recovered"], True, answer)
            frames = [await wire.change() for _ in missed]
            data = [frame["data"] for frame in frames]
            keys = [each["id"] for each in data] if topic == "orders" else data
            self.assertEqual(keys, missed)
            reached.append(frames[-1]["pos"])
        return reached
