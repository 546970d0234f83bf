"""
Random runs of producers, and of watchers that come, go, come back and read slowly, against a model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from random import Random
from typing import Any

from aerostack.core.answers.units import units
from aerostack.core.replay.log import Depth
from aerostack.core.topics.policies import TopicPolicies, TopicPolicy
from tests.streams.watching import CANONICAL, TOPIC, StreamCase, Watcher

STREAMS = ("a1", "a2", "a3")


class Reader(Watcher):
    """
    A watcher that checks the place of each event between the texts.

    An event says how long each text was when it was published.  A watcher has exactly so much of
    each text when the event comes: no more, and no less.

    @ivar isSlow: Whether its socket is full.
    @ivar isPlain: Whether it has come once and has never been cut off.
    @ivar gaps: How often the daemon did not have any more what it had missed.
    @ivar resets: How often text of each stream was taken back.
    """

    isSlow = False
    isPlain = True
    gaps = 0
    resets: Mapping[str, int] = {}

    def _handle(self, frame: dict[str, Any]) -> None:
        if frame["type"] == "subscribed" and "gap" in frame:
            # Streams that have ended meanwhile are in the history.
            self.gaps += 1
            self.texts.clear()
        super()._handle(frame)
        if frame.get("event") != "hi":
            return
        for stream, length in frame["data"].items():
            text = self.texts.get((stream, "0"), "")
            if stream in self.resets or stream in self.ends:
                # A watcher that comes back does not get what was taken back since.
                continue
            if units(text) != length:
                raise AssertionError(f"{units(text)} instead of {length} of {stream}")


class ModelTests(StreamCase):
    """
    Tests with random runs.
    """

    runs = 150
    gaps = 0

    def test_model(self) -> None:
        """
        Every watcher has the exact text of each stream in the end, whether it was cut off, came
        late or was slow, and whatever was taken back; those that were never cut off have it also
        without looking at places, where nothing was taken back.  Every event stands where it was
        published, and each stream ends once.
        """
        for seed in range(self.runs):
            self.setUp()
            try:
                self.run_(Random(seed))
            except Exception as error:
                raise AssertionError(f"seed {seed}: {error}") from error

    def run_(self, random: Random) -> None:
        """
        One run.
        """
        self.sent.clear()
        self.random = random
        self.whole: dict[str, str] = {}
        self.ended: set[str] = set()
        self.resets: dict[str, int] = {}
        self.readers: list[Reader] = []
        self.open(None)
        for _ in range(random.randrange(10, 60)):
            random.choice(
                (
                    *(self.grow, self.grow, self.grow, self.grow, self.say, self.say),
                    *(self.turn, self.turn, self.turn, self.come, self.hold, self.release),
                    self.remind,
                )
            )()
            if self.readers and random.random() < 0.5:
                random.choice((self.slow, self.fast, self.cut, self.read))(
                    random.choice(self.readers)
                )
            if random.random() < 0.05 and self.whole:
                self.finish(random.choice(tuple(self.whole)))
        for stream in tuple(self.whole):
            self.finish(stream)
        self.release()
        self.world.advance(1)
        self.check()

    def open(self, since: Reader | None) -> None:
        """
        Let a watcher come, or come back.
        """
        reader = since or Reader(self.world.connect(userId="w"))
        reader.resets = self.resets
        if since is None:
            self.readers.append(reader)
        else:
            reader.client = self.world.connect(userId="w")
            reader.client.positions = True
            reader.isSlow = reader.isPlain = False
        if reader.position is None:
            reader.texts.clear()
            reader.plain.clear()
        reader.client.send(type="subscribe", topic=TOPIC, since=reader.position)

    def come(self) -> None:
        """
        Let another watcher come.
        """
        if len(self.readers) < 5:
            self.open(None)

    def grow(self) -> None:
        """
        Let a stream begin or grow.
        """
        stream = self.random.choice(STREAMS)
        if stream in self.ended:
            return
        if stream not in self.whole:
            self.whole[stream] = ""
            self.producer.send(type="stream_start", topic=TOPIC, stream=stream)
        text = self.random.choice(("a", "bc", "字", "😀", "é")) * self.random.choice(
            (1, 1, 4, 7000)
        )
        if self.random.random() < 0.1:
            place = self.random.randrange(len(self.whole[stream]) + 1)
            self.resets[stream] = self.resets.get(stream, 0) + 1
            kept = self.whole[stream] = self.whole[stream][:place]
            text = self.random.choice((text, ""))
            self.takeBack(units(kept), text, self.resets[stream], stream)
        else:
            self.append(text, stream, edition=self.resets.get(stream, 0))
        self.whole[stream] += text

    def say(self) -> None:
        """
        Publish an event, which says how long the texts are.
        """
        lengths = {
            stream: units(text) for stream, text in self.whole.items() if stream not in self.ended
        }
        persist = self.random.random() < 0.3
        self.producer.send(type="publish", topic=TOPIC, event="hi", data=lengths, persist=persist)

    def remind(self) -> None:
        """
        Let the daemon publish how much text the streams have.
        """
        self.world.streams.audience.remind(CANONICAL)

    def hold(self) -> None:
        """
        Let the database be slow.
        """
        if self.world.history.held is None:
            self.world.history.held = []

    def release(self) -> None:
        """
        Let the database commit what it was given.
        """
        if self.world.history.held is not None:
            self.world.history.release()

    def turn(self) -> None:
        """
        Let time pass.
        """
        self.world.advance(self.random.choice((0.0, 0.01, 0.05)))

    def slow(self, reader: Reader) -> None:
        """
        Let a watcher's socket be full.
        """
        if not reader.isSlow:
            reader.isSlow = True
            reader.client.session.congested()

    def fast(self, reader: Reader) -> None:
        """
        Let a watcher read again.
        """
        if reader.isSlow:
            reader.isSlow = False
            reader.client.session.drained()

    def read(self, reader: Reader) -> None:
        """
        Let a watcher handle what has come.
        """
        reader.take()

    def cut(self, reader: Reader) -> None:
        """
        Cut a watcher off behind some frames, and let it come back.
        """
        reader.take(self.random.randrange(4))
        reader.client.die()
        self.open(reader)

    def finish(self, stream: str) -> None:
        """
        End a stream.
        """
        if stream not in self.ended:
            self.ended.add(stream)
            self.producer.send(type="stream_end", stream=stream, epoch=1)

    def check(self) -> None:
        """
        Compare what all watchers have.
        """
        for reader in self.readers:
            self.fast(reader)
            reader.take()
            for stream, text in reader.texts.items():
                self.assertEqual(text, self.whole[stream[0]])
            if reader.isPlain:
                for name, plain in reader.plain.items():
                    if name not in self.resets:
                        self.assertEqual(plain, self.whole[name])
            self.assertLessEqual(reader.events.count("ai:done"), len(self.ended))
        first = self.readers[0]
        if first.isPlain:
            texts = {stream: text for (stream, _), text in first.texts.items()}
            texts = {s: t for s, t in texts.items() if t}
            self.assertEqual(texts, {s: t for s, t in self.whole.items() if t})
            found = {k.message.data for k in self.world.history.messages if k.message.stream}
            kept = {data["id"]: data["text"] for data in map(json.loads, found)}
            self.assertEqual(kept, self.whole)
            self.assertEqual(first.events.count("ai:done"), len(self.ended))
        self.gaps += sum(reader.gaps for reader in self.readers)


class ShallowTests(ModelTests):
    """
    The same where the log of the topic has the newest entries only, so that clients that come back
    get the texts as they are instead of what they missed.
    """

    rules = TopicPolicies([], TopicPolicy(Depth(4, 1_000_000, 300.0)))

    def test_model(self) -> None:
        """
        Every watcher has the exact text of each stream that still runs, also behind a gap.
        """
        super().test_model()
        self.assertGreater(self.gaps, self.runs // 10)
