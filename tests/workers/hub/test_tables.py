"""
Tests for L{aerostack.workers.hub.tables}.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from aerostack.core.rows.changes import INSERT, Change
from aerostack.core.rows.columns import ColumnType
from aerostack.errors import RealtimeError
from aerostack.interfaces.tracking import IChangeListener
from aerostack.testing import MemoryTracker
from aerostack.workers.frames import MAX_FRAME, Codec
from aerostack.workers.hub.tables import TableRelay
from aerostack.workers.hub.window import AHEAD, STRIDE
from aerostack.workers.messages.tables import (
    INTERVAL,
    Altered,
    Back,
    Changes,
    Down,
    FeedState,
    Lost,
    Mark,
    Reach,
    Reached,
    Reshaped,
    Taken,
    Unwatch,
    Up,
    Watch,
    Watched,
    decodeChanges,
)
from tests.workers.joined import KINDS

LARGE = "x" * STRIDE


def change(seq: int, table: str = "a", last: bool = True, text: str = "") -> Change:
    """
    Make a change.
    """
    return Change(seq, table, INSERT, {"n": seq, "text": text}, None, 7, None, last)


class FakeLink:
    """
    Keeps what is sent to a worker.

    @ivar frames: The changes, encoded.
    @ivar messages: Everything else.
    """

    unread = 0

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.messages: list[Struct] = []

    def send(self, message: Struct) -> None:
        self.messages.append(message)

    def sendFrame(self, frame: bytes) -> None:
        self.frames.append(frame)

    def whenDrained(self) -> Deferred[None] | None:
        return None

    def changes(self) -> list[int]:
        """
        The numbers of the changes that were sent.
        """
        frames, self.frames = self.frames, []
        messages = [Codec(KINDS).decodeBody(frame[4:]) for frame in frames]
        return [
            change.seq
            for message in messages
            if isinstance(message, Changes)
            for change in decodeChanges(message.changes)
        ]

    def take(self) -> list[Struct]:
        """
        The other messages.
        """
        messages, self.messages = self.messages, []
        return messages


class RelayTests(SynchronousTestCase):
    """
    Tests for L{TableRelay}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.tracker = MemoryTracker(("a", "b"))
        self.relay = TableRelay(self.clock, Codec(KINDS), self.tracker)
        self.tracker.listener = self.relay
        self.links = FakeLink(), FakeLink()
        for link in self.links:
            self.relay.add(link)
            link.take()

    def ask(self, link: FakeLink, question: Struct) -> Any:
        """
        Handle what a worker has sent.
        """
        return self.relay.handlers[type(question)](link, question)

    def watched(self, link: FakeLink, table: str = "a") -> Watched:
        """
        Let a worker watch a table.
        """
        answer: Watched = self.successResultOf(self.ask(link, Watch(table)))
        return answer

    def test_interface(self) -> None:
        """
        The relay is a listener of changes.
        """
        verifyObject(IChangeListener, self.relay)

    def test_counted(self) -> None:
        """
        The tracker counts each worker once, however often it asks.
        """
        first, second = self.links
        for _ in range(2):
            self.watched(first)
        self.watched(second)
        self.assertEqual(self.tracker.watched, {"a": 2})
        self.ask(first, Unwatch("a"))
        self.ask(first, Unwatch("a"))
        self.assertEqual(self.tracker.watched, {"a": 1})

    def test_refused(self) -> None:
        """
        A worker gets the tracker's refusal.
        """
        self.failureResultOf(self.ask(self.links[0], Watch("c")), RealtimeError)

    def test_lost(self) -> None:
        """
        A worker that dies lets go of what it watches, and of what it waits for.
        """
        first, second = self.links
        self.watched(first)
        self.watched(second)
        self.tracker.asked = []
        waiting = self.ask(first, Watch("b"))
        self.relay.lost(first)
        self.tracker.asked.pop()()
        self.failureResultOf(waiting, RealtimeError)
        self.assertEqual(self.tracker.watched, {"a": 1})
        self.tracker.change(change(1))
        self.assertEqual((first.changes(), second.changes()), ([], [1]))

    def test_changes(self) -> None:
        """
        Each worker gets the changes of its tables in their order, and changes for several workers
        are encoded once.
        """
        first, second = self.links
        self.watched(first)
        for table in "ab":
            self.watched(second, table)
        self.tracker.change(change(1), change(2), change(3, "b"), change(4))
        self.assertIs(first.frames[0], second.frames[0])
        self.assertEqual(first.changes(), [1, 2, 4])
        self.assertEqual(second.changes(), [1, 2, 3, 4])

    def test_answer(self) -> None:
        """
        The answer says where among the changes the worker begins, also within a transaction.
        """
        first, second = self.links
        self.watched(first)
        self.tracker.change(change(5), last=False)
        self.tracker.reshape()
        self.assertEqual(self.watched(second), Watched("a", "j1", 5, 5, True))
        self.tracker.change(change(6))
        self.assertEqual(self.watched(second), Watched("a", "j1", 5, 6, False))

    def test_events(self) -> None:
        """
        The workers that watch a table get what happens to it.
        """
        first, second = self.links
        self.watched(first)
        self.tracker.position = 9
        self.relay.tableLost("a", RealtimeError("table_lost", "Gone.", 5), 8)
        self.relay.tableBack("a")
        self.relay.tableReshaped("a")
        self.assertEqual(
            first.take(),
            [
                Lost("a", "table_lost", "Gone.", 5, 8),
                Back("a", "j1", -1, 9),
                Reshaped("a", -1, 9),
            ],
        )
        self.assertEqual(second.take(), [])

    def test_outage(self) -> None:
        """
        All workers hear of an outage, also one that starts during it.
        """
        self.relay.feedDown("No.")
        later = FakeLink()
        self.relay.add(later)
        self.assertEqual(later.take()[1:], [Down("No.")])
        self.relay.feedUp()
        self.assertEqual(self.links[0].take(), [Down("No."), Up()])
        self.assertEqual(later.take(), [Up()])

    def test_heldBack(self) -> None:
        """
        A worker that does not handle the changes holds the tracker back; one that does, or dies,
        does not.
        """
        first, second = self.links
        for link in self.links:
            self.watched(link)
        waits = [self.relay.changed([change(n, text=LARGE)]) for n in range(1, AHEAD + 2)]
        self.assertEqual(waits[:-1], [None] * AHEAD)
        marks = [each.number for each in first.take() if isinstance(each, Mark)]
        self.assertEqual(marks, list(range(1, AHEAD + 2)))
        waiting = waits[-1]
        assert waiting is not None
        self.ask(second, Taken(marks[-1]))
        self.assertNoResult(waiting)
        self.relay.lost(first)
        self.successResultOf(waiting)
        self.assertIsNone(self.relay.changed([change(9, text=LARGE)]))

    def test_tooLarge(self) -> None:
        """
        Instead of a change that no message can carry there is a loss, so that clients read the
        table again, and the changes around it come.
        """
        link = self.links[0]
        self.watched(link)
        self.tracker.change(change(1), change(2, text="x" * MAX_FRAME), change(3))
        self.assertEqual(link.changes(), [1, 3])
        lost, back = link.take()
        assert isinstance(lost, Lost)
        self.assertEqual((lost.table, lost.code, lost.seq), ("a", "table_lost", 2))
        self.assertEqual(back, Back("a", "j1", -1, 3))

    def test_altered(self) -> None:
        """
        The tracker waits until the workers have judged their subscribers by the new columns.
        """
        first, _ = self.links
        for link in self.links:
            self.watched(link)
        columns = {"n": ColumnType.TEXT}
        waiting = self.relay.tableAltered("a", columns)
        assert waiting is not None
        altered, mark = first.take()
        self.assertEqual(altered, Altered("a", columns, 0))
        assert isinstance(mark, Mark)
        for link in self.links:
            self.assertNoResult(waiting)
            self.ask(link, Taken(mark.number))
        self.successResultOf(waiting)
        self.assertIsNone(self.relay.tableAltered("b", columns))

    def test_state(self) -> None:
        """
        The workers hear each second how the tracker does.
        """
        self.relay.start()
        self.links[0].changes()
        self.tracker.position = 4
        self.clock.advance(INTERVAL)
        (frame,) = self.links[0].frames
        self.assertEqual(Codec(KINDS).decodeBody(frame[4:]), FeedState(4, 0.0, None, None))
        self.relay.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_reach(self) -> None:
        """
        A worker can wait for a position.
        """
        reaching = self.ask(self.links[0], Reach(3, 1.0))
        self.assertNoResult(reaching)
        self.tracker.position = 3
        self.tracker.reached.callback(None)
        self.assertEqual(self.successResultOf(reaching), Reached(3))
