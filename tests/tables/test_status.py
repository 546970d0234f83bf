"""
Tests for L{aerostack.tables.status}, and for the frames with the state of the feed.
"""

from __future__ import annotations

from typing import Any

from aerostack.core.rows.changes import INSERT
from aerostack.testing import MemoryClient
from tests.tables.test_feed import FeedsCase, change


class StatusTests(FeedsCase):
    """
    Tests for a feed that is down.
    """

    def statuses(self, client: MemoryClient) -> list[tuple[str, str]]:
        """
        The statuses that a client got.
        """
        frames = client.take()
        self.assertEqual({frame["type"] for frame in frames} | {"status"}, {"status"})
        return [(frame["topic"], frame["feed"]) for frame in frames]

    def test_told(self) -> None:
        """
        Every subscriber of a table gets one status for each topic when the feed goes down, and one
        when it is up again.
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
        A client that subscribes while the feed is down gets the status behind its answer, with the
        time since when it is down.  A subscriber of a topic without a table gets none.
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
        The status comes in its place among the changes.
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
        A client that needs the database to resume gets an error at once, so that many such clients
        do not delay the feed when it is up again.
        """
        self.feeds.feedDown("It sleeps.")
        asked: list[Any] = []
        self.patch(self.world.tracker, "surveyPast", lambda *args: asked.append(args))
        frames = self.world.connect().ask(type="subscribe", topic="orders", since="e0--0-j1")
        error, unsubscribed = frames
        self.assertEqual((error["code"], error["retryAfter"]), ("database_unavailable", 1000))
        self.assertEqual(unsubscribed["type"], "unsubscribed")
        self.assertEqual(asked, [])
