"""
Keyed state, from publishers to newcomers and to clients that come back.
"""

from __future__ import annotations

from aerostack.core.replay.log import Depth
from aerostack.core.replay.positions import Position
from aerostack.core.replay.publications import EVENT, EmittedMark, Publication
from aerostack.core.topics.policies import LATEST, KeyedPolicy, TopicPolicies, TopicPolicy
from aerostack.core.topics.topics import Topic
from aerostack.hub.encoding import publicationFrame
from aerostack.testing import (
    SECRET_KEY,
    World,
)
from tests.stories.keyed import CANONICAL, TOPIC, Copy, KeyedCase


class KeyedTests(KeyedCase):
    """
    Tests for what subscribers of a keyed topic get.
    """

    def test_newcomer(self) -> None:
        """
        A newcomer gets the newest value of each key, the oldest first, and then the changes.
        """
        for number, key in enumerate("abca"):
            self.put(key, number)
        self.put("b", None)
        copy = self.newcomer()
        self.assertEqual(copy.values, {"c": 2, "a": 3})
        self.assertEqual(copy.current, ["c", "a"])
        self.assertTrue(copy.isReady)
        self.assertNotIn("pos", copy.answers[0])
        self.put("c", None)
        self.put("d", 4)
        self.assertEqual(copy.take().values, {"a": 3, "d": 4})
        self.assertEqual(copy.current, ["c", "a"])

    def test_frames(self) -> None:
        """
        A value comes with its key, its publisher, its time and its position.
        """
        self.put("a", {"x": 1})
        client = self.world.connect()
        client.positions = True
        _, frame = client.ask(type="subscribe", topic=TOPIC)
        self.assertEqual(
            frame,
            {
                "type": "event",
                "topic": CANONICAL,
                "event": "set",
                "data": {"x": 1},
                "timestamp": 1_000_000_000_000,
                "userId": "ann",
                "key": "a",
                "current": True,
                "pos": self.posOf("a"),
            },
        )
        self.put("b", 2)
        [live] = client.take()
        self.assertEqual((live["key"], live["data"]), ("b", 2))
        self.assertNotIn("current", live)

    def test_empty(self) -> None:
        """
        Where there is no value, the answer has a position at once.
        """
        copy = self.newcomer()
        self.assertTrue(copy.isReady)
        self.assertEqual(copy.values, {})

    def test_since(self) -> None:
        """
        A client that comes back gets what it missed, and no value again that it has.
        """
        self.put("a", 1)
        self.put("b", 1)
        copy = self.newcomer()
        copy.client.close()
        self.put("b", 2)
        self.put("a", None)
        back = Copy(self.world.connect())
        back.values = copy.values
        back.subscribe(copy.last)
        self.assertEqual(back.take().values, {"b": 2})
        self.assertEqual(len(back.seen), 2)
        self.assertEqual(back.current, [])

    def test_gap(self) -> None:
        """
        A client that has missed more than the log has gets the values anew.
        """
        self.begin(count=2)
        for key in "abcd":
            self.put(key, 1)
        copy = self.newcomer()
        copy.client.close()
        for key in "abc":
            self.put(key, None)
        back = Copy(self.world.connect())
        back.values = copy.values
        back.subscribe(copy.last)
        back.take()
        self.assertEqual(back.values, {"d": 1})
        self.assertEqual(back.answers[0]["gap"], {"reason": "expired"})

    def test_cut(self) -> None:
        """
        A client that is cut off among the values goes on from the last that it got.
        """
        for number in range(10):
            self.put(f"k{number}", number)
        self.put("k2", "new")
        copy = self.newcomer()
        since = copy.seen[4]
        back = Copy(self.world.connect())
        back.subscribe(since)
        back.take()
        self.assertTrue(back.answers[0]["recovered"])
        got = {**{f"k{n}": n for n in (0, 1, 3, 4, 5)}, **back.values}
        self.assertEqual(got, copy.values)

    def test_pages(self) -> None:
        """
        Many values come in several pages; only the last value says that no other follows.
        """
        publisher = self.world.backbone.publisher
        for number in range(1234):
            data = str(number).encode()
            publisher.publish(Topic(TOPIC, "p"), "set", data, None, False, key=f"k{number}")
        client = self.world.connect()
        _, *values = client.ask(type="subscribe", topic=TOPIC)
        self.assertEqual([frame["data"] for frame in values], list(range(1234)))
        self.assertEqual([frame.get("more") for frame in values], [True] * 1233 + [None])

    def test_errors(self) -> None:
        """
        Each mistake of a publisher has an error that says what to do.
        """
        invalid = "invalid_arguments"
        self.assertEqual(
            self.refusal(None, 1),
            (invalid, "The topic state/a is keyed: publish with a key."),
        )
        self.assertEqual(self.refusal("", 1)[0], invalid)
        self.assertEqual(self.refusal("x" * 257, 1), (invalid, "A key has 1 to 256 characters."))
        self.assertEqual(self.refusal("a\0", 1), (invalid, "A key is printable text."))
        [error] = self.publisher.ask(type="publish", topic=TOPIC, event="set", key=7)
        self.assertEqual(error["code"], "invalid_frame")
        self.assertIn("key", error["message"])
        self.assertIn("not keyed", self.refusal("a", 1, topic="chat/a")[1])
        self.assertIn("ifPos or ifNew", self.refusal(None, 1, topic="chat/a", ifNew=True)[1])
        self.assertIn("exclude", self.refusal("a", 1, ifNew=True, ifPos="e1-1-0")[1])
        self.assertEqual(
            self.refusal("a", 1, ifPos="yesterday"),
            (invalid, "ifPos is the pos of the key's value, as an event frame had it."),
        )
        self.assertEqual(self.refusal("a", 1, ifPos=5)[0], "invalid_frame")
        self.assertEqual(self.world.backbone.states.topics(), ())

    def test_rewind(self) -> None:
        """
        A keyed topic begins with its values, and not with frames of its log.
        """
        self.put("a", 1)
        [error] = self.world.connect().ask(type="subscribe", topic=TOPIC, rewind=5)
        self.assertEqual(error["code"], "invalid_frame")
        self.assertIn("keyed", error["message"])

    def test_streams(self) -> None:
        """
        A keyed topic has no token streams, whose text a newcomer would lack.
        """
        client = self.world.connect(key=SECRET_KEY)
        [error] = client.ask(type="stream_start", topic=TOPIC, id=1)
        self.assertEqual(error["code"], "invalid_arguments")
        self.assertIn("keyed", error["message"])

    def test_emitted(self) -> None:
        """
        An event that a transaction of the database emits changes the value of its key, and what
        follows a kept value is kept as well.
        """
        copy = self.newcomer()
        publisher = self.world.backbone.publisher
        events: list[tuple[str, bytes, bool]] = [
            ("a", b"1", False),
            ("b", b"2", True),
            ("b", b"3", False),
            ("a", b"null", False),
        ]
        for number, (key, data, persist) in enumerate(events):
            mark = EmittedMark(number, f"k{number}")
            publisher.publishEmitted(Topic(TOPIC, "p"), "e", data, persist, mark, key)
        self.assertEqual(
            [(frame["key"], frame["data"]) for frame in copy.take().log],
            [("a", 1), ("b", 2), ("b", 3), ("a", None)],
        )
        self.assertEqual(self.newcomer().values, {"b": 3})
        # Alone, the daemon has deleted the rows of events that are not to be kept.
        self.assertEqual(
            [(each.message.data, each.message.emitted) for each in self.world.history.messages],
            [(b"2", EmittedMark(1, "k1")), (b"3", None)],
        )

    def test_emittedRefused(self) -> None:
        """
        An event of a transaction is refused without a key on a keyed topic, and with one on
        another topic.
        """
        publisher = self.world.backbone.publisher
        for topic, key, said in (
            (TOPIC, None, "publish with a key"),
            ("chat/a", "k", "publish without a key"),
            (TOPIC, "a\u200b", "printable"),
        ):
            mark = EmittedMark(1, "k")
            refused = publisher.publishEmitted(Topic(topic, "p"), "e", b"1", False, mark, key)
            error = self.failureResultOf(refused).value
            self.assertEqual(error.code, "invalid_arguments")
            self.assertIn(said, error.message)

    def test_slow(self) -> None:
        """
        Where the topic's policy is C{latest}, a slow reader gets the newest value of each key.
        """
        depth = Depth(1000, 1_000_000, 300.0)
        policy = TopicPolicy(depth, LATEST, keyed=KeyedPolicy())
        self.world = World(rules=TopicPolicies([("state/*", policy)], TopicPolicy(depth)))
        publication = Publication(CANONICAL, EVENT, "set", b"1", "ann", 1, key="a")
        other = Publication(CANONICAL, EVENT, "moved", b"2", "bob", 2, key="a")
        third = Publication(CANONICAL, EVENT, "set", b"1", "ann", 3, key="b")
        place = Position("e1", 1, 0)
        keys = [publicationFrame(each, place, policy).key for each in (publication, other, third)]
        self.assertEqual(keys[0], keys[1])
        self.assertNotEqual(keys[0], keys[2])

    def test_chat(self) -> None:
        """
        A keyed topic takes no chat messages.
        """
        depth = Depth(10, 1000, 10.0)
        rules = [("chat/*", TopicPolicy(depth, keyed=KeyedPolicy()))]
        world = World(rules=TopicPolicies(rules, TopicPolicy(depth)))
        client = world.connect(userId="ann")
        [error] = client.ask(type="chat", roomId="a", text="hi", id=1)
        self.assertEqual(error["code"], "invalid_arguments")
