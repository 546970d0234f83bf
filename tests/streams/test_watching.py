"""
What watchers of token streams get: those who come early or late, come back, or read slowly.
"""

from __future__ import annotations

from random import Random
from typing import Any

from aerostack.core.answers.part import PIECE
from aerostack.core.replay.log import Depth
from aerostack.core.topics.policies import TopicPolicies, TopicPolicy
from aerostack.protocol import streams as frames
from aerostack.testing import World
from tests.answers import codes, types
from tests.streams.watching import TOPIC, StreamCase, Watcher


class LateJoinTests(StreamCase):
    """
    Tests for a client that subscribes while a stream runs.
    """

    def test_whole(self) -> None:
        """
        It gets the beginning and the text so far, and then what comes; the position is in the
        last frame alone.
        """
        self.start(owner="ann")
        self.append("Hel")
        self.append("hm", part="r0", kind="reasoning")
        self.world.advance(0.1)
        late = Watcher(self.world.connect(userId="late"))
        answer, *snapshot = late.subscribe()
        self.assertNotIn("pos", answer)
        self.assertEqual([f["event"] for f in snapshot][:2], ["ai:start", "ai:token"])
        self.assertEqual([("pos" in f) for f in snapshot], [False] * (len(snapshot) - 1) + [True])
        self.append("lo")
        self.world.advance(0.1)
        late.take()
        self.assertEqual(late.texts, {("a1", "0"): "Hello", ("a1", "r0"): "hm"})
        self.assertEqual(late.plain, {"a1": "Hello"})

    def test_nothingRuns(self) -> None:
        """
        Where no stream runs, the answer is as on every topic.
        """
        self.start()
        self.append("abc")
        self.end()
        late = Watcher(self.world.connect(userId="late"))
        (answer,) = late.subscribe()
        self.assertIn("pos", answer)

    def test_values(self) -> None:
        """
        It gets the newest value of each part.
        """
        self.start()
        for number in (1, 2):
            self.producer.send(
                type="stream_put",
                stream="a1",
                epoch=1,
                part="s1",
                kind="data",
                value={"name": "n", "value": number},
            )
        late = self.join()
        self.assertEqual(late.events, ["ai:start", "ai:data"])

    def test_shared(self) -> None:
        """
        The pieces of a long text are encoded once for all that come.
        """
        self.start()
        for _ in range(20):
            self.append("x" * PIECE)
        self.world.advance(0.1)
        made: list[Any] = []
        real = frames.wireFrame

        def wireFrame(*args: Any) -> Any:
            made.append(args)
            return real(*args)

        self.patch(frames, "wireFrame", wireFrame)
        watchers = [self.join() for _ in range(10)]
        for watcher in watchers:
            self.assertEqual(watcher.texts["a1", "0"], "x" * 20 * PIECE)
        # The blocks once, and for each watcher the beginning and the end, which has the position.
        self.assertEqual(len(made), 19 + 10 * 2)

    def test_endsBetween(self) -> None:
        """
        A stream whose end is being kept when a client comes is sent to it, and its end as well.
        """
        self.start()
        self.append("abc")
        self.world.history.held = []
        self.producer.send(type="stream_end", stream="a1", epoch=1)
        late = self.join()
        self.assertEqual(late.texts["a1", "0"], "abc")
        self.world.history.release()
        late.take()
        self.assertEqual(late.events, ["ai:start", "ai:token", "ai:done"])

    def test_cancelledMidway(self) -> None:
        """
        A client that is still being sent the text gets no more of it once the stream is cancelled.
        """
        self.start()
        for _ in range(20):
            self.append("x" * PIECE)
        self.world.advance(0.1)
        late = Watcher(self.world.connect(userId="late"))
        session = late.client.session
        session.congested()
        late.client.send(type="subscribe", topic=TOPIC)
        self.producer.ask(type="stream_cancel", stream="a1", id="c")
        session.drained()
        late.take()
        self.assertNotIn("ai:token", late.events)
        self.assertEqual(late.events[-1], "ai:done")


