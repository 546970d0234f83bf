"""
What a keyed topic holds, and for how long.
"""

from __future__ import annotations

from tests.stories.keyed import TOPIC, Copy, KeyedCase


class KeyedBoundTests(KeyedCase):
    """
    Tests for the bounds of keyed state, and for what a restart keeps.
    """

    def test_keys(self) -> None:
        """
        A topic has no more keys than it may; the values that it has can change, and be removed.
        """
        self.begin(keys=2)
        self.put("a", 1)
        self.put("b", 1)
        code, message = self.refusal("c", 1)
        self.assertEqual(code, "state_full")
        self.assertIn("2 keys", message)
        self.assertEqual(self.put("a", 2)["type"], "ack")
        self.put("b", None)
        self.assertEqual(self.put("c", 2)["type"], "ack")

    def test_bytes(self) -> None:
        """
        The values of a topic have no more bytes than they may.
        """
        self.begin(size=3000)
        self.put("a", "x" * 2000)
        code, message = self.refusal("b", "x" * 500)
        self.assertEqual(code, "state_full")
        self.assertIn("3000 bytes", message)
        self.assertEqual(self.put("a", "y" * 1000)["type"], "ack")
        self.assertEqual(self.put("b", "x" * 200)["type"], "ack")

    def test_project(self) -> None:
        """
        The values of a project have no more bytes than they may, and another project's still fit.
        """
        self.world.backbone.publisher._keyed.maxMemory = 6000
        self.put("a", "x" * 2000, topic="state/a")
        code, message = self.refusal("b", "x" * 2000, topic="state/b")
        self.assertEqual(code, "state_full")
        self.assertIn("project", message)
        self.put("a", None)
        self.assertEqual(self.put("b", "x" * 2000, topic="state/b")["type"], "ack")
        self.assertEqual(len(self.world.backbone.states.sizes), 1)

    def test_topics(self) -> None:
        """
        A topic counts to the bytes of its project as long as it has a value, however small.
        """
        self.world.backbone.publisher._keyed.maxMemory = 7000
        for topic in ("state/a", "state/b"):
            self.assertEqual(self.put("a", 1, topic=topic)["type"], "ack")
        self.assertEqual(self.refusal("a", 1, topic="state/c")[0], "state_full")
        self.assertEqual(self.put("b", 1, topic="state/b", id=2)["type"], "ack")
        self.put("a", None, topic="state/a")
        self.assertEqual(self.put("a", 1, topic="state/c", id=3)["type"], "ack")

    def test_ttl(self) -> None:
        """
        A value ends when its time is over, and subscribers are told.
        """
        self.begin(ttl=10.0)
        self.put("a", 1)
        self.put("b", 1)
        copy = self.newcomer()
        self.world.advance(7)
        self.put("a", 2)
        self.world.advance(5)
        self.assertEqual(copy.take().values, {"a": 2})
        self.assertEqual(self.newcomer().values, {"a": 2})
        self.world.advance(10)
        self.assertEqual(copy.take().values, {})
        self.assertEqual(self.world.backbone.states.topics(), ())

    def test_restart(self) -> None:
        """
        Kept values outlive a restart; a client that comes back loses those that were not kept.
        """
        self.put("a", 1, persist=True)
        self.put("b", 1)
        self.put("c", 1, persist=True)
        self.put("c", None)
        copy = self.newcomer()
        pos = self.posOf("a")
        self.publisher.close()
        copy.client.close()
        self.world.restart()
        back = Copy(self.world.connect())
        back.values = copy.values
        back.subscribe(copy.last)
        self.assertEqual(back.take().values, {"a": 1})
        self.assertEqual(back.answers[0]["recovered"], False)
        self.publisher = self.world.connect(userId="ann")
        self.publisher.positions = True
        answer = self.put("a", 2, ifPos=pos, id=2)
        self.assertEqual((answer["code"], answer["pos"]), ("stale", self.posOf("a")))
        self.assertEqual(self.put("a", 2, ifPos=back.last, id=3)["type"], "ack")
        self.assertEqual(back.take().values, {"a": 2})

    def test_stays_kept(self) -> None:
        """
        What follows a kept value of a key is kept, too: no restart brings an older value back.
        """
        self.put("a", 1, persist=True)
        self.put("a", 2)
        self.put("b", 1, persist=True)
        self.put("b", None)
        self.publisher.close()
        self.world.restart()
        self.assertEqual(self.newcomer().values, {"a": 2})

    def test_waiting_counts(self) -> None:
        """
        Values that wait for the database count as keys.
        """
        self.begin(keys=2)
        self.world.history.held = []
        for key in "ab":
            frame = {"type": "publish", "topic": TOPIC, "event": "set", "key": key, "id": key}
            self.publisher.send(**frame, data=1, persist=True)
        self.assertEqual(self.refusal("c", 1)[0], "state_full")
        self.world.history.release()
