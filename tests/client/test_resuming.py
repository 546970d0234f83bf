"""
Tests for subscriptions that resume on another connection, with a daemon in memory.
"""

from __future__ import annotations

from typing import Any

from aerostack.core.rows.changes import Change
from aerostack.errors import RealtimeError
from aerostack.recovery.interruptions import Interruptions
from tests.client.worlds import AWAY, WorldTestCase


class ResumeTests(WorldTestCase):
    """
    Tests for subscriptions that resume.
    """

    def setUp(self) -> None:
        super().setUp()
        self.subscriber = self.client()
        self.chat = self.subscriber.channel("chat/a")
        self.gaps: list[Any] = []
        self.chat.onGap(self.gaps.append)
        self.begun: list[Any] = []
        self.chat.onSubscribed(self.begun.append)
        self.got = self.heard(self.chat)
        self.result(self.chat.subscribe())
        self.sdk = self.world.sdk()

    def emit(self, *data: Any, **options: Any) -> None:
        """
        Emit events.
        """
        for each in data:
            self.successResultOf(self.sdk.socket.emit("e", each, "chat/a", **options))
        self.world.turn()

    def test_missed(self) -> None:
        """
        Events of the time without a connection come afterwards, in order and once.
        """
        self.emit(1, 2)
        self.world.reachable = False
        self.world.cut()
        self.emit(3, 4)
        self.world.advance(2)
        self.emit(5)
        self.world.reachable = True
        self.world.advance(AWAY)
        self.emit(6)
        self.away()
        self.emit(7)
        self.assertEqual(self.got, [1, 2, 3, 4, 5, 6, 7])
        self.assertEqual([frame.get("recovered") for frame in self.begun], [None, True, True])
        self.assertEqual(self.gaps, [])

    def test_cutAgain(self) -> None:
        """
        A client that is cut off during the catch-up resumes from there.
        """
        self.world.reachable = False
        self.world.cut()
        self.emit(*range(200))
        self.world.reachable = True
        for _ in range(20):
            for _ in range(400):
                if not self.world.wires:
                    self.world.clock.advance(0.1)
            self.world.step()
            self.world.cut()
        self.world.advance(AWAY)
        self.assertEqual(self.got, list(range(200)))

    def test_gap(self) -> None:
        """
        A gap is reported before anything new comes.
        """
        order: list[Any] = []
        self.chat.onGap(order.append)
        self.chat.on("e", lambda frame: order.append(frame["data"]))
        self.emit(1)
        self.world.reachable = False
        self.world.cut()
        self.emit(2)
        self.world.advance(400)
        for _ in self.world.hub.sequencer.expire():
            pass
        self.world.reachable = True
        self.world.advance(AWAY)
        self.emit(3)
        self.assertEqual(order, [1, self.gaps[0], 3])
        self.assertEqual(self.gaps[0]["topic"], "chat/a")
        self.assertIn(self.gaps[0]["reason"], ("expired", "unknown"))

    def test_interrupted(self) -> None:
        """
        A daemon that has lost what comes next says so without being asked; the subscription goes
        on, and resumes from there.
        """
        self.emit(1)
        world = self.world
        interruptions = Interruptions(world.clock, world.hub, world.recovery)
        interruptions.broken("chat/a/p", None, "lost")
        world.turn()
        self.assertEqual([gap["reason"] for gap in self.gaps], ["lost"])
        self.emit(2)
        self.away()
        self.emit(3)
        self.assertEqual(self.got, [1, 2, 3])
        self.assertEqual([frame.get("recovered") for frame in self.begun], [None, False, True])

    def test_gapUnheard(self) -> None:
        """
        A gap without a callback is logged.
        """
        channel = self.subscriber.channel("chat/b")
        self.result(channel.subscribe(since="nonsense"))
        # It is no error, and trial shows only those.
        self.assertTrue(channel.isSubscribed)

    def test_restart(self) -> None:
        """
        After a restart of the daemon the kept events come, and then new ones.
        """
        self.emit(1, persist=True)
        self.world.cut()
        self.world.restart()
        self.sdk = self.world.sdk()
        self.emit(2, persist=True)
        self.world.advance(AWAY)
        self.emit(3)
        self.assertEqual(self.got, [1, 2, 3])
        self.assertTrue(self.begun[-1]["keptOnly"])

    def test_tableLost(self) -> None:
        """
        A table that is lost gives an error and a gap, and its subscription stays.
        """
        told: list[Any] = []
        orders = self.subscriber.channel("orders")
        orders.onError(lambda error: told.append(error.code))
        orders.onGap(told.append)
        self.result(orders.subscribe())
        lost = RealtimeError("table_lost", "It was dropped.")
        self.world.tracker.listener.tableLost("orders", lost, 5)
        self.world.turn()
        self.assertEqual(told, ["table_lost", {"topic": "orders", "reason": "table_lost"}])
        self.assertTrue(orders.isSubscribed)

    def test_since(self) -> None:
        """
        A later run resumes at the position of an earlier one.
        """
        self.emit(1)
        position = self.chat.position
        self.result(self.subscriber.stopService())
        self.emit(2)
        other = self.client("bob").channel("chat/a")
        heard = self.heard(other)
        self.result(other.subscribe(since=position))
        self.assertEqual(heard, [2])

    def test_stopAndStart(self) -> None:
        """
        A client that is stopped and started again resumes.
        """
        self.emit(1)
        self.result(self.subscriber.stopService())
        self.emit(2)
        self.subscriber.startService()
        self.world.turn()
        self.assertEqual(self.got, [1, 2])

    def test_table(self) -> None:
        """
        Changes of tables are resumed, too.
        """
        orders = self.subscriber.channel("orders")
        heard = self.heard(orders, "INSERT")
        self.result(orders.subscribe())
        for n in (1, 2, 3):
            self.world.tracker.change(Change(n, "orders", "INSERT", {"id": n}, None, 5))
            self.away()
        self.assertEqual(heard, [{"id": n} for n in (1, 2, 3)])
