"""
Tests for what a client cannot read, and for what it does not send.
"""

from __future__ import annotations

from typing import Any

from tests.client.worlds import AWAY, WorldTestCase

HALF = "nice \ud83d"


class UnreadableTests(WorldTestCase):
    """
    Tests for frames that cannot be read.
    """

    def setUp(self) -> None:
        super().setUp()
        self.channel = self.client().channel("chat/a")
        self.got = self.heard(self.channel)
        self.told: list[Any] = []
        self.channel.onError(self.told.append)
        self.result(self.channel.subscribe())

    def test_passed(self) -> None:
        """
        A frame that cannot be read is reported with its topic and position; the client stays
        connected, and resumes after it on its next connection.
        """
        for number, data in enumerate((b"1e999", b"9" * 5000, b'"half \\ud83d"', b"nope")):
            self.hearRaw(
                b'{"type":"event","event":"e","topic":"chat/a/p","data":%b,"pos":"p%d"}'
                % (data, number)
            )
            self.assertEqual(self.channel.position, f"p{number}")
            self.assertEqual(self.told[-1].code, "invalid_frame")
            self.assertIn(f"(topic chat/a/p, pos p{number})", self.told[-1].message)
        self.assertEqual((len(self.told), self.errors, len(self.world.wires)), (4, [], 1))
        self.result(self.channel.publish("e", 1))
        self.assertEqual(self.got, [1])

    def test_unknown(self) -> None:
        """
        A frame whose topic cannot be read is reported to the client's error callbacks.
        """
        self.hearRaw(b"hello")
        self.hearRaw(b'{"type":"event","topic":"chat/b/p","data":1e999}')
        self.assertEqual((self.errors, self.told), (["invalid_frame", "invalid_frame"], []))

    def test_page(self) -> None:
        """
        The last page of a snapshot ends it even if the page cannot be read.
        """
        orders = self.channel._owner.channel("orders", None)
        orders.onError(self.told.append)
        self.sends()
        orders.subscribe(snapshot=True)
        self.hear(type="subscribed", topic="table/orders/p")
        for more in (b"true", b"false"):
            self.assertIsNone(orders.position)
            self.hearRaw(
                b'{"type":"snapshot","topic":"table/orders/p","rows":[1e999],"pos":"x","more":%b}'
                % more
            )
        self.assertEqual((orders.position, len(self.told)), ("x", 2))

    def test_subscription(self) -> None:
        """
        An answer to a subscription counts even if it cannot be read as a whole.
        """
        orders = self.channel._owner.channel("orders", None)
        self.sends()
        waiting = orders.subscribe()
        self.hearRaw(b'{"type":"subscribed","topic":"table/orders/p","pos":"x","new":1e999}')
        self.assertEqual(self.successResultOf(waiting)["pos"], "x")


class UnsendableTests(WorldTestCase):
    """
    Tests for values that no client could read.
    """

    def test_refused(self) -> None:
        """
        A value that cannot be sent is refused in the call, in every method; nothing is sent or
        kept.
        """
        client = self.client()
        channel, sdk = client.channel("chat/a"), self.world.sdk()
        self.result(channel.subscribe())
        sent = self.sends()
        for bad in (float("nan"), float("inf"), 10**400, HALF):
            for call, *given in (
                (channel.publish, "e", bad),
                (channel.publish, "e", {"a": [bad]}, True),
                (channel.track, {"a": bad}),
                (client.sendChat, "a", "hi", {"a": bad}),
                (sdk.socket.emit, "e", bad, "chat/a"),
                (sdk.db.query, "SELECT ?", [bad]),
            ):
                self.assertRaises(ValueError, call, *given)
            self.assertRaises(ValueError, channel.subscribe, filter={"a": bad})
        for call, *given in (
            (client.channel, f"chat/{HALF}"),
            (channel.publish, HALF),
            (client.sendChat, HALF, "hi"),
            (client.sendChat, "a", HALF),
            (sdk.socket.emit, HALF, 1, "chat/a"),
            (sdk.socket.emit, "e", 1, HALF),
            (sdk.db.query, HALF),
            (sdk.history, HALF),
            (sdk.explain, "ann", HALF),
        ):
            error = self.assertRaises(ValueError, call, *given)
            self.assertIn("half of a character", str(error))
        self.assertRaises(ValueError, channel.subscribe, since=HALF)
        self.assertRaises(ValueError, sdk.socket.emit, "e", 1, "chat/a", userId=HALF)
        self.world.advance(AWAY)
        self.assertEqual(sent, [])
        self.assertEqual(len(channel._owner._outbox), 0)
