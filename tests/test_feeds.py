"""
Tests for L{aerostack.feeds}.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from aerostack.core.changes import DELETE, INSERT, UPDATE, Change, Row
from aerostack.core.patterns import Patterns
from aerostack.errors import RealtimeError
from aerostack.interfaces import IChangeListener
from aerostack.testing import Frame, MemoryClient, World, makeProject

OTHER_KEYS = {"publicKey": "pk_fedcba9876543210", "secretKey": "sk_fedcba9876543210"}


def change(operation: str, data: Row, old: Row | None = None, table: str = "orders") -> Change:
    """
    A change at a time of 7.
    """
    return Change(1, table, operation, data, old, 7)


class FeedsTests(SynchronousTestCase):
    """
    Tests for L{TableFeeds}, with two projects on one database.
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

    def operations(self, frames: list[Frame]) -> list[tuple[str, Any]]:
        """
        What the frames tell: operations and ids.
        """
        return [(frame["operation"], frame["data"]["id"]) for frame in frames]

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

    def test_watch(self) -> None:
        """
        Interests are counted, and taken back one by one.
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
        self.successResultOf(self.feeds.watch("bills"))
        error = self.failureResultOf(self.feeds.watch("orders"), RealtimeError).value
        self.assertEqual(error.code, "table_not_allowed")
        self.assertIn("orders", error.message)
        self.assertEqual(self.world.tracker.watched, {"bills": 1})

    def test_spelling(self) -> None:
        """
        A table that is spelled otherwise is not watched, and the right name is told.
        """
        error = self.failureResultOf(self.feeds.watch("Orders"), RealtimeError).value
        self.assertEqual(error.code, "unknown_table")
        self.assertIn("did you mean orders?", error.message)
        self.assertEqual(self.world.tracker.watched, {})