class ResumeTests(StreamCase):
    """
    Tests for a client that comes back.
    """

    def test_merged(self) -> None:
        """
        It gets what it missed of a text in one frame, and the position with it.
        """
        self.start()
        self.append("abc")
        self.early.take()
        since = self.early.position
        for each in "defg":
            self.append(each)
            self.world.advance(0.1)
        self.early.client.die()
        self.early.client = self.world.connect(userId="early")
        self.early.client.positions = True
        answer, *missed = self.early.subscribe(since)
        self.assertTrue(answer["recovered"])
        self.assertEqual([f["data"] for f in missed], [{"token": "defg"}])
        self.assertEqual(self.early.texts["a1", "0"], "abcdefg")
        self.assertEqual(self.early.plain["a1"], "abcdefg")

    def test_order(self) -> None:
        """
        Text is put together between two other frames, and not beyond them.
        """
        self.start()
        self.early.take()
        since = self.early.position
        for each in ("a", "b", None, "c", "d"):
            if each is None:
                self.producer.send(type="publish", topic=TOPIC, event="hi", data=0)
            else:
                self.append(each)
            self.world.advance(0.1)
        watcher = Watcher(self.world.connect(userId="back"))
        frames = watcher.subscribe(since)[1:]
        self.assertEqual([f["data"] for f in frames], [{"token": "ab"}, 0, {"token": "cd"}])

    def test_cutAnywhere(self) -> None:
        """
        A client that is cut off anywhere, also in the middle of what it missed or of a snapshot,
        and comes back with its last position, has the exact text of each part in the end.
        """
        for seed in range(40):
            self.setUp()
            random = Random(seed)
            self.start()
            self.start("a2")
            watcher = Watcher(self.world.connect(userId="w"))
            watcher.subscribe()
            whole = {"a1": "", "a2": ""}
            for _ in range(random.randrange(5, 40)):
                stream = random.choice(("a1", "a2"))
                text = random.choice("ab字😀") * random.choice((1, 3, 9000))
                whole[stream] += text
                self.append(text, stream)
                if random.random() < 0.2:
                    self.producer.send(type="publish", topic=TOPIC, event="hi", data=0)
                if random.random() < 0.5:
                    self.world.advance(0.03)
                if random.random() < 0.2:
                    watcher.take(random.randrange(4))
                    watcher.client.die()
                    watcher.client = self.world.connect(userId="w")
                    watcher.client.positions = True
                    watcher.client.send(type="subscribe", topic=TOPIC, since=watcher.position)
                    watcher.take(random.randrange(4))
                    watcher.client.die()
                    watcher.client = self.world.connect(userId="w")
                    watcher.client.positions = True
                    if watcher.position is None:
                        watcher.texts.clear()
                    watcher.client.send(type="subscribe", topic=TOPIC, since=watcher.position)
                elif random.random() < 0.5:
                    watcher.take()
            self.world.advance(0.5)
            watcher.take()
            texts = {stream: watcher.texts.get((stream, "0"), "") for stream in whole}
            self.assertEqual(texts, whole, f"seed {seed}")

    def test_ended(self) -> None:
        """
        It gets the text and the end of a stream that has ended since.
        """
        self.start()
        self.early.take()
        since = self.early.position
        self.append("abc")
        self.end()
        watcher = Watcher(self.world.connect(userId="back"))
        watcher.subscribe(since)
        self.assertEqual(watcher.events, ["ai:token", "ai:done"])
        self.assertEqual(watcher.texts["a1", "0"], "abc")

    def test_released(self) -> None:
        """
        When the text was forgotten, a client that lacks a part of it is told of a gap, and one that
        has seen the end goes on.
        """
        self.world.backbone.sequencer.answers.linger = 20.0
        self.start()
        self.append("abc")
        self.early.take()
        before = self.early.position
        self.end()
        self.early.take()
        self.wait(25)
        watcher = Watcher(self.world.connect(userId="back"))
        answer = watcher.subscribe(before)[0]
        self.assertEqual((answer["recovered"], answer["gap"]), (False, {"reason": "expired"}))
        other = Watcher(self.world.connect(userId="back"))
        self.assertTrue(other.subscribe(self.early.position)[0]["recovered"])

    def test_keptEnd(self) -> None:
        """
        A client that comes back after a restart gets the end of each stream that was kept, which
        says of which stream it is and has the text; what a client has published as an end is an
        event like others.
        """
        self.start()
        self.append("abc")
        self.early.take()
        since = self.early.position
        self.end()
        for sender in (self.early.client, self.producer):
            sender.send(
                type="publish",
                topic=TOPIC,
                event="ai:done",
                data={"id": "a9", "stream": "a9", "state": "done", "text": "forged"},
                persist=True,
                id="p1",
            )
        self.world.restart()
        back = Watcher(self.world.connect(userId="back"))
        first, *frames = back.subscribe(since)
        self.assertTrue(first["keptOnly"])
        kept, *forged = [frame for frame in frames if frame["type"] == "event"]
        self.assertEqual((kept["stream"], kept["state"]), ("a1", "done"))
        self.assertEqual((kept["data"]["text"], "at" in kept), ("abc", False))
        self.assertEqual([frame["data"]["text"] for frame in forged], ["forged"] * 2)
        for frame in forged:
            self.assertEqual(frame.keys() & {"stream", "state", "part", "at"}, set())

    def test_gap(self) -> None:
        """
        A client whose position is too old gets the whole text of streams that run, behind the
        answer that says so.
        """
        self.world = World(rules=TopicPolicies([], TopicPolicy(Depth(3, 1_000_000, 300.0))))
        self.producer = self.world.connect(key="sk_0123456789abcdef")
        self.early = Watcher(self.world.connect(userId="early"))
        self.early.subscribe()
        self.start()
        self.append("a")
        self.early.take()
        since = self.early.position
        for _ in range(5):
            self.producer.send(type="publish", topic=TOPIC, event="hi", data=0)
            self.append("b")
            self.world.advance(0.1)
        answer = self.early.subscribe(since)[-4:]
        self.assertEqual(self.early.texts["a1", "0"], "abbbbb")
        self.assertIn("subscribed", types(answer) + types(self.early.client.take()))

    def test_gapFoundLate(self) -> None:
        """
        Text that comes while the daemon finds out that a client's position is too old is sent to it
        once.
        """
        self.world = World(rules=TopicPolicies([], TopicPolicy(Depth(3, 1_000_000, 300.0))))
        self.producer = self.world.connect(key="sk_0123456789abcdef")
        self.early = Watcher(self.world.connect(userId="early"))
        self.early.subscribe()
        self.start()
        self.append("abc")
        self.early.take()
        for _ in range(5):
            self.producer.send(type="publish", topic=TOPIC, event="hi", data=0, persist=True)
        back = Watcher(self.world.connect(userId="back"))
        history = self.world.history
        history.reading, history.forgotten = [], 2_000_000_000_000
        back.subscribe(self.early.position)
        self.append("def")
        self.world.advance(0.1)
        for read in history.reading:
            read()
        back.take()
        self.assertEqual(back.plain, {"a1": "abcdef"})


