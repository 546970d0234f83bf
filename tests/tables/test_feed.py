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
from aerostack.delivery.turnend import TurnEnd
from aerostack.errors import RealtimeError
from aerostack.interfaces.tracking import IChangeListener
from aerostack.testing import Frame, MemoryClient, World, makeProject

OTHER_KEYS = {"publicKey": "pk_fedcba9876543210", "secretKey": "sk_fedcba9876543210"}


def change(operation: str, data: Row, old: Row | None = None, table: str = "orders") -> Change:
    """
    Make a change with a timestamp of 7.
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
        Make a client that is subscribed.
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
        Give the operations and ids in some frames.
        """
        return [(frame["operation"], frame["data"]["id"]) for frame in frames]

    def test_latencies(self) -> None:
        """
        The latency of a change begins with its commit; it is 0 if the writer's clock is ahead.
        """
        now = self.world.hub.now()
        self.subscribed()
        self.feeds.changed([replace(change(INSERT, {"id": 1}), timestamp=now - 30)])
        self.feeds.changed([replace(change(INSERT, {"id": 2}), timestamp=now + 30)])
        self.world.turn()
        self.assertEqual(self.feeds.latencies.take(), Spread(0.0, 30.0))

    def test_latencyOfFlood(self) -> None:
        """
        A change that waits for the end of the turn is measured until it has gone out, and stands
        for those that go out with it.
        """
        now = self.world.hub.now()
        self.subscribed()
        for n in range(4):
            self.feeds.changed([replace(change(INSERT, {"id": n}), timestamp=now)])
        self.world.clock.advance(0.25)
        self.assertEqual(self.feeds.latencies.take(), Spread(0.0, 250.0))
        self.feeds.changed([replace(change(INSERT, {"id": 4}), timestamp=now)])
        self.world.turn()
        self.assertEqual(self.feeds.durations.of("table/orders").count, 5)

    def test_latencyOfBatch(self) -> None:
        """
        Of changes that the tracker brings together, the oldest is measured until the last is sent,
        and stands for all of them.
        """
        now = self.world.hub.now()
        self.subscribed()
        self.subscribed("bills")
        batch = [
            replace(change(INSERT, {"id": n}, table=table), timestamp=now - 50 + n)
            for n in range(10)
            for table in ("orders", "bills")
        ]
        self.feeds.changed(batch)
        self.assertIsNone(self.feeds.latencies.take())
        self.world.clock.advance(0.25)
        self.assertEqual(self.feeds.latencies.take(), Spread(300.0, 300.0))
        self.assertEqual(self.feeds.durations.of("table/orders").count, 20)

    def test_listener(self) -> None:
        """
        The feed provides what the tracker calls.
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
        Every project gets a change under its own topic.
        """
        clients = [self.subscribed(project=project) for project in ("p", "q")]
        self.feeds.changed([change(INSERT, {"id": 1})])
        topics = [frame["topic"] for client in clients for frame in client.take()]
        self.assertEqual(topics, ["table/orders/p", "table/orders/q"])

    def test_otherTable(self) -> None:
        """
        A subscriber of another table gets nothing.
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
        When a table is lost, its subscribers in every project get the reason.
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
        When a lost table is followed again, its subscribers in every project get a status.  A
        client that asks for the rows before that keeps the subscription, and gets an error that the
        table is missing.
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
        When a table is back, its subscribers get positions of its new lineage.
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
        When a table's columns change, its subscribers get a status that says so.  A client that
        resumes from before the change gets it, too; one that resumes from after it does not.
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
        The feed counts the subscriptions of a table, and gives them up one by one.
        """
        for _ in range(2):
            self.assertEqual(self.successResultOf(self.feeds.watch("orders")), "orders")
        self.feeds.unwatch("orders")
        self.assertEqual(self.world.tracker.watched, {"orders": 1})
        self.feeds.unwatch("orders")
        self.assertEqual(self.world.tracker.watched, {})

    def test_notAllowed(self) -> None:
        """
        The feed does not ask the tracker for a table that is not allowed.
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
        A table that the database spells otherwise is not watched, and the error has the right name.
        """
        error = self.failureResultOf(self.feeds.watch("Orders"), RealtimeError).value
        self.assertEqual(error.code, "unknown_table")
        self.assertIn("did you mean orders?", error.message)
        self.assertEqual(self.world.tracker.watched, {})

    def test_omitted(self) -> None:
        """
        A frame names the columns whose values were too large for it, if the subscriber may see
        them.
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
        A filter on a column whose value was too large lets nothing through, even if it asks for
        NULL.
        """
        clients = [
            self.subscribed(filter={"status": condition}) for condition in (None, {"neq": "x"})
        ]
        self.feeds.changed([replace(change(INSERT, {"id": 1}), omitted=("status",))])
        self.assertEqual([client.take() for client in clients], [[], []])

    def test_room(self) -> None:
        """
        When too much is on its way, the tracker is asked to wait.
        """
        self.world.hub.delivery.fanout = Fanout(TurnEnd(self.world.clock), 1)
        for _ in range(3):
            self.subscribed()
        large = change(INSERT, {"id": 1, "body": "x" * (MAX_WAITING // 2)})
        self.assertIsNone(self.feeds.changed([change(INSERT, {"id": 1})]))
        room = self.feeds.changed([large, large, large])
        assert room is not None
        self.assertNoResult(room)
        self.world.turn()
        self.successResultOf(room)
