"""
Tests for L{aerostack.client.tracking}, with a daemon in memory.
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
        The members that C{ann} sees.
        """
        self.world.turn()
        return [
            (member["userId"].removeprefix("anonymous:"), member["state"])
            for member in self.ann.presence.members
        ]

    def test_set(self) -> None:
        """
        The set has the present members.
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
        A member is tracked again on the next connection, and other clients do not see it leave.
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
        A member that left while the client was away is gone afterwards, and the set is reported,
        even an empty one.
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
        A member that stayed while the client was away has not changed.
        """
        self.bob.track({"n": 1})
        self.there()
        sets: list[Any] = []
        self.ann.on("presence:sync", lambda frame: sets.append(len(frame["data"]["members"])))
        self.away()
        self.assertEqual((len(self.there()), sets), (1, [1]))

    def test_refused(self) -> None:
        """
        A refused state is reported.
        """
        codes: list[str] = []
        self.bob.onError(lambda error: codes.append(error.code))
        self.bob.track({"a": "x" * 100_000})
        self.world.turn()
        self.assertEqual(codes, ["too_large"])

    def test_refusedWithSubscription(self) -> None:
        """
        The refusal of a subscription does not refuse the presence.
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
        The refusal of a state does not refuse a subscription that waits for its answer.
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
        With another user's token the client is present as that user.
        """
        client = self.client(None, token=makeToken("carl"))
        channel = client.channel("doc/1")
        channel.track({"n": 1})
        self.assertEqual(self.there(), [("carl", {"n": 1})])
        client.setToken(makeToken("dora"))
        self.assertEqual(self.there(), [("dora", {"n": 1})])
