"""
A client that begins with rows shows at any time a state that the table had, and in the end the
state that it has, whatever happened meanwhile.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.replay.log import Depth
from aerostack.core.rows.changes import DELETE, INSERT, UPDATE, Change
from aerostack.core.topics.policies import TopicPolicies, TopicPolicy
from aerostack.errors import CLOSE_SLOW
from aerostack.recovery import pacing, replay
from aerostack.tables import snapshots
from aerostack.testing import MemoryClient, World
from tests.stories.story import SlowStory

Table = dict[int, dict[str, Any]]

TOPIC = "table/orders/p"


class Viewer:
    """
    An application that shows the rows of a table, or those on one side.

    @ivar shown: What it shows, by the rows' ids.
    """

    def __init__(self, side: int | None) -> None:
        self.side = side
        self.shown: Table = {}
        self.client: MemoryClient | None = None
        self._since: str | None = None
        # Whether it has asked on this connection, and with what.
        self._asking = False
        self._asked: str | None = None
        self._coming: list[dict[str, Any]] | None = None
        self._choked = False

    def cut(self, world: World) -> None:
        """Lose the connection."""
        if self.client is not None:
            self.client.die()
            self.client = None

    def back(self, world: World) -> None:
        """Connect, and ask for what was missed, or else for all rows."""
        if self.client is None:
            self.client = world.connect()
            self._choked = False
            self._asking = False
            self.ask(world)

    def ask(self, world: World) -> None:
        """Ask for what was missed, or else for all rows."""
        if self.client is None or self._asking:
            return
        self._asking = True
        self._asked = self._since
        filter = None if self.side is None else {"side": self.side}
        self.client.send(
            type="subscribe", topic="orders", since=self._since, snapshot=True, filter=filter
        )

    def leave(self, world: World) -> None:
        """Unsubscribe for now."""
        if self.client is not None:
            self.client.send(type="unsubscribe", topic="orders")

    def choke(self, world: World) -> None:
        """Stop reading."""
        if self.client is not None and not self._choked:
            self._choked = True
            self.client.session.congested()

    def ease(self, world: World) -> None:
        """Read again."""
        if self.client is not None and self._choked:
            self._choked = False
            self.client.session.drained()

    def read(self) -> None:
        """
        Read the frames that arrived.
        """
        if self.client is None:
            return
        if self.client.connection.closing is not None:
            # What it was to go on with is gone.
            assert self.client.connection.closing[0] == CLOSE_SLOW
            self.client.die()
            self.client = None
            return
        frames, self.client.connection.frames = self.client.connection.frames, []
        for frame in frames:
            assert frame["topic"] == TOPIC, frame
            getattr(self, f"_{frame['type']}")(frame)
            if "pos" in frame:
                self._since = frame["pos"]

    def _subscribed(self, frame: dict[str, Any]) -> None:
        if frame.get("recovered"):
            assert frame["pos"] == self._asked, frame
            return
        assert "pos" not in frame, frame
        assert ("gap" in frame) == (self._asked is not None), frame
        self._since = None
        self._coming = []

    def _unsubscribed(self, frame: dict[str, Any]) -> None:
        self._coming = None
        self._asking = False

    def _snapshot(self, frame: dict[str, Any]) -> None:
        assert self._coming is not None
        self._coming += frame["rows"]
        if not frame["more"]:
            self.shown = {row["id"]: row for row in self._coming}
            assert len(self.shown) == len(self._coming), "a row comes once"
            self._coming = None

    def _commit(self, frame: dict[str, Any]) -> None:
        pass

    def _db_change(self, frame: dict[str, Any]) -> None:
        assert self._coming is None, "changes come after the rows"
        row, key = frame["data"], frame["data"]["id"]
        assert (key in self.shown) == (frame["operation"] != INSERT), (frame, self.shown)
        if frame["operation"] == DELETE:
            assert self.shown.pop(key) == row
        else:
            self.shown[key] = row


class Story(SlowStory):
    """
    Something that happens to a table, a daemon and those who look at it.
    """

    def __init__(self, depth: int) -> None:
        self.world = World(rules=TopicPolicies([], TopicPolicy(Depth(depth, 1_000_000, 300.0))))
        self.table: Table = {}
        self.viewers = [Viewer(None), Viewer(0)]
        self._seq = 0
        self.world.feeds.watch("orders")

    def happen(self, what: str) -> None:
        """
        Let something happen.
        """
        name, _, who = what.partition(" ")
        if who:
            getattr(self.viewers[int(who)], name)(self.world)
        else:
            getattr(self, name)()
        for viewer in self.viewers:
            viewer.read()

    def _change(self, operation: str, data: dict[str, Any], old: dict[str, Any] | None) -> None:
        self._seq += 1
        self.world.tracker.change(Change(self._seq, "orders", operation, data, old, 7))

    def insert(self) -> None:
        """Write a row."""
        row = {"id": self._seq, "side": self._seq % 2}
        self.table[row["id"]] = row
        self._change(INSERT, row, None)

    def turn(self) -> None:
        """Let a row change sides."""
        if self.table:
            old = self.table[min(self.table)]
            row = {"id": old["id"], "side": 1 - old["side"]}
            del self.table[old["id"]]
            self.table[old["id"]] = row
            self._change(UPDATE, row, old)

    def delete(self) -> None:
        """Delete a row."""
        if self.table:
            row = self.table.pop(max(self.table))
            self._change(DELETE, row, row)

    def forget(self) -> None:
        """Let the database forget all changes until now."""
        self.world.tracker.forgotten = self._seq

    def go(self) -> None:
        """Let the reactor turn once."""
        self.world.clock.advance(0)

    def crash(self) -> None:
        """Restart the daemon."""
        for viewer in self.viewers:
            viewer.cut(self.world)
        if self.world.tracker.reading is not None:
            self.world.tracker.reading = []
        self.world.restart()
        self.world.feeds.watch("orders")

    def end(self) -> None:
        """
        Let all work end, with all clients connected.
        """
        self.fast()
        for viewer in self.viewers:
            viewer.ease(self.world)
            self.world.turn()
            viewer.read()
            viewer.back(self.world)
            self.world.turn()
            viewer.read()
            viewer.ask(self.world)
            self.world.turn()
        self.insert()
        self.world.turn()
        for viewer in self.viewers:
            viewer.read()
            expected = {
                key: row for key, row in self.table.items() if viewer.side in (None, row["side"])
            }
            assert viewer.shown == expected, (viewer.side, viewer.shown, expected)
        assert not self.world.recovery.snapshots.held, "rows are held that no client needs"


HAPPENINGS = [
    *("insert", "insert", "turn", "turn", "delete"),
    *("slow", "answer", "fast", "go", "go", "crash", "forget"),
    *(
        f"{what} {who}"
        for what in ("cut", "back", "back", "ask", "leave", "choke", "ease")
        for who in (0, 1)
    ),
]


class BeginningsTests(SynchronousTestCase):
    """
    Tests for what a client that begins with rows shows.
    """

    def setUp(self) -> None:
        # Small pieces, so that much can happen between them.
        self.patch(replay, "PAGE", 2)
        self.patch(pacing, "CHUNK", 150)
        self.patch(pacing, "TURN", 200)
        self.patch(snapshots, "PAGE_BYTES", 40)

    @settings(max_examples=400, deadline=None)
    @given(st.integers(0, 6), st.lists(st.sampled_from(HAPPENINGS), min_size=20, max_size=60))
    def test_stories(self, depth: int, story: list[str]) -> None:
        """
        Each row that a client shows was in the table, each change fits what the client shows, and
        in the end it shows the table.
        """
        told = Story(depth)
        for what in ["insert", "insert", "insert", *story]:
            told.happen(what)
        told.end()
