"""
Tests for L{aerostack.client.topic}, with a daemon in memory.
"""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from aerostack.client.topic import pathOf
from tests.client.worlds import WorldTestCase


class PathTests(SynchronousTestCase):
    """
    Tests for L{pathOf}.
    """

    def test_forms(self) -> None:
        """
        Every form of a topic has one path.
        """
        for topic, path in (
            ("orders", "table/orders"),
            ("table/orders", "table/orders"),
            ("table/orders/p", "table/orders"),
            ("chat/general", "chat/general"),
            ("chat/general/p", "chat/general"),
            ("chat/p", "chat"),
            ("p", "table/p"),
        ):
            self.assertEqual(pathOf(topic, "p"), path)
        self.assertEqual(pathOf("orders", None), "table/orders")
        self.assertEqual(pathOf("chat/general/p", None), "chat/general/p")


class SnapshotTests(WorldTestCase):
    """
    Tests for frames that the daemon in memory does not send.
    """

    def setUp(self) -> None:
        super().setUp()
        self.channel = self.client().channel("orders")

    def hear(self, **frame: Any) -> None:
        """
        Let the client receive a frame.
        """
        payload = json.dumps({"topic": "table/orders/p", **frame}).encode()
        self.world.wires[0]._user.received(payload)

    def test_pages(self) -> None:
        """
        The pages of a snapshot come as C{snapshot}, the first marked, before new changes; then
        there is a position to resume at.
        """
        pages: list[Any] = []
        self.channel.on("snapshot", pages.append)
        self.patch(self.world.wires[0], "send", lambda payload: None)
        self.channel.subscribe(snapshot=True)
        self.hear(type="subscribed")
        self.hear(type="snapshot", rows=[{"id": 1}], more=True)
        self.assertIsNone(self.channel.position)
        self.hear(type="snapshot", rows=[{"id": 2}], more=False, pos="x")
        self.assertEqual(
            [(page["rows"], page["first"]) for page in pages],
            [([{"id": 1}], True), ([{"id": 2}], False)],
        )
        self.assertEqual(self.channel.position, "x")

    def test_others(self) -> None:
        """
        The status of the feed and the ends of transactions reach the callbacks; unknown frames
        change nothing.
        """
        told: list[Any] = []
        self.channel.onFeedChange(lambda feed, message: told.append((feed, message)))
        self.channel.on("commit", told.append).on("*", told.append)
        self.result(self.channel.subscribe())
        self.hear(type="status", feed="down", message="The database is gone.")
        self.hear(type="commit", tx="7", pos="y")
        self.hear(type="new", topic="table/orders/p")
        self.hear(type="event", event="e", topic="chat/unknown/p")
        self.hear(type="new", topic=None)
        self.assertEqual(told[0], ("down", "The database is gone."))
        self.assertEqual([frame["type"] for frame in told[1:]], ["commit"])
        self.assertEqual(self.channel.position, "y")
