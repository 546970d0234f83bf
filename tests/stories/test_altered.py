"""
The frames of a client after its table was altered.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from aerostack.core.rows.changes import INSERT, Change
from aerostack.core.rows.columns import Columns, ColumnType
from aerostack.sessions.session import Session
from aerostack.tables import feed
from tests.answers import outcomes, types
from tests.stories.readers import SHAPE, TOPIC, ReaderCase, row


class AlteredTests(ReaderCase):
    """
    Tests for tables that are altered while clients are subscribed.
    """

    def setUp(self) -> None:
        super().setUp()
        self.client = self.subscribed("ann")

    def shape(self, **renamed: str) -> Columns:
        return {renamed.get(name, name): type for name, type in SHAPE.items()}

    def test_hiddenRenamed(self) -> None:
        """
        A hidden column that is renamed is not sent under its new name.
        """
        self.world.tracker.alter(self.shape(card="number"))
        self.tell({"id": 1, "owner": "ann", "price": 1, "number": "card-1"})
        self.assertEqual(outcomes(self.client.take()), ["rule_mismatch", "unsubscribed"])
        self.flushLoggedErrors()

    def test_added(self) -> None:
        """
        An added column is sent from then on.
        """
        self.world.tracker.alter({**SHAPE, "note": ColumnType.TEXT})
        self.tell({**row(1, "ann"), "note": "new"})
        [frame] = self.client.take()
        self.assertEqual(frame["data"], {"id": 1, "owner": "ann", "price": 1, "note": "new"})

    def test_filterGone(self) -> None:
        """
        A client whose filter names a dropped column gets an error.
        """
        other = self.subscribed("ann", filter={"price": 1})
        self.world.tracker.alter({n: t for n, t in SHAPE.items() if n != "price"})
        self.assertEqual(outcomes(other.take()), ["invalid_filter", "unsubscribed"])
        self.assertEqual(self.client.take(), [])

    def test_same(self) -> None:
        """
        If nothing changes for clients, they get no frame.
        """
        asked: list[Any] = []
        self.patch(Session, "reauthorize", lambda session, topic: asked.append(topic))
        self.world.tracker.alter(dict(SHAPE))
        self.assertEqual(asked, [])
        self.world.tracker.alter({**SHAPE, "note": ColumnType.TEXT})
        self.assertEqual(asked, [TOPIC])

    def test_many(self) -> None:
        """
        Very many subscriptions are checked over several turns, clients that have left are skipped,
        and the changes wait for the end of the check.
        """
        self.patch(feed, "PIECE", 5)
        others = [self.subscribed(f"user{n}", filter={"price": 1}) for n in range(20)]
        shape = {n: t for n, t in SHAPE.items() if n != "price"}
        checked = self.world.feeds.tableAltered("orders", shape)
        assert checked is not None
        self.assertNoResult(checked)
        told = [other for other in others if "error" in types(other.connection.frames)]
        self.assertEqual(told, others[:4])
        others.pop().die()
        while not checked.called:
            self.world.clock.advance(0)
        for other in others:
            self.assertEqual(outcomes(other.take()), ["invalid_filter", "unsubscribed"])
        self.assertEqual(self.client.take(), [])

    def test_asked(self) -> None:
        """
        If the table is altered again while its columns are read, subscriptions are checked with
        its current columns.
        """
        waiting: list[Deferred[Columns]] = []

        def ask(table: str) -> Deferred[Columns]:
            waiting.append(Deferred())
            return waiting[-1]

        self.world.restart()
        self.patch(self.world.tracker, "columns", ask)
        client = self.connect("ann")
        client.send(type="subscribe", topic="orders")
        self.world.tracker.alter(self.shape(card="number"))
        waiting.pop().callback(SHAPE)
        self.assertEqual(outcomes(client.take()), ["rule_mismatch"])
        self.flushLoggedErrors()

    def test_memory(self) -> None:
        """
        After a column was dropped, a client that resumes gets older rows without it.
        """
        self.client.positions = True
        [answer] = self.client.ask(type="subscribe", topic="orders")
        self.client.die()
        self.tell(row(1, "ann"))
        self.world.tracker.alter(self.shape(price="total"))
        # What the journal has from now on.
        renamed = {"id": 1, "owner": "ann", "total": 1, "card": "card-1"}
        self.world.tracker.changes = [Change(1, "orders", INSERT, renamed, None, 7, None, True)]
        again = self.connect("ann")
        _, *missed = again.ask(type="subscribe", topic="orders", since=answer["pos"])
        self.assertEqual([f["data"] for f in missed], [{"id": 1, "owner": "ann", "total": 1}])
