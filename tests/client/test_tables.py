"""
Tests for tables that are lost, come back and are altered, with a daemon in memory.
"""

from __future__ import annotations

from typing import Any

from aerostack.core.rows.changes import Change
from aerostack.core.rows.columns import ColumnType
from aerostack.errors import RealtimeError
from tests.client.worlds import AWAY, WorldTestCase

TOPIC = "table/orders/p"


class TableTests(WorldTestCase):
    """
    Tests for a table's channel.
    """

    def setUp(self) -> None:
        super().setUp()
        self.orders = self.client().channel("orders")
        self.gaps: list[str] = []
        self.orders.onGap(lambda gap: self.gaps.append(gap["reason"]))
        self.pages: list[Any] = []
        self.orders.on("snapshot", lambda frame: self.pages.append(frame["rows"]))

    def insert(self, number: int) -> None:
        """
        Insert a row.
        """
        row = {"id": number, "status": "new", "side": 1}
        self.world.tracker.change(Change(number, "orders", "INSERT", row, None, 5))

    def lose(self, turn: bool = True) -> None:
        """
        Let the table be lost.
        """
        lost = RealtimeError("table_lost", "It was dropped.")
        self.world.tracker.listener.tableLost("orders", lost, self.world.tracker.position)
        if turn:
            self.world.turn()

    def back(self) -> None:
        """
        Let the table be back.
        """
        self.world.tracker.listener.tableBack("orders")
        self.world.turn()

    def test_rows(self) -> None:
        """
        A subscription with a snapshot gets the rows again when a lost table is back, and when it
        was altered.
        """
        self.insert(1)
        self.result(self.orders.subscribe(snapshot=True))
        self.insert(2)
        self.lose()
        self.assertEqual([len(page) for page in self.pages], [1])
        self.insert(3)
        self.back()
        self.assertEqual([len(page) for page in self.pages], [1, 3])
        self.world.tracker.alter({**self.world.tracker.shape, "more": ColumnType.TEXT})
        self.insert(4)
        self.world.tracker.listener.tableReshaped("orders")
        self.world.turn()
        self.assertEqual([len(page) for page in self.pages], [1, 3, 4])
        self.assertEqual(self.gaps, ["table_lost", "back", "altered"])

    def test_atOnce(self) -> None:
        """
        The rows come at once for a table that is back at once, as after a TRUNCATE.
        """
        self.insert(1)
        self.result(self.orders.subscribe(snapshot=True))
        self.world.tracker.changes.clear()
        self.lose(turn=False)
        self.back()
        self.assertEqual([len(page) for page in self.pages][::2], [1, 0])
        self.assertEqual(self.pages[-1], [])
        self.assertEqual(self.gaps, ["table_lost", "back"])

    def test_position(self) -> None:
        """
        The client resumes after the rows that it asked for again.
        """
        self.result(self.orders.subscribe(snapshot=True, since="nonsense"))
        self.lose()
        self.back()
        heard = self.heard(self.orders, "INSERT")
        self.insert(1)
        self.world.cut()
        self.insert(2)
        self.world.advance(AWAY)
        self.assertEqual([row["id"] for row in heard], [1, 2])
        self.assertEqual(len(self.pages), 2)

    def test_asked(self) -> None:
        """
        The client asks once more for the rows of a table that is back before the answer.
        """
        sent = self.sends()
        self.orders.subscribe(snapshot=True)
        self.hear(type="subscribed", topic=TOPIC)
        self.hear(type="error", topic=TOPIC, code="table_lost", message="It is gone.")
        self.hear(type="status", topic=TOPIC, table="back", message="Ask again.")
        self.hear(type="subscribed", topic=TOPIC)
        error = {"type": "error", "topic": TOPIC, "code": "unknown_table", "message": "Gone."}
        self.hear(**error, request="subscribe")
        self.assertEqual([frame["type"] for frame in sent], ["subscribe"] * 3)
        self.hear(type="subscribed", topic=TOPIC)
        self.hear(type="snapshot", topic=TOPIC, rows=[], more=False, pos="p")
        self.assertEqual((self.orders.position, self.orders.isSubscribed), ("p", True))

    def test_noRows(self) -> None:
        """
        Without a snapshot the client asks for nothing, and reports the gap.
        """
        self.result(self.orders.subscribe())
        sent = self.sends()
        self.lose()
        for table in ("back", "altered"):
            self.hear(type="status", topic=TOPIC, table=table, message="Ask again.")
        self.assertEqual((sent, self.gaps), ([], ["table_lost", "back", "altered"]))

    def test_eventsLost(self) -> None:
        """
        If events on the table's topic are lost, the client reports a gap and keeps its rows.
        """
        self.result(self.orders.subscribe(snapshot=True))
        sent = self.sends()
        self.hear(type="status", topic=TOPIC, events="lost", message="Some are missing.")
        self.assertEqual((sent, self.gaps, len(self.pages)), ([], ["events"], 1))
