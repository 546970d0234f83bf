"""
Tests for presence over a session, with a daemon in memory.
"""

from __future__ import annotations

from typing import Any

from tests.client.worlds import AWAY, WorldTestCase
from tests.live.clients import makeToken


class PresenceTests(WorldTestCase):
    """
    Tests for presence.
    """

    def setUp(self) -> None:
        super().setUp()
        self.ann, self.bob = (self.client(name).channel("doc/1") for name in ("ann", "bob"))
        self.result(self.ann.subscribe())

    def there(self) -> list[tuple[str, Any]]:
        """
        Whom C{ann} sees.
        """
        self.world.turn()
        return [
            (member["userId"].removeprefix("anonymous:"), member["state"])
            for member in self.ann.presence.members
        ]

    def test_set(self) -> None:
        """
        The set is always the present one.
        """
        self.assertEqual(self.there(), [])
        self.bob.track({"n": 1})
        self.assertEqual(self.there(), [("bob", {"n": 1})])
        self.bob.track({"n": 2})
        self.ann.track({})
        self.assertEqual(self.there(), [("bob", {"n": 2}), ("ann", {})])
        self.bob.untrack()
        self.assertEqual(self.there(), [("ann", {})])

    def test_away(self) -> None:
        """
        Who is tracked is so on the next connection too, and nobody sees it leave.
        """
        events: list[str] = []
        self.bob.track({"n": 1})
        self.world.turn()
        self.ann.on("*", lambda frame: events.append(frame["event"]))
        wire = self.world.wires[1]
        wire.cut()
        self.world.advance(5)
        self.assertEqual(self.there(), [("bob", {"n": 1})])
        self.assertEqual(events, [])
        self.bob.untrack()
        self.away()
        self.assertEqual(self.there(), [])

    def test_leftMeanwhile(self) -> None:
        """
        Who left while one was away is gone when one is back, even if nobody is left; the
        application hears of it as of any other set.
        """
        self.bob.track({"n": 1})
        self.assertEqual(len(self.there()), 1)
        sets: list[Any] = []
        self.ann.on("presence:sync", lambda frame: sets.append(frame["data"]["members"]))
        self.world.reachable = False
        self.world.wires[0].cut()
        self.bob.untrack()
        self.world.advance(2)
        self.world.reachable = True
        self.world.advance(AWAY)
        self.assertEqual((self.there(), sets), ([], [[]]))

    def test_stillThere(self) -> None:
        """
        Who is still there when one is back never was gone.
        """
        self.bob.track({"n": 1})
        self.there()
        sets: list[Any] = []
        self.ann.on("presence:sync", lambda frame: sets.append(len(frame["data"]["members"])))
        self.away()
        self.assertEqual((len(self.there()), sets), (1, [1]))

    def test_refused(self) -> None:
        """
        A state that is refused is told.
        """
        codes: list[str] = []
        self.bob.onError(lambda error: codes.append(error.code))
        self.bob.track({"a": "x" * 100_000})
        self.world.turn()
        self.assertEqual(codes, ["too_large"])

    def test_refusedWithSubscription(self) -> None:
        """
        The refusal of a subscription is that, and not one of the presence.
        """
        token = makeToken("ann", topics={"presence": ["doc/*"]})
        channel = self.client(None, token=token).channel("doc/1")
        codes: list[str] = []
        channel.onError(lambda error: codes.append(error.code))
        waiting = channel.subscribe()
        channel.track({})
        self.assertEqual(self.refusal(waiting), "forbidden")
        self.assertEqual((codes, [name for name, _ in self.there()]), ([], ["ann"]))

    def test_refusedMeanwhile(self) -> None:
        """
        A state that is refused while a subscription takes its time is not taken for that.
        """
        self.world.tracker.asked = []
        channel = self.client().channel("orders")
        codes: list[str] = []
        channel.onError(lambda error: codes.append(error.code))
        waiting = channel.subscribe()
        channel.track({"a": "x" * 100_000})
        self.world.turn()
        self.assertNoResult(waiting)
        for watch in self.world.tracker.asked:
            watch()
        self.result(waiting)
        self.assertEqual(codes, ["too_large"])

    def test_otherUser(self) -> None:
        """
        Under another user's token one is present as that.
        """
        client = self.client(None, token=makeToken("carl"))
        channel = client.channel("doc/1")
        channel.track({"n": 1})
        self.assertEqual(self.there(), [("carl", {"n": 1})])
        client.setToken(makeToken("dora"))
        self.assertEqual(self.there(), [("dora", {"n": 1})])
