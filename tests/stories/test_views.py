"""
What a connection gets on each of several views of one table, whatever happens meanwhile.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.replay.log import Depth
from aerostack.core.rows.changes import DELETE, INSERT, UPDATE, Change
from aerostack.core.topics.policies import TopicPolicies, TopicPolicy
from aerostack.recovery import logreader, pacing, replay
from aerostack.settings.limits import LimitsConfig
from aerostack.testing import MemoryClient, World
from aerostack.testing.delayed import Line
from tests.stories.story import SlowStory

Row = dict[str, Any]
Seen = tuple[str, int, int]
"""The operation, the id of the row, and its side."""

VIEWS: dict[str | None, dict[str, Any]] = {
    None: {},
    "all": {},
    "left": {"filter": {"side": 0}},
    "right": {"filter": {"side": 1}},
    "same": {"filter": {"side": 1}},
    "new": {"filter": {"side": 0}, "event": "INSERT"},
}
"""What is asked for on each view."""


def expected(view: str | None, changes: list[Change]) -> list[Seen]:
    """
    What a view gets of some changes.
    """
    wanted = VIEWS[view].get("filter", {}).get("side")
    seen: list[Seen] = []
    for change in changes:
        row, old = change.data, change.old
        isIn = wanted in (None, row["side"])
        wasIn = isIn if old is None else wanted in (None, old["side"])
        if change.operation == UPDATE and isIn != wasIn:
            shown = (INSERT, row) if isIn else (DELETE, old or row)
        elif isIn:
            shown = (change.operation, row)
        else:
            continue
        if VIEWS[view].get("event") in (None, shown[0]):
            seen.append((shown[0], shown[1]["id"], shown[1]["side"]))
    return seen


class Beholder:
    """
    A client with several views, which resumes each.

    @ivar seen: By view, what came.
    @ivar begun: By view, how many changes had been made when it began.
    """

    def __init__(self, story: ViewStory) -> None:
        self._story = story
        self.seen: dict[str | None, list[Seen]] = {}
        self.begun: dict[str | None, int] = {}
        self._since: dict[str | None, str] = {}
        self._rows: dict[str | None, list[int]] = {}
        self.client: MemoryClient = story.world.connect()

    def subscribe(self, view: str | None) -> None:
        """
        Subscribe on a view, or change nothing.
        """
        if view not in self.seen:
            self.seen[view] = []
            self._ask(view)

    def _ask(self, view: str | None) -> None:
        since = self._since.get(view)
        fields = VIEWS[view] | ({} if view is None else {"view": view})
        self.client.send(type="subscribe", topic="orders", since=since, **fields)

    def leave(self, view: str | None) -> None:
        """
        Unsubscribe from a view, and read what came before.
        """
        if view in self.seen:
            self.read()
            for each in (self.seen, self.begun, self._since):
                each.pop(view, None)
            fields = {} if view is None else {"view": view}
            self.client.send(type="unsubscribe", topic="orders", **fields)

    def cut(self) -> None:
        """
        Lose the connection, and come back on every view.
        """
        self.read()
        self.client.die()
        self.client = self._story.world.connect()
        for view in self.seen:
            self._ask(view)

    def read(self) -> None:
        """
        Handle what came.
        """
        frames, self.client.connection.frames = self.client.connection.frames, []
        for frame in frames:
            view = frame.get("view")
            assert frame["type"] in ("subscribed", "unsubscribed", "db_change", "commit"), frame
            if view not in self.seen or frame["type"] == "unsubscribed":
                # It was under way when the client left.
                continue
            assert "gap" not in frame, frame
            if frame["type"] == "subscribed" and view not in self.begun:
                self.begun[view] = self._story.placed(frame["pos"])
            elif frame["type"] == "db_change":
                data = frame["data"]
                self.seen[view].append((frame["operation"], data["id"], data["side"]))
            if "pos" in frame:
                self._since[view] = frame["pos"]


class ViewStory(SlowStory):
    """
    What happens to a table, a daemon and two clients.
    """

    def __init__(self, line: Line | None) -> None:
        self.line = line
        self.world = World(
            rules=TopicPolicies([], TopicPolicy(Depth(4, 1_000_000, 300.0))),
            limits=LimitsConfig(outboxBytes=4096),
            line=line,
        )
        self.world.feeds.watch("orders")
        self.changes: list[Change] = []
        self.rows: dict[int, Row] = {}
        self.beholders = [Beholder(self), Beholder(self)]

    def placed(self, position: str) -> int:
        """
        How many changes stand before a position.
        """
        return int(position.split("-")[2].rstrip("k"), 16)

    def happen(self, what: str, who: int, view: str | None, number: int) -> None:
        """
        Let something happen.
        """
        if what in ("subscribe", "leave"):
            getattr(self.beholders[who], what)(view)
        elif what == "cut":
            self.beholders[who].cut()
        elif what == "choke":
            self.beholders[who].client.session.congested()
        elif what == "ease":
            self.beholders[who].client.session.drained()
        elif what == "write":
            self.write(number, number % 2 == 0)
        elif what == "flood":
            for n in range(30):
                self.write((number + n) % 7, n % 3 == 0)
        else:
            getattr(self, what)()
        for each in self.beholders:
            each.read()

    def write(self, number: int, last: bool) -> None:
        """Insert, update or delete a row."""
        old = self.rows.get(number)
        seq = len(self.changes) + 1
        row = {"id": number, "side": seq % 3 % 2, "text": "x" * 40}
        if old is None:
            change = Change(seq, "orders", INSERT, row, None, 7)
        elif seq % 4:
            change = Change(seq, "orders", UPDATE, row, old, 7)
        else:
            change = Change(seq, "orders", DELETE, old, old, 7)
        if change.operation == DELETE:
            del self.rows[number]
        else:
            self.rows[number] = row
        self.changes.append(change)
        self.world.tracker.change(change, last=last)

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
        for each in self.beholders:
            each.client.session.drained()
        for _ in range(3):
            self.fast()
            self.carry()
            self.world.advance(2 * logreader.RETRY)
        for each in self.beholders:
            each.read()


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            (
                *("subscribe", "subscribe", "subscribe", "write", "write", "write", "leave"),
                *("flood", "cut", "turn", "slow", "answer", "fast", "carry", "choke", "ease"),
            )
        ),
        st.integers(0, 1),
        st.sampled_from(tuple(VIEWS)),
        st.integers(0, 6),
    ),
    max_size=40,
)


class ViewStoryTests(SynchronousTestCase):
    """
    Clients with several views of one table.
    """

    def setUp(self) -> None:
        self.patch(replay, "PAGE", 3)
        self.patch(pacing, "CHUNK", 200)

    @settings(max_examples=150, deadline=None)
    @given(STEPS, st.booleans())
    def test_filtered(self, steps: list[tuple[str, int, str | None, int]], isDelayed: bool) -> None:
        """
        Each view gets what its filter leaves of the changes behind the position at which it began,
        once and in order, and nothing of the other views.
        """
        story = ViewStory(Line() if isDelayed else None)
        for step in steps:
            story.happen(*step)
        story.settle()
        for each in story.beholders:
            for view, seen in each.seen.items():
                self.assertIn(view, each.begun)
                changes = story.changes[each.begun[view] :]
                self.assertEqual(seen, expected(view, changes), view)
