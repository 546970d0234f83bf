"""
A client that begins with the newest frames of a log gets these and everything after them, each once
and in order, whatever is published meanwhile.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.replay.log import Depth
from aerostack.core.topics.policies import TopicPolicies, TopicPolicy
from aerostack.core.topics.topics import Topic
from aerostack.recovery import replay
from aerostack.testing import World
from aerostack.testing.delayed import Line
from tests.stories.story import SlowKeepingStory

ROOM = Topic("chat/room", "p")


class Beginner:
    """
    A client that begins with the newest frames.

    @ivar count: How many it has asked for.
    @ivar published: How many events had been published when its answer came.
    @ivar numbers: What it got.
    @ivar since: The last position that came.
    """

    def __init__(self, world: World, count: int) -> None:
        self.count = count
        self.published = 0
        self.isAnswered = False
        self.numbers: list[int] = []
        self.since: str | None = None
        self.come(world, rewind=count)

    def come(self, world: World, **fields: Any) -> None:
        """
        Connect and subscribe.
        """
        self.client = world.connect()
        self.client.send(type="subscribe", topic="chat/room", **fields)

    def read(self, published: int) -> None:
        """
        Handle what came.

        @param published: How many events have been published.
        """
        frames, self.client.connection.frames = self.client.connection.frames, []
        for frame in frames:
            assert frame["type"] in ("subscribed", "event"), frame
            assert "gap" not in frame, frame
            if not self.isAnswered:
                self.isAnswered, self.published = True, published
            if frame["type"] == "event":
                self.numbers.append(frame["data"])
            self.since = frame.get("pos", self.since)

    def cut(self, world: World, published: int) -> None:
        """
        Lose the connection and come back.

        @param published: How many events have been published.
        """
        self.read(published)
        self.client.die()
        if self.since is not None:
            self.come(world, since=self.since, rewind=self.count)
        else:
            # It begins anew.
            assert not self.numbers
            self.isAnswered = False
            self.come(world, rewind=self.count)


class Story(SlowKeepingStory):
    """
    What happens to a daemon and its clients.
    """

    def __init__(self, depth: int, line: Line | None) -> None:
        rules = TopicPolicies([], TopicPolicy(Depth(depth, 1_000_000, 300.0)))
        self.world = World(rules=rules, line=line)
        self.isDeep = depth > 100
        self.line = line
        self.beginners: list[Beginner] = []
        self.published = 0
        # One subscriber is there from the beginning: what it gets is the log.
        self.witness = Beginner(self.world, 0)
        self.carry()

    def happen(self, what: str, number: int) -> None:
        """
        Let something happen.
        """
        if what == "begin":
            self.begin(number)
        elif what == "cut" and self.beginners:
            self.beginners[number % len(self.beginners)].cut(self.world, self.published)
        elif what != "cut":
            getattr(self, what)()
        for each in (self.witness, *self.beginners):
            each.read(self.published)

    def begin(self, count: int) -> None:
        """Let a client begin."""
        self.beginners.append(Beginner(self.world, count))

    def say(self) -> None:
        """Publish something that is kept."""
        self._publish(True)

    def hint(self) -> None:
        """Publish something; only deep logs have it later if it is not kept."""
        self._publish(not self.isDeep)

    def _publish(self, kept: bool) -> None:
        self.published += 1
        data = b"%d" % self.published
        publishing = self.world.hub.publisher.publish(ROOM, "e", data, None, kept)
        if publishing is not None:
            # What the database refused is no part of the log.
            publishing.addErrback(lambda _: None)

    def turn(self) -> None:
        """Let the reactor turn once."""
        self.world.clock.advance(0)

    def carry(self) -> None:
        """Let calls through to the node."""
        if self.line is not None:
            self.line.carry()
        self.world.turn()

    def settle(self) -> None:
        """Let everything come to rest."""
        for _ in range(3):
            self.release()
            self.fast()
            self.carry()
            self.world.advance(5)
        for each in (self.witness, *self.beginners):
            each.read(self.published)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            (
                *("say", "say", "hint", "begin", "turn", "hold", "release", "refuse"),
                *("slow", "answer", "fast", "carry", "cut"),
            )
        ),
        st.integers(0, 8),
    ),
    max_size=40,
)


class RewindStoryTests(SynchronousTestCase):
    """
    Clients that begin with the newest frames, under concurrent publishing.
    """

    def setUp(self) -> None:
        self.patch(replay, "PAGE", 2)

    @settings(max_examples=200, deadline=None)
    @given(STEPS, st.sampled_from((3, 1000)), st.booleans(), st.booleans())
    def test_whole(
        self, steps: list[tuple[str, int]], depth: int, isDelayed: bool, atOnce: bool
    ) -> None:
        """
        Each client gets an unbroken end of the log: as many frames as it has asked for, if there
        are so many, and every one that was published after its answer.
        """
        self.patch(replay, "AT_ONCE", 16_384 if atOnce else 0)
        story = Story(depth, Line() if isDelayed else None)
        for step in steps:
            story.happen(*step)
        story.settle()
        log = story.witness.numbers
        self.assertEqual(log, sorted(set(log)))
        for each in story.beginners:
            self.assertTrue(each.isAnswered)
            count = len(each.numbers)
            self.assertEqual(each.numbers, log[len(log) - count :])
            later = sum(number > each.published for number in log)
            self.assertGreaterEqual(count, min(len(log), max(each.count, later)))
