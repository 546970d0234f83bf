"""
Tests for L{aerostack.sessions.views}: several subscriptions of one connection to one table.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.replay.log import Depth
from aerostack.core.rows.changes import DELETE, INSERT, UPDATE, Change
from aerostack.core.topics.policies import LATEST, TopicPolicies, TopicPolicy
from aerostack.errors import RealtimeError
from aerostack.settings.limits import LimitsConfig
from aerostack.testing import SECRET_KEY, World
from tests.answers import codes, types

ORDERS = "table/orders/p"


class ViewsCase(SynchronousTestCase):
    """
    A client beside others in a world with one table.
    """

    limits = LimitsConfig()

    def setUp(self) -> None:
        self.world = World(limits=self.limits)
        self.client = self.world.connect(userId="ann")
        self._seq = 0

    def ask(self, view: str | None, **fields: Any) -> list[dict[str, Any]]:
        """
        Subscribe to the table.
        """
        return self.client.ask(type="subscribe", topic="orders", view=view, **fields)

    def write(self, row: dict[str, Any], old: dict[str, Any] | None = None) -> None:
        """
        Write a row.
        """
        self._seq += 1
        operation = INSERT if old is None else UPDATE
        self.world.tracker.change(Change(self._seq, "orders", operation, row, old, 7))

    def seen(self) -> list[tuple[Any, ...]]:
        """
        The view, the operation and the id of each change that came.
        """
        return [
            (frame.get("view"), frame["operation"], frame["data"]["id"])
            for frame in self.client.take()
            if frame["type"] == "db_change"
        ]


class ViewsTests(ViewsCase):
    """
    Tests for named views.
    """

    def test_beside(self) -> None:
        """
        Subscriptions with different options stand beside each other and beside the one without a
        name, and every frame of one carries its name.
        """
        self.assertEqual(
            self.ask("a", filter={"side": 1}),
            [{"type": "subscribed", "topic": ORDERS, "view": "a"}],
        )
        self.ask("b", filter={"side": 2})
        self.assertEqual(self.ask(None), [{"type": "subscribed", "topic": ORDERS}])
        self.write({"id": 1, "side": 1})
        self.write({"id": 1, "side": 2}, {"id": 1, "side": 1})
        self.assertEqual(
            sorted(self.seen(), key=str),
            [
                ("a", DELETE, 1),
                ("a", INSERT, 1),
                ("b", INSERT, 1),
                (None, INSERT, 1),
                (None, UPDATE, 1),
            ],
        )

    def test_plainNamed(self) -> None:
        """
        A named view without options gets everything, with its name.
        """
        self.ask("all")
        self.write({"id": 1, "side": 1})
        self.assertEqual(self.seen(), [("all", INSERT, 1)])

    def test_encodedOnce(self) -> None:
        """
        Clients with the same view get the same frame.
        """
        other = self.world.connect()
        self.ask("a", filter={"side": 1})
        other.ask(type="subscribe", topic="orders", view="a", filter={"side": 1})
        sent: list[Any] = []
        for client in (self.client, other):
            self.patch(client.session, "deliver", sent.append)
        self.write({"id": 1, "side": 1})
        self.world.turn()
        self.assertEqual(len(sent), 2)
        self.assertIs(sent[0], sent[1])

    def test_replaced(self) -> None:
        """
        A second subscription with the same name replaces the first, and only that.
        """
        self.ask("a", filter={"side": 1})
        self.ask("b", filter={"side": 1})
        self.ask("a", filter={"side": 2})
        self.write({"id": 1, "side": 1})
        self.write({"id": 2, "side": 2})
        self.assertEqual(self.seen(), [("b", INSERT, 1), ("a", INSERT, 2)])

    def test_unsubscribe(self) -> None:
        """
        An unsubscribe names the view that ends; the others stay.
        """
        for view in ("a", "b", None):
            self.ask(view)
        answer = self.client.ask(type="unsubscribe", topic="orders", view="a")
        self.assertEqual(answer, [{"type": "unsubscribed", "topic": ORDERS, "view": "a"}])
        answer = self.client.ask(type="unsubscribe", topic="orders")
        self.assertEqual(answer, [{"type": "unsubscribed", "topic": ORDERS}])
        self.write({"id": 1, "side": 1})
        self.assertEqual(self.seen(), [("b", INSERT, 1)])
        self.client.ask(type="unsubscribe", topic="orders", view="b")
        answer = self.client.ask(type="unsubscribe", topic="orders", view="never")
        self.assertEqual(answer, [{"type": "unsubscribed", "topic": ORDERS, "view": "never"}])
        self.assertEqual(self.world.tracker.watchedTables(), [])

    def test_snapshot(self) -> None:
        """
        Each view has the rows of its own filter, and its changes follow.
        """
        self.write({"id": 1, "side": 1})
        self.write({"id": 2, "side": 2})
        for view, side in (("a", 1), ("b", 2)):
            answer, page = self.ask(view, filter={"side": side}, snapshot=True)
            self.assertEqual((answer["view"], page["view"]), (view, view))
            self.assertEqual([row["id"] for row in page["rows"]], [side])
        self.write({"id": 3, "side": 2})
        self.assertEqual(self.seen(), [("b", INSERT, 3)])

    def test_resume(self) -> None:
        """
        A client that comes back resumes each view from its own position.
        """
        self.client.positions = True
        [first] = self.ask("a", filter={"side": 1})
        self.write({"id": 1, "side": 1})
        [second] = [frame for frame in self.ask("b") if frame["type"] == "subscribed"]
        self.client.die()
        self.write({"id": 2, "side": 1})
        self.client = self.world.connect(userId="ann")
        for view, since, fields, ids in (
            ("a", first["pos"], {"filter": {"side": 1}}, [1, 2]),
            ("b", second["pos"], {}, [2]),
        ):
            answer, *frames = self.ask(view, since=since, **fields)
            self.assertEqual((answer["recovered"], answer["view"]), (True, view))
            self.assertEqual(
                [(frame["view"], frame["data"]["id"]) for frame in frames],
                [(view, each) for each in ids],
            )

    def test_status(self) -> None:
        """
        What happens to the table is told to each view.
        """
        self.ask("a")
        self.ask(None)
        self.world.tracker.listener.tableBack("orders")
        self.assertEqual([frame.get("view") for frame in self.client.take()], ["a", None])
        self.world.tracker.listener.tableLost("orders", RealtimeError("table_lost", "Gone."), 9)
        frames = self.client.take()
        self.assertEqual(codes(frames), ["table_lost", "table_lost"])
        self.assertEqual([frame.get("view") for frame in frames], ["a", None])

    def test_events(self) -> None:
        """
        An event on the table's topic comes once for each view.
        """
        self.ask("a", filter={"side": 1})
        self.ask(None)
        self.world.sdk().socket.emit("e", 1, "orders")
        self.world.turn()
        self.assertEqual([frame.get("view") for frame in self.client.take()], ["a", None])

    def test_presence(self) -> None:
        """
        Who is present comes once, however many views the client has.
        """
        other = self.world.connect(userId="bob")
        other.ask(type="track", topic="orders", state={})
        self.assertEqual(types(self.ask("a", sync=True)), ["subscribed", "event", "synced"])
        [answer] = self.ask("b", sync=True)
        self.assertNotIn("sync", answer)
        other.ask(type="track", topic="orders", state={"n": 1})
        [update] = self.client.take()
        self.assertEqual(update["event"], "presence:update")
        self.assertNotIn("view", update)
        self.assertEqual(types(self.ask(None)), ["subscribed", "event"])
        other.ask(type="untrack", topic="orders")
        self.assertEqual(types(self.client.take()), ["event"])

    def test_refused(self) -> None:
        """
        A refusal names the view, and leaves the others as they are.
        """
        self.ask("a")
        [error] = self.ask("b", filter={"none": 1})
        self.assertEqual((error["code"], error["view"]), ("invalid_filter", "b"))
        [error] = self.ask("b", filter="text")
        self.assertEqual((error["code"], error["view"]), ("invalid_frame", "b"))
        self.assertEqual(self.client.session.viewCount, 1)
        for wrong in ("", "a b", "x" * 65, 'a"'):
            [error] = self.ask(wrong)
            self.assertEqual(codes([error]), ["invalid_frame"])
            self.assertIn("view", error["message"])
            [error] = self.client.ask(type="unsubscribe", topic="orders", view=wrong)
            self.assertEqual(codes([error]), ["invalid_frame"])
        [error] = self.client.ask(type="subscribe", topic="chat/a", view="a")
        self.assertEqual((error["code"], error["view"]), ("invalid_frame", "a"))

    def test_end(self) -> None:
        """
        A session that ends leaves no subscription behind.
        """
        for view in ("a", "b", None):
            self.ask(view)
        self.assertEqual(self.world.context.subscriptions, 3)
        self.client.close()
        self.world.turn()
        self.assertEqual(self.world.context.subscriptions, 0)
        self.assertEqual(len(self.world.hub.registry), 0)
        self.assertEqual(self.world.shares.subscriptions.total, 0)
        self.assertEqual(self.world.tracker.watchedTables(), [])

    def test_altered(self) -> None:
        """
        A view whose filter does not fit the table any more ends, and the others stay.
        """
        self.ask("a", filter={"side": 1})
        self.ask("b")
        columns = {name: kind for name, kind in self.world.tracker.shape.items() if name != "side"}
        self.world.tracker.listener.tableAltered("orders", columns)
        frames = self.client.take()
        self.assertEqual(types(frames), ["error", "unsubscribed"])
        self.assertEqual([frame["view"] for frame in frames], ["a", "a"])
        self.assertEqual(self.client.session.viewCount, 1)


class LimitTests(ViewsCase):
    """
    Tests for the limit of subscriptions.
    """

    limits = LimitsConfig(subscriptions=3)

    def test_counted(self) -> None:
        """
        Each view counts to the limit, one that was refused or has ended does not.
        """
        self.ask("a")
        self.ask("bad", filter={"none": 1})
        self.ask("b")
        self.ask(None)
        for view in ("c", None):
            fields = {"view": view} if view else {}
            topic = "orders" if view else "chat/a"
            [error] = self.client.ask(type="subscribe", topic=topic, **fields)
            self.assertEqual(error["code"], "too_many_subscriptions")
        self.assertEqual(types(self.ask("a")), ["subscribed"])
        self.client.ask(type="unsubscribe", topic="orders", view="a")
        self.assertEqual(types(self.ask("c")), ["subscribed"])


class SizeTests(ViewsCase):
    """
    Tests for the size of what a client asks for.
    """

    def test_bounded(self) -> None:
        """
        The options of all views of a connection are bounded in bytes; what ends or is replaced
        makes room.
        """
        text = "x" * 100_000
        for view in ("a", "b"):
            self.assertEqual(types(self.ask(view, filter={"status": text})), ["subscribed"])
        [error] = self.ask("c", filter={"status": text})
        self.assertEqual((error["code"], error["view"]), ("too_large", "c"))
        self.assertEqual(self.client.session.viewCount, 2)
        self.assertEqual(types(self.ask("a", filter={"status": "short"})), ["subscribed"])
        self.assertEqual(types(self.ask("c", filter={"status": text})), ["subscribed"])
        self.client.ask(type="unsubscribe", topic="orders", view="b")
        self.assertEqual(types(self.ask("a", filter={"status": text})), ["subscribed"])


class SlowTests(ViewsCase):
    """
    Tests for views of a client that reads slowly.
    """

    def test_dropped(self) -> None:
        """
        What waits for a view is dropped when the view ends, and nothing of the other views.
        """
        self.ask("a")
        self.ask("b")
        self.client.session.congested()
        self.write({"id": 1, "side": 1})
        self.world.turn()
        self.client.send(type="unsubscribe", topic="orders", view="a")
        self.client.session.drained()
        self.assertEqual(self.seen(), [("b", INSERT, 1)])

    def test_conflated(self) -> None:
        """
        Where only the newest state of a row matters, each view gets its own newest state.
        """
        policy = TopicPolicy(Depth(9, 10_000, 300.0), LATEST, "id")
        self.world = World(rules=TopicPolicies([], policy))
        self.client = self.world.connect()
        for view in ("a", "b", None):
            self.ask(view)
        self.client.session.congested()
        for number in range(3):
            self.write({"id": 1, "side": number}, {"id": 1, "side": 9})
        self.world.turn()
        self.client.session.drained()
        self.assertEqual(self.seen(), [("a", UPDATE, 1), ("b", UPDATE, 1), (None, UPDATE, 1)])

    def test_slow(self) -> None:
        """
        What waits for a slow client on one view is read again for that view.
        """
        self.client = self.world.connect(key=SECRET_KEY)
        self.ask("a", filter={"side": 1})
        self.ask("b", filter={"side": 2})
        self.client.session.congested()
        big = "x" * 100_000
        for number in range(60):
            self.write({"id": number, "side": number % 2 + 1, "text": big})
        self.world.turn()
        self.client.session.drained()
        self.world.advance(1)
        seen = self.seen()
        for view, rest in (("a", 0), ("b", 1)):
            ids = [number for name, _, number in seen if name == view]
            self.assertEqual(ids, list(range(rest, 60, 2)))
