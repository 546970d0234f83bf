"""
Tests for two daemons that share who is present over Valkey.
"""

from __future__ import annotations

from typing import Any

from tests.live.nodes import NodesTests
from tests.live.wire import Frame, Wire

TOPIC = "room/1/p"


class NodePresenceTests(NodesTests):
    """
    Tests for members that two daemons share.
    """

    grace = 60.0

    async def track(self, number: int, user: str, **state: Any) -> Wire:
        """
        Connect a user to a daemon, and let it be present.

        @return: The connection, which has got the set.
        """
        self.at(number)
        wire = await self.client(user)
        wire.tell({"type": "track", "topic": TOPIC, "state": state})
        while (await wire.frame()).get("event") != "presence:sync":
            pass
        return wire

    async def told(self, wire: Wire) -> tuple[str, str]:
        """
        The next event of presence, and its user.
        """
        frame: Frame = await wire.frame()
        return frame["event"], frame["data"]["userId"]

    async def members(self, number: int) -> list[str]:
        """
        The users of the set that a new subscriber gets.
        """
        wire, _ = await self.join(number, TOPIC)
        frame = await wire.frame()
        assert frame["event"] == "presence:sync", frame
        users = sorted(member["userId"] for member in frame["data"]["members"])
        wire.drop()
        return users

    async def test_told(self) -> None:
        """
        Subscribers of both daemons see who joins, changes and leaves, and a new one gets the
        members of both.
        """
        here, _ = await self.join(0, TOPIC)
        there, _ = await self.join(1, TOPIC)
        ann = await self.track(0, "ann", at=1)
        bob = await self.track(1, "bob", at=1)
        for wire in (here, there):
            # A daemon learns of the members of the other one a little later.
            joined = [await self.told(wire) for _ in range(2)]
            self.assertEqual(joined, [("presence:join", "ann"), ("presence:join", "bob")])
        self.assertEqual([await self.members(number) for number in (0, 1)], [["ann", "bob"]] * 2)
        ann.tell({"type": "track", "topic": TOPIC, "state": {"at": 2}})
        for wire in (here, there):
            frame = await wire.frame()
            self.assertEqual(
                (frame["event"], frame["data"]["state"]), ("presence:update", {"at": 2})
            )
        await bob.closeCleanly()
        for wire in (here, there):
            self.assertEqual(await self.told(wire), ("presence:leave", "bob"))

    async def test_takeOver(self) -> None:
        """
        A user whose connection to one daemon breaks and who comes to the other one is seen neither
        leaving nor joining.
        """
        here, _ = await self.join(0, TOPIC)
        there, _ = await self.join(1, TOPIC)
        ann = await self.track(0, "ann")
        joined = [await wire.frame() for wire in (here, there)]
        ann.drop()
        await self.until(lambda: self.server.execute("ZCARD", "ar1:presence:due") == 1)
        again = await self.track(1, "ann")
        await again.closeCleanly()
        for wire, first in zip((here, there), joined, strict=True):
            frame = await wire.frame()
            self.assertEqual(frame["event"], "presence:leave")
            self.assertEqual(frame["data"]["connectionId"], first["data"]["connectionId"])

    async def test_restarted(self) -> None:
        """
        The server is killed and comes back empty: members stay, and no subscriber notices.
        """
        here, _ = await self.join(0, TOPIC)
        ann, bob = await self.track(0, "ann"), await self.track(1, "bob")
        self.assertEqual([(await self.told(here))[1] for _ in range(2)], ["ann", "bob"])
        self.server.restart()
        await self.until(lambda: self.server.execute("ZCARD", "ar1:presence:nodes") == 2)
        await self.connected()
        cat = await self.track(1, "cat")
        self.assertEqual(len({ann, bob, cat}), 3)
        # The topic's log is another one, so the subscriber gets the set again.
        while (seen := await here.frame()).get("event") != "presence:join":
            if seen.get("event") == "presence:sync":
                users = {member["userId"] for member in seen["data"]["members"]}
                self.assertTrue({"ann", "bob"} <= users)
            else:
                self.assertIn(seen["type"], ("subscribed", "status"))
        self.assertEqual(seen["data"]["userId"], "cat")
        self.assertEqual(await self.members(0), ["ann", "bob", "cat"])
