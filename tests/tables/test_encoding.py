"""
Tests for L{aerostack.tables.encoding}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.replay.log import Depth
from aerostack.core.replay.positions import Position
from aerostack.core.rows.changes import INSERT, UPDATE, Change
from aerostack.core.rows.columns import ColumnType
from aerostack.core.rows.transactions import OpenTransactions
from aerostack.core.rows.views import View, parseView
from aerostack.core.topics.policies import TopicPolicy
from aerostack.tables.encoding import ChangeEncoder
from aerostack.testing import readFrames

TOPIC = "table/orders/p"
POLICY = TopicPolicy(Depth(10, 10_000, 10.0))
BEFORE = Position("e1", 1, 4, "j1")
AFTER = Position("e1", 2, 5, "j1")
COLUMNS = {"id": ColumnType.NUMBER, "status": ColumnType.TEXT}


def view(status: str | None = None, *columns: str) -> View:
    """
    A view of the rows with a status, and of some columns of them.
    """
    wanted = None if status is None else {"status": status}
    made = parseView(COLUMNS, wanted, columns or None, None)
    assert made is not None
    return made


OPEN, PAID = view("open"), view("paid")


class ChangeEncoderTests(SynchronousTestCase):
    """
    Tests for L{ChangeEncoder}.
    """

    def setUp(self) -> None:
        self.open: OpenTransactions[View] = OpenTransactions()

    def encoder(self, status: str, was: str, last: bool = True) -> ChangeEncoder:
        """
        The encoder of an UPDATE, which has encoded the whole change.
        """
        change = Change(
            5,
            "orders",
            UPDATE,
            {"id": 1, "status": status},
            {"id": 1, "status": was},
            1000,
            "t1",
            last,
        )
        encoder = ChangeEncoder(TOPIC, change, self.open)
        self.whole = encoder.encode(AFTER, POLICY, BEFORE)
        return encoder

    def test_once(self) -> None:
        """
        Views that show the same form of a change get the same frame, whatever their conditions.
        """
        encoder = self.encoder("open", "open")
        self.assertIs(encoder.encodeFor(OPEN), self.whole)
        self.assertIs(encoder.encodeFor(View(events=frozenset({UPDATE}))), self.whole)
        first, second = (encoder.encodeFor(each) for each in (view(None, "id"), view("open", "id")))
        self.assertIs(first, second)
        assert first is not None
        (frame,) = readFrames(first)
        self.assertEqual((frame["data"], frame["operation"]), ({"id": 1}, UPDATE))

    def test_moved(self) -> None:
        """
        A row that moves into a view is an INSERT there, with the log's position before it; a
        view that does not have the row gets no frame.
        """
        encoder = self.encoder("open", "paid")
        moved = encoder.encodeFor(OPEN)
        assert moved is not None
        (frame,) = readFrames(moved)
        self.assertEqual(
            (frame["operation"], frame["moved"], frame["pos"]), (INSERT, True, str(AFTER))
        )
        self.assertEqual(moved.logPosition, BEFORE)
        self.assertIsNone(self.encoder("paid", "paid").encodeFor(OPEN))

    def test_endTransaction(self) -> None:
        """
        A view that got a part of a transaction, and not its last change, gets a frame that says
        that it is over.  A view that got the last change, or nothing, does not.
        """
        self.encoder("open", "open", last=False).encodeFor(OPEN)
        self.encoder("open", "open", last=False).encodeFor(PAID)
        middle = self.encoder("paid", "paid", last=False)
        self.assertEqual(list(middle.endTransaction()), [])
        last = self.encoder("paid", "paid")
        self.assertIsNone(last.encodeFor(OPEN))
        last.encodeFor(PAID)
        ((owed, over),) = last.endTransaction()
        self.assertIs(owed, OPEN)
        (frame,) = readFrames(over)
        self.assertEqual((frame["type"], frame["tx"], frame["pos"]), ("commit", "t1", str(AFTER)))
        self.assertEqual(list(last.endTransaction()), [])
