"""
Tests for L{aerostack.tables.feed}.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from aerostack.core.diagnosis.latencies import Spread
from aerostack.core.replay.positions import parsePosition
from aerostack.core.rows.changes import DELETE, INSERT, UPDATE, Change, Row
from aerostack.core.topics.patterns import Patterns
from aerostack.delivery.fanout import MAX_WAITING, Fanout
from aerostack.errors import RealtimeError
from aerostack.interfaces import IChangeListener
from aerostack.testing import Frame, MemoryClient, World, makeProject

OTHER_KEYS = {"publicKey": "pk_fedcba9876543210", "secretKey": "sk_fedcba9876543210"}


def change(operation: str, data: Row, old: Row | None = None, table: str = "orders") -> Change:
    """
    A change at a time of 7.
    """
    return Change(1, table, operation, data, old, 7)


class FeedsCase(SynchronousTestCase):
    """
    Two projects on one database.
    """

    def setUp(self) -> None:
        self.world = World(
            {"p": makeProject(), "q": makeProject(id="q", **OTHER_KEYS)}, tables=("orders", "bills")
        )
        self.feeds = self.world.feeds

    def subscribed(
        self, topic: str = "orders", filter: Any = None, project: str = "p"
    ) -> MemoryClient:
        """
        A client that is subscribed.
        """
        client = self.world.connect(projectId=project)
        (answer,) = client.ask(type="subscribe", topic=topic, filter=filter)
        self.assertEqual(answer["type"], "subscribed")
        return client


class FeedsTests(FeedsCase):
    """
    Tests for L{TableFeed}.
    """

    def operations(self, frames: list[Frame]) -> list[tuple[str, Any]]:
        """
        What the frames tell: operations and ids.
        """
        return [(frame["operation"], frame["data"]["id"]) for frame in frames]

    def test_latencies(self) -> None:
        """
        It is measured how long after its commit a change is told; a writer whose clock is
        ahead takes no time back.
        """
        now = self.world.hub.now()
        self.subscribed()
        self.feeds.changed([replace(change(INSERT, {"id": 1}), timestamp=now - 30)])
        self.feeds.changed([replace(change(INSERT, {"id": 2}), timestamp=now + 30)])
        self.world.turn()
        self.assertEqual(self.feeds.latencies.take(), Spread(0.0, 30.0))

    def test_latencyOfFlood(self) -> None:
        """
        A change that waits for the end of the turn is measured until it has gone out, and
        stands for those that go out with it.
        """
        now = self.world.hub.now()
        self.subscribed()
        for n in range(4):
            self.feeds.changed([replace(change(INSERT, {"id": n}), timestamp=now)])
        self.world.clock.advance(0.25)
        self.assertEqual(self.feeds.latencies.take(), Spread(0.0, 250.0))
        self.feeds.changed([replace(change(INSERT, {"id": 4}), timestamp=now)])
        self.world.turn()
        self.assertEqual(self.feeds.latencies.histogram.count, 5)

    def test_listener(self) -> None:
        """
        It is what the tracker tells of changes.
        """
        verifyObject(IChangeListener, self.feeds)

    def test_frames(self) -> None:
        """
        Each operation's frame carries the rows that belong to it.
        """
        client = self.subscribed()
        self.feeds.changed(
            [
                change(INSERT, {"id": 1, "a": "x"}),
                change(UPDATE, {"id": 1, "a": "y"}, {"id": 1, "a": "x"}),
                change(DELETE, {"id": 1, "a": "y"}, {"id": 1, "a": "y"}),
            ]
        )
        common = {"type": "db_change", "topic": "table/orders/p", "timestamp": 7}
        self.assertEqual(
            client.take(),
            [
                {**common, "operation": "INSERT", "data": {"id": 1, "a": "x"}},
                {
                    **common,
                    "operation": "UPDATE",
                    "data": {"id": 1, "a": "y"},
                    "old": {"id": 1, "a": "x"},
                },
                {
                    **common,
                    "operation": "DELETE",
                    "data": {"id": 1, "a": "y"},
                    "old": {"id": 1, "a": "y"},
                },
            ],
        )

    def test_projects(self) -> None:
        """
        Every project is told under its own topic.
        """
        clients = [self.subscribed(project=project) for project in ("p", "q")]
        self.feeds.changed([change(INSERT, {"id": 1})])
        topics = [frame["topic"] for client in clients for frame in client.take()]
        self.assertEqual(topics, ["table/orders/p", "table/orders/q"])

    def test_otherTable(self) -> None:
        """
        Who watches another table is not told.
        """
        client = self.subscribed("bills")
        self.feeds.changed([change(INSERT, {"id": 1})])
        self.assertEqual(client.take(), [])

    def test_filters(self) -> None:
        """
        Each subscriber gets what its own filter lets through.
        """
        everything = self.subscribed()
        new = self.subscribed(filter={"status": "new"})
        alike = self.subscribed(filter={"status": "new"})
        none = self.subscribed(filter={"status": "gone"})
        self.feeds.changed(
            [
                change(INSERT, {"id": 1, "status": "new"}),
                change(INSERT, {"id": 2, "status": "old"}),
                change(UPDATE, {"id": 1, "status": "old"}, {"id": 1, "status": "new"}),
            ]
        )
        self.assertEqual(
            self.operations(everything.take()), [("INSERT", 1), ("INSERT", 2), ("UPDATE", 1)]
        )
        for client in (new, alike):
            inserted, moved = client.take()
            self.assertEqual(self.operations([inserted, moved]), [("INSERT", 1), ("DELETE", 1)])
            self.assertNotIn("moved", inserted)
            self.assertIs(moved["moved"], True)
        self.assertEqual(none.take(), [])

    def test_lost(self) -> None:
        """
        When a table is lost, its subscribers in every project hear why.
        """
        clients = [self.subscribed(project=project) for project in ("p", "q")]
        other = self.subscribed("bills")
        self.feeds.tableLost("orders", RealtimeError("table_lost", "It was dropped."), 1)
        for client, project in zip(clients, "pq", strict=True):
            self.assertEqual(
                client.take(),
                [
                    {
                        "type": "error",
                        "code": "table_lost",
                        "message": "It was dropped.",
                        "topic": f"table/orders/{project}",
                    }
                ],
            )
        self.assertEqual(other.take(), [])

    def test_back(self) -> None:
        """
        When a lost table is followed again its subscribers in every project hear of it; who
        asks for the rows before keeps the subscription, and hears that there are none.
        """
        clients = [self.subscribed(project=project) for project in ("p", "q")]
        other = self.subscribed("bills")
        self.feeds.tableLost("orders", RealtimeError("table_lost", "It was dropped."), 1)
        for client in clients:
            client.take()
        answer, error = clients[0].ask(type="subscribe", topic="orders", snapshot=True)
        self.assertEqual(answer["type"], "subscribed")
        self.assertEqual((error["code"], error["topic"]), ("unknown_table", "table/orders/p"))
        self.feeds.tableBack("orders")
        for client, project in zip(clients, "pq", strict=True):
            (status,) = client.take()
            self.assertEqual(
                {**status, "message": None},
                {
                    "type": "status",
                    "topic": f"table/orders/{project}",
                    "table": "back",
                    "message": None,
                },
            )
        answer, rows = clients[0].ask(type="subscribe", topic="orders", snapshot=True)
        self.assertEqual(rows["type"], "snapshot")
        self.assertEqual(other.take(), [])

    def test_lineage(self) -> None:
        """
        When a table is back its subscribers get positions of the lineage that it has then.
        """
        client = self.subscribed()
        client.positions = True
        self.feeds.tableLost("orders", RealtimeError("table_lost", "It was dropped."), 1)
        self.patch(self.world.tracker, "lineage", lambda table: "j2")
        self.feeds.tableBack("orders")
        client.take()
        self.world.tracker.change(change(INSERT, {"id": 1}))
        (told,) = client.take()
        position = parsePosition(told["pos"])
        assert position is not None
        self.assertEqual(position.lineage, "j2")

    def test_reshaped(self) -> None:
        """
        When a table's columns change its subscribers hear that rows may look different; so
        does one who was away then, but not one who came later.
        """
        client = self.subscribed()
        client.positions = True
        self.world.tracker.change(change(INSERT, {"id": 1}))
        (told,) = client.take()
        self.world.tracker.reshape()
        (status,) = client.take()
        self.assertEqual(
            (status["type"], status["topic"], status["table"]),
            ("status", "table/orders/p", "altered"),
        )
        back = self.world.connect(projectId="p")
        answer, status = back.ask(type="subscribe", topic="orders", since=told["pos"])
        self.assertEqual((answer["recovered"], status["table"]), (True, "altered"))
        self.world.tracker.change(replace(change(INSERT, {"id": 2}), seq=2))
        (told,) = client.take()
        later = self.world.connect(projectId="p")
        self.assertEqual(len(later.ask(type="subscribe", topic="orders", since=told["pos"])), 1)
        self.assertEqual(len(later.ask(type="subscribe", topic="orders")), 1)

    def test_watch(self) -> None:
        """
        WatchedTables are counted, and taken back one by one.
        """
        for _ in range(2):
            self.assertEqual(self.successResultOf(self.feeds.watch("orders")), "orders")
        self.feeds.unwatch("orders")
        self.assertEqual(self.world.tracker.watched, {"orders": 1})
        self.feeds.unwatch("orders")
        self.assertEqual(self.world.tracker.watched, {})

    def test_notAllowed(self) -> None:
        """
        The tracker is not asked for a table that is not allowed.
        """
        self.feeds.allowed = Patterns(["b*"])
        client = self.world.connect(projectId="p")
        for kind, more in (("subscribe", {}), ("track", {"state": {}})):
            client.send(type=kind, topic="bills", **more)
            answers = client.ask(type=kind, topic="orders", **more)
            self.assertEqual(answers[-1]["code"], "table_not_allowed")
            self.assertIn("orders", answers[-1]["message"])
        self.assertEqual(self.world.tracker.watched, {"bills": 1})

    def test_spelling(self) -> None:
        """
        A table that is spelled otherwise is not watched, and the right name is told.
        """
        error = self.failureResultOf(self.feeds.watch("Orders"), RealtimeError).value
        self.assertEqual(error.code, "unknown_table")
        self.assertIn("did you mean orders?", error.message)
        self.assertEqual(self.world.tracker.watched, {})

    def test_omitted(self) -> None:
        """
        What was too large to be told is told to be so, in both rows; only to those who get
        the column at all.
        """
        everything = self.subscribed()
        (answer,) = (few := self.world.connect(projectId="p")).ask(
            type="subscribe", topic="orders", columns=["id", "status"]
        )
        self.assertEqual(answer["type"], "subscribed")
        large = replace(
            change(UPDATE, {"id": 1, "side": 2}, {"id": 1, "side": 1}), omitted=("status", "body")
        )
        self.feeds.changed([large])
        (frame,) = everything.take()
        self.assertEqual(frame["data"], {"id": 1, "side": 2, "status": None, "body": None})
        self.assertEqual(frame["old"], {"id": 1, "side": 1, "status": None, "body": None})
        self.assertEqual(frame["omitted"], ["status", "body"])
        (frame,) = few.take()
        self.assertEqual(frame["data"], {"id": 1, "status": None})
        self.assertEqual(frame["omitted"], ["status"])
        self.feeds.changed([change(INSERT, {"id": 2})])
        self.assertNotIn("omitted", everything.take()[0])

    def test_omittedFiltered(self) -> None:
        """
        A filter on a column that was too large lets nothing through, also where it asks for
        NULL.
        """
        clients = [
            self.subscribed(filter={"status": condition}) for condition in (None, {"neq": "x"})
        ]
        self.feeds.changed([replace(change(INSERT, {"id": 1}), omitted=("status",))])
        self.assertEqual([client.take() for client in clients], [[], []])

    def test_room(self) -> None:
        """
        When more is on its way than should be, whoever tells of changes is asked to wait.
        """
        self.world.hub.delivery.fanout = Fanout(self.world.clock, 1)
        for _ in range(3):
            self.subscribed()
        large = change(INSERT, {"id": 1, "body": "x" * (MAX_WAITING // 2)})
        self.assertIsNone(self.feeds.changed([change(INSERT, {"id": 1})]))
        room = self.feeds.changed([large, large, large])
        assert room is not None
        self.assertNoResult(room)
        self.world.turn()
        self.successResultOf(room)


class StatusTests(FeedsCase):
    """
    A feed that is down.
    """

    def statuses(self, client: MemoryClient) -> list[tuple[str, str]]:
        """
        What a client is told of it.
        """
        frames = client.take()
        self.assertEqual({frame["type"] for frame in frames} | {"status"}, {"status"})
        return [(frame["topic"], frame["feed"]) for frame in frames]

    def test_told(self) -> None:
        """
        Everybody who is subscribed to a table hears of it, once for each topic, and when it
        is over.
        """
        both = self.subscribed("orders", filter={"status": "new"})
        both.ask(type="subscribe", topic="bills")
        other = self.subscribed("bills", project="q")
        chatting = self.world.connect()
        chatting.ask(type="subscribe", topic="chat/a")
        self.feeds.feedDown("The database is asleep.")
        self.assertEqual(
            self.statuses(both), [("table/orders/p", "down"), ("table/bills/p", "down")]
        )
        (frame,) = other.take()
        self.assertEqual(
            frame,
            {
                "type": "status",
                "topic": "table/bills/q",
                "feed": "down",
                "message": "The database is asleep.",
                "since": 1_000_000_000_000,
            },
        )
        self.feeds.feedUp()
        self.assertEqual(self.statuses(both), [("table/orders/p", "up"), ("table/bills/p", "up")])
        (frame,) = other.take()
        self.assertNotIn("since", frame)
        self.assertEqual(chatting.take(), [])

    def test_newcomer(self) -> None:
        """
        Who subscribes meanwhile hears of it behind the answer, with the time at which it
        began; who subscribes to a topic of another kind does not.
        """
        self.feeds.feedDown("The database is asleep.")
        self.world.advance(5)
        client = self.world.connect()
        answer, status = client.ask(type="subscribe", topic="orders")
        self.assertEqual((answer["type"], status["feed"]), ("subscribed", "down"))
        self.assertEqual(status["since"], 1_000_000_000_000)
        (answer,) = client.ask(type="subscribe", topic="chat/a")
        self.assertEqual(answer["type"], "subscribed")
        self.feeds.feedUp()
        self.assertEqual(self.statuses(client), [("table/orders/p", "up")])
        (answer,) = self.world.connect().ask(type="subscribe", topic="orders")

    def test_inOrder(self) -> None:
        """
        It comes in its place among the changes.
        """
        client = self.subscribed()
        self.feeds.changed([change(INSERT, {"id": 1}), change(INSERT, {"id": 2})])
        self.feeds.feedDown("It sleeps.")
        self.feeds.feedUp()
        self.feeds.changed([change(INSERT, {"id": 3})])
        self.assertEqual(
            [frame.get("feed") or frame["data"]["id"] for frame in client.take()],
            [1, 2, "down", "up", 3],
        )

    def test_comingBack(self) -> None:
        """
        Who comes back for what only the database has is told to try again, at once: many
        who ask must not stand in the way of the feed once it is up again.
        """
        self.feeds.feedDown("It sleeps.")
        asked: list[Any] = []
        self.patch(self.world.tracker, "surveyPast", lambda *args: asked.append(args))
        frames = self.world.connect().ask(type="subscribe", topic="orders", since="e0--0-j1")
        error, unsubscribed = frames
        self.assertEqual((error["code"], error["retryAfter"]), ("database_unavailable", 1000))
        self.assertEqual(unsubscribed["type"], "unsubscribed")
        self.assertEqual(asked, [])
