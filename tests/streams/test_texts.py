"""
Tests for L{aerostack.streams.texts}, by the frames of producers and watchers.
"""

from __future__ import annotations

from aerostack.core.topics.topics import Topic
from aerostack.hub.measuring import MAX_BACKLOG
from aerostack.protocol.framing import Frame
from tests.streams.watching import CANONICAL, TOPIC, StreamCase, Watcher


class TextsTests(StreamCase):
    """
    Tests for when text is published.
    """

    def setUp(self) -> None:
        super().setUp()
        self.start()

    def test_firstAtOnce(self) -> None:
        """
        The first text goes out at once, what follows with the next tick.
        """
        self.append("a")
        self.early.take()
        self.assertEqual(self.early.texts["a1", "0"], "a")
        self.append("b")
        self.append("c")
        self.assertEqual(self.early.take(), [])
        self.world.advance(0.02)
        (frame,) = self.early.take()
        self.assertEqual((frame["data"], frame["at"]), ({"token": "bc"}, 1))

    def test_reminder(self) -> None:
        """
        How much text a stream has is published for other nodes; subscribers do not get that, also
        those who come back.
        """
        self.append("a")
        self.early.take()
        self.early.client.die()
        self.early.client = self.world.connect(userId="early")
        self.early.client.positions = True
        published = self.world.hub.delivery.published
        frames = self.world.streams.counts.frames
        self.world.streams.audience.remind(CANONICAL)
        self.assertEqual(self.world.hub.delivery.published, published + 1)
        self.assertEqual(self.world.streams.counts.frames, frames)
        self.early.client.send(type="subscribe", topic=TOPIC, since=self.early.position)
        self.world.streams.audience.remind(CANONICAL)
        (answer,) = self.early.take()
        self.assertEqual(answer["type"], "subscribed")
        self.append("b")
        self.world.streams.audience.remind(CANONICAL)
        self.world.advance(0.02)
        self.assertEqual([frame["data"]["token"] for frame in self.early.take()], ["b"])

    def test_onePosition(self) -> None:
        """
        Of the texts that go out together only the last has a position.
        """
        for stream in ("a2", "a3"):
            self.start(stream)
        for stream in ("a1", "a2", "a3"):
            self.append("a", stream)
        self.early.take()
        for stream in ("a1", "a2", "a3"):
            self.append("b", stream)
        self.append("hm", "a1", part="r", kind="reasoning")
        self.world.advance(0.02)
        frames = self.early.take()
        self.assertEqual([frame["data"]["token"] for frame in frames], ["b", "hm", "b", "b"])
        self.assertEqual(["pos" in frame for frame in frames], [False, False, False, True])

    def test_cutAnywhere(self) -> None:
        """
        A watcher that is cut off behind any frame, and comes back with its last position, gets the
        same texts as all others, and each event once.
        """
        for stream in ("a2", "a3"):
            self.start(stream)
        watchers = [Watcher(self.world.connect(userId=f"w{number}")) for number in range(30)]
        for watcher in watchers:
            watcher.subscribe()
        for text in ("a", "b", "c"):
            for stream in ("a1", "a2", "a3"):
                self.append(f"{text}{stream[1]} ", stream)
            self.world.advance(0.05)
        self.early.client.send(type="publish", topic=TOPIC, event="hi", data=1)
        sent = len(self.early.take())
        for cut, watcher in enumerate(watchers[: sent + 1]):
            watcher.take(cut)
            watcher.client.die()
            watcher.client = self.world.connect(userId=f"w{cut}")
            watcher.client.positions = True
        for stream in ("a1", "a2", "a3"):
            self.append("d", stream)
        self.world.advance(0.05)
        self.early.take()
        for watcher in watchers[: sent + 1]:
            watcher.subscribe(watcher.position)
            self.assertEqual(watcher.texts, self.early.texts)
            self.assertEqual(watcher.events.count("hi"), 1)

    def test_busyTick(self) -> None:
        """
        A tick that sends several texts on a topic lasts until all subscribers have been sent them,
        so the next tick comes the later.
        """
        clock = self.world.clock

        class Slow:
            """
            A subscriber to whom it takes a while to send something.
            """

            got: list[Frame] = []  # noqa: RUF012

            def deliver(self, frame: Frame) -> None:
                clock.rightNow += 0.05
                self.got.append(frame)

        self.start("a2")
        for stream in ("a1", "a2"):
            self.append("a", stream)
        self.world.advance(1)
        slow = Slow()
        self.world.hub.subscribe(slow, Topic(TOPIC, "p"), None)  # type: ignore[arg-type]
        for stream in ("a1", "a2"):
            self.append("b", stream)
        took = self.world.streams.ticker.took.total
        self.world.advance(0.02)
        texts = [part for frame in slow.got for part in frame.parts]
        self.assertEqual(len(texts), 2)
        self.assertGreater(self.world.streams.ticker.took.total - took, 0.09)

    def test_noOvertaking(self) -> None:
        """
        An event on the topic does not overtake text that came before it.
        """
        self.append("a")
        self.append("b")
        self.early.client.send(type="publish", topic=TOPIC, event="hi", data=1)
        self.append("c")
        self.early.take()
        self.world.advance(0.1)
        self.early.take()
        self.assertEqual(self.early.events, ["ai:start", "ai:token", "ai:token", "hi", "ai:token"])
        self.assertEqual(self.early.texts["a1", "0"], "abc")

    def test_waitsForCommit(self) -> None:
        """
        While a message of the topic is being kept, text is put together and goes out behind it.
        """
        self.append("a")
        self.world.history.held = []
        self.early.client.send(type="publish", topic=TOPIC, event="hi", data=1, persist=True)
        for each in "bcd":
            self.append(each)
            self.world.advance(0.05)
        self.early.take()
        self.assertEqual(self.early.texts["a1", "0"], "a")
        self.world.history.release()
        self.world.advance(0.05)
        self.early.take()
        self.assertEqual(self.early.events, ["ai:start", "ai:token", "hi", "ai:token"])
        self.assertEqual(self.early.texts["a1", "0"], "abcd")

    def test_waitsForSubscribers(self) -> None:
        """
        While subscribers are behind with what they were sent, text is put together; the producer is
        not refused.
        """
        self.append("a")
        receiver = self.world.backbone.publisher._receiver
        backlog = [MAX_BACKLOG + 1]
        self.patch(receiver, "backlog", lambda topic: backlog[0])
        for each in "bcd":
            self.append(each, id="n")
            self.assertEqual(self.answer()["type"], "stream_ack")
            self.world.advance(0.3)
        self.early.take()
        self.assertEqual(self.early.texts["a1", "0"], "a")
        backlog[0] = 0
        self.world.advance(0.3)
        self.early.take()
        self.assertEqual(self.early.texts["a1", "0"], "abcd")
        self.assertEqual(self.early.events, ["ai:start", "ai:token", "ai:token"])

    def test_waitsInOrder(self) -> None:
        """
        Nothing overtakes text that waits for the database: no event, and not the end.
        """
        self.world.history.held = []
        self.early.client.send(type="publish", topic=TOPIC, event="kept", data=1, persist=True)
        self.append("a")
        self.append("b")
        self.early.client.send(type="publish", topic=TOPIC, event="hi", data=1)
        self.append("c")
        self.producer.send(type="stream_end", stream="a1", epoch=1)
        self.world.history.release()
        self.early.take()
        token = "ai:token"
        self.assertEqual(
            self.early.events, ["ai:start", "kept", token, token, "hi", token, "ai:done"]
        )
        self.assertEqual(self.early.texts["a1", "0"], "abc")
