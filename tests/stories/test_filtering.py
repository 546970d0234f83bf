"""
Tests for subscriptions to a part of a table, from C{subscribe} to the delivered frames.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import fail
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.replay.log import Depth
from aerostack.core.rows.changes import INSERT, UPDATE, Change
from aerostack.core.rows.views import OPERATIONS, classify, parseView, seenChange
from aerostack.core.topics.policies import TopicPolicies, TopicPolicy
from aerostack.core.topics.topics import tableTopic
from aerostack.errors import RealtimeError
from aerostack.settings.limits import LimitsConfig
from aerostack.testing import Frame, MemoryClient, World
from tests.answers import outcomes
from tests.core.rows.fakes import COLUMNS, History, changesOf, filters, histories


class AskingTests(SynchronousTestCase):
    """
    Tests for valid and invalid filters, columns and events.
    """

    def setUp(self) -> None:
        self.world = World()
        self.client = self.world.connect()

    def ask(self, **fields: Any) -> list[Frame]:
        return self.client.ask(type="subscribe", topic="orders", **fields)

    def change(self, **row: Any) -> None:
        self.world.tracker.change(Change(1, "orders", INSERT, row, None, 7))

    def test_operators(self) -> None:
        """
        A row must meet several operators on several columns.
        """
        wanted = {"id": {"gte": 2, "lt": 5}, "status": {"like": "n%"}, "side": None}
        self.assertEqual(outcomes(self.ask(filter=wanted)), ["subscribed"])
        for number, status, side in (
            *((1, "new", None), (2, "new", None), (3, "old", None), (4, "new", 1)),
            *((4, "none", None), (5, "new", None)),
        ):
            self.change(id=number, status=status, side=side)
        self.assertEqual([frame["data"]["id"] for frame in self.client.take()], [2, 4])

    def test_refused(self) -> None:
        """
        A filter that does not fit the table is refused with an error that names the topic and the
        column, and leaves no state behind.
        """
        for fields, said in (
            ({"filter": {"total": 1}}, "filter.total"),
            ({"filter": {"id": {"gt": "x"}}}, "filter.id"),
            ({"columns": ["total"]}, "total"),
            ({"event": ["CHANGE"]}, "INSERT"),
        ):
            [error] = self.ask(**fields)
            self.assertEqual((error["code"], error["topic"]), ("invalid_filter", "table/orders/p"))
            self.assertIn(said, error["message"])
            self.assertEqual(self.world.tracker.watched, {})
            self.assertEqual(len(self.world.hub.registry), 0)

    def test_malformed(self) -> None:
        """
        A field of the wrong type is an error that names it.
        """
        for name, value in (("event", 1), ("event", [1]), ("columns", "id"), ("columns", [None])):
            [error] = self.ask(**{name: value})
            self.assertEqual(error["code"], "invalid_frame")
            self.assertIn(name, error["message"])

    def test_refusedAgain(self) -> None:
        """
        A subscription stays unchanged if its new filter is refused.
        """
        self.ask(filter={"id": 1})
        self.assertEqual(outcomes(self.ask(filter={"total": 1})), ["invalid_filter"])
        self.change(id=1)
        self.change(id=2)
        self.assertEqual([frame["data"]["id"] for frame in self.client.take()], [1])
        self.assertEqual(self.world.tracker.watched, {"orders": 1})

    def test_noTable(self) -> None:
        """
        On a custom topic every filter, column list and event is refused, except those that ask for
        everything.
        """
        for fields in ({"columns": ["id"]}, {"event": "INSERT"}, {"filter": {"id": 1}}):
            frames = self.client.ask(type="subscribe", topic="a/b", **fields)
            self.assertEqual(outcomes(frames), ["invalid_frame"])
        frames = self.client.ask(type="subscribe", topic="a/b", event="*", filter={})
        self.assertEqual(outcomes(frames), ["subscribed"])

    def test_moved(self) -> None:
        """
        An UPDATE into the filter comes as an INSERT, one out of it as a DELETE, and C{event}
        applies to that.
        """
        both, late = self.world.connect(), self.world.connect()
        late.positions = True
        wanted = {"type": "subscribe", "topic": "orders", "filter": {"side": 1}}
        both.ask(**wanted)
        [answer] = late.ask(**wanted)
        late.die()
        self.ask(filter={"side": 1}, event=["INSERT"], columns=["side"])
        rows = [{"id": 1, "side": side} for side in (0, 1, 1, 0)]
        for old, row in pairwise(rows):
            self.world.tracker.change(Change(1, "orders", UPDATE, row, old, 7))
        missed = self.world.connect().ask(**wanted, since=answer["pos"])[1:]
        for frames in (both.take(), missed):
            self.assertEqual(
                [(f["operation"], f.get("moved"), f["data"], f.get("old")) for f in frames],
                [
                    ("INSERT", True, rows[1], None),
                    ("UPDATE", None, rows[2], rows[1]),
                    ("DELETE", True, rows[2], rows[2]),
                ],
            )
        [frame] = self.client.take()
        self.assertEqual((frame["operation"], frame["moved"]), ("INSERT", True))
        self.assertEqual(frame["data"], {"side": 1})

    def test_alike(self) -> None:
        """
        Frames with the same content are encoded once, for whatever reason subscribers get them.
        """
        got: list[bytes] = []
        for wanted in ({"id": 1}, {"side": 1}, {"status": {"like": "n%"}}, None):
            client = self.world.connect()
            client.ask(type="subscribe", topic="orders", filter=wanted)
            client.session.deliver = got.append
        self.change(id=1, status="new", side=1)
        self.world.turn()
        self.assertEqual(len(got), 4)
        self.assertEqual(len({id(frame) for frame in got}), 1)

    def test_narrowAlike(self) -> None:
        """
        Frames with the same content and fewer columns are encoded once too.
        """
        got: list[bytes] = []
        for wanted in ({"id": 1}, {"side": 1}, None):
            client = self.world.connect()
            client.ask(type="subscribe", topic="orders", filter=wanted, columns=["id"])
            client.session.deliver = got.append
        self.change(id=1, status="new", side=1)
        self.world.turn()
        self.assertEqual(len(got), 3)
        self.assertEqual(len({id(frame) for frame in got}), 1)


class WaitingTests(SynchronousTestCase):
    """
    Tests for the time while the database is asked for a table's columns.
    """

    def setUp(self) -> None:
        self.world = World()
        self.client = self.world.connect()
        self.world.tracker.reading = self.reading = []

    def ask(self, **fields: Any) -> list[Frame]:
        return self.client.ask(type="subscribe", topic="orders", **fields)

    def answer(self) -> list[Frame]:
        """
        Let the database answer everything, and return the resulting frames.
        """
        while self.reading:
            self.reading.pop(0)()
        return self.client.take()

    def nothingHeld(self) -> None:
        self.assertEqual(self.world.tracker.watched, {})
        self.assertEqual(len(self.world.hub.registry), 0)

    def test_waits(self) -> None:
        """
        A filter is parsed once the columns are known; a subscription without one does not wait.
        """
        self.assertEqual(self.ask(filter={"id": 1}), [])
        other = self.world.connect()
        self.assertEqual(outcomes(other.ask(type="subscribe", topic="orders")), ["subscribed"])
        self.assertEqual(outcomes(self.answer()), ["subscribed"])

    def test_unsubscribed(self) -> None:
        """
        A client that unsubscribes meanwhile is not subscribed.
        """
        self.ask(filter={"id": 1})
        self.client.ask(type="unsubscribe", topic="orders")
        self.assertEqual(self.answer(), [])
        self.nothingHeld()

    def test_gone(self) -> None:
        """
        A client that leaves meanwhile leaves no state behind.
        """
        self.ask(filter={"id": 1})
        self.client.die()
        self.answer()
        self.nothingHeld()

    def test_askedAgain(self) -> None:
        """
        Of several filters the last one applies, and the table is watched once.
        """
        told = self.ask(filter={"id": 1}) + self.ask(filter={"id": 2}) + self.answer()
        self.assertEqual(outcomes(told), ["subscribed"])
        self.world.tracker.change(Change(1, "orders", INSERT, {"id": 1}, None, 7))
        self.world.tracker.change(Change(2, "orders", INSERT, {"id": 2}, None, 7))
        self.assertEqual([frame["data"]["id"] for frame in self.client.take()], [2])
        self.assertEqual(self.world.tracker.watched, {"orders": 1})

    def test_replaced(self) -> None:
        """
        The old filter applies until the new one is parsed.
        """
        self.ask()
        self.ask(filter={"id": 2})
        self.world.tracker.change(Change(1, "orders", INSERT, {"id": 1}, None, 7))
        self.assertEqual(outcomes(self.client.take()), ["db_change"])
        self.assertEqual(outcomes(self.answer()), ["subscribed"])
        self.world.tracker.change(Change(2, "orders", INSERT, {"id": 1}, None, 7))
        self.assertEqual(self.client.take(), [])

    def test_endedMeanwhile(self) -> None:
        """
        If the subscription has ended meanwhile, the new filter begins a new subscription.
        """
        self.ask()
        self.ask(filter={"id": 2})
        self.client.session.subscriptions._giveUp(
            tableTopic("orders", "p"), RealtimeError("table_lost", "Gone.")
        )
        self.assertEqual(outcomes(self.client.take()), ["table_lost", "unsubscribed"])
        self.nothingHeld()
        self.assertEqual(outcomes(self.answer()), ["subscribed"])
        self.assertEqual(self.world.tracker.watched, {"orders": 1})

    def test_limit(self) -> None:
        """
        A topic whose filter is being replaced counts once for the limit.
        """
        self.world = World(limits=LimitsConfig(subscriptions=2))
        self.client = self.world.connect()
        self.ask()
        self.world.tracker.reading = self.reading = []
        self.ask(filter={"id": 1})
        frames = self.client.ask(type="subscribe", topic="a/b")
        self.assertEqual(outcomes(frames), ["subscribed"])
        frames = self.client.ask(type="subscribe", topic="a/c")
        self.assertEqual(outcomes(frames), ["too_many_subscriptions"])

    def test_unavailable(self) -> None:
        """
        If the database does not answer, the client gets a temporary error with a C{retryAfter}.
        """
        self.patch(self.world.tracker, "columns", lambda table: fail(OSError("disk")))
        [error] = self.ask(filter={"id": 1})
        self.assertEqual((error["code"], error["retryAfter"]), ("database_unavailable", 1000))
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)
        self.nothingHeld()

    def test_tableGone(self) -> None:
        """
        If the table was dropped meanwhile, the client gets an error that says so.
        """
        gone = RealtimeError("unknown_table", "There is no table orders.")
        self.patch(self.world.tracker, "columns", lambda table: fail(gone))
        [error] = self.ask(filter={"id": 1})
        self.assertEqual((error["code"], error["topic"]), ("unknown_table", "table/orders/p"))
        self.nothingHeld()


asked = st.lists(
    st.fixed_dictionaries(
        {"filter": filters},
        optional={
            "event": st.lists(st.sampled_from(OPERATIONS), min_size=1),
            "columns": st.lists(st.sampled_from(sorted(COLUMNS)), min_size=1),
        },
    ),
    min_size=1,
    max_size=6,
)

Told = tuple[int, Any, Any, Any, bool]


class DeliveryTests(SynchronousTestCase):
    """
    Tests that compare each subscriber with one that is alone.
    """

    def expected(self, history: History, fields: dict[str, Any]) -> list[Told]:
        view = parseView(COLUMNS, fields["filter"], fields.get("columns"), fields.get("event"))
        found = []
        for change in changesOf(history):
            operation = change.operation if view is None else classify(change, view)
            if operation is not None:
                told = seenChange(change, operation, None if view is None else view.projection)
                found.append((change.seq, operation, told.data, told.old, told.moved))
        return found

    def got(self, frames: list[Frame]) -> list[Told]:
        return [
            (f["timestamp"], f["operation"], f["data"], f.get("old"), f.get("moved", False))
            for f in frames
            if f["type"] == "db_change"
        ]

    def world(self, depth: int) -> World:
        world = World(rules=TopicPolicies([], TopicPolicy(Depth(depth, 1_000_000, 300.0))))
        world.tracker.shape = COLUMNS
        return world

    def tell(self, world: World, history: History, batch: int) -> None:
        changes = changesOf(history)
        for start in range(0, len(changes), batch):
            world.tracker.change(*changes[start : start + batch])

    def subscribe(self, world: World, fields: dict[str, Any]) -> tuple[MemoryClient, list[Frame]]:
        client = world.connect()
        client.positions = True
        answer, *missed = client.ask(type="subscribe", topic="orders", **fields)
        self.assertEqual(answer["type"], "subscribed", answer)
        return client, [answer, *missed]

    @given(asked, histories, st.integers(1, 5))
    def test_live(self, asked: list[dict[str, Any]], history: History, batch: int) -> None:
        """
        However many subscribers there are, each gets the frames that it would get alone.
        """
        world = self.world(100)
        clients = [self.subscribe(world, fields)[0] for fields in asked]
        self.tell(world, history, batch)
        for client, fields in zip(clients, asked, strict=True):
            self.assertEqual(self.got(client.take()), self.expected(history, fields))

    @settings(max_examples=60)
    @given(asked, histories, st.integers(0, 100), st.booleans())
    def test_resumed(
        self, asked: list[dict[str, Any]], history: History, depth: int, again: bool
    ) -> None:
        """
        A client that resumes gets the same frames from memory, from the database, or from both.
        """
        world = self.world(depth)
        positions = []
        for fields in asked:
            client, [answer] = self.subscribe(world, fields)
            client.die()
            positions.append(answer["pos"])
        self.tell(world, history, 3)
        if again:
            world.restart()
        for since, fields in zip(positions, asked, strict=True):
            _, [answer, *missed] = self.subscribe(world, {**fields, "since": since})
            self.assertTrue(answer["recovered"])
            self.assertEqual(self.got(missed), self.expected(history, fields))
