"""
One who comes from another daemon, which has read further in the database's journal than this
one, gets all that it missed.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.replay.positions import Position
from aerostack.core.rows.changes import INSERT, Change
from aerostack.testing import MemoryClient, World


class AheadTests(SynchronousTestCase):
    """
    A client whose position is two changes ahead of what this daemon has read.
    """

    def setUp(self) -> None:
        self.world = World()
        self.other = self.world.connect()
        self.other.ask(type="subscribe", topic="orders")
        self.change(1, 2)
        self.other.take()

    def change(self, *numbers: int) -> None:
        """
        Tell of changes.
        """
        for number in numbers:
            row = {"id": number, "status": "new"}
            self.world.tracker.change(Change(number, "orders", INSERT, row, None, 0))

    def back(self, lineage: str = "j1", **more: Any) -> MemoryClient:
        """
        Come back.
        """
        client = self.world.connect()
        since = str(Position("0", 7, 4, lineage))
        client.send(type="subscribe", topic="orders", since=since, **more)
        return client

    def test_waits(self) -> None:
        """
        The client gets its answer when the daemon has read as far as its position, and gets each
        later change once.
        """
        clients = [self.back(), self.back(filter={"status": "new"})]
        for client in clients:
            self.assertEqual(client.take(), [])
        self.change(3, 4, 5)
        for client in clients:
            self.assertEqual(client.take(), [])
        self.world.tracker.reached.callback(None)
        for client in clients:
            answer, *changes = client.take()
            self.assertEqual((answer["type"], answer["recovered"]), ("subscribed", True))
            self.assertEqual([each["data"]["id"] for each in changes], [5])
        self.change(6)
        for client in clients:
            self.assertEqual([each["data"]["id"] for each in client.take()], [6])

    def test_never(self) -> None:
        """
        If the journal never gets as far as the position, the journal is an older one, and the
        client gets a gap.
        """
        client = self.back()
        self.change(3)
        self.world.tracker.reached.callback(None)
        (answer,) = client.take()
        self.assertEqual((answer["recovered"], answer["gap"]), (False, {"reason": "unknown"}))
        self.change(4)
        self.assertEqual([each["data"]["id"] for each in client.take()], [4])

    def test_rows(self) -> None:
        """
        A client that asked for rows gets them after such a gap.
        """
        client = self.back(snapshot=True)
        self.change(3)
        self.world.tracker.reached.callback(None)
        answer, rows = client.take()
        self.assertEqual((answer["recovered"], len(rows["rows"])), (False, 3))

    def test_otherJournal(self) -> None:
        """
        The daemon does not wait for a position of another journal.
        """
        (answer,) = self.back("j2").take()
        self.assertEqual(answer["recovered"], False)

    def test_left(self) -> None:
        """
        A client that has left meanwhile, or has subscribed anew, gets no second answer.
        """
        left, again = self.back(), self.back()
        self.assertEqual(left.ask(type="unsubscribe", topic="orders")[0]["type"], "unsubscribed")
        self.assertEqual(again.ask(type="subscribe", topic="orders")[0]["type"], "subscribed")
        self.change(3, 4)
        again.take()
        self.world.tracker.reached.callback(None)
        self.assertEqual((left.take(), again.take()), ([], []))

    def test_down(self) -> None:
        """
        While the database cannot be read, the client gets an error at once.
        """
        self.world.feeds.feedDown("The database sleeps.")
        error, ended = self.back().take()
        self.assertEqual((error["code"], ended["type"]), ("database_unavailable", "unsubscribed"))
