"""
Tests for L{aerostack.delivery.outbound}: how frames go out, and clients that read too slowly
for a flood of rows.
"""

from __future__ import annotations

from aerostack.core.rows.changes import INSERT, Change
from aerostack.delivery.fanout import Fanout
from aerostack.delivery.turnend import TurnEnd
from aerostack.recovery import replay
from tests.delivery.slowreaders import ORDERS, OutboundCase


class DirectTests(OutboundCase):
    """
    How frames go out while nothing stands in the way.
    """

    def assertDirect(self, isDirect: bool) -> None:
        """
        Check whether what is delivered goes to the connection without a step between.
        """
        session, connection = self.client.session, self.client.connection
        self.assertEqual(session.deliver == connection.send, isDirect)

    def test_direct(self) -> None:
        """
        Frames go to the connection's own C{send}, from the opening on, and again when a full
        socket has taken all and when the client has its past.
        """
        self.assertDirect(True)
        self.subscribe("orders", "chat/a")
        self.assertDirect(False)
        self.client.session.drained()
        self.assertDirect(True)
        self.client.session.congested()
        self.write(100)
        self.client.session.drained()
        self.assertDirect(False)
        self.world.turn()
        self.assertDirect(True)
        self.assertEqual(self.read(), list(range(1, 101)))

    def test_past(self) -> None:
        """
        A client that gets its past gets frames by way of what holds them back, until it has
        all, or has left the topic.
        """
        self.client.positions = True
        (answer,) = self.client.ask(type="subscribe", topic="orders")
        self.write(40)
        for end in ("reads", "leaves"):
            self.world.tracker.reading = reading = []
            self.client.send(type="subscribe", topic="orders", since=answer["pos"])
            self.assertDirect(False)
            if end == "leaves":
                self.client.send(type="unsubscribe", topic="orders")
            while reading:
                reading.pop(0)()
                self.world.turn()
            self.assertDirect(True)


class FloodTests(OutboundCase):
    """
    More rows than may wait.
    """

    def test_whole(self) -> None:
        """
        A client that does not read while many rows are written is not closed, and has them
        all once it reads, also those that are only in the database.
        """
        self.subscribe("orders")
        self.write(100)
        self.assertKept()
        self.assertEqual(self.read(), list(range(1, 101)))
        self.write(1)
        self.assertEqual(self.seen(self.client), [101])

    def test_nothingWaits(self) -> None:
        """
        However much is written, nothing of it waits for the client.
        """
        self.subscribe("orders")
        for _ in range(30):
            self.write(100)
        self.assertEqual(self.client.session._outbox.waiting, 0)
        catchup = self.client.session.catchingUp(ORDERS.canonical)
        assert catchup is not None
        self.assertEqual(catchup.held, 0)
        self.assertEqual(self.read(), list(range(1, 3001)))

    def test_again(self) -> None:
        """
        What is written while the client catches up, and is too much as well, it gets too.
        """
        self.subscribe("orders")
        self.write(40)
        self.world.tracker.reading = []
        self.client.session.drained()
        self.world.turn()
        for n in range(20):
            self.write(30)
            if n % 3 == 0 and self.world.tracker.reading:
                self.world.tracker.reading.pop(0)()
                self.world.turn()
        while self.world.tracker.reading:
            self.world.tracker.reading.pop(0)()
            self.world.turn()
        self.assertKept()
        self.assertEqual(self.seen(self.client), list(range(1, 641)))

    def test_others(self) -> None:
        """
        A client that reads does not wait for one that does not.
        """
        other = self.world.connect()
        other.ask(type="subscribe", topic="orders")
        self.subscribe("orders")
        self.write(100)
        self.assertEqual(self.seen(other), list(range(1, 101)))

    def test_filtered(self) -> None:
        """
        One with a filter gets its own rows, and hears of the end of a transaction whose
        last row it does not get.
        """
        self.subscribe("orders", filter={"side": 1})
        self.write(100, last=False)
        self.write(2)
        self.assertKept()
        self.assertEqual(self.read(), [*range(1, 102, 2), "commit"])

    def test_filteredWithin(self) -> None:
        """
        So also where all that it could not take at once is that end.
        """
        self.subscribe("orders", "chat/a", filter=None)
        self.client.session.drained()
        self.client.ask(type="subscribe", topic="orders", filter={"side": 1})
        self.write(1, last=False)
        self.client.session.congested()
        self.fill()
        self.write(1)
        self.assertKept()
        self.assertEqual([each for each in self.read() if each != "x"], [1, "error", "commit"])

    def test_noWarning(self) -> None:
        """
        A client that falls behind with rows gets no warning, because the daemon does not close it.
        """
        self.subscribe("orders")
        self.write(15)
        self.assertGreater(self.client.session._outbox.waiting, 1000)
        self.assertEqual(self.read(), list(range(1, 16)))

    def test_largerThanAll(self) -> None:
        """
        A row that is larger than all that may wait comes as well.
        """
        self.subscribe("orders")
        self.written = 1
        change = Change(1, "orders", INSERT, {"id": 1, "side": 1, "body": "x" * 5000}, None, 7)
        self.world.tracker.change(change)
        self.write(1)
        self.assertKept()
        self.assertEqual(self.read(), [1, 2])

    def test_large(self) -> None:
        """
        Large rows are read in small pages.
        """
        self.patch(replay, "PAGE_BYTES", 50)
        self.subscribe("orders")
        self.write(100)
        self.assertEqual(self.read(), list(range(1, 101)))

    def test_slices(self) -> None:
        """
        What is on its way to many subscribers when a client begins to catch up does not
        come to it twice.
        """
        hub = self.world.hub
        hub.delivery.fanout = Fanout(TurnEnd(self.world.clock), 1)
        self.subscribe("orders")
        others = [self.world.connect() for _ in range(4)]
        for other in others:
            other.ask(type="subscribe", topic="orders")
        late = self.world.connect()
        late.ask(type="subscribe", topic="orders")
        late.session.congested()
        self.world.tracker.change(
            *(Change(n, "orders", INSERT, {"id": n, "side": 1}, None, 7) for n in range(1, 41))
        )
        for _ in range(3):
            self.world.clock.advance(0)
            late.session.drained()
            self.world.clock.advance(0)
            late.session.congested()
        late.session.drained()
        self.client.session.drained()
        self.world.turn()
        for client in (self.client, late, *others):
            self.assertEqual(self.seen(client), list(range(1, 41)))
