"""
Tests for who is present while a client comes and goes, with a daemon in memory.
"""

from __future__ import annotations

from typing import Any

from aerostack.client.errors import ClientError
from tests.client.worlds import AWAY, WorldTestCase
from tests.live.clients import makeToken


class PresentTests(WorldTestCase):
    """
    Tests for the members that a channel shows.
    """

    def there(self) -> set[str]:
        """
        The members that the daemon has.
        """
        members = self.world.hub.presence.rosters.members("doc/1/p")
        return {member.connectionId for member in members}

    def shown(self, channel: Any) -> set[str]:
        """
        The members that a channel shows.
        """
        return {member["connectionId"] for member in channel.presence.members}

    def back(self, count: int) -> None:
        """
        Let time pass until so many clients are connected.
        """
        while len(self.world.wires) < count:
            self.world.clock.rightNow += 0.05
            self.world.step()

    def test_joinMeanwhile(self) -> None:
        """
        A client that comes back sees the members that come, go or change in any turn meanwhile.
        """
        for step in range(12):
            channel = self.client(f"watcher{step}").channel("doc/1")
            self.result(channel.subscribe())
            stays, goes = (self.client(f"{name}{step}") for name in ("bob", "dan"))
            for each in (stays, goes):
                each.channel("doc/1").track({"n": 1})
            self.world.turn()
            self.world.wires[0].cut()
            self.back(3)
            for _ in range(step):
                self.world.step()
            self.world.connect(userId="carl").send(type="track", topic="doc/1", state={})
            stays.channel("doc/1").track({"n": 2})
            goes.channel("doc/1").untrack()
            self.world.turn()
            self.assertEqual(self.shown(channel), self.there(), step)
            states = [m["state"] for m in channel.presence.members if m["userId"][:13] != "carl"]
            self.assertIn({"n": 2}, states)
            while self.world.wires:
                self.world.wires[0]._user._user.stop()
                self.world.turn()
            self.world.advance(AWAY)

    def test_joinFirst(self) -> None:
        """
        A client that came back to an empty topic sees the first member, in any turn.
        """
        for step in range(12):
            channel = self.client(f"watcher{step}").channel("doc/1")
            self.result(channel.subscribe())
            before = self.world.connect(userId="bob")
            before.send(type="track", topic="doc/1", state={})
            self.world.turn()
            self.world.cut()
            before.close()
            self.back(1)
            for _ in range(step):
                self.world.step()
            after = self.world.connect(userId="carl")
            after.send(type="track", topic="doc/1", state={})
            self.world.turn()
            self.assertEqual(self.shown(channel), self.there(), step)
            self.assertEqual(len(channel.presence.members), 1)
            after.close()
            self.result(channel._owner.stop())

    def test_nobody(self) -> None:
        """
        A client that comes back to an empty topic sees no members.
        """
        channel = self.client().channel("doc/1")
        self.result(channel.subscribe())
        client = self.world.connect(userId="bob")
        client.send(type="track", topic="doc/1", state={})
        self.world.turn()
        self.assertEqual(len(channel.presence.members), 1)
        self.world.cut()
        client.close()
        self.world.advance(AWAY)
        self.assertEqual(channel.presence.members, [])

    def test_manyPages(self) -> None:
        """
        A set of many pages is one event for the application.
        """
        for number in range(300):
            client = self.world.connect(userId=f"u{number}")
            client.send(type="track", topic="doc/1", state={"text": "x" * 1000})
        channel = self.client().channel("doc/1")
        sets: list[int] = []
        channel.on("presence:sync", lambda frame: sets.append(len(frame["data"]["members"])))
        channel.subscribe()
        self.assertEqual(len(self.result(channel.presence.known())), 300)
        self.assertEqual(sets, [300])
        self.assertEqual(self.shown(channel), self.there())

    def test_known(self) -> None:
        """
        A wait for the set ends with the members, also with none, and fails when no set will come.
        """
        client = self.client()
        channel = client.channel("doc/1")
        waiting = channel.presence.known()
        self.world.turn()
        self.assertNoResult(waiting)
        channel.subscribe()
        self.assertEqual(self.result(waiting), [])
        self.world.cut()
        waiting = channel.presence.known()
        self.assertNoResult(waiting)
        self.world.advance(AWAY)
        self.assertEqual(self.successResultOf(waiting), [])
        self.result(channel.unsubscribe())
        for end in (lambda: channel.unsubscribe(), lambda: client.stopService()):
            waiting = channel.presence.known()
            end()
            self.failureResultOf(waiting, ClientError)

    def test_sentAway(self) -> None:
        """
        A channel whose subscription the daemon ended shows no members.
        """
        client = self.client(None, token=makeToken("ann"))
        channel = client.channel("doc/1")
        self.world.connect(userId="bob").send(type="track", topic="doc/1", state={})
        self.result(channel.subscribe())
        self.world.turn()
        sets: list[Any] = []
        channel.presence.onChange(sets.append)
        self.assertEqual(len(channel.presence.members), 1)
        channel.onError(lambda error: None)
        client.setToken(makeToken("ann", topics={"subscribe": ["chat/*"]}))
        self.world.turn()
        self.assertEqual((channel.presence.members, sets), ([], [[]]))