class SlowTests(StreamCase):
    """
    Tests for a watcher that reads slowly.
    """

    def setUp(self) -> None:
        super().setUp()
        self.start()
        self.append("a")
        self.early.take()
        self.session = self.early.client.session

    def test_oneFrame(self) -> None:
        """
        Text waits for it as a reference, and comes as one frame when it reads.
        """
        self.session.congested()
        for _ in range(100):
            self.append("bc" * 50)
            self.world.advance(0.03)
        self.assertLess(self.session.queued, 1000)
        self.session.drained()
        (frame,) = self.early.take()
        self.assertEqual(self.early.texts["a1", "0"], "a" + "bc" * 5_000)
        self.assertIn("pos", frame)

    def test_neverPastAnEvent(self) -> None:
        """
        Text that came behind an event comes behind it.
        """
        self.session.congested()
        for each in ("b", None, "c", "d"):
            if each is None:
                self.producer.send(type="publish", topic=TOPIC, event="hi", data=0)
            else:
                self.append(each)
            self.world.advance(0.1)
        self.session.drained()
        frames = self.early.take()
        self.assertEqual([f["data"] for f in frames], [{"token": "b"}, 0, {"token": "cd"}])

    def test_cancelled(self) -> None:
        """
        Text that waits for it is not sent any more once the stream is cancelled.
        """
        self.session.congested()
        self.append("bcd")
        self.world.advance(0.1)
        self.producer.ask(type="stream_cancel", stream="a1")
        self.session.drained()
        frames = self.early.take()
        self.assertEqual([f["event"] for f in frames], ["ai:done"])
        self.assertIn("pos", frames[0])

    def test_notSpared(self) -> None:
        """
        On a topic of which a slow reader gets the newest frame only, it gets all text, all values,
        and the beginning and the end of each stream.
        """
        policy = TopicPolicy(Depth(1000, 1_000_000, 300.0), "newest")
        self.world = World(rules=TopicPolicies([], policy))
        self.producer = self.world.connect(key="sk_0123456789abcdef")
        self.early = Watcher(self.world.connect(userId="early"))
        self.early.subscribe()
        self.sent.clear()
        self.early.client.session.congested()
        for stream in ("a1", "a2"):
            self.start(stream)
            for each in "abc":
                self.append(each, stream)
                self.producer.send(type="publish", topic=TOPIC, event="hi", data=each)
                self.producer.send(
                    type="stream_put",
                    stream=stream,
                    epoch=1,
                    part=each,
                    kind="data",
                    value={"value": each},
                )
                self.world.advance(0.1)
            self.end(stream)
        self.early.client.session.drained()
        self.early.take()
        self.assertEqual(self.early.texts, {("a1", "0"): "abc", ("a2", "0"): "abc"})
        events = self.early.events
        self.assertEqual((events.count("hi"), events.count("ai:data")), (1, 6))
        self.assertEqual((events.count("ai:start"), events.count("ai:done")), (2, 2))


class ForgeryTests(StreamCase):
    """
    Tests for clients that publish events of token streams themselves.
    """

    def test_plain(self) -> None:
        """
        What a client publishes never has the fields of a stream, and neither opens, feeds nor ends
        one.
        """
        self.start()
        client = self.world.connect(userId="eve")
        for event, data in (
            ("ai:token", {"token": "x", "stream": "a1", "at": 0}),
            ("ai:start", {"id": "a2"}),
            ("ai:done", {"id": "a1", "state": "done"}),
        ):
            frame = {"event": event, "data": data, "stream": "a1", "part": "0", "at": 0}
            client.send(type="publish", topic=TOPIC, **frame)
        self.assertEqual(codes(client.take()), [])
        forged = self.early.take()[1:]
        self.assertEqual(len(forged), 3)
        for frame in forged:
            self.assertEqual({"stream", "part", "at", "state"} & frame.keys(), set())
        self.append("abc", id=1)
        self.assertEqual(self.answer()["length"], {"0": 3})
