"""
Tests for L{aerostack.client.topic}, with a daemon in memory.
"""

from __future__ import annotations

import json
from typing import Any

from tests.client.worlds import WorldTestCase


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

    def test_again(self) -> None:
        """
        Text of a stream that comes again behind a broken connection reaches the callbacks once.
        """
        told: list[Any] = []
        self.channel.on("ai:token", told.append)
        self.result(self.channel.subscribe())
        for at, text in ((0, "Hel"), (0, "Hel"), (1, "ello")):
            data = {"token": text}
            self.hear(type="event", event="ai:token", stream="s", part="0", at=at, data=data)
        self.assertEqual(
            [(each["at"], each["data"]["token"]) for each in told], [(0, "Hel"), (3, "lo")]
        )

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
