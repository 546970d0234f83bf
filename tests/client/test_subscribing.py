"""
Tests for subscriptions that end, begin again and change, with a daemon in memory.
"""

from __future__ import annotations

import gc
from typing import Any

from aerostack.client.channel import Channel
from tests.client.worlds import AWAY, WorldTestCase


class AgainTests(WorldTestCase):
    """
    Tests for subscriptions that begin again in the turn in which they ended.
    """

    def setUp(self) -> None:
        super().setUp()
        self.user = self.client()
        self.channel = self.user.channel("chat/a")
        self.result(self.channel.subscribe())
        self.count = 0

    def emit(self) -> None:
        """
        Let the daemon send an event, which is then under way.
        """
        self.count += 1
        for topic in ("chat/a", "orders"):
            self.world.sdk().socket.emit("e", self.count, topic)

    def asks(self) -> list[str]:
        """
        The tables that the daemon looks for from now on.
        """
        asked: list[str] = []
        watch = self.world.tracker.watch

        def note(table: str) -> Any:
            asked.append(table)
            return watch(table)

        self.patch(self.world.tracker, "watch", note)
        return asked

    def hold(self) -> None:
        """
        Make the client wait before its next frame, with an event under way then.
        """
        self.hear(type="error", code="rate_limited", message="Wait.", retryAfter=250)
        self.world.clock.callLater(0.25, self.burst, 8)

    def burst(self, count: int) -> None:
        """
        Let an event happen in each of the next turns.
        """
        self.emit()
        if count > 1:
            self.world.clock.callLater(0, self.burst, count - 1)

    def test_once(self) -> None:
        """
        A channel that leaves and subscribes in one turn gets later events once, with or without a
        wait.
        """
        for waits in (False, True):
            self.emit()
            if waits:
                self.hold()
            left = self.channel.unsubscribe()
            heard = self.heard(self.channel)
            subscribed = self.channel.subscribe()
            for _ in range(12):
                self.emit()
                self.world.clock.advance(0.05)
            self.world.advance(2)
            self.successResultOf(left)
            self.successResultOf(subscribed)
            self.emit()
            self.world.turn()
            self.assertEqual(len(heard), len(set(heard)), (waits, heard))
            self.assertEqual(heard[-1], self.count)

    def test_leftIsSilent(self) -> None:
        """
        Events of a subscription that ended do not reach the callbacks of the next one.
        """
        self.hold()
        self.channel.unsubscribe()
        heard = self.heard(self.channel)
        self.channel.subscribe()
        self.emit()
        self.world.turn()
        self.assertEqual(heard, [])
        self.world.advance(2)
        self.emit()
        self.world.turn()
        self.assertEqual(heard, list(range(heard[0], self.count + 1)))

    def test_changed(self) -> None:
        """
        A channel that changes its subscription gets every event once, with or without a wait.
        """
        orders = self.user.channel("orders")
        heard = self.heard(orders, "e")
        self.result(orders.subscribe(event="INSERT"))
        for number in range(60):
            self.emit()
            if number % 10 == 1:
                self.hold()
                orders.subscribe(event=["INSERT", "DELETE", "UPDATE"][: 1 + number // 10 % 3])
            self.world.clock.advance(0.05)
        self.world.advance(5)
        self.assertEqual(heard, list(range(1, self.count + 1)))

    def test_changedAndCut(self) -> None:
        """
        A channel that changes its subscription and is cut off misses nothing.
        """
        orders = self.user.channel("orders")
        heard = self.heard(orders, "e")
        self.result(orders.subscribe(event="INSERT"))
        for number in range(12):
            self.world.sdk().socket.emit("e", number, "orders")
            self.world.turn()
            self.world.reachable = False
            if number % 2:
                orders.subscribe(event=["INSERT", "DELETE", "UPDATE"][number % 3])
            self.world.cut()
            if not number % 2:
                orders.subscribe(event=["INSERT", "DELETE", "UPDATE"][number % 3])
            self.world.sdk().socket.emit("e", number + 100, "orders")
            self.world.reachable = True
            self.world.advance(AWAY)
        self.assertEqual(heard, [each for number in range(12) for each in (number, number + 100)])

    def test_refusedLater(self) -> None:
        """
        A subscription that is refused on a later connection is reported, because no deferred
        waits.
        """
        self.world.tracker.tables = ("orders",)
        orders = self.user.channel("orders")
        told: list[Any] = []
        orders.onError(lambda error: told.append(error.code))
        self.result(orders.subscribe())
        self.world.cut()
        self.world.restart()
        self.world.tracker.tables = ()
        self.world.advance(AWAY)
        self.assertEqual((told, orders.isSubscribed), (["unknown_table"], True))
        heard = self.heard(orders, "e")
        self.world.tracker.tables = ("orders",)
        self.world.advance(60)
        self.emit()
        self.world.turn()
        self.assertEqual((told, len(heard)), (["unknown_table"], 1))

    def test_tableLater(self) -> None:
        """
        A subscription to a table that is missing fails, and begins by itself soon after the table
        was created.
        """
        self.world.tracker.tables = ()
        orders = self.user.channel("orders")
        heard, begun = self.heard(orders, "e"), self.heard(orders)
        orders.onSubscribed(begun.append)
        self.assertEqual(self.refusal(orders.subscribe()), "unknown_table")
        asks = self.asks()
        self.world.advance(300)
        # Five pauses that double, and then a minute at the most.
        self.assertTrue(8 <= len(asks) <= 14, asks)
        self.assertEqual((begun, orders.isSubscribed, self.errors), ([], True, []))
        self.world.tracker.tables = ("orders",)
        self.world.advance(60)
        self.assertEqual(len(begun), 1)
        self.emit()
        self.world.turn()
        self.assertEqual(len(heard), 1)

    def test_tableAskedFor(self) -> None:
        """
        A subscription to a table that was missing begins at once if the application asks again.
        """
        self.world.tracker.tables = ()
        orders = self.user.channel("orders")
        self.assertEqual(self.refusal(orders.subscribe()), "unknown_table")
        self.world.tracker.tables = ("orders",)
        self.assertEqual(self.result(orders.subscribe())["type"], "subscribed")

    def test_tableNotWanted(self) -> None:
        """
        A client asks no more for a missing table from which it has unsubscribed.
        """
        self.world.tracker.tables = ()
        orders = self.user.channel("orders")
        self.assertEqual(self.refusal(orders.subscribe()), "unknown_table")
        self.result(orders.unsubscribe())
        asks = self.asks()
        self.world.advance(300)
        self.assertEqual((asks, orders.isSubscribed), ([], False))

    def test_off(self) -> None:
        """
        A callback that an earlier one takes back does not get the same frame.
        """
        heard: list[Any] = []
        self.channel.on("e", lambda frame: self.channel.off("e", heard.append))
        self.channel.on("e", heard.append)
        self.emit()
        self.world.turn()
        self.assertEqual(heard, [])


class KeepingTests(WorldTestCase):
    """
    Tests for how long a client keeps a channel.
    """

    def kept(self, client: Any) -> list[str]:
        """
        The channels that a client keeps.
        """
        self.world.turn()
        gc.collect()
        return sorted(client._session._known)

    def test_unused(self) -> None:
        """
        A client keeps no channels that only published, read history or were made.
        """
        client = self.client()
        for number in range(50):
            channel = client.channel(f"chat/{number}")
            self.result(channel.publish("e", 1))
            self.result(channel.getHistory())
            self.assertEqual(channel.presence.members, [])
            channel.off("e")
        del channel
        self.assertEqual(self.kept(client), [])

    def test_used(self) -> None:
        """
        A client keeps a channel with callbacks, a filter, a subscription or a presence.
        """
        client = self.client()
        heard: list[Any] = []
        client.channel("on/1").on("e", heard.append)
        client.channel("on/2").onGap(heard.append)
        client.channel("on/3").presence.onChange(heard.append)
        client.channel("orders", filter={"id": 1})
        client.channel("on/4").subscribe()
        client.channel("on/5").track({})
        self.assertEqual(
            self.kept(client), ["on/1", "on/2", "on/3", "on/4", "on/5", "table/orders"]
        )
        client.channel("on/1").subscribe()
        self.world.turn()
        self.world.sdk().socket.emit("e", 1, "on/1")
        self.world.turn()
        self.assertEqual(len(heard), 1)
        for topic in ("on/1", "on/4"):
            client.channel(topic).unsubscribe()
        client.channel("on/2").unsubscribe()
        client.channel("on/3").unsubscribe()
        client.channel("on/5").untrack()
        client.channel("orders").unsubscribe()
        self.assertEqual(self.kept(client), [])

    def test_usedAgain(self) -> None:
        """
        A client keeps a channel that was left and gets callbacks again.
        """
        client = self.client()
        channel: Channel | None = client.channel("chat/a")
        assert channel is not None
        self.result(channel.subscribe())
        self.result(channel.unsubscribe())
        channel.on("e", lambda frame: None)
        channel = None
        self.assertEqual(self.kept(client), ["chat/a"])
