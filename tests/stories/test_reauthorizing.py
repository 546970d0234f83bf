"""
The frames of a client after its token or the rules have changed.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.logger import LogLevel, globalLogPublisher

from aerostack.core.rows.columns import Columns
from aerostack.errors import RealtimeError
from aerostack.settings.tables import TableConfig
from aerostack.testing import SECRET_KEY, Frame
from tests.answers import outcomes, types
from tests.stories.readers import SHAPE, TOPIC, ReaderCase, brief, row


class TokenTests(ReaderCase):
    """
    Tests for another token on an open connection.
    """

    def test_other(self) -> None:
        """
        Under another token the client gets changes of other rows from then on.
        """
        client = self.subscribed("ann")
        self.tell(row(1, "ann"))
        self.assertEqual(brief(client.take()), [("INSERT", 1, 1)])
        self.assertEqual(client.ask(type="auth", token=self.token("bob")), [])
        self.tell(row(2, "ann"))
        self.tell(row(3, "bob"))
        self.assertEqual(brief(client.take()), [("INSERT", 3, 1)])

    def test_onTheirWay(self) -> None:
        """
        An event from before the other token still arrives, and arrives first.
        """
        client = self.subscribed("ann")
        other = self.subscribed("bob")
        for number in (1, 2, 3):
            self.world.tracker.change(self.change(row(number, "ann")))
        client.send(type="auth", token=self.token("bob"))
        for number in (4, 5):
            self.world.tracker.change(self.change(row(number, "bob")))
        self.assertEqual(brief(client.take()), [("INSERT", n, 1) for n in range(1, 6)])
        self.assertEqual(brief(other.take()), [("INSERT", n, 1) for n in (4, 5)])

    def test_lost(self) -> None:
        """
        Under a token that may not read the table the subscription ends, with a reason.
        """
        self.reload(TableConfig(("token",), (), "owner = :name"))
        client = self.connect("x", name="ann")
        client.ask(type="subscribe", topic="orders")
        frames = client.ask(type="auth", token=self.token("x"))
        self.assertEqual(outcomes(frames), ["forbidden", "unsubscribed"])
        self.assertEqual({frame["topic"] for frame in frames}, {TOPIC})
        self.assertIn("claim name is missing", frames[0]["message"])
        self.assertEqual(self.world.tracker.watched, {})
        self.tell(row(1, "ann"))
        self.assertEqual(client.take(), [])

    def test_same(self) -> None:
        """
        A token with the same values changes nothing, also while missed frames are being sent.
        """
        client = self.connect("ann")
        client.positions = True
        [answer] = client.ask(type="subscribe", topic="orders")
        client.die()
        for number in (1, 2):
            self.tell(row(number, "ann"))
        self.world.restart()
        self.world.tracker.reading = reading = []
        again = self.connect("ann")
        again.send(type="subscribe", topic="orders", since=answer["pos"])
        frames: list[Frame] = []
        while reading:
            reading.pop(0)()
            frames += again.ask(type="auth", token=self.token("ann", name="Ann"))
        self.assertEqual(types(frames), ["subscribed", "db_change", "db_change"])

    def test_whileCatchingUp(self) -> None:
        """
        A client whose user changes while missed frames are being sent has to subscribe again.
        """
        client = self.connect("ann")
        client.positions = True
        [answer] = client.ask(type="subscribe", topic="orders")
        client.die()
        self.tell(row(1, "ann"))
        self.world.restart()
        self.subscribed("bob")
        again = self.connect("ann")
        self.world.tracker.reading = reading = []
        again.send(type="subscribe", topic="orders", since=answer["pos"])
        self.assertEqual(len(reading), 1)
        again.send(type="auth", token=self.token("bob"))
        reading.pop()()
        self.assertEqual(outcomes(again.take()), ["view_changed", "unsubscribed"])
        self.assertEqual(self.world.tracker.watched, {"orders": 1})

    def test_whileRowsAreRead(self) -> None:
        """
        The rows of a snapshot that was read for one user are not sent to the next.
        """
        self.subscribed("bob")
        self.tell(row(1, "ann"))
        client = self.connect("ann")
        self.world.tracker.reading = reading = []
        client.send(type="subscribe", topic="orders", snapshot=True)
        client.send(type="auth", token=self.token("bob"))
        reading.pop()()
        frames = client.take()
        self.assertEqual(outcomes(frames), ["subscribed", "view_changed", "unsubscribed"])

    def test_filter(self) -> None:
        """
        The client's own filter stays.
        """
        client = self.subscribed("ann", filter={"price": {"gt": 5}}, columns=["id"])
        client.ask(type="auth", token=self.token("bob"))
        for each in (row(1, "bob", 9), row(2, "bob", 1), row(3, "ann", 9)):
            self.tell(each)
        self.assertEqual([frame["data"] for frame in client.take()], [{"id": 1}])

    def test_within(self) -> None:
        """
        A client that got a part of a transaction gets its end under the next token too.
        """
        client = self.subscribed("ann")
        self.world.tracker.change(self.change(row(1, "ann")), last=False)
        self.assertEqual(types(client.take()), ["db_change"])
        client.ask(type="auth", token=self.token("bob"))
        self.tell(row(2, "ann"))
        self.assertEqual(types(client.take()), ["commit"])

    def test_columnsAreLost(self) -> None:
        """
        If the table's columns cannot be read, the client has to subscribe again.
        """
        client = self.subscribed("ann")
        answer = fail(RealtimeError("database_unavailable", "It is gone.", 1000))
        self.patch(self.world.tracker, "columns", lambda table: answer)
        frames = client.ask(type="auth", token=self.token("bob"))
        self.assertEqual(outcomes(frames), ["database_unavailable", "unsubscribed"])
        self.assertEqual(self.world.tracker.watched, {})

    def test_columnsComeLate(self) -> None:
        """
        When the columns become known, clients that have left or have subscribed again are left
        alone.
        """
        client = self.subscribed("ann")
        waiting: list[Deferred[Columns]] = []

        def ask(table: str) -> Deferred[Columns]:
            waiting.append(Deferred())
            return waiting[-1]

        self.patch(self.world.tracker, "columns", ask)
        client.send(type="auth", token=self.token("bob"))
        client.send(type="unsubscribe", topic="orders")
        waiting.pop().callback(SHAPE)
        self.assertEqual(types(client.take()), ["unsubscribed"])
        self.assertEqual(self.world.tracker.watched, {})


class ReloadTests(ReaderCase):
    """
    Tests for other rules.
    """

    def setUp(self) -> None:
        super().setUp()
        self.clients = (self.subscribed("ann"), self.world.connect(key=SECRET_KEY))
        self.clients[1].ask(type="subscribe", topic="orders")

    def take(self) -> list[list[Frame]]:
        return [client.take() for client in self.clients]

    def test_narrower(self) -> None:
        """
        The client gets no more changes of rows that it may no longer read, and still gets those of
        the others.
        """
        self.reload(TableConfig(("token",), ("card", "price"), "owner = :sub AND id > 1"))
        self.assertEqual(self.take(), [[], []])
        self.tell(row(1, "ann"))
        self.tell(row(2, "ann"))
        mine, all = self.take()
        self.assertEqual([f["data"] for f in mine], [{"id": 2, "owner": "ann"}])
        self.assertEqual(len(all), 2)
        self.assertNotIn("price", str(all))

    def test_ended(self) -> None:
        """
        A client that may no longer read the table gets the end of its subscription, and the others
        stay.
        """
        self.reload(TableConfig(()))
        mine, others = self.take()
        self.assertEqual((outcomes(mine), others), (["forbidden", "unsubscribed"], []))
        self.assertEqual(self.world.tracker.watched, {"orders": 1})

    def test_filtered(self) -> None:
        """
        A filter on a column that is now hidden ends the subscription, because the filtered rows
        would reveal the column.
        """
        filtered = self.subscribed("ann", filter={"price": 5})
        self.clients = (*self.clients, filtered)
        self.reload(TableConfig(("token",), ("price",), "owner = :sub"))
        self.assertEqual(outcomes(filtered.take()), ["invalid_filter", "unsubscribed"])

    def test_unfit(self) -> None:
        """
        After a reload the operator learns again what does not fit.
        """
        events: list[Any] = []
        globalLogPublisher.addObserver(events.append)
        self.addCleanup(globalLogPublisher.removeObserver, events.append)
        server = self.clients[1]
        self.reload(TableConfig(hidden=("gone",)))
        self.assertEqual(outcomes(server.take()), ["rule_mismatch", "unsubscribed"])
        for count in (1, 2):
            for _ in range(2):
                server.ask(type="subscribe", topic="orders")
            self.assertEqual([e["log_level"] for e in events].count(LogLevel.error), count)
            self.reload(TableConfig(hidden=("gone",)))

    def test_closed(self) -> None:
        """
        A client that has left by its turn is left alone.
        """
        self.clients[0].close()
        self.reload(TableConfig(()))
        self.assertEqual(self.take(), [[], []])


class HeldTests(ReaderCase):
    """
    Tests for the time between new rules and the answer of the database about a table's columns.
    """

    rule = TableConfig(("token",))

    def setUp(self) -> None:
        super().setUp()
        self.clients = (self.subscribed("ann"),)
        self.world.tracker.reading = self.reading = []
        self.tell(row(1, "ann"))
        self.reload(TableConfig(("token",), ("card",), "owner = :sub"))

    def test_held(self) -> None:
        """
        No change is sent that the client may no longer read, and afterwards all that it may, in
        order.
        """
        (client,) = self.clients
        self.assertEqual(len(self.reading), 1)
        self.tell(row(2, "ann"))
        self.tell(row(3, "bob"))
        self.tell(row(4, "ann"))
        frames = client.take()
        self.assertEqual([frame["data"]["id"] for frame in frames], [1])
        self.reading.pop()()
        self.tell(row(5, "ann"))
        self.tell(row(6, "bob"))
        frames = client.take()
        self.assertEqual([frame["data"]["id"] for frame in frames], [2, 4, 5])
        self.assertNotIn("card", str(frames))

    def test_twice(self) -> None:
        """
        If the rules change again meanwhile, the last ones apply, and held changes come once.
        """
        (client,) = self.clients
        client.take()
        self.tell(row(2, "ann"))
        self.reload(TableConfig(("token",), ("price",), "owner = :sub"))
        self.tell(row(3, "ann"))
        for fire in self.reading[:]:
            fire()
        self.tell(row(4, "ann"))
        frames = client.take()
        self.assertEqual([frame["data"]["id"] for frame in frames], [2, 3, 4])
        self.assertNotIn("price", str(frames))

    def test_left(self) -> None:
        """
        A client that leaves meanwhile gets nothing, and one that resumes gets what it may read.
        """
        (client,) = self.clients
        client.take()
        self.tell(row(2, "ann"))
        client.send(type="unsubscribe", topic="orders")
        client.send(type="subscribe", topic="orders")
        for fire in self.reading[:]:
            fire()
        self.tell(row(3, "ann"))
        frames = client.take()
        self.assertEqual(types(frames), ["unsubscribed", "subscribed", "db_change"])
        self.assertNotIn("card", str(frames))

    def test_unchanged(self) -> None:
        """
        Unchanged permissions need no query.
        """
        self.reading.pop()()
        self.clients[0].take()
        self.reload(TableConfig(("token",), ("card",), "owner = :sub"))
        self.clients[0].send(type="auth", token=self.token("ann"))
        self.assertEqual(self.reading, [])
