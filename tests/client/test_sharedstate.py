"""
Tests for L{aerostack.client.sharedstate}, with a daemon in memory.
"""

from __future__ import annotations

from typing import Any

from aerostack.client.errors import ClientError
from aerostack.recovery import values
from aerostack.testing import World
from tests.client.worlds import WorldTestCase
from tests.stories.keyed import makeRules

TOPIC = "state/a"


class SharedStateTests(WorldTestCase):
    """
    Tests for the values that a channel has.
    """

    def setUp(self) -> None:
        self.world = World(rules=makeRules(count=20, ttl=1000.0))
        self.errors: list[str] = []

    def channel(self, userId: str = "ann") -> Any:
        """
        A channel that is subscribed.
        """
        channel = self.client(userId).channel(TOPIC)
        self.result(channel.subscribe())
        return channel

    def test_values(self) -> None:
        """
        All channels have the values that are set and removed, with who did it.
        """
        ann = self.client().channel(TOPIC)
        self.result(ann.sharedState.set("a", 1))
        self.result(ann.sharedState.set("b", {"x": 2}))
        bob = self.channel("bob").sharedState
        self.assertEqual(self.result(bob.known()), {"a": 1, "b": {"x": 2}})
        changes: list[Any] = []
        bob.onChange(changes.append)
        self.result(ann.sharedState.delete("a"))
        self.result(ann.sharedState.set("c", 3))
        self.assertEqual(changes, [{"b": {"x": 2}}, {"b": {"x": 2}, "c": 3}])
        self.assertEqual(bob.entry("c")["userId"], "ann")
        self.assertIsNone(bob.entry("a"))

    def test_known(self) -> None:
        """
        Who waits for the values gets them when all are there, also if there are none, and an error
        if the channel is unsubscribed.
        """
        self.assertEqual(self.result(self.channel().sharedState.known()), {})
        channel = self.client("bob").channel(TOPIC)
        waiting = channel.sharedState.known()
        self.world.turn()
        self.assertNoResult(waiting)
        channel.unsubscribe()
        self.assertEqual(self.refusal(waiting), "unsubscribed")

    def test_conditions(self) -> None:
        """
        A condition that does not hold fails with the value that is there.
        """
        shared = self.channel().sharedState
        self.result(shared.set("a", 1, ifNew=True))
        waiting = shared.set("a", 2, ifNew=True)
        self.world.turn()
        error = self.failureResultOf(waiting, ClientError).value
        pos = shared.entry("a")["pos"]
        self.assertEqual((error.code, error.details), ("stale", {"pos": pos, "data": 1}))
        self.result(shared.set("a", 3, ifPos=pos))
        self.assertEqual(self.refusal(shared.delete("a", ifPos=pos)), "stale")
        self.assertEqual(shared.values, {"a": 3})

    def test_update(self) -> None:
        """
        Clients that change one value at the same time lose no change.
        """
        channels = [self.channel(name) for name in ("ann", "bob", "carl")]
        changed = [
            channel.sharedState.update("n", lambda n: (n or 0) + 1)
            for _ in range(4)
            for channel in channels
        ]
        self.world.turn()
        results = [self.successResultOf(each) for each in changed]
        self.assertEqual(sorted(results), list(range(1, 13)))
        for channel in channels:
            self.assertEqual(channel.sharedState.values, {"n": 12})
        self.result(channels[0].sharedState.update("n", lambda n: None))
        self.assertEqual(channels[1].sharedState.values, {})

    def test_away(self) -> None:
        """
        A client that was away has the values that the daemon has, whether it missed little or more
        than the daemon's log holds; and it is shown no set that is not complete.
        """
        self.patch(values, "PAGE", 2)
        channel = self.channel()
        shown: list[Any] = []
        channel.sharedState.onChange(shown.append)
        model: dict[str, Any] = {}
        for missed in (0, 3, 50):
            self.world.cut()
            other = self.world.connect(userId="bob")
            for number in range(missed):
                key, data = f"k{number % 7}", number if number % 5 else None
                model.pop(key, None)
                if data is not None:
                    model[key] = data
                other.send(type="publish", topic=TOPIC, event="set", key=key, data=data)
            shown.clear()
            self.world.advance(60.0)
            self.assertEqual(channel.sharedState.values, model)
            if missed == 50:
                self.assertEqual(shown, [model])

    def test_restarted(self) -> None:
        """
        After a restart of the daemon the client has the values that were kept.
        """
        channel = self.channel()
        self.result(channel.sharedState.set("a", 1, persist=True))
        self.result(channel.sharedState.set("b", 1))
        self.world.cut()
        self.world.restart()
        self.world.advance(60.0)
        self.assertEqual(channel.sharedState.values, {"a": 1})
